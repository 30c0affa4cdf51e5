"""examples/automation/ as a user deploys it, beside the index: what grows past its threshold reaches the queue once.

And `imaging-index watch` and `events replay` over the same bus.
"""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest

from infra.config import ROOT
from local.deployment import deploy, packed
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for
from tests.assemblies import synth_here
from tests.automation import chest_ct, series

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMAND: Final = [sys.executable, "-c", "from cli.main import main; main()"]


class Example:
    """The two stacks, and what has reached the example's queue."""

    def __init__(self, outputs: Mapping[str, str], queue: str, datastore: str) -> None:
        self.outputs, self.datastore = outputs, datastore
        self._queue = queue
        self._received: list[dict[str, Any]] = []

    def received(self) -> list[dict[str, Any]]:
        sqs = boto3.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._received.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._received

    def has_entries(self, number: int) -> bool:
        """Whether the index has so many entries."""
        items: Any = boto3.client("dynamodb").scan(TableName=self.outputs["TableName"])["Items"]
        return len([item for item in items if item["Part"]["S"] == "entry"]) == number

    def has_run(self, times: int) -> bool:
        """Whether the state machine was started so many times."""
        return len(self.executions()) == times

    def executions(self) -> list[str]:
        """The states of all executions of the example's state machine."""
        client = boto3.client("stepfunctions")
        (machine,) = client.list_state_machines()["stateMachines"]
        found = client.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
        return [each["status"] for each in found]


@pytest.fixture(scope="module")
def example(environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("example")
    outputs = deploy(synth_here(folder / "index", events="on"), environment_of_module)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples" / "automation"))
        importlib.import_module("app").make(str(folder / "example")).synth()
    for name in ("app", "on_image_set"):
        sys.modules.pop(name, None)
    theirs = deploy(packed(folder / "example"), environment_of_module)
    return Example(outputs, theirs["QueueUrl"], make_datastore(boto3.client("medical-imaging"), "hospital"))


def test_a_series_that_grows_past_the_threshold_reaches_the_queue_once(example: Example, tmp_path: Path) -> None:
    client, growing, small = boto3.client("medical-imaging"), series("growing"), series("small")
    watching = subprocess.Popen(
        [*COMMAND, "watch", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stderr is not None
    assert "Watching the bus of ImagingIndex" in watching.stderr.readline()
    for number, images in enumerate((30, 30, 5)):
        folder = tmp_path / str(number)
        chest_ct(folder, images, growing, first=30 * number)
        if not number:
            chest_ct(folder, 3, small)
        import_folder(client, example.datastore, folder)
        if number == 0:
            # A version that is replaced before it is indexed is never announced.
            wait_for(functools.partial(example.has_entries, 2))
        else:
            wait_for(functools.partial(example.has_run, number))
            assert wait_for(example.received)
    wait_for(lambda: set(example.executions()) == {"SUCCEEDED"})
    (received,) = example.received()
    assert received["instanceCount"] == 60
    assert received["attributes"]["BodyPartExamined"] == "CHEST"

    assert watching.stdout is not None
    seen = []
    for line in watching.stdout:
        seen.append(json.loads(line))
        if seen[-1]["detail"]["instanceCount"] == 65:
            break
    watching.send_signal(2)
    watching.communicate(timeout=60)
    assert watching.returncode == 0
    counts = [
        each["detail"]["instanceCount"] for each in seen if each["detail"]["imageSetId"] == received["imageSetId"]
    ]
    assert {30, 60, 65} <= set(counts)
    # Nothing of the command is left on the bus.
    rules = boto3.client("events").list_rules(EventBusName=example.outputs["EventBusName"])["Rules"]
    assert not [each for each in rules if "watch" in each["Name"]]
    assert not boto3.client("sqs").list_queues(QueueNamePrefix="ImagingIndex-watch").get("QueueUrls")


def test_events_are_made_again_from_entries_with_their_keys(example: Example) -> None:
    before = len(example.executions())
    done = subprocess.run(
        [*COMMAND, "events", "replay", "--since", "7d", "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"sent": 2}
    # The state machine runs once more, and finds the image set in its table.
    wait_for(functools.partial(example.has_run, before + 1))
    wait_for(lambda: set(example.executions()) == {"SUCCEEDED"})
    assert len(example.received()) == 1
    later = [*COMMAND, "events", "replay", "--since", datetime.now(UTC).isoformat(), "--json"]
    assert json.loads(subprocess.run(later, capture_output=True, text=True, check=True).stdout) == {"sent": 0}


@pytest.mark.parametrize("words", [["watch"], ["events", "replay", "--since", "2026-01-01"]])
def test_a_stack_without_events_is_refused_with_what_to_do(words: list[str], example: Example) -> None:
    del example
    done = subprocess.run([*COMMAND, *words, "--stack", "ChestCts"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
