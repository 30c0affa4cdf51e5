"""Ctrl-C at many moments of the commands that take a while: nothing is left, nothing is broken, and they say so.

A command runs in a process group of its own, as a terminal's does, with folders of its own for what is temporary and
what is cached. All its processes in the group get SIGINT, as Ctrl-C sends it.

    python -m proof.campaigns.interruptions [--moments 20] [demo | local up | reconcile | redrive ...]
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from pydicom.data import get_testdata_file

from local.cloud import LocalCloud
from local.deployment import deploy, synth
from local.stack import import_folder, make_datastore
from proof.campaigns.relay import Held
from proof.harness.image_sets import throttles_off, wait_for

_COMMAND: Final = (sys.executable, "-m", "cli")
_FILES: Final = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")
_HINTS: Final = 300
_PATIENCE: Final = 300.0
_POLL: Final = 0.02
# What stays on purpose: the folder of local clouds' records, without any; and what a function's package is made with.
_KEPT: Final = ("cache/imaging-index", "cache/imaging-index/local")
_CACHE_OF_UV: Final = "cache/uv"
_SHOWN: Final = 5
# Between one Ctrl-C and the next: an impatient person's.
_AGAIN: Final = 0.3
# An interrupted command ends so; or it came to its end before. Python may end itself by SIGINT, if that came while it
# imported a module: to a shell, this is 130 too.
_STATUSES: Final = (0, 1, 130, -signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What became of a command after Ctrl-C, or without one."""

    status: int
    said: str
    seconds: float
    left: list[str]

    def harms(self, what: str) -> list[str]:
        """What is wrong with that, `what` being the command and the moment."""
        found = [f"left behind: {name}" for name in self.left]
        if self.status not in _STATUSES:
            found.append(f"exit status {self.status}")
        if "Traceback" in self.said:
            found.append(f"a traceback: {self.said[-2000:]}")
        if not self.said.strip():
            found.append("it said nothing")
        return [f"{what}: {each}" for each in found]


@dataclass
class Report:
    """What a campaign found.

    Attributes:
        tried: how often Ctrl-C was sent.
        harms: what was wrong.
        ends: how often a command ended with its last words.
    """

    tried: int = 0
    harms: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)


