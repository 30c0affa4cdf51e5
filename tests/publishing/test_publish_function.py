"""The function behind the stream and its queue: what comes again, what is given up, and what is counted and logged."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from imaging_index.publishing.agreement import digest
from proof.harness.pipeline import context, record
from proof.publishing.function import ACCOUNT, DATASTORE, EPOCH, MINUTES, function, plugged
from proof.publishing.function import world as plugged_in
from proof.publishing.world import Faults, Snapshot, World
from proof.simulation.memory import refusal

UID = "1.2.840.1"
STUDY = digest(DATASTORE, UID)
FIRST = "0000000001.000001.0001.0000"


def quiet() -> World:
    """A world in which nothing fails, is late or goes on by itself."""
    made = World(1, Faults(most=0), stream_delay=0, search_lag=0, index_lag=0)
    made.after = lambda *_: None  # type: ignore[method-assign]
    return made


@pytest.fixture
def world() -> Iterator[World]:
    with plugged(made := quiet()):
        yield made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The metrics by name, and the log's lines."""
    counts: Counter[str] = Counter()
    observability = function().observability

    class Metrics:
        @staticmethod
        def add_metric(name: str, unit: object, value: float) -> None:
            del unit
            counts[name] += round(value)

    class Logger:
        @staticmethod
        def warning(text: str, extra: Any) -> None:
            counts[f"{text}: {json.dumps(extra)}"] += 1

        error = warning

    monkeypatch.setattr(observability, "metrics", Metrics)
    monkeypatch.setattr(observability, "logger", Logger)
    return counts


def invoke(*records: Any) -> list[str]:
    there = plugged_in()
    assert isinstance(there, World)
    answer = there.invoke(list(records))
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def inserted(number: int, *, uid: str | None = UID, at: float = EPOCH) -> dict[str, Any]:
    """The record of a new entry."""
    key = f"{DATASTORE}/{number:032d}"
    item = {"Generation": {"S": FIRST}, "ImageSetVersion": {"N": "1"}}
    item |= {"StudyInstanceUID": {"S": uid}} if uid else {}
    keys = {"ImageSet": {"S": key}, "Part": {"S": "entry"}}
    return {
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": keys,
            "NewImage": keys | item,
            "SequenceNumber": str(number),
            "ApproximateCreationDateTime": at,
        },
    }


def message(body: object, *, received: int = 1, age: float = 0) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    attributes = {
        "SentTimestamp": str(round((EPOCH - age) * 1000)),
        "ApproximateReceiveCount": str(received),
    }
    return record({"MessageId": "m", "ReceiptHandle": "r", "Body": text, "Attributes": attributes})


def check(number: int = 1, changed: float = EPOCH) -> dict[str, Any]:
    return {"study": STUDY, "datastoreId": DATASTORE, "imageSetId": f"{number:032d}", "changed": changed}


def job(**more: Any) -> dict[str, Any]:
    detail = {"datastoreId": DATASTORE, "jobId": "a" * 32, "outputS3Uri": "s3://bucket/out/"} | more.pop("detail", {})
    time = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"detail-type": "Import Job Completed", "account": ACCOUNT, "time": time, "detail": detail} | more


def index(world: World, number: int, **more: Any) -> None:
    """Write an entry that HealthImaging has as well."""
    world.image_sets[f"{number:032d}"] = [Snapshot(UID, 1, EPOCH)]
    item = {
        "Generation": {"S": FIRST},
        "ImageSetVersion": {"N": "1"},
        "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        "StudyInstanceUID": {"S": UID},
    }
    world.table.write(f"{DATASTORE}/{number:032d}", "entry", item | more)


def failing(world: World, monkeypatch: pytest.MonkeyPatch, operation: str, error: Exception) -> None:
    """Have one operation fail from now on."""
    call = world.call

    def fails(named: str, arguments: Any) -> Any:
        if named == operation:
            raise error
        return call(named, arguments)

    monkeypatch.setattr(world, "call", fails)


# --- the stream


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


# --- studies


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


# --- jobs


def manifest(world: World, text: str | None = None, *, versions: dict[int, int] | None = None, **more: Any) -> None:
    image_sets = [
        {"imageSetId": f"{number:032d}", "imageSetVersion": version, "numberOfMatchedSOPInstances": 7}
        for number, version in (versions or {}).items()
    ]
    summary = {"jobId": "a" * 32, "datastoreId": DATASTORE, "imageSetsSummary": image_sets} | more
    content = json.dumps({"jobSummary": summary}) if text is None else text
    world.objects["bucket/out/job-output-manifest.json"] = content.encode()


