"""The canary: a marker in every value of a document, and the search for it in all that is not the table.

What leaves the index beside its items are logs, metrics, messages with their attributes, primary keys, tombstones and
the texts of exceptions. `tests/conftest.py` has every suite looked through for it: what a test's process logs, prints
and sends, and all that is left in its account of the local cloud.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import re
import traceback
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import botocore.session
from botocore.httpsession import URLLib3Session

from imaging_index.dicom import dictionary
from imaging_index.entry.item import plain
from imaging_index.table import generation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MARKER: Final = "CANARY"
# Where a VR takes no text (PS3.5, section 6.2): a day of no living patient, and a number, which is the beginning of
# the marker in ASCII.
DAY: Final = "18770413"
NUMBER: Final = "676578658"
PACKED_MARKER: Final = base64.b64encode(f"{MARKER} ".encode()).decode()

_OF_VR: Final[Mapping[str, str]] = {
    "AS": "117Y",
    "DA": DAY,
    "DT": f"{DAY}041304",
    "TM": "041304",
    "DS": NUMBER,
    "IS": NUMBER,
    "UI": f"1.2.{NUMBER}",
}

# Attributes that the index makes by itself, which hold nothing of a document.
_OURS: Final = frozenset(
    {
        *("ImageSet", "Part", "DatastoreId", "ImageSetId", "ImageSetVersion", "Generation", "Attempt", "Cause"),
        *("ProfileHash", "Pages", "PagesChecksum", "DocumentIn", "EventTime", "IndexedAt", "FirstIndexedAt"),
        *("InvalidAttributes", "TruncatedAttributes"),
    }
)
# A shorter value may stand somewhere by chance, or be a word like PRIMARY, and one like 000000000 in an id.
_TELLING: Final = 8
_DIFFERENT: Final = 4


def marked(node: Any, keyword: str = "") -> Any:
    """A copy of a document (or of a part of it, of `keyword`) with the marker in every text, as its VR takes it.

    The UIDs that series and instances stand under stay different from each other.
    """
    if isinstance(node, dict):
        return {
            f"1.2.{NUMBER}.{key[-40:].lstrip('.')}" if "." in key else key: marked(each, key)
            for key, each in node.items()
        }
    if isinstance(node, list):
        return [marked(each, keyword) for each in node]
    if not isinstance(node, str):
        return node
    if node.endswith("="):
        return PACKED_MARKER
    element = dictionary.lookup(keyword)
    return _OF_VR.get(element.vr, f"{node}{MARKER}") if element else f"{node}{MARKER}"


@cache
def _forms() -> re.Pattern[str]:
    """The marker in any case, as base64, hexadecimal, UTF-16, or escaped for JSON or a URL; the day and the number."""
    forms = {DAY, f"{DAY[:4]}[-.]{DAY[4:6]}[-.]{DAY[6:]}", NUMBER}
    for text in (MARKER, MARKER.lower(), MARKER.title()):
        encoded = text.encode()
        forms |= {text, encoded.hex(), r"(\\x00|\x00)".join(text)}
        forms |= {"".join(re.escape(start) + f"{byte:02x}" for byte in encoded) for start in (r"\u00", r"\x", "%")}
        for before in range(3):  # three bytes are four letters: wherever it begins, these are its own
            packed = base64.b64encode(bytes(before) + encoded + bytes(2)).decode()
            forms.add(packed[-(-before * 8 // 6) : (before + len(encoded)) * 8 // 6])
    return re.compile("|".join(sorted(forms)), re.IGNORECASE)


def found(said: object) -> str | None:
    """The first place in a text (or in that of any object) that the marker stands in, with what is around it."""
    text = said.decode("utf-8", "backslashreplace") if isinstance(said, bytes) else str(said)
    match = _forms().search(text)
    return text[max(0, match.start() - 60) : match.end() + 60] if match else None


def told(error: BaseException | None) -> str:
    """What a log may show of an exception: itself and what it came from, each with its arguments and its notes."""
    lines = []
    while error is not None:
        lines += [*traceback.format_exception_only(error), repr(error), repr(error.args)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


@contextlib.contextmanager
def watching() -> Iterator[list[str]]:
    """Look at all that this process logs, and sends to AWS but for items and documents; what was found is listed."""
    harms: list[str] = []
    format_record, send = logging.Handler.format, URLLib3Session.send

    def look(where: str, said: object) -> None:
        if place := found(said):
            harms.append(f"{where}: {place}")

    def formatted(handler: logging.Handler, record: logging.LogRecord) -> str:
        text = format_record(handler, record)
        look("the log", text)
        return text

    def sent(session: URLLib3Session, request: Any) -> Any:
        look("a URL", request.url)
        target = request.headers.get("X-Amz-Target", b"")
        if (target.decode() if isinstance(target, bytes) else target).startswith(("AmazonSQS", "AWSEvents")):
            look("a message", request.body)
        return send(session, request)

    with patch.object(logging.Handler, "format", formatted), patch.object(URLLib3Session, "send", sent):
        yield harms


class Account:
    """What an account of a local cloud holds, to be looked through.

    Args:
        environment: variables of the cloud and the account, as `LocalCloud.environment` gives them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def harms(self) -> list[str]:
        """Every place where the marker stands, or a value that an entry holds, and must not."""
        items = list(self._items())
        values = {value for item in items for value in _values(item)}
        harms = []
        for where, said in (*self._logged(), *self._queued(), *keys(items)):
            place = found(said) or next((value for value in values if value in said), None)
            if place:
                harms.append(f"{where}: {place}")
        return harms

    def logs(self) -> str:
        """All that the account's functions have logged."""
        return "\n".join(said for _, said in self._logged())

    def stop_functions(self) -> None:
        """End the account's functions, which would try hints again that the test has left, and slow down all others."""
        client = self._client("lambda")
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
            client.delete_event_source_mapping(UUID=mapping["UUID"])
        for function in client.list_functions()["Functions"]:
            client.delete_function(FunctionName=function["FunctionName"])

    def _client(self, service: str) -> Any:
        return _session().create_client(
            service,
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self._environment["AWS_REGION"],
            endpoint_url=self._environment["AWS_ENDPOINT_URL"],
        )

    def _logged(self) -> Iterator[tuple[str, str]]:
        client = self._client("logs")
        for group in client.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            for page in client.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield f"the log {name}", "\n".join(event["message"] for event in page["events"])

    def _queued(self) -> Iterator[tuple[str, str]]:
        client = self._client("sqs")
        for url in client.list_queues().get("QueueUrls", []):
            while messages := client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
            ).get("Messages", []):
                yield (
                    f"the queue {url.rpartition('/')[2]}",
                    "\n".join(f"{each['Body']}\n{each.get('MessageAttributes')}" for each in messages),
                )

    def _items(self) -> Iterator[Any]:
        client = self._client("dynamodb")
        for name in client.list_tables()["TableNames"]:
            for page in client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
                yield from page["Items"]


@cache
def _session() -> botocore.session.Session:
    # One for all accounts: it has read the services' models once.
    return botocore.session.Session()


def keys(items: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """What must hold nothing of a document in some items of the table, each with what it is."""
    for item in items:
        yield "a primary key", " ".join(item[name]["S"] for name in ("ImageSet", "Part") if name in item)
        if item.get("Generation") == {"S": generation.TOMBSTONE}:
            yield "a tombstone", str(item)
            if attributes := [name for name in item if dictionary.lookup(name)]:
                yield "a tombstone", f"{MARKER}: it has {attributes}"


def _values(item: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a document that an entry holds, as far as they tell something."""
    if "Generation" in item:
        for name, value in plain(item).items():
            if name not in _OURS:
                yield from (text for text in _texts(value) if len(text) >= _TELLING and len(set(text)) >= _DIFFERENT)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(each)