def interrupt(
    arguments: Sequence[str],
    moment: float | Held | None,
    environment: Mapping[str, str],
    *,
    program: Sequence[str] = _COMMAND,
    again: bool = False,
) -> Interrupted:
    """Run a command, and send Ctrl-C.

    Args:
        arguments: of the program.
        moment: so many seconds after it began, or when a request of its is held, which passes then; None for never.
        environment: its variables.
        program: what is run.
        again: whether Ctrl-C is sent a second time, when the command may be cleaning up.
    """
    with tempfile.TemporaryDirectory() as folder:
        temporary, cache = Path(folder, "tmp"), Path(folder, "cache")
        for each in (temporary, cache):
            each.mkdir()
        # What was built and fetched before stays in the checkout.
        variables = {**environment, "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(cache)}
        # A shell that started this in the background has SIGINT ignored, and so would have what is started here.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        begun = time.monotonic()
        with subprocess.Popen(
            [*program, *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                said = _said(process, moment, again=again)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        took = time.monotonic() - begun
        left = [str(path.relative_to(folder)) for place in (temporary, cache) for path in place.rglob("*")]
        left = [name for name in left if name not in _KEPT and not name.startswith(_CACHE_OF_UV)]
        left = [*left[:_SHOWN], *([f"{len(left) - _SHOWN} more"] if len(left) > _SHOWN else [])]
        return Interrupted(process.returncode, said, took, left + _processes(folder))


def _said(process: "subprocess.Popen[str]", moment: float | Held | None, *, again: bool) -> str:
    """What a command says that is interrupted at a moment."""
    ended = _ended(process, moment) if isinstance(moment, Held) else _ended_within(process, moment or _PATIENCE)
    if not ended:
        os.killpg(process.pid, signal.SIGINT)
        if isinstance(moment, Held):
            moment.release()
        if again and not _ended_within(process, _AGAIN):
            os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=_PATIENCE)
    return said


def _ended(process: "subprocess.Popen[str]", moment: Held) -> bool:
    """Whether a command ends before its request comes."""
    while not moment.came():
        if _ended_within(process, _POLL):
            return True
    return False


def _ended_within(process: "subprocess.Popen[str]", seconds: float) -> bool:
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _processes(folder: str) -> list[str]:
    """The processes that still have a folder in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if folder.encode() in path.read_bytes():
                found.append(f"process {path.parent.name}: {(path.parent / 'cmdline').read_bytes()[:200]!r}")
        except OSError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """A command to interrupt.

    Attributes:
        arguments: of the command.
        ends: whether it comes to an end by itself.
        environment: its variables.
        before: sets the scene for each run.
        after: what is broken after a run that was interrupted.
    """

    arguments: list[str]
    environment: Mapping[str, str]
    ends: bool = True
    before: Callable[[], None] = lambda: None
    after: Callable[[], list[str]] = list


def campaign(case: Case, moments: int, say: Callable[[str], object] = print) -> Report:
    """Interrupt a command at so many moments, evenly spread over the time that it takes."""
    case.before()
    whole = interrupt(case.arguments, None if case.ends else 60.0, case.environment)
    name = " ".join(case.arguments[:2])
    report = Report(harms=whole.harms(f"{name}, the first run"))
    if case.ends and whole.status:
        report.harms.append(f"{name} does not work: {whole.said}")
    # A command that is up until Ctrl-C is interrupted over the time in which it comes up.
    length = whole.seconds if case.ends else 30.0
    for number in range(moments):
        moment = length * (number + 0.5) / moments
        case.before()
        ended = interrupt(case.arguments, moment, case.environment)
        report.tried += 1
        report.harms += ended.harms(f"{name} after {moment:.1f} s") + case.after()
        last = ended.said.strip().splitlines()[-1] if ended.said.strip() else ""
        report.ends[last] = report.ends.get(last, 0) + 1
        say(f"{name} after {moment:5.1f} s: status {ended.status}, {ended.seconds - moment:4.1f} s later: {last[:110]}")
    return report


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


@contextmanager
def demo(folder: Path) -> Iterator[Case]:
    """The demo, on a few files."""
    yield Case(["demo", "--dicom", str(folder)], _plain_environment())


@contextmanager
def local_up(folder: Path) -> Iterator[Case]:
    """The local cloud, with a few files."""
    yield Case(["local", "up", "--port", "0", "--dicom", str(folder)], _plain_environment(), ends=False)


@contextmanager
def _stack(folder: Path) -> Iterator[tuple[dict[str, str], dict[str, str], str]]:
    """A stack in a local cloud with a few indexed image sets: its variables, its outputs, and its data store."""
    with LocalCloud() as cloud, throttles_off(cloud.endpoint), tempfile.TemporaryDirectory() as made:
        os.environ.update(cloud.environment())
        outputs = deploy(synth(Path(made, "assembly")), cloud.environment())
        client = boto3.client("medical-imaging")
        datastore = make_datastore(client, "interrupted")
        done = import_folder(client, datastore, folder)
        table = boto3.resource("dynamodb").Table(outputs["TableName"])
        wait_for(lambda: _entries(table) == done.image_sets)
        yield _plain_environment() | cloud.environment(), outputs, datastore


def _entries(table: Any) -> int:
    return sum(item["Part"] == "entry" and "DatastoreId" in item for item in table.scan()["Items"])


@contextmanager
def reconcile(folder: Path) -> Iterator[Case]:
    """A pass that finds every image set missing, and has all indexed."""
    with _stack(folder) as (environment, outputs, datastore):
        table = boto3.resource("dynamodb").Table(outputs["TableName"])
        image_sets = _entries(table)

        def lose() -> None:
            for item in table.scan()["Items"]:
                table.delete_item(Key={name: item[name] for name in ("ImageSet", "Part")})

        def repeat() -> list[str]:
            done = interrupt(arguments, None, environment)
            harms = [] if done.status == 0 else [f"repeated, it ends with {done.status}: {done.said[-500:]}"]
            wait_for(lambda: _entries(table) == image_sets)
            return harms

        arguments = ["reconcile", "--full", "--apply", "--most-dollars", "1", "--datastore", datastore]
        yield Case(arguments, environment, before=lose, after=repeat)


@contextmanager
def redrive(folder: Path) -> Iterator[Case]:
    """Dead letters on their way back into a queue that nobody reads."""
    with _stack(folder) as (environment, outputs, datastore):
        functions, sqs = boto3.client("lambda"), boto3.client("sqs")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.delete_event_source_mapping(UUID=mapping["UUID"])
        wanted = {f"{number:032x}" for number in range(_HINTS)}

        def park() -> None:
            for url in (outputs["QueueUrl"], outputs["DeadLetterQueueUrl"]):
                sqs.purge_queue(QueueUrl=url)
            for start in range(0, _HINTS, 10):
                entries: Any = [
                    {"Id": each, "MessageBody": _hint(datastore, each), "MessageAttributes": _CLASS}
                    for each in sorted(wanted)[start : start + 10]
                ]
                sqs.send_message_batch(QueueUrl=outputs["DeadLetterQueueUrl"], Entries=entries)

        def nothing_is_lost() -> list[str]:
            done = interrupt(["dlq", "redrive"], None, environment)
            harms = [] if done.status == 0 else [f"repeated, it ends with {done.status}: {done.said[-500:]}"]
            there = set()
            while messages := sqs.receive_message(QueueUrl=outputs["QueueUrl"], MaxNumberOfMessages=10).get("Messages"):
                for message in messages:
                    there.add(json.loads(message["Body"])["detail"]["imageSetId"])
                    sqs.delete_message(QueueUrl=outputs["QueueUrl"], ReceiptHandle=message["ReceiptHandle"])
            if there != wanted:
                harms.append(f"{len(wanted - there)} of {_HINTS} hints are in no queue after it was repeated")
            return harms

        yield Case(["dlq", "redrive"], environment, before=park, after=nothing_is_lost)


_CLASS: Final = {"ErrorClass": {"DataType": "String", "StringValue": "NotReady"}}


def _hint(datastore: str, image_set: str) -> str:
    detail = {"imagingVersion": "1.0", "datastoreId": datastore, "imageSetId": image_set, "imageSetState": "ACTIVE"}
    event = {"detail-type": "Image Set Updated", "source": "aws.medical-imaging", "time": "2026-01-01T00:00:00Z"}
    return json.dumps(event | {"detail": detail})


CASES: Final = {"demo": demo, "local up": local_up, "reconcile": reconcile, "redrive": redrive}


def run(name: str, moments: int, say: Callable[[str], object] = print) -> Report:
    """Interrupt the command of a case at so many moments."""
    before = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for file in _FILES:
                shutil.copy(str(get_testdata_file(file)), folder)
            with CASES[name](Path(folder)) as case:
                return campaign(case, moments, say)
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> int:
    """Exit status 0 when nothing was left, and nothing broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    options = parser.parse_args()
    broken = False
    for name in options.cases:
        report = run(name, options.moments, lambda line: print(line, flush=True))  # noqa: T201
        print(f"{name}: {report.tried} interruptions, {len(report.harms)} harms", *report.harms, sep="\n  ", flush=True)  # noqa: T201
        broken = broken or bool(report.harms)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
