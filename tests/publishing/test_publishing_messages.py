"""Any message in the function that announces: what is parked, comes again, and holds up nobody."""

import json
from collections import Counter

import pytest

from proof.harness.pipeline import context
from proof.publishing.function import EPOCH, function, plugged
from proof.publishing.given import check, failing, index, inserted, invoke, job, manifest, message, quiet
from proof.publishing.world import World
from proof.simulation.memory import refusal


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Doe^Jane",
        "[" * 100_000,
        "[]",
        {},
        {"study": "Doe^Jane"},
        check() | {"study": 1},
        check() | {"imageSetId": "Doe^Jane"},
        check() | {"datastoreId": None},
        check() | {"changed": "Doe^Jane"},
        check() | {"changed": True},
        check() | {"changed": -1},
        {"detail-type": "Import Job Completed"},
        job(detail={"jobId": "Doe^Jane"}),
        job(detail={"datastoreId": None}),
        job(detail={"outputS3Uri": "file:///output/"}),
        job(detail={"outputS3Uri": 7}),
        job(account="Doe^Jane"),
        job(time="Doe^Jane"),
        job(time="2026-01-01T00:00:00"),
        job(time=None),
    ],
)
def test_a_message_of_no_use_is_parked_at_once_and_never_quoted(
    world: World, body: object, counted: Counter[str]
) -> None:
    assert invoke(message(body)) == []
    assert (len(world.parked), counted["Parked"], counted["PermanentFaults"]) == (1, 1, 1)
    assert not any("Doe" in line for line in counted)


def test_one_bad_message_does_not_hold_up_the_others(world: World) -> None:
    index(world, 1)
    world.now = EPOCH + 1_000
    assert invoke(message("{"), message(check())) == []
    assert [each.kind for each in world.happened] == ["Study Stable"]


def test_where_sqs_refuses_as_well_a_message_comes_again(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(world, monkeypatch, "send_message", refusal("SendMessage", "AccessDenied", 403))
    assert invoke(message("{")) == ["m"]
    assert (counted["Deferred"], counted["Parked"]) == (1, 0)


def test_a_message_that_is_waited_for_longer_than_sqs_hides_one_comes_back_in_between(world: World) -> None:
    index(world, 1)
    later = check(changed=EPOCH + 90_000)
    world.send(json.dumps(later))
    assert invoke(message(later) | {"receiptHandle": str(id(world.messages[0]))}) == ["m"]
    assert 40_000 < world.messages[0].visible - world.now < 43_200


def test_the_decorated_function_counts_in_cloudwatchs_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = quiet()
    world.observed = True
    metrics = function().observability.metrics
    monkeypatch.setattr(metrics, "namespace", "test")
    monkeypatch.setattr(metrics, "service", "test")
    with plugged(world):
        assert world.invoke([inserted(1)]) == {"batchItemFailures": []}
    assert '"Published":[1.0]' in capsys.readouterr().out.replace(" ", "")


def test_a_message_is_not_begun_when_no_time_is_left(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proof.publishing.world.context", lambda: context(lambda: 19_999))
    index(world, 1)
    world.now = EPOCH + 1_000
    assert invoke(message(check())) == ["m"]
    assert (world.happened, counted["HandedBackFaults"]) == ([], 1)


def test_an_event_that_eventbridge_refuses_for_what_it_is_is_counted_and_holds_up_nobody(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [{"ErrorCode": "MalformedDetail"}, {"EventId": "1"}]
    answers = iter([refused, refused[:1], refused[:1], refused[:1]])
    monkeypatch.setattr(world, "_put_events", lambda **_: {"Entries": next(answers)})
    assert invoke(inserted(1), inserted(2)) == []
    assert (counted["Published"], counted["PublishFailures"]) == (1, 1)
    index(world, 1)
    world.now = EPOCH + 1_000
    manifest(world)
    assert invoke(message(check()), message(job())) == ["m", "m"]
    assert (counted["StudyStable"], counted["PoisonFaults"], counted["Published"]) == (0, 2, 1)
