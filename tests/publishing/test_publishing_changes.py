"""Records of the stream in the function that announces: what is announced, noted, repeated and counted."""

import json
from collections import Counter
from typing import Any

import pytest

from imaging_index.publishing.agreement import digest
from proof.publishing.function import DATASTORE, EPOCH, MINUTES, function
from proof.publishing.given import STUDY, check, failing, inserted, invoke
from proof.publishing.world import World
from proof.simulation.memory import refusal


def test_a_record_that_says_too_little_is_counted_and_holds_up_nobody(world: World, counted: Counter[str]) -> None:
    broken = inserted(2)
    del broken["dynamodb"]["NewImage"]
    assert invoke(inserted(1), broken, inserted(3)) == []
    assert [each.detail["imageSetId"][-1] for each in world.happened] == ["1", "3"]
    assert (counted["Published"], counted["PublishFailures"]) == (2, 1)
    assert any("no usable image" in line and '"sequenceNumber": "2"' in line for line in counted)


def test_a_record_without_anything_is_counted_too(world: World, counted: Counter[str]) -> None:
    assert invoke({"eventSource": "aws:dynamodb"}) == []
    assert (world.happened, counted["PublishFailures"]) == ([], 1)


def test_a_refused_bus_has_the_batch_repeated_from_the_first_record_that_is_not_through(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(world, monkeypatch, "put_events", refusal("PutEvents", "ThrottlingException", 429))
    assert invoke(inserted(1), inserted(2)) == ["1"]
    assert (counted["Published"], counted["PublishFailures"]) == (0, 1)


def test_a_study_that_cannot_be_noted_has_its_records_repeated_and_not_those_before(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = world.call

    def fails(operation: str, arguments: Any) -> Any:
        if operation == "update_item" and digest(DATASTORE, "1.2.2") in arguments["Key"]["ImageSet"]["S"]:
            raise refusal("UpdateItem", "ThrottlingException", 429)
        return call(operation, arguments)

    monkeypatch.setattr(world, "call", fails)
    assert invoke(inserted(1), inserted(2, uid="1.2.2"), inserted(3)) == ["2"]
    assert (len(world.happened), len(world.messages)) == (3, 1)
    assert counted["PublishFailures"] == 1


def test_an_entry_without_a_study_is_announced_and_noted_nowhere(world: World) -> None:
    assert invoke(inserted(1, uid=None)) == []
    assert (len(world.happened), world.messages, world.table.items) == (1, [], {})


def test_a_study_has_one_marker_and_one_message_of_a_batch(world: World) -> None:
    assert invoke(inserted(1), inserted(2, at=EPOCH + 5)) == []
    (sent,) = world.messages
    assert json.loads(sent.body) == check(2, EPOCH + 5)
    assert sent.visible == pytest.approx(EPOCH + 5 + MINUTES * 60, abs=3)
    assert {key: item["LastChange"]["N"] for (key, _), item in world.table.items.items()} == {
        f"study/{STUDY}": f"{EPOCH + 5:.3f}"
    }


def test_a_stream_that_is_hours_behind_has_its_studies_checked_at_once(world: World) -> None:
    assert invoke(inserted(1, at=EPOCH - 30_000)) == []
    assert world.messages[0].visible == pytest.approx(world.now, abs=3)


def test_where_nobody_waits_for_studies_nothing_is_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function(), "_minutes", 0)
    assert invoke(inserted(1)) == []
    assert (len(world.happened), world.messages, world.table.items) == (1, [], {})


def test_an_entry_that_no_event_can_be_made_of_holds_up_nobody_and_is_not_quoted(
    world: World, counted: Counter[str]
) -> None:
    broken = inserted(2)
    broken["dynamodb"]["NewImage"]["InstanceCount"] = {"N": "Doe^Jane"}
    assert invoke(inserted(1), broken, inserted(3)) == []
    assert [each.detail["imageSetId"][-1] for each in world.happened] == ["1", "3"]
    assert counted["PublishFailures"] == 1
    assert any("ValueError in" in line and '"sequenceNumber": "2"' in line for line in counted)
    assert not any("Doe" in line for line in counted)
