"""Events out, deployed: the rules of docs/automation.md on the stack's own bus, and what reaches their targets.

The local cloud invokes the function with the table's stream and routes events, but does not do for streams what Lambda
does when an invocation fails: tests/infra/test_publishing.py has those settings, and tests/publishing the function.
"""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import jsonschema  # type: ignore[import-untyped]
import pydicom
import pydicom.data
import pytest
from typer.testing import CliRunner

from cli.main import application
from imaging_index.dicom import dictionary
from imaging_index.publishing.agreement import PATIENT
from infra.config import ROOT
from local.deployment import deploy
from local.stack import make_datastore
from proof.harness.image_sets import PROFILE, delete, throttles_off, wait_for
from tests.assemblies import synth_here
from tests.automation import BUCKET, EVERYTHING, Automation, chest_ct, correct, documented, rename, series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The shortest time that the setting allows, and what the tests wait for instead.
MINUTES: Final = "1"
SECONDS: Final = 5


RULES: Final = documented()
CHEST, CORRECTED, CHANGED, NON_PRIMARY, ALGORITHM, HUMAN, JOB = RULES


@pytest.fixture(scope="module")
def automation(environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Automation]:
    folder = tmp_path_factory.mktemp("automation")
    context = {"events": "on", "studyStableMinutes": MINUTES, "importOutputBuckets": json.dumps([BUCKET])}
    outputs = deploy(synth_here(folder / "assembly", **context), environment_of_module)
    hurry(outputs["EventFunctionName"])
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    sqs, events, sns = boto3.client("sqs"), boto3.client("events"), boto3.client("sns")
    queues = {}
    for number, (name, pattern) in enumerate({**RULES, EVERYTHING: {"source": ["imaging-index"]}}.items()):
        url = queues[name] = sqs.create_queue(QueueName=f"target-{number}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus = outputs["EventBusName"]
        events.put_rule(Name=f"rule-{number}", EventBusName=bus, EventPattern=json.dumps(pattern))
        if name in (CORRECTED, CHANGED, JOB):
            topic = sns.create_topic(Name=f"target-{number}")["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
            arn = topic
        events.put_targets(Rule=f"rule-{number}", EventBusName=bus, Targets=[{"Id": "target", "Arn": arn}])
    made = Automation(outputs, queues)
    fill(made, folder, environment_of_module["AWS_ENDPOINT_URL"])
    yield made
    # What is in the targets' queues is of the documents, as the profile's list wants it.
    for url in queues.values():
        sqs.delete_queue(QueueUrl=url)


def hurry(function: str) -> None:
    """Have studies announced after some seconds."""
    client = boto3.client("lambda")
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    variables["STUDY_STABLE_MINUTES"] = str(SECONDS / 60)
    client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})


def fill(automation: Automation, folder: Path, endpoint: str) -> None:
    """Import pydicom's files, and series that a rule's border runs between; then change two, and delete one."""
    client = boto3.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    files, more = folder / "pydicom", folder / "more"
    shutil.copytree(Path(pydicom.data.__file__).parent, files)
    forty, growing, two = series("forty"), series("growing"), series("two")
    chest_ct(files, 40, forty)
    chest_ct(files, 30, growing)
    chest_ct(files, 1, two)
    chest_ct(files, 2, series("mistaken"))
    automation.import_files(datastore, files)
    wait_for(lambda: len(automation.of_kind("Import Job Indexed")) == 1)
    chest_ct(more, 30, growing, first=30)
    # Two patients in one series: HealthImaging keeps the second image set as non-primary.
    chest_ct(more, 1, {**two, "PatientID": "other"})
    chest_ct(more, 1, series("deleted"))
    automation.import_files(datastore, more)
    wait_for(lambda: len(automation.of_kind("Import Job Indexed")) == 2)
    rename(automation.of_patient("other"), 1, {"PatientName": "Corrected^Name"})
    mistaken = automation.of_patient("mistaken")
    wait_for(lambda: mistaken.image_set_id in stable_image_sets(automation))
    with throttles_off(endpoint):
        correct(mistaken, {"PatientID": "corrected"})
        delete(client, automation.of_patient("deleted"))
    wait_for(lambda: automation.of_kind("Image Set Removed"))
    wait_for(lambda: any("PatientName" in each["changed"] for each in automation.of_kind("Image Set Reindexed")))


