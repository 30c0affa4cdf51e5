"""`imaging-index dlq`: dead letters are told, and go back without any being lost."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from bench.pipeline import write_files
from cli.dead_letters.letter import WHAT_TO_DO
from cli.main import application
from imaging_index import faults
from imaging_index.queue.delivery import Delivery, Queue
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for

COMMAND = [sys.executable, "-c", "from cli.main import main; main()", "dlq"]
STORE = "5" * 32
UNDELIVERED = {
    "RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/Rule",
    "TARGET_ARN": "arn:aws:sqs:us-east-1:000000000000:queue",
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "Doe^Jane may not send",
    "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
    "RETRY_ATTEMPTS": "185",
}


class Letters:
    """The three queues of a stack, and what is put into them."""

    def __init__(self, aws: boto3.Session, outputs: dict[str, str]) -> None:
        self.sqs = aws.client("sqs")
        self.queue = outputs["QueueUrl"]
        self.parked = outputs["DeadLetterQueueUrl"]
        self.rules = outputs["RuleDeadLetterQueueUrl"]

    def park(self, body: str, fault: faults.Fault, tries: int = 50) -> None:
        """As the function does."""
        delivery = Delivery(body, "receipt", tries, datetime.now(UTC))
        Queue(self.sqs, self.queue, self.parked).park(delivery, fault, "0b5e8c0a-5a5e-4e6c-9a3c-1c7bb7a0d0f1")

    def kill(self, body: str) -> None:
        """As SQS does at the thousandth receipt: without any word."""
        self.sqs.send_message(QueueUrl=self.parked, MessageBody=body)

    def fail_to_deliver(self, body: str) -> None:
        """As EventBridge does."""
        attributes: Any = {name: {"DataType": "String", "StringValue": value} for name, value in UNDELIVERED.items()}
        self.sqs.send_message(QueueUrl=self.rules, MessageBody=body, MessageAttributes=attributes)

    def waiting(self, url: str) -> int:
        """How many messages are there to be received."""
        return self._count(url, "ApproximateNumberOfMessages")

    def hidden(self) -> int:
        """How many dead letters are not to be received at the moment."""
        return sum(self._count(url, "ApproximateNumberOfMessagesNotVisible") for url in (self.parked, self.rules))

    def left(self) -> int:
        """How many dead letters there are, visible or not."""
        return sum(self.waiting(url) for url in (self.parked, self.rules)) + self.hidden()

    def take(self, url: str) -> list[str]:
        """The bodies of all messages that are to be received, which are no longer there then."""
        bodies = []
        while found := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in found:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def reveal(self, receipts: list[str]) -> None:
        """Have parked messages be received again, as when the time is over for which they are hidden."""
        for receipt in receipts:
            self.sqs.change_message_visibility_batch(  # refused, without an error, for one that is visible or deleted
                QueueUrl=self.parked, Entries=[{"Id": "0", "ReceiptHandle": receipt, "VisibilityTimeout": 0}]
            )

    def _count(self, url: str, name: Any) -> int:
        return int(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


@pytest.fixture
def letters(aws: boto3.Session) -> Letters:
    """The queues of a stack that has nothing else, so that no function takes what is redriven."""
    names = {"QueueUrl": "Hints", "DeadLetterQueueUrl": "Parked", "RuleDeadLetterQueueUrl": "Rules"}
    template = {
        "Resources": {name: {"Type": "AWS::SQS::Queue"} for name in names.values()},
        "Outputs": {output: {"Value": {"Ref": name}} for output, name in names.items()} | {"TableName": {"Value": "-"}},
    }
    client = aws.client("cloudformation")
    client.create_stack(StackName="ImagingIndex", TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName="ImagingIndex", WaiterConfig={"Delay": 1})
    (stack,) = client.describe_stacks(StackName="ImagingIndex")["Stacks"]
    return Letters(aws, {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]})


@pytest.fixture
def session(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The SDK of a command that is run in this process."""
    assert environment
    session = boto3.Session()
    monkeypatch.setattr("cli.deployed.Session", lambda **_: session)
    return session


