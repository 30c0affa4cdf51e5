"""UpdateImageSetMetadata and CopyImageSet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.healthimaging.conftest import World

Dicom = Callable[..., Path]
SERIES = "1.3.6.1.4.1.5962.1.3.4.1.20040826185059.5457"


@pytest.fixture
def primary(world: "World", dicom: Dicom) -> str:
    """A primary image set of two instances, 1.1 and 1.2."""
    dicom("a", SOPInstanceUID="1.1")
    world.load(dicom("b", SOPInstanceUID="1.2"))
    return str(world.image_sets()[0]["imageSetId"])


@pytest.fixture
def secondary(world: "World", primary: str) -> str:
    """A copy of it, which is not primary."""
    return copied(world, primary)


def copied(world: "World", source: str, version: str = "1", into: Any = None, part: Any = None, **members: Any) -> str:
    """Copy an image set to the end, and give the destination's id."""
    information: dict[str, Any] = {"sourceImageSet": {"latestVersionId": version}}
    if part:
        information["sourceImageSet"]["DICOMCopies"] = {"copiableAttributes": json.dumps(part)}
    if into:
        information["destinationImageSet"] = into
    answer = world.client.copy_image_set(
        datastoreId=world.store, sourceImageSetId=source, copyImageSetInformation=information, **members
    )
    destination, origin = answer["destinationImageSetProperties"], answer["sourceImageSetProperties"]
    assert (destination["imageSetState"], destination["imageSetWorkflowStatus"]) == ("LOCKED", "COPYING")
    assert origin["imageSetWorkflowStatus"] == "COPYING_WITH_READ_ONLY_ACCESS"
    world.idle(source)
    world.idle(destination["imageSetId"])
    return str(destination["imageSetId"])


def instances(world: "World", identifier: str, **members: Any) -> set[str]:
    (series,) = world.document(identifier, **members)["Study"]["Series"].values()
    return set(series["Instances"])


def of_instance(uid: str, series: str = SERIES, **dicom: Any) -> dict[str, Any]:
    return {"Study": {"Series": {series: {"Instances": {uid: {"DICOM": dicom}}}}}}


def refused(call: Callable[..., Any], *arguments: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **members)
    return str(caught.value.response["Error"]["Code"])


