"""Studies in the function that announces: when one is announced, comes again, or is let go."""

import json
from collections import Counter
from typing import Any

import pytest

from proof.publishing.function import DATASTORE, EPOCH, MINUTES
from proof.publishing.given import UID, check, failing, index, invoke, message
from proof.publishing.world import Snapshot, World
from proof.simulation.memory import refusal


def test_a_study_that_is_not_due_comes_again_when_it_is(world: World) -> None:
    index(world, 1)
    world.send(json.dumps(check()))
    handle = str(id(world.messages[0]))
    given = message(check()) | {"receiptHandle": handle}
    assert invoke(given) == ["m"]
    assert world.messages[0].visible == pytest.approx(EPOCH + MINUTES * 60, abs=5)
    assert world.happened == []


def test_a_stable_study_is_announced_once_and_again_for_new_content_only(world: World, counted: Counter[str]) -> None:
    index(world, 1)
    index(world, 2)
    world.now = EPOCH + 1_000
    assert invoke(message(check(1)), message(check(2))) == []
    index(world, 3)
    world.now += 1_000
    assert invoke(message(check(3))) == []
    first, second = [each.detail for each in world.happened if each.kind == "Study Stable"]
    assert (first["imageSetCount"], second["imageSetCount"]) == (2, 3)
    assert first["key"] != second["key"]
    assert (counted["StudyStable"], counted["Published"], counted["StudyWaiting"]) == (2, 2, 0)


def test_a_study_that_only_a_backfill_wrote_does_not_have_the_cause_that_rules_match(world: World) -> None:
    index(world, 1, Cause={"S": "reindex"})
    index(world, 2, Cause={"S": "reconcile"})
    world.now = EPOCH + 1_000
    assert invoke(message(check(1))) == []
    index(world, 3, Cause={"S": "event"})
    world.now += 1_000
    assert invoke(message(check(3))) == []
    assert [each.detail["causes"] for each in world.happened] == [
        ["reconcile", "reindex"],
        ["event", "reconcile", "reindex"],
    ]


def test_a_study_that_does_not_agree_comes_again_and_is_counted_after_an_hour(
    world: World, counted: Counter[str]
) -> None:
    index(world, 1)
    world.image_sets[f"{2:032d}"] = [Snapshot(UID, 1, EPOCH)]  # not in the index
    for later, waiting in ((1_000, 0), (3_000, 0), (4_000, 1), (500_000, 2)):
        world.now = EPOCH + later
        assert invoke(message(check())) == ["m"]
        assert counted["StudyWaiting"] == waiting
    assert world.happened == []
    assert any(line.startswith("study waits: ") and UID not in line for line in counted)


def test_an_entry_that_healthimaging_does_not_list_is_a_disagreement(world: World) -> None:
    index(world, 1)
    index(world, 2)
    del world.image_sets[f"{2:032d}"]
    world.now = EPOCH + 1_000
    assert invoke(message(check())) == ["m"]


def test_an_image_set_that_changed_without_a_new_version_makes_its_study_wait(world: World) -> None:
    index(world, 1)
    world.send(json.dumps(check()))
    given = message(check()) | {"receiptHandle": str(id(world.messages[0]))}
    world.now = EPOCH + 1_000
    world.image_sets[f"{1:032d}"].append(Snapshot(UID, 1, world.now - 50))
    assert invoke(given) == ["m"]
    assert world.messages[0].visible - world.now == pytest.approx(MINUTES * 60 - 50, abs=5)
    assert world.happened == []


def test_the_same_study_in_another_data_store_does_not_count(world: World) -> None:
    index(world, 1)
    other = world.table.items[f"{DATASTORE}/{1:032d}", "entry"] | {"PatientID": {"S": "7"}}
    world.table.write(f"{'e' * 32}/{1:032d}", "entry", other)
    world.now = EPOCH + 1_000
    assert invoke(message(check())) == []
    assert [each.detail["imageSetCount"] for each in world.happened] == [1]