def stable_image_sets(automation: Automation) -> set[str]:
    """The image sets of all studies that were announced."""
    return {each["imageSetId"] for study in automation.of_kind("Study Stable") for each in study["imageSets"]}


def expected(entries: list[dict[str, Any]], condition: Callable[[dict[str, Any]], bool]) -> set[str]:
    return {each["ImageSetId"] for each in entries if condition(each)}


def delivered(events: list[dict[str, Any]]) -> set[str]:
    return {each["detail"]["imageSetId"] for each in events}


def by_study(entries: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    studies: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if uid := entry.get("StudyInstanceUID"):
            studies.setdefault(uid, []).append(entry)
    return [*studies.values()]


def needs_a_human(study: list[dict[str, Any]]) -> bool:
    return any(not each["IsPrimary"] for each in study) or any(
        len({each[name] for each in study if name in each}) > 1 for name in PATIENT
    )


def content(images: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(images))


def announced(study: Any) -> tuple[tuple[str, int], ...]:
    """The content of a study, by its event."""
    return content([(each["imageSetId"], each["imageSetVersion"]) for each in study["imageSets"]])


def test_each_image_set_is_announced_once_when_it_is_new_and_again_at_each_version(automation: Automation) -> None:
    entries = automation.entries()
    indexed = [each["imageSetId"] for each in automation.of_kind("Image Set Indexed")]
    removed = [each["imageSetId"] for each in automation.of_kind("Image Set Removed")]
    assert sorted(indexed) == sorted([each["ImageSetId"] for each in entries] + removed)
    announced: dict[str, list[int]] = {}
    for each in (*automation.of_kind("Image Set Indexed"), *automation.of_kind("Image Set Reindexed")):
        announced.setdefault(each["imageSetId"], []).append(each["imageSetVersion"])
    for entry in entries:
        versions = announced[entry["ImageSetId"]]
        assert max(versions) == entry["ImageSetVersion"]
        assert len(versions) == len(set(versions))


def test_a_chest_ct_is_delivered_when_it_has_more_than_forty_images_and_never_before(automation: Automation) -> None:
    wanted = expected(
        automation.entries(),
        lambda each: (
            each.get("Modality") == "CT" and each.get("BodyPartExamined") == "CHEST" and each["InstanceCount"] > 40
        ),
    )
    assert len(wanted) == 1
    assert delivered(automation.events(CHEST)) == wanted
    # It had 30 images first, and the merge made them 60.
    assert [(each["detail-type"], each["detail"]["instanceCount"]) for each in automation.events(CHEST)] == [
        ("Image Set Reindexed", 60)
    ]


def test_a_changed_name_is_delivered_by_its_attributes_name_alone(automation: Automation) -> None:
    other = automation.of_patient("other").image_set_id
    events = wait_for(lambda: automation.events(CHANGED))
    (changed,) = [each["detail"]["changed"] for each in events if each["detail"]["imageSetId"] == other]
    assert "PatientName" in changed
    assert "Corrected" not in json.dumps(events)
    # The others are copies that were corrected before they were promoted.
    assert not [each for each in events if each["detail"]["isPrimary"]]


def test_a_corrected_patient_is_delivered_though_copy_deletion_and_promotion_change_no_entrys_patient(
    automation: Automation,
) -> None:
    new = automation.of_patient("corrected")
    wait_for(lambda: new.image_set_id in stable_image_sets(automation))
    (last,) = [each for each in automation.of_kind("Study Stable") if new.image_set_id in str(each["imageSets"])]
    assert (last["imageSetCount"], last["nonPrimaryCount"], last["conflictCount"]) == (1, 0, 0)
    notices = wait_for(lambda: automation.events(CORRECTED))
    # The only other study with two patients is the one into which another's image came.
    of_two = expected(automation.entries(), lambda each: each.get("PatientID") in ("two", "other"))
    for notice in notices:
        listed = {each["imageSetId"] for each in notice["detail"]["imageSets"]}
        assert notice["detail"]["study"] == last["study"] or listed <= of_two
    assert last["study"] in {each["detail"]["study"] for each in notices}
    assert not [each for each in automation.of_kind("Image Set Reindexed") if each["imageSetId"] == new.image_set_id]


def test_exactly_the_non_primary_image_sets_are_delivered(automation: Automation) -> None:
    wanted = expected(automation.entries(), lambda each: each["IsPrimary"] is False)
    assert automation.of_patient("other").image_set_id in wanted
    # So is a copy that is corrected; it is promoted, which leaves another image set, and deleted.
    removed = {each["imageSetId"] for each in automation.of_kind("Image Set Removed")}
    assert delivered(automation.events(NON_PRIMARY)) - removed == wanted


def test_each_job_is_announced_when_its_image_sets_are(automation: Automation) -> None:
    events = automation.events(JOB)
    assert sorted(each["detail"]["jobId"] for each in events) == sorted(automation.jobs)
    first = next(each["detail"] for each in events if each["detail"]["jobId"] == automation.jobs[0])
    other = automation.of_patient("other").image_set_id
    assert first["imageSetCount"] == len([each for each in automation.entries() if each["ImageSetId"] != other])
    assert first["refusedFileCount"] > 0
    assert first["seconds"] < 60


def test_exactly_the_studies_without_a_conflict_reach_the_algorithm_and_the_others_a_human(
    automation: Automation,
) -> None:
    studies = by_study(automation.entries())
    versions = [content([(each["ImageSetId"], each["ImageSetVersion"]) for each in study]) for study in studies]
    wait_for(lambda: {announced(each) for each in automation.of_kind("Study Stable")} >= set(versions))
    for rule, condition in (
        (ALGORITHM, lambda study: not needs_a_human(study) and {each.get("Modality") for each in study} & {"CT", "MR"}),
        (HUMAN, needs_a_human),
    ):
        wanted = {version for version, study in zip(versions, studies, strict=True) if condition(study)}
        got = [announced(each["detail"]) for each in automation.events(rule)]
        assert wanted, rule
        # What a study held before it grew may have been stable as well.
        assert sorted(each for each in got if each in versions) == sorted(wanted), rule


def test_the_bill_counts_what_image_sets_take_that_come_one_by_one(automation: Automation, tmp_path: Path) -> None:
    wait_for(automation.is_idle)
    before, number = automation.counts(), 3
    datastore = automation.entries()[0]["DatastoreId"]

    def are_announced(image_sets: int) -> bool:
        return len(automation.of_kind("Image Set Indexed")) >= image_sets

    for patient in (f"alone-{each}" for each in range(number)):
        chest_ct(tmp_path / patient, 1, series(patient))
        indexed = len(automation.of_kind("Image Set Indexed"))
        automation.import_files(datastore, tmp_path / patient)
        wait_for(partial(are_announced, indexed + 1))
    wait_for(automation.is_idle)
    done = automation.counts() - before
    options = ["cost", "--json", "--stable-studies", "--jobs", number]
    options += [part for name in ("--studies", "--series", "--instances") for part in (name, number)]
    told = json.loads(CliRunner().invoke(application, [*map(str, options)]).output)["announced"]
    assert (done["events"], done["writes"]) == (told["chunks"], told["write_units"]) == (3 * number, 3 * number)
    # Of what is looked at, some share an invocation, and a job that was indexed at once needs no second look.
    assert 2 * number <= done["invocations"] <= told["invocations"]


def test_every_event_is_valid_by_the_schema(automation: Automation) -> None:
    schema = json.loads((ROOT / "docs" / "events.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft4Validator(schema)
    assert len(automation.events(EVERYTHING)) > 60
    for event in automation.events(EVERYTHING):
        validator.validate(event)


def test_no_event_marker_or_message_has_a_value_that_may_identify_a_patient(automation: Automation) -> None:
    told = PROFILE.events
    values = {
        text
        for entry in automation.entries()
        for name, value in entry.items()
        if dictionary.lookup(name) and name not in told
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str) and len(text) >= 8 and len(set(text)) >= 4
    }
    assert len(values) > 100
    events = automation.events(EVERYTHING)
    carried = {json.dumps(each["detail"]["attributes"]) for each in events if "attributes" in each["detail"]}
    said = json.dumps([[*each.values()] for each in events]) + json.dumps(automation.markers())
    # What they may say is no leak when another attribute has it too, as a description may have the manufacturer.
    assert [value for value in values if value in said and not any(value in each for each in carried)] == []
    queues = [automation.outputs[name] for name in ("EventQueueUrl", "EventDeadLetterQueueUrl", "EventFailureQueueUrl")]
    for queue in queues:
        for message in boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            assert not any(value in message["Body"] for value in values)
