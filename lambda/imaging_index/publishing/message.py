"""The messages of the watches' queue: a study to be checked, and HealthImaging's event of a completed import job."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.faults import Permanent
from imaging_index.table.layout import Key

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_LONGEST_DELAY: Final = 900  # Amazon SQS API Reference, "SendMessage"

_ID: Final = re.compile(r"[0-9a-z]{32}")
_JOB: Final = re.compile(r"[0-9a-z]{1,32}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_STUDY: Final = re.compile(r"[0-9a-f]{32}")
_OUTPUT: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.DOTALL)


class StudyMessage(msgspec.Struct, frozen=True):
    """A study that changed at `changed`, in seconds since 1970. `study` is the digest of its UID.

    `witness` is an image set that was in it then: the UID is only in its entry.
    """

    study: str
    witness: Key
    changed: float

    def body(self) -> str:
        """The body of its message, which `parse` reads back."""
        content = {
            "study": self.study,
            "datastoreId": self.witness.datastore_id,
            "imageSetId": self.witness.image_set_id,
            "changed": self.changed,
        }
        return msgspec.json.encode(content).decode()


class Job(msgspec.Struct, frozen=True):
    """An import job that HealthImaging completed at `completed`, in seconds since 1970, with its output in S3."""

    account: str
    datastore_id: str
    id: str
    completed: float
    bucket: str
    prefix: str


class Passed(msgspec.Struct, frozen=True):
    """An event of HealthImaging that nobody waits for."""


class Sender:
    """Sends messages to the watches' queue, for which it needs sqs:SendMessage."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, message: StudyMessage, delay: float) -> None:
        """Send a message that is first received after `delay` seconds, or a quarter of an hour if that is longer."""
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=message.body(),
            DelaySeconds=min(max(round(delay), 0), _LONGEST_DELAY),
        )


def parse(body: str) -> StudyMessage | Job | Passed:
    """What a message is about.

    Raises:
        Permanent: it is neither a study nor an event.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Permanent("the message is not JSON") from None
    if not isinstance(content, dict):
        raise Permanent("the message is not an object")
    if "study" in content:
        return _study(content)
    if content.get("detail-type") == "Import Job Completed":
        return _job(content)
    if "detail-type" in content:
        return Passed()
    raise Permanent("the message names neither a study nor an import job")


def _study(content: dict[str, Any]) -> StudyMessage:
    changed = content.get("changed")
    if not isinstance(changed, (int, float)) or isinstance(changed, bool) or not 0 <= changed < 1e11:
        raise Permanent("the message does not say when the study changed")
    witness = Key(_text(_ID, content.get("datastoreId")), _text(_ID, content.get("imageSetId")))
    return StudyMessage(_text(_STUDY, content["study"]), witness, float(changed))


def _job(event: dict[str, Any]) -> Job:
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise Permanent("the event has no detail")
    output = _OUTPUT.fullmatch(uri) if isinstance(uri := detail.get("outputS3Uri"), str) else None
    if output is None:
        raise Permanent("the event does not say where in S3 the job's output is")
    return Job(
        account=_text(_ACCOUNT, event.get("account")),
        datastore_id=_text(_ID, detail.get("datastoreId")),
        id=_text(_JOB, detail.get("jobId")),
        completed=_seconds(event.get("time")),
        bucket=output[1],
        prefix=output[2],
    )


def _text(pattern: re.Pattern[str], value: object) -> str:
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise Permanent("an id of the message is missing or invalid")


def _seconds(time: object) -> float:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Permanent("the event does not say when the job was completed")
    return moment.timestamp()