def test_keys_that_dynamodb_did_not_process_are_asked_for_again(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        index(world, number)
    whole = world.table.batch_get_item

    def one_at_a_time(**arguments: Any) -> Any:
        ((name, wanted),) = arguments["RequestItems"].items()
        assert len(wanted["Keys"]) <= 100
        first, left = wanted["Keys"][:20], wanted["Keys"][20:]
        answer = whole(RequestItems={name: wanted | {"Keys": first}})
        unprocessed = answer["UnprocessedKeys"].get(name, {"Keys": []})["Keys"] + left
        return answer | {"UnprocessedKeys": {name: wanted | {"Keys": unprocessed}} if unprocessed else {}}

    monkeypatch.setattr(world.table, "batch_get_item", one_at_a_time)
    monkeypatch.setattr(world.table, "_random", Never())
    world.now = EPOCH + 1_000
    assert invoke(message(check())) == []
    assert [each.detail["imageSetCount"] for each in world.happened] == [150]

    def nothing(**arguments: Any) -> Any:
        return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}

    monkeypatch.setattr(world.table, "batch_get_item", nothing)
    assert invoke(message(check())) == ["m"]
    assert counted["OverloadFaults"] == 1


def test_a_study_that_never_agrees_is_looked_at_once_an_hour_in_the_end(world: World) -> None:
    index(world, 1)
    del world.image_sets[f"{1:032d}"]
    world.send(json.dumps(check()))
    given = message(check()) | {"receiptHandle": str(id(world.messages[0]))}
    pauses = []
    for late in (60, 7_200, 40_000, 1_000_000):
        world.now = EPOCH + MINUTES * 60 + late
        assert invoke(given) == ["m"]
        pauses.append(round(world.messages[0].visible - world.now, -1))
    assert pauses == [60, 900, pytest.approx(1_670, abs=10), 3_600]


def test_an_index_that_an_upgrade_has_replaced_is_looked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(world, 1)
    world.now = EPOCH + 1_000
    query = world.table.query
    names = iter(["there no more", "study"])
    described = world.table.describe_table

    def describe(**arguments: Any) -> Any:
        answer = described(**arguments)
        answer["Table"]["GlobalSecondaryIndexes"][0]["IndexName"] = next(names)
        return answer

    def refuses(**arguments: Any) -> Any:
        if arguments["IndexName"] != "study":
            raise refusal("Query", "ValidationException")
        return query(**arguments)

    monkeypatch.setattr(world.table, "describe_table", describe)
    monkeypatch.setattr(world.table, "query", refuses)
    assert invoke(message(check())) == ["m"]
    assert invoke(message(check())) == []
    assert len(world.happened) == 1


class Never:
    """Chance that never strikes."""

    @staticmethod
    def random() -> float:
        return 1.0


def test_a_clock_that_is_ahead_puts_a_study_off_for_its_minutes_and_rings_after_an_hour(
    world: World, counted: Counter[str]
) -> None:
    index(world, 1, IndexedAt={"S": "2030-01-01T00:00:00.000000Z"})
    world.send(json.dumps(check()))
    given = message(check()) | {"receiptHandle": str(id(world.messages[0]))}
    world.now = EPOCH + 1_000
    assert invoke(given) == ["m"]
    assert world.messages[0].visible - world.now == pytest.approx(MINUTES * 60, abs=5)
    world.now = EPOCH + 5_000
    assert invoke(given) == ["m"]
    assert counted["StudyWaiting"] == 1


def test_a_study_whose_witness_is_gone_is_let_go(world: World) -> None:
    world.now = EPOCH + 1_000
    assert invoke(message(check())) == []
    index(world, 1, StudyInstanceUID={"S": "1.2.9"})
    assert invoke(message(check())) == []
    assert world.happened == []


def test_a_refused_search_has_the_study_come_again(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index(world, 1)
    world.now = EPOCH + 1_000
    failing(world, monkeypatch, "search_image_sets", refusal("SearchImageSets", "ThrottlingException", 429))
    assert invoke(message(check())) == ["m"]
    assert (counted["Deferred"], counted["OverloadFaults"]) == (1, 1)


def test_an_image_set_on_two_pages_of_a_search_counts_once_at_its_newest_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(world, 1, ImageSetVersion={"N": "2"})
    search = world._search_image_sets

    def twice(**arguments: Any) -> Any:
        (summary,) = search(**arguments)["imageSetsMetadataSummaries"]
        bare = {"imageSetId": summary["imageSetId"]}
        return {"imageSetsMetadataSummaries": [bare, summary | {"version": 2}, summary]}

    monkeypatch.setattr(world, "_search_image_sets", twice)
    world.now = EPOCH + 1_000
    assert invoke(message(check())) == []
    assert [each.detail["imageSetCount"] for each in world.happened] == [1]
