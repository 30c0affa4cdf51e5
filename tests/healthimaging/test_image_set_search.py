"""SearchImageSets: filters, order, pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.healthimaging.conftest import World

Dicom = Callable[..., Path]
PATIENTS = ["P0", "P1", "P2", "P3", "P4"]


@pytest.fixture
def five(world: "World", dicom: Dicom) -> "World":
    """Five studies of five patients, a day apart, and one image set in conflict."""
    for n, patient in enumerate(PATIENTS):
        folder = dicom(
            patient,
            PatientID=patient,
            StudyInstanceUID=f"1.{n}",
            SeriesInstanceUID=f"2.{n}",
            AccessionNumber=f"A{n}",
            StudyID=f"S{n}",
            StudyDate=f"2024010{n + 1}",
            StudyTime="120000",
        )
    dicom("zz", PatientID="Other", StudyInstanceUID="1.0", SeriesInstanceUID="2.0", StudyDate=None, StudyTime=None)
    world.load(folder)
    return world


def patients(found: list[Any]) -> list[str]:
    return [one["DICOMTags"]["DICOMPatientId"] for one in found]


def equal(name: str, value: Any) -> dict[str, Any]:
    return {"operator": "EQUAL", "values": [{name: value}]}


def between(name: str, low: Any, high: Any) -> dict[str, Any]:
    return {"operator": "BETWEEN", "values": [{name: low}, {name: high}]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DICOMPatientId", "P3"),
        ("DICOMAccessionNumber", "A3"),
        ("DICOMStudyId", "S3"),
        ("DICOMStudyInstanceUID", "1.3"),
        ("DICOMSeriesInstanceUID", "2.3"),
        ("DICOMStudyDateAndTime", {"DICOMStudyDate": "20240104", "DICOMStudyTime": "120000"}),
    ],
)
def test_every_attribute_finds_its_image_set(five: "World", name: str, value: Any) -> None:
    assert patients(five.image_sets(filters=[equal(name, value)])) == ["P3"]


def test_the_primary_flag_is_searched_by(five: "World") -> None:
    assert patients(five.image_sets(filters=[equal("isPrimary", False)])) == ["Other"]
    assert sorted(patients(five.image_sets(filters=[equal("isPrimary", True)]))) == PATIENTS


def test_a_range_of_study_dates_takes_both_ends_whole(five: "World") -> None:
    dates = {"DICOMStudyDate": "20240102"}, {"DICOMStudyDate": "20240104"}
    assert sorted(patients(five.image_sets(filters=[between("DICOMStudyDateAndTime", *dates)]))) == ["P1", "P2", "P3"]
    times = ({**dates[0], "DICOMStudyTime": "120000.5"}, {**dates[1], "DICOMStudyTime": "115959"})
    assert patients(five.image_sets(filters=[between("DICOMStudyDateAndTime", *times)])) == ["P2"]


@pytest.mark.parametrize("name", ["createdAt", "updatedAt"])
def test_a_range_of_time_finds_what_changed_in_it(five: "World", name: str) -> None:
    now = datetime.now(UTC)
    assert len(five.image_sets(filters=[between(name, now - timedelta(minutes=5), now)])) == 6
    assert five.image_sets(filters=[between(name, now - timedelta(days=2), now - timedelta(days=1))]) == []


def test_one_attribute_and_one_range_are_combined(five: "World") -> None:
    dates = between("DICOMStudyDateAndTime", {"DICOMStudyDate": "20240101"}, {"DICOMStudyDate": "20240102"})
    assert patients(five.image_sets(filters=[equal("DICOMPatientId", "P1"), dates])) == ["P1"]
    assert five.image_sets(filters=[equal("DICOMPatientId", "P4"), dates]) == []


@pytest.mark.parametrize(
    "filters",
    [
        [{"operator": "BETWEEN", "values": [{"DICOMPatientId": "P1"}, {"DICOMPatientId": "P2"}]}],
        [{"operator": "BETWEEN", "values": [{"createdAt": datetime.now(UTC)}]}],
        [{"operator": "EQUAL", "values": [{"DICOMPatientId": "P1"}, {"DICOMPatientId": "P2"}]}],
        [equal("DICOMPatientId", "P1"), equal("DICOMStudyId", "S1")],
    ],
)
def test_filters_that_the_service_does_not_know_are_refused(world: "World", filters: list[Any]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        world.client.search_image_sets(datastoreId=world.store, searchCriteria={"filters": filters})


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_pages_hold_every_image_set_once(five: "World", size: int) -> None:
    pages = list(
        five.client.get_paginator("search_image_sets").paginate(
            datastoreId=five.store, PaginationConfig={"PageSize": size}
        )
    )
    assert all(len(page["imageSetsMetadataSummaries"]) == size for page in pages[:-1])
    found = [one["imageSetId"] for page in pages for one in page["imageSetsMetadataSummaries"]]
    assert len(found) == len(set(found)) == 6


def test_a_page_that_was_not_asked_for_has_at_most_fifty(world: "World", dicom: Dicom) -> None:
    for n in range(51):
        folder = dicom(str(n), SeriesInstanceUID=f"2.{n}")
    world.load(folder)
    answer = world.client.search_image_sets(datastoreId=world.store)
    assert len(answer["imageSetsMetadataSummaries"]) == 50
    assert len(world.image_sets()) == 51


def test_the_order_is_that_of_the_sort_or_the_latest_change_first(five: "World") -> None:
    by_date = {"sortField": "DICOMStudyDateAndTime", "sortOrder": "ASC"}
    assert patients(five.image_sets(sort=by_date)) == ["Other", *PATIENTS]
    assert patients(five.image_sets(sort={**by_date, "sortOrder": "DESC"})) == [*PATIENTS[::-1], "Other"]
    (p1,) = five.image_sets(filters=[equal("DICOMPatientId", "P1")])
    five.update(p1["imageSetId"], "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}})
    five.idle(p1["imageSetId"])
    answer = five.client.search_image_sets(datastoreId=five.store)
    assert answer["sort"] == {"sortField": "updatedAt", "sortOrder": "DESC"}
    assert patients(answer["imageSetsMetadataSummaries"])[0] == "P1"
    assert patients(five.image_sets(sort={"sortField": "createdAt", "sortOrder": "ASC"}))[0] == "P0"


def test_a_summary_carries_the_tags_of_the_documents_values(five: "World") -> None:
    (found,) = five.image_sets(filters=[equal("DICOMPatientId", "P2")])
    tags = found["DICOMTags"]
    assert tags["DICOMSeriesNumber"] == 1
    assert (tags["DICOMSeriesModality"], tags["DICOMStudyDate"]) == ("MR", "20240103")
    assert found["version"] == 1
    assert "DICOMStudyDescription" not in tags


def test_the_latest_changes_come_first_also_after_image_sets_changed_and_went(five: "World") -> None:
    def newest(high: datetime) -> list[str]:
        filters = [between("updatedAt", datetime(2020, 1, 1, tzinfo=UTC), high)]
        answer = five.client.search_image_sets(datastoreId=five.store, searchCriteria={"filters": filters})
        return [one["imageSetId"] for one in answer["imageSetsMetadataSummaries"]]

    every = {one["imageSetId"]: one["updatedAt"] for one in five.image_sets()}
    ids = list(every)
    assert list(every.values()) == sorted(every.values(), reverse=True)
    # botocore sends whole milliseconds.
    upper = every[ids[3]] + timedelta(milliseconds=1)
    assert newest(upper) == [one for one, time in every.items() if time < upper]
    five.update(ids[5], "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "New"}}}})
    five.idle(ids[5])
    five.client.delete_image_set(datastoreId=five.store, imageSetId=ids[0])
    five.idle(ids[0])
    assert newest(datetime.now(UTC)) == [ids[5], *ids[1:5]]
    assert newest(upper) == [one for one in ids[1:5] if every[one] < upper]


def test_the_first_changes_come_first_in_ascending_order(five: "World") -> None:
    ascending = five.image_sets(sort={"sortField": "updatedAt", "sortOrder": "ASC"})
    assert ascending == five.image_sets()[::-1]
    assert len(ascending) == 6


@pytest.mark.parametrize("field", ["updatedAt", "createdAt"])
def test_a_token_of_another_order_is_refused(five: "World", field: str) -> None:
    sort = {"sortField": "DICOMStudyDateAndTime", "sortOrder": "ASC"}
    answer = five.client.search_image_sets(datastoreId=five.store, searchCriteria={"sort": sort}, maxResults=2)
    with pytest.raises(ClientError, match="belongs to another list"):
        five.client.search_image_sets(
            datastoreId=five.store,
            searchCriteria={"sort": {"sortField": field, "sortOrder": "DESC"}},
            nextToken=answer["nextToken"],
        )
