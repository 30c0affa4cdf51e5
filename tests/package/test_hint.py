"""EventBridge events and the index's own messages, as hints."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from imaging_index.faults import Permanent
from imaging_index.queue.hint import REPLAY_SOURCE, Cause, Hint, Kind, parse

STORE = "5" * 31 + "a"
IMAGE_SET = "b" + "7" * 31
ARN = f"arn:aws:medical-imaging:us-west-2:123456789012:datastore/{STORE}/imageset/{IMAGE_SET}"
MARKER = "CANARY^PATIENT"


def _event(detail: dict[str, Any] | None = None, /, **envelope: Any) -> str:
    """An event as HealthImaging sends it now, with some of it replaced."""
    usual = {
        "imagingVersion": "1.0",
        "isPrimary": True,
        "imageSetVersion": "3",
        "datastoreId": STORE,
        "imagesetId": IMAGE_SET,
        "imageSetState": "ACTIVE",
        "imageSetWorkflowStatus": "CREATED",
    }
    return json.dumps(
        {
            "version": "0",
            "id": "7cf0fb1c-8720-4d48-baa3-6eb97b35a10e",
            "detail-type": "Image Set Created",
            "source": "aws.medical-imaging",
            "account": "123456789012",
            "time": "2024-03-14T00:01:00Z",
            "region": "us-west-2",
            "resources": [ARN],
            "detail": usual if detail is None else detail,
        }
        | envelope
    )


def test_an_event_of_today_tells_all() -> None:
    assert parse(_event()) == Hint(Kind.CREATED, Cause.EVENT, STORE, IMAGE_SET, 3, True, "2024-03-14T00:01:00Z")


def test_an_event_of_2024_spells_the_id_otherwise_and_tells_neither_version_nor_primary() -> None:
    assert parse(_event({"datastoreId": STORE, "imageSetId": IMAGE_SET})) == Hint(
        Kind.CREATED, Cause.EVENT, STORE, IMAGE_SET, None, None, "2024-03-14T00:01:00Z"
    )


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_the_arn_stands_in_for_ids_that_are_not_in_the_detail(partition: str) -> None:
    hint = parse(_event({}, resources=[ARN.replace("arn:aws:", f"arn:{partition}:")]))
    assert (hint.datastore_id, hint.image_set_id) == (STORE, IMAGE_SET)


def test_the_detail_counts_where_the_arn_names_another_image_set() -> None:
    hint = parse(_event(resources=[ARN.replace(IMAGE_SET, "c" * 32)]))
    assert hint.image_set_id == IMAGE_SET


@pytest.mark.parametrize(("told", "version"), [("7", 7), (7, 7), ("9999999999", 9999999999)])
def test_a_version_may_be_text_or_a_number(told: object, version: int) -> None:
    assert parse(_event({"datastoreId": STORE, "imageSetId": IMAGE_SET, "imageSetVersion": told})).version == version


@pytest.mark.parametrize("told", ["0", 0, -1, "-1", "01", "1.0", 1.0, "", "x", None, True, [1], "1" * 11, 10**10, "٣"])
def test_a_version_that_is_none_counts_as_not_told(told: object) -> None:
    assert parse(_event({"datastoreId": STORE, "imageSetId": IMAGE_SET, "imageSetVersion": told})).version is None


@pytest.mark.parametrize("told", ["true", 1, 0, None, "False"])
def test_primary_is_only_what_json_calls_true_or_false(told: object) -> None:
    assert parse(_event({"datastoreId": STORE, "imageSetId": IMAGE_SET, "isPrimary": told})).is_primary is None


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.UNKNOWN}))
def test_each_documented_kind_is_known(kind: Kind) -> None:
    assert parse(_event(**{"detail-type": kind.value})).kind is kind


@pytest.mark.parametrize("name", ["Image Set Imported", "image set created", "", None, 7, ["Image Set Created"]])
def test_an_unknown_kind_with_valid_ids_is_a_hint_all_the_same(name: object) -> None:
    hint = parse(_event(**{"detail-type": name}))
    assert (hint.kind, hint.image_set_id) == (Kind.UNKNOWN, IMAGE_SET)


@pytest.mark.parametrize(
    "wrong", ["short", "A" * 32, "a" * 33, "a" * 31 + "\n", "../" + "a" * 29, "", None, 7, ["a" * 32], "é" * 32]
)
@pytest.mark.parametrize("name", ["datastoreId", "imageSetId", "imagesetId"])
def test_an_id_that_is_there_but_wrong_is_a_malformed_event(name: str, wrong: object) -> None:
    right = {"datastoreId": STORE} if name != "datastoreId" else {"imageSetId": IMAGE_SET}
    with pytest.raises(Permanent):
        parse(_event(right | {name: wrong}))


@pytest.mark.parametrize(
    "resources",
    [
        [],
        None,
        "",
        [None],
        [ARN.removesuffix(f"/imageset/{IMAGE_SET}")],
        [ARN + "x"],
        [ARN.replace("medical-imaging", "s3")],
        [ARN.upper()],
    ],
)
def test_an_event_without_ids_anywhere_is_malformed(resources: object) -> None:
    with pytest.raises(Permanent):
        parse(_event({}, resources=resources))


@pytest.mark.parametrize(
    "body",
    ["", "{", "null", "[]", '"text"', "7", "{}", '{"detail": null}', '{"detail": []}', "\ud800", "[" * 100_000, "NaN"],
)
def test_a_body_that_is_no_event_is_malformed(body: str) -> None:
    with pytest.raises(Permanent):
        parse(body)


@pytest.mark.parametrize("cause", ["event", "reconcile", "reindex", "repair"])
def test_a_message_of_our_own_tells_its_cause(cause: str) -> None:
    body = _event({"datastoreId": STORE, "imageSetId": IMAGE_SET, "cause": cause}, source=REPLAY_SOURCE)
    assert parse(body).cause == cause


def test_the_cause_in_anybody_elses_event_does_not_count() -> None:
    body = _event({"datastoreId": STORE, "imageSetId": IMAGE_SET, "cause": "repair"})
    assert parse(body).cause is Cause.EVENT


@pytest.mark.parametrize("cause", ["other", None, 7, ["repair"]])
def test_an_unknown_cause_of_our_own_counts_as_an_event(cause: object) -> None:
    body = _event({"datastoreId": STORE, "imageSetId": IMAGE_SET, "cause": cause}, source=REPLAY_SOURCE)
    assert parse(body).cause is Cause.EVENT


def test_healthimagings_word_is_its_created_event_and_what_reconcile_found() -> None:
    told = {"datastoreId": STORE, "imageSetId": IMAGE_SET, "imageSetVersion": "2", "isPrimary": False}
    assert parse(_event(told)).is_told_by_healthimaging
    assert not parse(_event(told, **{"detail-type": "Image Set Updated"})).is_told_by_healthimaging
    assert not parse(_event({key: told[key] for key in ("datastoreId", "imageSetId")})).is_told_by_healthimaging
    assert parse(_event(told | {"cause": "reconcile"}, source=REPLAY_SOURCE)).is_told_by_healthimaging
    for cause in ("event", "reindex", "repair", None):
        assert not parse(_event(told | {"cause": cause}, source=REPLAY_SOURCE)).is_told_by_healthimaging
    for missing in ("imageSetVersion", "isPrimary"):
        part = {key: value for key, value in told.items() if key != missing} | {"cause": "reconcile"}
        assert not parse(_event(part, source=REPLAY_SOURCE)).is_told_by_healthimaging


@pytest.mark.parametrize("time", ["2024-13-14T00:01:00Z", "yesterday", MARKER, None, 7, "2024-03-14T00:01:00+01:00"])
def test_a_time_that_is_none_is_left_out(time: object) -> None:
    assert parse(_event(time=time)).time is None


HINTS = st.builds(
    Hint,
    kind=st.sampled_from(Kind),
    cause=st.sampled_from(Cause),
    datastore_id=st.just(STORE),
    image_set_id=st.from_regex(r"[0-9a-z]{32}", fullmatch=True),
    version=st.none() | st.integers(1, 9_999_999_999),
    is_primary=st.none() | st.booleans(),
    time=st.none() | st.datetimes().map(lambda time: time.isoformat() + "Z"),
    replayed=st.just(True),
)


@given(HINTS)
def test_a_hint_of_our_own_is_read_back_as_it_was_written(hint: Hint) -> None:
    assert parse(hint.message()) == hint


@given(HINTS)
def test_a_hint_that_healthimaging_would_send_is_read_back_with_its_source(hint: Hint) -> None:
    theirs = structs.replace(hint, cause=Cause.EVENT, replayed=False)
    assert parse(theirs.message()) == theirs


@given(HINTS)
def test_eventbridge_delivers_the_event_of_a_hint_as_its_message(hint: Hint) -> None:
    event = structs.replace(hint, replayed=False).event()
    body = {"source": event["Source"], "detail-type": event["DetailType"], "detail": json.loads(event["Detail"])}
    assert parse(json.dumps(body)) == structs.replace(hint, time=None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["datastoreId", "imageSetId", "imagesetId", "imageSetVersion", "isPrimary", "cause"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON | st.sampled_from([STORE, IMAGE_SET])), JSON, JSON, JSON)
def test_any_event_is_a_hint_with_valid_ids_or_malformed(
    detail: dict[str, Any], kind: Any, time: Any, arns: Any
) -> None:
    body = _event(detail, **{"detail-type": kind, "time": time, "resources": arns, "source": REPLAY_SOURCE})
    try:
        hint = parse(body)
    except Permanent:
        return
    assert len(hint.datastore_id) == len(hint.image_set_id) == 32


@pytest.mark.parametrize("body", [MARKER, json.dumps({"detail": MARKER}), _event({"imageSetId": MARKER})])
def test_a_malformed_event_is_refused_without_quoting_it(body: str) -> None:
    with pytest.raises(Permanent) as refused:
        parse(body)
    assert MARKER not in refused.value.reason
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