@pytest.fixture
def calls(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[str], None]]:
    """Called with the name of each call of a command that is run in this process, before it and after it."""
    listeners: list[Callable[[str], None]] = []
    monkeypatch.setattr("cli.dead_letters.queue._WAIT", 0)  # the local cloud has one server: it need not ask others

    def tell(event_name: str, **_: Any) -> None:
        for listener in listeners:
            listener(event_name)

    for moment in ("before-call.sqs", "after-call.sqs"):
        session.events.register(moment, tell)
    return listeners


def event(number: int, **more: Any) -> str:
    detail = {"datastoreId": STORE, "imageSetId": f"{number:032}", "imageSetVersion": "1"}
    return json.dumps({"source": "aws.medical-imaging", "detail-type": "Image Set Created", "detail": detail} | more)


def run(*arguments: str) -> tuple[int, str]:
    """The command in this process: its exit status and what it wrote."""
    ended = CliRunner().invoke(application, ["dlq", *arguments])
    return ended.exit_code, ended.output


def listed() -> Any:
    status, output = run("list", "--json")
    assert status == 0, output
    return json.loads(output)


@pytest.mark.usefixtures("calls")
def test_every_dead_letter_of_both_queues_is_listed_once_with_its_class_and_can_be_received_again(
    letters: Letters,
) -> None:
    for number in range(23):
        letters.park(event(number), faults.NotReady("any"))
    letters.park(event(23), faults.Poison("any"), tries=3)
    letters.kill(event(24))
    letters.fail_to_deliver(event(25))
    letters.park("not JSON", faults.Permanent("any"), tries=1)
    for _ in range(2):
        found = listed()
        assert {each["class"]: each["count"] for each in found["classes"]} == {
            "NotReady": 23,
            "Poison": 1,
            "Killed": 1,
            "Undelivered": 1,
            "Permanent": 1,
        }
        assert all(each["what_to_do"] for each in found["classes"])
        hints = [each["hint"] for each in found["messages"] if each["hint"] != "malformed"]
        assert sorted(each["image_set_id"] for each in hints) == [f"{number:032}" for number in range(26)]
        assert {each["datastore_id"] for each in hints} == {STORE}
    assert (letters.waiting(letters.parked), letters.waiting(letters.rules)) == (26, 1)
    by_class = {each["error_class"]: each for each in found["messages"]}
    assert by_class["Poison"]["told"] == {"Attempts": "3", "RequestId": "0b5e8c0a-5a5e-4e6c-9a3c-1c7bb7a0d0f1"}
    assert by_class["Killed"]["told"] == {}
    assert by_class["Undelivered"]["told"] == {
        "ERROR_CODE": "NO_PERMISSIONS",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "RETRY_ATTEMPTS": "185",
    }


def test_of_every_class_of_failure_it_is_said_what_to_do() -> None:
    assert {each.__name__ for each in (*faults.Fault.__subclasses__(), faults.Yielded)} < set(WHAT_TO_DO)


