"""Whatever fails in the function, nothing of a document is in what it says, sends or leaves."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_from_bytes

import boto3
import pytest

from imaging_index import aws_errors, faults, indexing
from proof.campaigns import leaks
from proof.harness import canary
from proof.harness.canary import MARKER
from proof.simulation.environments import NEW, environments

_RUNS = 500


def test_whatever_fails_nothing_of_a_document_leaves(record_property: Callable[[str, object], None]) -> None:
    report = leaks.run(0, _RUNS)
    assert report.harms == []
    assert report.raised > _RUNS
    record_property(
        "faulted runs", f"{report.tried:,}, {report.raised:,} faults, {report.bytes:,} bytes looked through"
    )


def test_every_document_has_the_marker_in_every_text_and_can_be_read() -> None:
    documents = leaks.documents()
    assert len(documents) > 20
    for document in documents:
        levels = json.dumps([document["Patient"], document["Study"]])
        assert levels.count(MARKER) > 3
        assert 'CompressedSamples^CT1"' not in levels


@pytest.fixture
def module() -> Any:
    """The handler's, as the runs use it."""
    return environments()[NEW][0].module


@pytest.mark.parametrize("quoting", [str, repr, lambda error: repr(error.__context__ or error.args)])
def test_a_reason_that_quotes_is_found(
    quoting: Callable[[Exception], str], module: Any, leaked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "classify", lambda error: faults.Unknown(quoting(error)))
    assert leaks.run(0, 20).harms
    assert leaked
    leaked.clear()


def test_a_traceback_in_the_log_is_found(module: Any, leaked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def classify(error: Exception) -> faults.Fault:
        module.observability.logger.error("failed", exc_info=error)
        return aws_errors.classify(error)

    monkeypatch.setattr(module, "classify", classify)
    assert leaks.run(0, 20).harms
    assert leaked
    leaked.clear()


def test_an_exception_that_leaves_the_handler_is_found(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def batch_ended(*, breaker_open: bool) -> None:
        raise ValueError(f"{MARKER} {breaker_open}")

    monkeypatch.setattr(module.observability, "batch_ended", batch_ended)
    assert leaks.run(0, 1).harms


def test_a_value_in_a_dead_letters_attributes_is_found(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    park = type(module._queue).park
    monkeypatch.setattr(type(module._queue), "park", lambda queue, letter, fault, _: park(queue, letter, fault, MARKER))
    assert leaks.run(0, 100).harms


def test_a_value_in_a_tombstone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_now", lambda: MARKER)
    assert leaks.run(0, 1).harms


@pytest.mark.parametrize(
    "said",
    [
        f"a {MARKER.lower()}^bird",
        "".join(f"\\u{ord(letter):04x}" for letter in MARKER),
        "".join(f"%{byte:02X}" for byte in MARKER.encode()),
        quote_from_bytes(f"é{MARKER}".encode()),
        MARKER.encode().hex(" ").replace(" ", "").upper(),
        MARKER.encode("utf-16-le"),
        *(base64.b64encode(f"{before}{MARKER}^Jane".encode()) for before in ("", "é", "x", "two", "four")),
        base64.b64encode(b"Mr " + MARKER.title().encode()).decode(),
        {"StudyDate": "1877-04-13"},
        KeyError(f"1.2.{canary.NUMBER}"),
    ],
    ids=range(14),
)
def test_the_marker_is_found_in_any_form(said: object) -> None:
    assert canary.found(said)


def test_the_marker_is_found_behind_an_exception_unless_it_is_never_shown() -> None:
    def failing(*, scrubbed: bool) -> None:
        try:
            int(MARKER)
        except ValueError as error:
            raise faults.Poison("unreadable") from None if scrubbed else error

    with pytest.raises(faults.Poison) as shown:
        failing(scrubbed=False)
    with pytest.raises(faults.Poison) as never_shown:
        failing(scrubbed=True)
    assert canary.found(canary.told(shown.value))
    assert not canary.found(canary.told(never_shown.value))


def test_what_is_left_in_an_account_is_found(
    aws: boto3.Session, environment: dict[str, str], leaked: list[str]
) -> None:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="hints")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=f"the patient {MARKER}")
    assert canary.Account(environment).harms()
    assert leaked
    leaked.clear()
    sqs.delete_queue(QueueUrl=url)