def test_an_update_locks_and_then_makes_the_next_version(world: "World", primary: str) -> None:
    answer = world.update(primary, "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}})
    assert (answer["latestVersionId"], answer["imageSetState"]) == ("2", "LOCKED")
    assert answer["imageSetWorkflowStatus"] == "UPDATING"
    found = world.idle(primary)
    assert (found["versionId"], found["imageSetWorkflowStatus"]) == ("2", "UPDATED")
    assert world.document(primary)["Study"]["DICOM"]["StudyDescription"] == "New"
    assert "StudyDescription" not in world.document(primary, versionId="1")["Study"]["DICOM"]
    assert world.image_sets()[0]["DICOMTags"]["DICOMStudyDescription"] == "New"
    assert world.kinds()[1:] == ["Image Set Updating", "Image Set Updated"]


def test_the_version_in_the_making_conflicts_while_the_old_one_is_read(
    world: "World", primary: str, settings: Callable[..., Any]
) -> None:
    settings(jobSeconds=60)
    world.update(primary, "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}})
    assert refused(world.document, primary) == "ConflictException"
    assert instances(world, primary, versionId="1") == {"1.1", "1.2"}
    assert refused(world.update, primary, "2", {"updatable": {}}) == "ConflictException"
    settings(jobSeconds=0)
    assert world.idle(primary)["versionId"] == "2"


def test_an_instance_attribute_is_set_and_removed(world: "World", primary: str) -> None:
    world.update(primary, "1", {"updatable": of_instance("1.1", ImageComments="Seen")})
    world.idle(primary)
    world.update(primary, "2", {"removable": of_instance("1.1", ImageComments="", InstanceNumber="")})
    world.idle(primary)

    def values(version: str) -> Any:
        return world.document(primary, versionId=version)["Study"]["Series"][SERIES]["Instances"]["1.1"]["DICOM"]

    assert values("2")["ImageComments"] == "Seen"
    assert "InstanceNumber" in values("2")
    assert not values("3").keys() & {"ImageComments", "InstanceNumber"}


def test_an_instance_is_removed(world: "World", primary: str) -> None:
    world.update(primary, "1", {"removable": {"Study": {"Series": {SERIES: {"Instances": {"1.1": {}}}}}}})
    world.idle(primary)
    assert instances(world, primary) == {"1.2"}


def test_a_failed_update_takes_a_version_with_the_content_of_the_one_before(world: "World", primary: str) -> None:
    world.update(primary, "1", {"updatable": {"Study": {"DICOM": {"PatientName": "New^Name"}}}})
    found = world.idle(primary)
    assert (found["versionId"], found["imageSetState"]) == ("2", "ACTIVE")
    assert found["imageSetWorkflowStatus"] == "UPDATE_FAILED"
    assert found["message"] == "PatientName is not of the Study level"
    assert world.document(primary) == world.document(primary, versionId="1")
    assert world.kinds()[1:] == ["Image Set Updating", "Image Set Update Failed"]


@pytest.mark.parametrize(
    "updates",
    [
        {"updatable": {"Study": {"DICOM": {"StudyID": "9"}}}},
        {"updatable": {"Study": {"DICOM": {"StudyInstanceUID": "9.9"}}}},
        {"updatable": of_instance("1.1", SOPInstanceUID="9.9")},
        {"updatable": of_instance("1.1", ImageType=["DERIVED"])},
        {"updatable": of_instance("1.1", Rows="many")},
        {"updatable": of_instance("1.1", **{"00091001": "x"})},
        {"removable": {"Study": {"DICOM": {"StudyID": ""}}}},
    ],
)
def test_some_changes_take_force(world: "World", primary: str, updates: dict[str, Any]) -> None:
    world.update(primary, "1", updates)
    assert world.idle(primary)["imageSetWorkflowStatus"] == "UPDATE_FAILED"
    world.update(primary, "2", updates, force=True)
    found = world.idle(primary)
    assert found["imageSetWorkflowStatus"] == "UPDATED"
    assert found["overrides"] == {"forced": True}


@pytest.mark.parametrize(
    "updates",
    [
        {"updatable": of_instance("1.1", PixelData="AA==")},
        {"updatable": of_instance("1.1", NoSuchKeyword="x")},
        {"updatable": of_instance("9.9", ImageComments="x")},
        {"updatable": of_instance("1.1", series="9.9", ImageComments="x")},
        {"updatable": of_instance("1.1", SOPInstanceUID="1.2")},
        {"removable": {"Study": {"Series": {SERIES: {"Instances": {"1.1": {}, "1.2": {}}}}}}},
    ],
)
def test_some_changes_fail_even_with_force(world: "World", primary: str, updates: dict[str, Any]) -> None:
    world.update(primary, "1", updates, force=True)
    assert world.idle(primary)["imageSetWorkflowStatus"] == "UPDATE_FAILED"


def test_a_forced_uid_is_also_the_key_of_its_part(world: "World", secondary: str) -> None:
    change = of_instance("1.1", SOPInstanceUID="9.9")
    change["Study"]["Series"][SERIES]["DICOM"] = {"SeriesInstanceUID": "8.8"}
    world.update(secondary, "1", {"updatable": change}, force=True)
    world.idle(secondary)
    assert world.document(secondary)["Study"]["Series"].keys() == {"8.8"}
    assert instances(world, secondary) == {"9.9", "1.2"}


def test_another_version_than_the_latest_conflicts(world: "World", primary: str) -> None:
    change = {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}}
    assert refused(world.update, primary, "2", change) == "ConflictException"
    assert refused(copied, world, primary, "2") == "ConflictException"


def test_reverting_makes_a_new_version_with_old_content(world: "World", primary: str) -> None:
    world.update(primary, "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}})
    world.idle(primary)
    world.update(primary, "2", {"revertToVersionId": "1"})
    assert world.idle(primary)["versionId"] == "3"
    assert world.document(primary) == world.document(primary, versionId="1")
    assert refused(world.update, primary, "3", {"revertToVersionId": "7"}) == "ResourceNotFoundException"


def test_a_primary_image_set_keeps_its_patient_and_series(world: "World", primary: str, secondary: str) -> None:
    patient = {"updatable": {"Patient": {"DICOM": {"PatientName": "New^Name"}}}}
    series = {"updatable": {"Study": {"Series": {SERIES: {"DICOM": {"SeriesDescription": "New"}}}}}}
    for change in (patient, series):
        assert refused(world.update, primary, "1", change) == "ValidationException"
    world.update(secondary, "1", patient)
    world.idle(secondary)
    world.update(secondary, "2", series)
    assert world.idle(secondary)["imageSetWorkflowStatus"] == "UPDATED"


def test_an_update_of_the_study_raises_every_primary_image_set(world: "World", primary: str, dicom: Dicom) -> None:
    world.load(dicom("c", folder="other", SeriesInstanceUID="2.2"))
    other_id = next(one["imageSetId"] for one in world.image_sets() if one["imageSetId"] != primary)
    change = {"updatable": {"Patient": {"DICOM": {"PatientName": "New^Name"}}}}
    world.update(primary, "1", change, includeStudyImageSets=True)
    for identifier in (primary, other_id):
        assert world.idle(identifier)["versionId"] == "2"
        assert world.document(identifier)["Patient"]["DICOM"]["PatientName"] == "New^Name"
    assert world.kinds().count("Image Set Updated") == 2


@pytest.mark.parametrize(
    ("updates", "code"),
    [
        ({"DICOMUpdates": {"updatableAttributes": b"not JSON"}}, "ValidationException"),
        ({"DICOMUpdates": {"updatableAttributes": b'{"Nobody": {}}'}}, "ValidationException"),
        ({"DICOMUpdates": {}}, "ValidationException"),
        ({"updatable": {"Study": {"DICOM": {"StudyDescription": "x" * 10_000}}}}, "ServiceQuotaExceededException"),
    ],
)
def test_an_update_that_is_none_is_refused_at_once(
    world: "World", primary: str, updates: dict[str, Any], code: str
) -> None:
    assert refused(world.update, primary, "1", updates) == code
    assert world.image_set(primary)["versionId"] == "1"


def test_a_copy_is_an_image_set_of_its_own_and_not_primary(world: "World", primary: str) -> None:
    copy = copied(world, primary)
    found = world.image_set(copy)
    assert (found["versionId"], found["imageSetWorkflowStatus"], found["isPrimary"]) == ("1", "COPIED", False)
    assert world.image_set(primary)["imageSetWorkflowStatus"] == "CREATED"
    assert world.image_set(primary)["versionId"] == "1"
    document = world.document(copy)
    assert document["ImageSetID"] == copy
    assert document["Study"] == world.document(primary)["Study"]
    assert world.kinds()[1:] == ["Image Set Copying", "Image Set Copying With Read Only Access", "Image Set Copied"]
    copying, read_only, done = [event["detail"] for event in world.events[-3:]]
    assert copying["sourceImageSetArn"].endswith(f"/imageset/{primary}")
    assert [one["imagesetId"] for one in (copying, read_only, done)] == [copy, primary, copy]
    assert "sourceImageSetArn" not in read_only | done


def test_the_source_of_a_copy_is_read_but_not_changed_meanwhile(
    world: "World", primary: str, settings: Callable[..., Any]
) -> None:
    settings(jobSeconds=60)
    answer = world.client.copy_image_set(
        datastoreId=world.store,
        sourceImageSetId=primary,
        copyImageSetInformation={"sourceImageSet": {"latestVersionId": "1"}},
    )
    assert world.image_set(primary)["imageSetState"] == "LOCKED"
    assert instances(world, primary) == {"1.1", "1.2"}
    assert refused(world.update, primary, "1", {"updatable": {}}) == "ConflictException"
    copy = answer["destinationImageSetProperties"]["imageSetId"]
    assert refused(world.document, copy) == "ConflictException"
    settings(jobSeconds=0)
    assert world.idle(primary)["imageSetState"] == "ACTIVE"
    world.idle(copy)


def test_a_part_is_copied(world: "World", primary: str) -> None:
    part = {"SchemaVersion": "1.1", "Study": {"Series": {SERIES: {"Instances": {"1.2": {}}}}}}
    assert instances(world, copied(world, primary, part=part)) == {"1.2"}
    part["Study"] = {"Series": {SERIES: {"Instances": {"9.9": {}}}}}
    assert refused(copied, world, primary, part=part) == "ValidationException"
    assert refused(copied, world, primary, part={"Study": {}}) == "ValidationException"


def test_a_copy_into_another_image_set_merges_and_raises_its_version(world: "World", primary: str) -> None:
    parts: list[Any] = [{"Study": {"Series": {SERIES: {"Instances": {uid: {}}}}}} for uid in ("1.1", "1.2")]
    first, second = [copied(world, primary, part=part) for part in parts]
    assert copied(world, first, into={"imageSetId": second, "latestVersionId": "1"}) == second
    assert world.image_set(second)["versionId"] == "2"
    assert instances(world, second) == {"1.1", "1.2"}
    assert instances(world, second, versionId="1") == {"1.2"}


def test_a_copy_into_an_unlike_image_set_fails_and_takes_a_version_unless_forced(
    world: "World", primary: str, secondary: str
) -> None:
    world.update(secondary, "1", {"updatable": {"Patient": {"DICOM": {"PatientName": "New^Name"}}}})
    world.idle(secondary)
    copied(world, primary, into={"imageSetId": secondary, "latestVersionId": "2"})
    found = world.image_set(secondary)
    assert (found["versionId"], found["imageSetWorkflowStatus"]) == ("3", "COPY_FAILED")
    assert found["message"].startswith("INVALID_REQUEST")
    assert world.kinds()[-1] == "Image Set Copy Failed"
    copied(world, primary, into={"imageSetId": secondary, "latestVersionId": "3"}, force=True)
    found = world.image_set(secondary)
    assert (found["versionId"], found["imageSetWorkflowStatus"]) == ("4", "COPIED")
    assert world.document(secondary)["Patient"]["DICOM"]["PatientName"] == "New^Name"


def test_a_copy_is_promoted_once_the_primary_image_set_is_gone(world: "World", primary: str, secondary: str) -> None:
    assert refused(copied, world, secondary, promoteToPrimary=True) == "ConflictException"
    assert refused(copied, world, primary, promoteToPrimary=True) == "ValidationException"
    world.client.delete_image_set(datastoreId=world.store, imageSetId=primary)
    world.idle(primary)
    promoted = copied(world, secondary, promoteToPrimary=True)
    assert promoted not in (primary, secondary)
    assert world.image_set(promoted)["isPrimary"] is True
    assert instances(world, promoted) == {"1.1", "1.2"}


def test_more_frames_than_the_quota_are_not_copied(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a", NumberOfFrames="1001"))
    identifier = world.image_sets()[0]["imageSetId"]
    assert refused(copied, world, identifier) == "ServiceQuotaExceededException"


def test_an_image_set_is_not_copied_into_itself(world: "World", primary: str) -> None:
    assert (
        refused(copied, world, primary, into={"imageSetId": primary, "latestVersionId": "1"}) == "ValidationException"
    )
