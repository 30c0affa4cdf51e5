"""Files -> image sets: what is refused, what belongs together, what conflicts, and what the job leaves behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pydicom
import pytest
from botocore.exceptions import ClientError
from pydicom import dcmread
from pydicom.data import get_testdata_file

from local.healthimaging.importing import scan

if TYPE_CHECKING:
    from tests.healthimaging.conftest import Server, World

Dicom = Callable[..., Path]
ROLE = "arn:aws:iam::000000000000:role/import"


def lines(job: Any, name: str) -> list[Any]:
    path = Path(job["outputS3Uri"].removeprefix("file://"), name)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pydicoms_own_files_become_image_sets(world: "World") -> None:
    summary = world.load(Path(pydicom.__file__).parent / "data")
    assert summary["numberOfImportedFiles"] > 150
    assert summary["numberOfGeneratedImageSets"] == len(world.image_sets()) >= 50
    for found in world.image_sets():
        document = world.document(found["imageSetId"])
        assert (document["DatastoreID"], document["ImageSetID"]) == (world.store, found["imageSetId"])
        assert document["Patient"]["DICOM"].get("PatientID", "") in (None, found["DICOMTags"].get("DICOMPatientId", ""))


def test_a_document_has_the_shape_of_the_service(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a", NumberOfFrames=2))
    (found,) = world.image_sets()
    document = world.document(found["imageSetId"])
    dataset = dcmread(world.directory / "scans" / "a")
    assert set(document) == {"SchemaVersion", "DatastoreID", "ImageSetID", "Patient", "Study"}
    assert document["SchemaVersion"] == "1.1"
    series = document["Study"]["Series"][dataset.SeriesInstanceUID]
    instance = series["Instances"][dataset.SOPInstanceUID]
    assert series["DICOM"]["SeriesInstanceUID"] == dataset.SeriesInstanceUID
    assert instance["DICOM"]["SOPInstanceUID"] == dataset.SOPInstanceUID
    assert instance["StoredTransferSyntaxUID"] == "1.2.840.10008.1.2.4.202"
    first, second = instance["ImageFrames"]
    assert first["ID"] != second["ID"]
    assert len(first["ID"]) == 32
    assert first["PixelDataChecksumFromBaseToFullResolution"][0]["Width"] == dataset.Columns


@pytest.mark.parametrize(
    ("file", "stored", "frames"),
    [
        ("CT_small.dcm", "1.2.840.10008.1.2.4.202", 1),
        ("SC_rgb_rle_2frame.dcm", "1.2.840.10008.1.2.4.202", 2),
        ("SC_rgb_jpeg_dcmtk.dcm", "1.2.840.10008.1.2.4.50", 1),
        ("JPGExtended.dcm", "1.2.840.10008.1.2.4.51", 1),
        ("reportsi.dcm", "1.2.840.10008.1.2.1", 0),
    ],
)
def test_what_is_stored_follows_from_the_transfer_syntax(file: str, stored: str, frames: int) -> None:
    found = scan([(file, Path(str(get_testdata_file(file))))], "HTJ2K")
    (group,) = found.groups.values()
    (instance,) = (msgspec.json.decode(instance) for instance in group.rounds[0].values())
    assert (instance["StoredTransferSyntaxUID"], len(instance["ImageFrames"])) == (stored, frames)


@pytest.mark.parametrize(
    ("frames", "count"),
    [("+3", 3), (" 2", 2), ("2 ", 2), ("+02 ", 2), ("-3", 1), ("0", 1), ("2\\2", 1), ("+", 1), ("100001", 1)],
)
def test_the_number_of_frames_may_have_a_sign_and_blanks(dicom: Dicom, frames: str, count: int) -> None:
    content = (dicom("a", NumberOfFrames="777777") / "a").read_bytes()
    written = content.replace(b"777777", frames.ljust(6).encode())
    assert written != content
    (group,) = scan([("a", written)], "HTJ2K").groups.values()
    (instance,) = (msgspec.json.decode(instance) for instance in group.rounds[0].values())
    assert len({frame["ID"] for frame in instance["ImageFrames"]}) == count


@pytest.mark.parametrize(
    ("keyword", "values", "longest"),
    [
        ("StudyDate", ["20240101", "20240102"], 18),
        ("StudyTime", ["120000.000000", "120000.000001"], 28),
        ("PatientBirthDate", ["20240101", "20240102"], 18),
        ("PatientName", ["A" * 127, "B" * 128], 256),
        ("PatientID", ["P" * 127, "P" * 128], 256),
        ("StudyDescription", ["A\n" * 64, "'" * 127], 256),
    ],
)
def test_a_value_is_as_long_as_it_was_written(dicom: Dicom, keyword: str, values: list[str], longest: int) -> None:
    written = "\\".join(values)
    assert len(written) == longest - (keyword in ("StudyDate", "PatientBirthDate", "StudyTime"))
    folder = dicom("fits", **{keyword: values})
    dicom("long", **{keyword: [*values, "1"]})
    found = scan([(name, folder / name) for name in ("fits", "long")], "HTJ2K")
    assert [group.files for group in found.groups.values()] == [["fits"]]
    assert found.refused == [("long", f"DICOM attribute {keyword} is longer than {longest} characters")]


def test_several_values_where_one_belongs_group_and_are_found_as_they_were_written(
    world: "World", dicom: Dicom
) -> None:
    dicom("a", SOPInstanceUID="1.1", AccessionNumber=["A1", "A2"], SeriesNumber=["1", "2"])
    world.load(dicom("b", SOPInstanceUID="1.2", AccessionNumber=["A1", "A2 "], SeriesNumber=["1", "2"]))
    (found,) = world.image_sets()
    assert found["isPrimary"] is True
    assert found["DICOMTags"]["DICOMAccessionNumber"] == "A1\\A2"
    assert "DICOMSeriesNumber" not in found["DICOMTags"]
    by_number = {"operator": "EQUAL", "values": [{"DICOMAccessionNumber": "A1\\A2"}]}
    summaries = world.client.search_image_sets(datastoreId=world.store, searchCriteria={"filters": [by_number]})
    assert [one["imageSetId"] for one in summaries["imageSetsMetadataSummaries"]] == [found["imageSetId"]]


def test_two_instance_uids_in_one_element_are_one_key_of_the_document(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a", SOPInstanceUID=["1.1", "1.2"]))
    (found,) = world.image_sets()
    (series,) = world.document(found["imageSetId"])["Study"]["Series"].values()
    assert list(series["Instances"]) == ["1.1\\1.2"]


def test_one_series_is_one_image_set_and_one_study_is_many(world: "World", dicom: Dicom) -> None:
    dicom("a", SOPInstanceUID="1.1")
    dicom("deep/er/b", SOPInstanceUID="1.2")
    world.load(dicom("c.txt", SeriesInstanceUID="9.9", SOPInstanceUID="1.3"))
    found = world.image_sets()
    documents = [world.document(one["imageSetId"])["Study"]["Series"] for one in found]
    assert sorted(len(series["Instances"]) for document in documents for series in document.values()) == [1, 2]
    assert {one["version"] for one in found} == {1}
    assert all(one["isPrimary"] for one in found)
    assert world.kinds() == ["Image Set Created"] * 2


@pytest.mark.parametrize("keyword", ["StudyDate", "AccessionNumber", "PatientID", "StudyID", "SeriesNumber"])
def test_a_conflict_on_a_grouping_element_becomes_an_image_set_that_is_not_primary(
    world: "World", dicom: Dicom, keyword: str
) -> None:
    dicom("a", SOPInstanceUID="1.1")
    world.load(dicom("b", SOPInstanceUID="1.2", **{keyword: "19991231" if keyword == "StudyDate" else "77"}))
    assert sorted(one["isPrimary"] for one in world.image_sets()) == [False, True]
    assert sorted(event["detail"]["isPrimary"] for event in world.events if "Image Set" in event["detail-type"]) == [
        False,
        True,
    ]


def test_another_series_of_a_known_study_conflicts_on_study_values_only(world: "World", dicom: Dicom) -> None:
    dicom("a")
    dicom("b", SeriesInstanceUID="9.1", SeriesNumber="7")
    world.load(dicom("c", SeriesInstanceUID="9.2", PatientID="Other"))
    by_series = {one["DICOMTags"]["DICOMSeriesInstanceUID"]: one["isPrimary"] for one in world.image_sets()}
    assert by_series["9.1"] is True
    assert by_series["9.2"] is False


def test_values_that_do_not_group_come_from_the_first_instance(world: "World", dicom: Dicom) -> None:
    dicom("a", SOPInstanceUID="1.1", PatientName="First^One")
    world.load(dicom("b", SOPInstanceUID="1.2", PatientName="Second^One"))
    (found,) = world.image_sets()
    assert found["DICOMTags"]["DICOMPatientName"] == "First^One"


def test_a_later_instance_is_merged_into_the_primary_image_set_as_a_new_version(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a", SOPInstanceUID="1.1"))
    world.load(dicom("b", folder="later", SOPInstanceUID="1.2"))
    (found,) = world.image_sets()
    assert found["version"] == 2

    def instances(**version: str) -> set[str]:
        (series,) = world.document(found["imageSetId"], **version)["Study"]["Series"].values()
        return set(series["Instances"])

    assert instances() == {"1.1", "1.2"}
    assert instances(versionId="1") == {"1.1"}
    assert [event["detail"]["imageSetVersion"] for event in world.events if "Image Set" in event["detail-type"]] == [
        "1",
        "2",
    ]


def test_the_event_of_a_merge_can_be_set(world: "World", dicom: Dicom, settings: Callable[..., Any]) -> None:
    settings(merged="UPDATED")
    world.load(dicom("a", SOPInstanceUID="1.1"))
    world.load(dicom("b", folder="later", SOPInstanceUID="1.2"))
    assert world.kinds() == ["Image Set Created", "Image Set Updated"]


def test_the_same_instance_again_is_replaced_and_raises_the_version(world: "World", dicom: Dicom) -> None:
    dicom("a", ImageComments="first")
    world.load(dicom("b", ImageComments="second"))
    (found,) = world.image_sets()
    assert found["version"] == 2

    def comment(version: str) -> str:
        (series,) = world.document(found["imageSetId"], versionId=version)["Study"]["Series"].values()
        (instance,) = series["Instances"].values()
        return str(instance["DICOM"]["ImageComments"])

    assert [comment("1"), comment("2")] == ["first", "second"]


def test_a_conflict_that_comes_later_is_an_image_set_of_its_own_each_time(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a"))
    later = dicom("b", folder="later", PatientID="Other")
    world.load(later)
    world.load(later)
    assert sorted(one["isPrimary"] for one in world.image_sets()) == [False, False, True]


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_without_a_study_or_series_uid_there_is_still_an_image_set(world: "World", dicom: Dicom, keyword: str) -> None:
    world.load(dicom("a", **{keyword: None}))
    (found,) = world.image_sets()
    assert found["isPrimary"] is False
    assert world.document(found["imageSetId"])["Study"]["Series"]


def test_what_cannot_be_imported_is_listed_with_its_reason(world: "World", dicom: Dicom) -> None:
    folder = dicom("good")
    dicom("no-class", SOPClassUID=None)
    dicom("no-instance", SOPInstanceUID=None)
    dicom("long", PatientID="1" * 257)
    (folder / "text.dcm").write_text("not DICOM")
    (folder / "empty").touch()
    (folder / "cut").write_bytes((folder / "good").read_bytes()[:140])
    job = world.ended(world.start(folder))
    assert job["jobStatus"] == "COMPLETED"
    assert job["message"] == "1 of 7 files imported into 1 image sets, 6 refused"
    reasons = {line["inputFile"]: line["exception"]["message"] for line in lines(job, "FAILURE/failure.ndjson")}
    assert reasons["no-class"] == "DICOM attribute SOPClassUID does not exist"
    assert reasons["no-instance"] == "DICOM attribute SOPInstanceUID does not exist"
    assert reasons["long"] == "DICOM attribute PatientID is longer than 256 characters"
    assert reasons["text.dcm"] == reasons["empty"] == "The file is not a DICOM P10 file"
    assert "cut" in reasons
    (success,) = lines(job, "SUCCESS/success.ndjson")
    assert success["inputFile"] == "good"
    assert world.image_set(success["importResponse"]["imageSetId"])["versionId"] == "1"


def test_a_dicomdir_is_refused(world: "World") -> None:
    job = world.ended(world.start(Path(pydicom.__file__).parent / "data/test_files/dicomdirtests/TINY_ALPHA"))
    (failure,) = [line for line in lines(job, "FAILURE/failure.ndjson") if line["inputFile"] == "DICOMDIR"]
    assert "DICOMDIR" in failure["exception"]["message"]
    assert world.image_sets()


def test_a_folder_without_dicom_completes_with_nothing(world: "World", tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("nothing")
    summary = world.load(tmp_path / "notes")
    assert (summary["numberOfScannedFiles"], summary["numberOfImportedFiles"]) == (1, 0)
    assert world.image_sets() == []
    assert world.kinds("Import Job") == ["Import Job Submitted", "Import Job In Progress", "Import Job Completed"]


def test_a_folder_that_is_not_there_fails_the_job(world: "World", tmp_path: Path) -> None:
    job = world.ended(world.start(tmp_path / "nowhere"))
    assert job["jobStatus"] == "FAILED"
    assert world.kinds("Import Job")[-1] == "Import Job Failed"


@pytest.mark.parametrize("uri", ["http://host/folder", "file://host/folder", "folder", "s3:///prefix"])
def test_an_input_that_is_neither_folder_nor_bucket_is_refused(world: "World", uri: str) -> None:
    with pytest.raises(ClientError, match="inputS3Uri must be"):
        world.client.start_dicom_import_job(
            dataAccessRoleArn=ROLE, datastoreId=world.store, inputS3Uri=uri, outputS3Uri="file:///tmp"
        )


def test_an_import_reads_from_s3_and_leaves_its_manifest_there(world: "World", server: "Server", dicom: Dicom) -> None:
    bucket = f"s3://bucket-{world.account}/"
    server.objects[f"{bucket}in/a.dcm"] = (dicom("a") / "a").read_bytes()
    started = world.client.start_dicom_import_job(
        dataAccessRoleArn=ROLE, datastoreId=world.store, inputS3Uri=f"{bucket}in/", outputS3Uri=f"{bucket}out/"
    )
    job = world.ended(started["jobId"])
    assert job["outputS3Uri"] == f"{bucket}out/{world.store}-DicomImport-{started['jobId']}/"
    summary = json.loads(server.objects[f"{job['outputS3Uri']}job-output-manifest.json"])["jobSummary"]
    assert summary["imageSetsSummary"] == [
        {
            "imageSetId": world.image_sets()[0]["imageSetId"],
            "imageSetVersion": 1,
            "isPrimary": True,
            "numberOfMatchedSOPInstances": 1,
        }
    ]


def test_a_client_token_starts_one_job(world: "World", dicom: Dicom) -> None:
    arguments: dict[str, Any] = {
        "dataAccessRoleArn": ROLE,
        "datastoreId": world.store,
        "inputS3Uri": dicom("a").as_uri(),
        "outputS3Uri": (world.directory / "output").as_uri(),
        "clientToken": "once",
    }
    jobs = {world.client.start_dicom_import_job(**arguments)["jobId"] for _ in range(2)}
    assert len(jobs) == 1
    world.ended(*jobs)


def test_jobs_are_listed_from_the_newest_by_status_and_page(world: "World", dicom: Dicom) -> None:
    folder = dicom("a")
    jobs = [world.start(folder) for _ in range(3)]
    for job in jobs:
        world.ended(job)
    pages = list(
        world.client.get_paginator("list_dicom_import_jobs").paginate(
            datastoreId=world.store, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["jobSummaries"]) for page in pages] == [2, 1]
    assert [job["jobId"] for page in pages for job in page["jobSummaries"]] == jobs[::-1]
    failed = world.client.list_dicom_import_jobs(datastoreId=world.store, jobStatus="FAILED")
    assert failed["jobSummaries"] == []


def test_an_import_waits_for_the_image_set_that_another_action_has_locked(
    world: "World", dicom: Dicom, settings: Callable[..., Any]
) -> None:
    world.load(dicom("a", SOPInstanceUID="1.1"))
    (found,) = world.image_sets()
    settings(jobSeconds=60)
    world.update(found["imageSetId"], "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}})
    job = world.start(dicom("b", folder="later", SOPInstanceUID="1.2"))
    for _ in range(20):
        present = world.client.get_dicom_import_job(datastoreId=world.store, jobId=job)
        assert present["jobProperties"]["jobStatus"] in ("SUBMITTED", "IN_PROGRESS")
    settings(jobSeconds=0)
    assert world.ended(job)["jobStatus"] == "COMPLETED"
    document = world.document(found["imageSetId"])
    assert document["Study"]["DICOM"]["StudyDescription"] == "New"
    assert len(next(iter(document["Study"]["Series"].values()))["Instances"]) == 2
    assert world.idle(found["imageSetId"])["versionId"] == "3"