def test_a_stack_without_dead_letters_says_so(letters: Letters) -> None:
    ended = subprocess.run([*COMMAND, "list"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "There are no dead letters.\n")
    assert letters.left() == 0


@pytest.mark.usefixtures("calls")
def test_nothing_of_a_hostile_message_is_shown_but_its_ids(letters: Letters) -> None:
    marker = "Doe^Jane"
    letters.park(f"{marker} \x9b2J", faults.Permanent("any"))
    letters.park(
        event(1, extra=f"{marker} \x1b[2J", time=marker, source=marker, **{"detail-type": marker}), faults.Poison("any")
    )
    letters.park(event(2, extra=marker * 30_000), faults.Poison("any"))
    letters.fail_to_deliver(json.dumps({"detail": {"datastoreId": marker, "imageSetId": marker}}))
    forged = {name: {"DataType": "String", "StringValue": marker} for name in ("ErrorClass", "Attempts", "RequestId")}
    letters.sqs.send_message(QueueUrl=letters.parked, MessageBody=event(3), MessageAttributes=forged)  # type: ignore[arg-type]
    ids = [each["id"] for each in listed()["messages"]]
    assert len(ids) == 5
    arguments = [["list"], ["list", "--json"], *(["show", each, *more] for each in ids for more in ([], ["--json"]))]
    outputs = [run(*each) for each in arguments]
    for status, output in outputs:
        assert status == 0
        assert "Doe" not in output
        assert "\x1b" not in output
        assert "\x9b" not in output
    assert sum("malformed" in output for _, output in outputs[2:]) == 4
    assert sum(f"{3:032}" in output and "Other" in output for _, output in outputs[2:]) == 2


@pytest.mark.usefixtures("calls")
def test_one_dead_letter_is_shown_by_the_beginning_of_its_id(letters: Letters) -> None:
    letters.park(event(7), faults.NotReady("any"))
    (found,) = listed()["messages"]
    status, output = run("show", found["id"][:8])
    assert status == 0
    assert all(each in output for each in (found["id"], STORE, f"{7:032}", "NotReady", "50", "get-image-set"))
    assert [run("show", wrong)[0] for wrong in ("ffff-none", "")] == [1, 1]


def test_only_the_class_that_is_told_goes_back_and_the_others_can_be_received_again(
    letters: Letters, calls: list[Callable[[str], None]]
) -> None:
    called: Counter[str] = Counter()
    calls.append(lambda name: called.update([name]))
    for number in range(15):
        letters.park(event(number), faults.Poison("any"))
        letters.park(event(100 + number), faults.NotReady("any"))
    status, output = run("redrive", "--only", "poison", "--json")
    assert status == 0
    assert json.loads(output) == {
        "redriven": {"Poison": 15},
        "failed": {},
        "left": {"NotReady": 15},
        "interrupted": False,
    }
    assert sorted(letters.take(letters.queue)) == sorted(event(number) for number in range(15))
    assert letters.waiting(letters.parked) == 15
    assert called["after-call.sqs.ChangeMessageVisibilityBatch"] == 2  # for the 15, and none for what is gone
    status, output = run("redrive", "--only", "Doe")
    assert status == 2
    assert all(name in output for name in WHAT_TO_DO)


@pytest.mark.usefixtures("calls")
def test_what_is_malformed_goes_back_only_when_it_is_asked_for(letters: Letters) -> None:
    large = [f"{number}{'x' * 200_000}" for number in range(6)]  # more than SQS takes in one call
    for body in large:
        letters.park(body, faults.Permanent("any"))
    letters.fail_to_deliver("nor is this JSON")
    letters.kill(event(1))
    assert run("redrive")[0] == 0
    assert letters.take(letters.queue) == [event(1)]
    assert run("redrive", "--only", "Permanent")[0] == 0
    assert sorted(letters.take(letters.queue)) == sorted([*large, "nor is this JSON"])
    assert letters.left() == 0


@pytest.mark.usefixtures("calls")
def test_what_is_dropped_is_gone_and_nothing_else_is(letters: Letters) -> None:
    letters.park("malformed", faults.Permanent("any"))
    letters.fail_to_deliver("nor is this JSON")
    for number in range(12):
        letters.park(event(number), faults.Poison("any"))
    status, output = run("drop", "--only", "permanent", "--yes", "--json")
    assert status == 0
    assert json.loads(output) == {"dropped": {"Permanent": 2}, "failed": 0, "interrupted": False}
    found = listed()["messages"]
    status, output = run("drop", found[0]["id"], found[1]["id"][:13], "--yes")
    assert (status, output) == (0, "Deleted: 2 (Poison 2).\n")
    assert {each["id"] for each in listed()["messages"]} == {each["id"] for each in found[2:]}
    assert letters.hidden() == 0


@pytest.mark.usefixtures("calls")
def test_nothing_is_dropped_without_a_yes_or_for_an_id_that_is_none(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.park(event(1), faults.Poison("any"))
    letters.park(event(2), faults.NotReady("any"))
    (found, _) = listed()["messages"]
    status, output = run("drop", "--only", "Poison")
    assert (status, "--yes" in output) == (2, True)
    monkeypatch.setattr("cli.asking.sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    assert CliRunner().invoke(application, ["dlq", "drop", "--only", "Poison"], input="n\n").exit_code == 1
    assert run("drop", found["id"], "ffff-none", "--yes")[0] == 1
    assert [
        run("drop", *wrong, "--yes")[0] for wrong in ([], [found["id"], "--only", "Poison"], ["--only", "Doe"])
    ] == [
        2,
        2,
        2,
    ]
    assert letters.waiting(letters.parked) == 2
    assert CliRunner().invoke(application, ["dlq", "drop", "--only", "Poison"], input="y\n").exit_code == 0
    assert letters.waiting(letters.parked) == 1


def test_a_queue_that_is_gone_leads_to_doctor(letters: Letters) -> None:
    letters.sqs.delete_queue(QueueUrl=letters.rules)
    for command in ("list", "redrive"):
        status, output = run(command)
        assert status == 1
        assert "imaging-index doctor --stack ImagingIndex" in output.replace("\n", " ")
        assert "permission" not in output


def test_what_comes_back_at_once_is_not_sent_round_and_round(
    letters: Letters, calls: list[Callable[[str], None]]
) -> None:
    letters.park("not JSON", faults.Permanent("any"))
    time.sleep(2)  # what follows is parked after the redrive has begun, by SQS's clock of whole seconds

    times = 0

    def come_back(name: str) -> None:
        nonlocal times
        if name.startswith("after-call.sqs.SendMessageBatch") and times < 3:
            times += 1
            time.sleep(1.1)
            letters.park("not JSON", faults.Permanent("any"))

    calls.append(come_back)
    status, output = run("redrive", "--only", "Permanent", "--json")
    assert status == 0
    told = json.loads(output)
    assert (told["redriven"], told["left"]) == ({"Permanent": 1}, {"Permanent": 1})
    assert letters.waiting(letters.parked) == 1


def test_what_comes_back_within_the_second_of_the_start_is_moved_once(
    letters: Letters, calls: list[Callable[[str], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.dead_letters.queue._CLOCK", timedelta(minutes=1))  # for all that comes to be within it
    bodies = [event(number) for number in range(2)]
    for body in bodies:
        letters.park(body, faults.NotReady("any"))
    times = 0

    def come_back(name: str) -> None:
        nonlocal times
        if name.startswith("after-call.sqs.SendMessageBatch") and times < 3:
            times += 1
            for body in letters.take(letters.queue):
                letters.park(body, faults.NotReady("any"))

    calls.append(come_back)
    status, output = run("redrive", "--json")
    assert status == 0
    told = json.loads(output)
    assert (told["redriven"], told["left"]) == ({"NotReady": 2}, {"NotReady": 2})
    assert sorted(letters.take(letters.parked)) == bodies


@pytest.mark.parametrize("command", ["list", "redrive"])
def test_interrupted_before_and_after_every_call_no_dead_letter_is_lost_or_hidden(
    letters: Letters, calls: list[Callable[[str], None]], command: str
) -> None:
    bodies = [event(number) for number in range(12)]
    status, last = 1, 0
    while status:
        for number, body in enumerate(bodies):
            (letters.kill if number % 2 else letters.fail_to_deliver)(body)
        last += 1
        calls[:] = [on_call(last, lambda: signal.raise_signal(signal.SIGINT))]
        status, _ = run(command)
        calls.clear()
        assert letters.hidden() == 0
        assert run("redrive")[0] == 0
        assert letters.left() == 0
        assert sorted(letters.take(letters.queue)) == sorted(bodies)
    # Of each queue the size and the receipts, and of a redrive sendings and deletions.
    assert last > 2 * 2 * (5 if command == "redrive" else 3)


def test_ended_at_once_before_and_after_every_call_no_dead_letter_is_lost(
    letters: Letters, calls: list[Callable[[str], None]], session: boto3.Session
) -> None:
    receipts: list[str] = []
    session.events.register_first(
        "after-call.sqs.ReceiveMessage",
        lambda parsed, **_: receipts.extend(each["ReceiptHandle"] for each in parsed.get("Messages", [])),
    )

    def end() -> None:
        raise SystemExit(1)

    bodies = {event(number) for number in range(12)}
    status, last = 1, 0
    while status:
        for body in bodies:
            letters.kill(body)
        last += 1
        receipts.clear()
        calls[:] = [on_call(last, end)]
        status, _ = run("redrive")
        calls.clear()
        letters.reveal(receipts)
        assert letters.hidden() == 0
        assert run("redrive")[0] == 0
        assert letters.left() == 0
        assert set(letters.take(letters.queue)) == bodies
    assert last > 2 * (2 + 2 * 3)


def on_call(number: int, then: Callable[[], None]) -> Callable[[str], None]:
    """What does `then` before or after a call, at the `number`-th of these moments."""
    seen = 0

    def listen(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            then()

    return listen


def test_what_another_command_has_is_told(letters: Letters) -> None:
    letters.kill(event(1))
    letters.sqs.receive_message(QueueUrl=letters.parked)
    ended = subprocess.run([*COMMAND, "list"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "There are no dead letters.\n")
    assert "About 1 more are hidden" in ended.stderr


def test_a_refusal_is_told_with_the_permission_that_is_missing(
    letters: Letters, calls: list[Callable[[str], None]]
) -> None:
    letters.kill(event(1))

    def refuse(name: str) -> None:
        if name.startswith("before-call.sqs.SendMessageBatch"):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessageBatch")

    calls.append(refuse)
    status, output = run("redrive")
    assert status == 1
    assert "sqs:SendMessage on" in " ".join(output.split())
    assert letters.waiting(letters.parked) == 1


def test_200_dead_letters_of_four_classes_redriven_with_two_interruptions_are_all_indexed(
    aws: boto3.Session,
    assembly: Assembly,
    environment: dict[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    outputs = deploy(assembly, environment)
    letters = Letters(aws, outputs)
    functions = aws.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=outputs["FunctionName"])["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    write_files(tmp_path, 200)
    datastore = make_datastore(aws.client("medical-imaging"), "hospital")
    import_folder(aws.client("medical-imaging"), datastore, tmp_path)
    wait_for(lambda: letters.waiting(letters.queue) == 200)
    hints = letters.take(letters.queue)
    for number, body in enumerate(hints):
        if number % 4 == 0:
            letters.park(body, faults.Poison("any"), tries=3)
        elif number % 4 == 1:
            letters.park(body, faults.NotReady("any"))
        elif number % 4 == 2:
            letters.kill(body)
        else:
            letters.fail_to_deliver(body)
    letters.park("not JSON", faults.Permanent("any"), tries=1)
    table = TableReader(aws.client("dynamodb"), outputs["TableName"])
    types = table.describe().key_types

    def indexed() -> int:
        return sum(1 for _ in table.query("arrived", {"DatastoreId": datastore}, types))

    assert indexed() == 0
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    left = [interrupt(letters, after=random.randint(1, 8)) for _ in range(2)]
    assert 200 > left[0] > left[1] > 1
    record_property("dead letters left after each interruption", left)
    ended = subprocess.run([*COMMAND, "redrive", "--json"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["left"] == {"Permanent": 1}
    assert letters.left() == 1
    wait_for(lambda: indexed() == 200)


INTERRUPTED = """
import signal, sys, boto3
session = boto3.Session()
left = [signal.SIGINT, *[None] * (int(sys.argv.pop()) - 1)]
def sent(**_):
    if left and (number := left.pop()):
        signal.raise_signal(number)
session.events.register("after-call.sqs.SendMessageBatch", sent)
from cli import deployed
deployed.Session = lambda **_: session
from cli.main import main
main()
"""


def interrupt(letters: Letters, after: int) -> int:
    """Interrupt a redrive when it has sent so many batches; how many dead letters are left then."""
    command = [sys.executable, "-c", INTERRUPTED, "dlq", "redrive", str(after)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "interrupted" in ended.stdout
    return letters.left()
