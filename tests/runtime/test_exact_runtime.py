"""The package as Lambda runs it: AWS's runtime client, a read-only task folder, memory, CPU share and time-out.

It is the package for this machine's platform; what else differs from Lambda here, the figures say.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from bench import DATASTORE_ID, documents, hostile
from bench.runtime.events import event
from bench.runtime.exact import Answer, Runtime, conditions
from bench.stub import Stub, running
from infra.bundling import Bundle, Platform
from infra.config import FUNCTION_SECONDS, ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS's runtime client is for Linux alone")

HANDLER = "imaging_index.handlers.index.handler"
PROFILE = ROOT / "profiles" / "radiology.toml"
LEAST_MB = 128
DEFAULT_MB = json.loads((ROOT / "cdk.json").read_text())["context"]["memorySize"]
# The largest last, so that what the function has held before is no help to it.
DOCUMENTS = ["mr_1", "mf_20000", "mr_50000"]
MOST_BYTES = 80 * 2**20

PROBE = """
import os, pathlib, time

def handler(event, context):
    if "write" in event:
        pathlib.Path(event["write"]).write_text("x")
    if "allocate" in event:
        held = b"x" * (event["allocate"] * 2**20)
    if "sleep" in event:
        time.sleep(event["sleep"])
    return {"memory": context.memory_limit_in_mb, "milliseconds": context.get_remaining_time_in_millis()}
"""


@pytest.fixture(scope="module")
def package() -> Path:
    platform = Platform.of("host", "arm64")
    return Bundle(PROFILE, platform, platform.compiler()).build()


@pytest.fixture
def probe(tmp_path: Path) -> Callable[..., Answer]:
    """A function that does as it is told, at 128 MB."""
    (tmp_path / "probe.py").write_text(PROBE)

    def invoke(event: Any, seconds: float = FUNCTION_SECONDS) -> Answer:
        with Runtime(tmp_path, "probe.handler", memory=LEAST_MB, variables={}, timeout=seconds) as runtime:
            return runtime.invoke(event)

    return invoke


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """HealthImaging and DynamoDB; version n of any image set is the nth document."""
    with running(0, PROFILE, [documents.packed(name) for name in DOCUMENTS]) as stub:
        yield stub


def write_units(stub: Stub) -> float:
    """Since this was last asked."""
    return float(urllib3.request("GET", stub.endpoint).json()["write_units"])


def variables(stub: Stub) -> dict[str, str]:
    return stub.variables(PROFILE) | {"PROFILE": "profile.toml"}


def test_this_is_how_near_to_lambda_these_tests_come(
    probe: Callable[..., Answer], record_property: Callable[[str, object], None]
) -> None:
    record_property("the exact runtime on this machine", "; ".join(conditions()))
    answer = probe({})
    assert answer.outcome == "answered"
    assert answer.payload["memory"] == str(LEAST_MB)
    assert 0 < answer.payload["milliseconds"] <= 1000 * FUNCTION_SECONDS


def test_the_task_folder_cannot_be_written_and_tmp_can(probe: Callable[..., Answer]) -> None:
    assert probe({"write": "/tmp/new"}).outcome == "answered"
    if conditions()[2].endswith("permission") and Path("/etc").owner() == "root":
        pytest.skip("without mounts of its own, root can write anywhere")
    refused = probe({"write": "new"})
    assert refused.outcome == "failed"
    assert refused.payload["errorType"] == "OSError"


def test_a_function_over_its_memory_or_its_time_is_ended(probe: Callable[..., Answer]) -> None:
    assert probe({"allocate": 64}).outcome == "answered"
    assert probe({"allocate": 256}).outcome in ("ended", "failed")
    assert probe({"sleep": 5}, 1).outcome == "timed out"


@pytest.mark.parametrize("memory", [LEAST_MB, DEFAULT_MB])
def test_the_package_indexes_the_largest_documents_within_its_memory_and_time(
    package: Path, stub: Stub, memory: int, record_property: Callable[[str, object], None]
) -> None:
    with Runtime(package, HANDLER, memory=memory, variables=variables(stub), timeout=FUNCTION_SECONDS) as runtime:
        write_units(stub)
        for version, name in enumerate(DOCUMENTS, 1):
            answer = runtime.invoke(event(version))
            assert (answer.outcome, answer.payload) == ("answered", {"batchItemFailures": []}), answer.log
            # The version's state is in its message: what is left is its document, an entry and its pages.
            assert write_units(stub) > 0
            assert answer.peak <= MOST_BYTES
            figures = f"{answer.seconds:.2f} s, {answer.peak / 2**20:.0f} MiB so far"
            record_property(f"{name} at {memory} MB", figures)
        assert "ERROR" not in answer.log


def test_a_message_that_fails_comes_back_alone_and_its_function_lives_on(package: Path, stub: Stub) -> None:
    with Runtime(package, HANDLER, memory=LEAST_MB, variables=variables(stub), timeout=FUNCTION_SECONDS) as runtime:
        broken = event(1, 1)
        broken["Records"][1]["body"] = broken["Records"][1]["body"].replace(DATASTORE_ID, "a" * 32)
        assert runtime.invoke(broken).payload == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
        assert runtime.invoke(event(1)).payload == {"batchItemFailures": []}


@pytest.mark.parametrize("shape", ["a selected list", "large series", "instances of texts of a MiB"])
def test_a_hostile_document_neither_ends_the_function_nor_keeps_others_of_its_batch_from_the_index(
    package: Path, shape: str
) -> None:
    # All shapes, at every size: python -m bench.hostile
    tried = hostile.tried(package, shape, 16)
    assert tried.good
    assert tried.outcome == "indexed"
    assert tried.peak <= 120