def test_a_job_is_announced_when_all_its_image_sets_are_there_newer_or_gone(world: World) -> None:
    for number in (1, 2, 3):
        index(world, number)
    world.table.write(f"{DATASTORE}/{3:032d}", "entry", {"Generation": {"S": "~"}})
    manifest(world, versions={1: 1, 2: 2, 3: 1}, numberOfFilesWithCustomerError=2, numberOfFilesWithServerError=1)
    assert invoke(message(job())) == ["m"]
    index(world, 2, ImageSetVersion={"N": "3"})
    world.now = EPOCH + 100
    assert invoke(message(job()), message(job())) == []
    (event,) = world.happened
    assert event.detail == {
        "datastoreId": DATASTORE,
        "jobId": "a" * 32,
        "key": f"{DATASTORE}/{'a' * 32}",
        "imageSetCount": 3,
        "goneCount": 1,
        "instanceCount": 21,
        "refusedFileCount": 3,
        "seconds": pytest.approx(100, abs=5),
    }


def test_a_job_that_imported_nothing_is_announced_at_once(world: World) -> None:
    manifest(world)
    assert invoke(message(job())) == []
    assert world.happened[0].detail["imageSetCount"] == 0


def test_a_manifest_without_versions_waits_for_healthimagings_own(world: World) -> None:
    index(world, 1)
    world.image_sets[f"{1:032d}"].append(Snapshot(UID, 2, EPOCH))
    manifest(world, imageSetsSummary=[{"imageSetId": f"{1:032d}"}])
    assert invoke(message(job())) == ["m"]
    index(world, 1, ImageSetVersion={"N": "2"})
    assert invoke(message(job())) == []
    assert len(world.happened) == 1


def test_a_job_that_is_not_there_after_an_hour_is_counted(world: World, counted: Counter[str]) -> None:
    manifest(world, versions={1: 1})
    for later, waiting in ((100, 0), (3_500, 0), (3_700, 1), (90_000, 2)):
        world.now = EPOCH + later
        assert invoke(message(job())) == ["m"]
        assert counted["JobsWaiting"] == waiting


@pytest.mark.parametrize(
    "others",
    [job(account="1" * 12), job(detail={"datastoreId": "e" * 32}), {"detail-type": "Import Job Failed", "detail": {}}],
)
def test_a_job_of_another_account_or_data_store_is_let_go(world: World, others: Any, counted: Counter[str]) -> None:
    manifest(world)
    assert invoke(message(others)) == []
    assert (world.happened, world.parked, counted) == ([], [], {})


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("{", {}),
        ("[]", {}),
        ("Doe^Jane", {}),
        ("[" * 100_000, {}),
        ('{"jobSummary": {"jobId": 1}}', {}),
        (None, {"jobId": "b" * 32}),
        (None, {"datastoreId": "e" * 32}),
        (None, {"imageSetsSummary": [{"imageSetId": "Doe^Jane"}]}),
        (None, {"imageSetsSummary": [{"imageSetId": "1" * 32, "imageSetVersion": "one"}]}),
        (" " * (64 * 2**20 + 1), {}),
    ],
)
def test_a_manifest_that_is_of_no_use_parks_the_job(
    world: World, text: str | None, more: dict[str, Any], counted: Counter[str]
) -> None:
    manifest(world, text, **more)
    assert invoke(message(job())) == []
    assert [json.loads(body)["detail"]["jobId"] for body in world.parked] == ["a" * 32]
    assert (world.happened, counted["Parked"], counted["PermanentFaults"]) == ([], 1, 1)
    assert not any("Doe" in line for line in counted)


def test_a_manifest_that_is_missing_has_the_job_come_again(world: World, counted: Counter[str]) -> None:
    assert invoke(message(job())) == ["m"]
    assert counted["NotReadyFaults"] == 1
    folder = f"out/{DATASTORE}-DicomImport-{'a' * 32}/"
    manifest(world)
    world.objects[f"bucket/{folder}job-output-manifest.json"] = world.objects.pop("bucket/out/job-output-manifest.json")
    assert invoke(message(job())) == []
    assert len(world.happened) == 1


def test_a_bucket_that_may_not_be_read_is_named_by_its_setting_and_never_parks_a_job(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(world, monkeypatch, "get_object", refusal("GetObject", "AccessDenied", 403))
    assert invoke(message(job(), received=900, age=300_000)) == ["m"]
    assert (world.parked, counted["ConfigurationFaults"]) == ([], 1)
    assert any("importOutputBuckets" in line for line in counted)


# --- any message


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
