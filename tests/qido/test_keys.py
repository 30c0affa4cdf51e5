"""What a search can be by, how it is written, and what an answer says of keys that it cannot be by."""

import hmac
from typing import Any

import msgspec
import pytest

from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from imaging_index.qido.elements import has_values
from proof.harness.built import SECRET
from proof.searching.archive import PROFILE
from tests.qido.asking import get, message, objects
from tests.qido.hospital import service, table_of
from tests.qido.stored import Stored, Values, image_set

# What no refusal may repeat.
MARK = "Zebra"
FLAWS = ("InvalidAttributes", "TruncatedAttributes")


def found(query: str, path: str = "/studies", **options: Any) -> set[str]:
    return {each["0020000D"]["Value"][0] for each in objects(get(service(**options), f"{path}?{query}"))}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (f"PatinetName={MARK}", "A key of the query is not a DICOM keyword or tag. Did you mean PatientName?"),
        (f"00991234={MARK}", "not a DICOM keyword or tag. Write keywords like StudyDate, or tags like 00080020."),
        (f"{MARK}=1", "A key of the query is not a DICOM keyword or tag."),
        (f"StudyComments={MARK}", "The profile does not select StudyComments, so that it cannot be searched by."),
        (f"00104000={MARK}", "The profile does not select PatientComments"),
        (f"StudyStatusID={MARK}", "The profile does not select StudyStatusID"),
        (f"OperatorsName={MARK}", "The profile does not select OperatorsName"),
        (f"NumberOfStudyRelatedSeries={MARK}", "is made for each answer"),
        (f"00081190={MARK}", "RetrieveURL is made for each answer"),
        (f"RequestAttributesSequence={MARK}", "is a sequence: search by an attribute in it, like RequestAttributes"),
        (
            f"InstanceNumber={MARK}",
            "InstanceNumber is of single instances: search for it in /studies/{study}/instances",
        ),
        (f"SOPInstanceUID={MARK}", "SOPInstanceUID is of single instances"),
        (f"TimezoneOffsetFromUTC={MARK}", "leave out TimezoneOffsetFromUTC"),
        (f"SpecificCharacterSet={MARK}", "Queries are in UTF-8"),
        (f"PatientID={MARK}&00100020=2{MARK}", "There are several values of PatientID"),
        (f"StudyDate={MARK}", "not a valid value of StudyDate. Write a day like 20240131, or a range"),
        ("StudyDate=20240230", "not a valid value of StudyDate"),
        ("StudyDate=20240131-20240101", "not a valid value of StudyDate"),
        ("StudyDate=2024*", "not a valid value of StudyDate"),
        (f"StudyTime={MARK}", "Write a time like 1200 or 120000"),
        ("StudyTime=2200-0200", "which does not go over midnight"),
        (f"SeriesNumber={MARK}", "Write a number like 3 or 2.5."),
        ("SeriesNumber=1*", "Write a number"),
        (f"PatientAge={MARK}", "Write an age like 045Y."),
        ("StudyInstanceUID=1.2*", "Write UIDs without * and ?, at most 100"),
        ("StudyInstanceUID=" + ",".join(map(str, range(101))), "at most 100 with commas"),
        (f"PatientName=^{MARK[:0]}", "with at least one letter"),
        ("PatientName=^*^&fuzzymatching=true", "with at least one letter"),
        (f"StudyDescription={'*a' * 65}", "a pattern with at most 64 stars"),
        (f"PatientName={'*a' * 65}", "not a valid value of PatientName"),
        (f"PatientID={MARK * 300}", "No value of PatientID is as long as this one."),
        ("&".join(f"{keyword}=1" for keyword in ["Modality", *map(str, range(100))]), "at most 100 keys"),
        ("IsPrimary=maybe", "Write true or false."),
        ("FirstIndexedAt=maybe", "Write a moment in UTC"),
        ("StudyID=1\\2*&multiplevaluematching=true", "Of several values that StudyID must all have, none has * or ?."),
    ],
)
def test_a_key_or_value_that_cannot_be_searched_by_is_refused_with_another_one(query: str, sentence: str) -> None:
    response = get(service(), f"/studies?{query}")
    assert response.status == 400
    assert sentence in message(response)
    assert MARK not in message(response)


def test_an_instance_is_looked_for_below_a_study_or_a_series_alone() -> None:
    alone = get(service(), "/instances?00080018=1.2.3.1.1.2")
    assert (alone.status, "in no index" in message(alone)) == (400, True)
    for address in (
        "/studies/1.2.3.1/instances?SOPInstanceUID=1.2.3.1.1.2",
        "/studies/1.2.3.1/series/1.2.3.1.1/instances?00080018=1.2.3.1.1.2,1.2.3.1.1.9",
        "/instances?StudyInstanceUID=1.2.3.1&SOPInstanceUID=1.2.3.1.1.2",
        "/instances?SeriesInstanceUID=1.2.3.1.1&SOPInstanceUID=1.2.3.1.1.2",
        "/instances?SeriesInstanceUID=1.2.3.1.1&InstanceNumber=2",
        "/studies/1.2.3.1/instances?InstanceNumber=02&SeriesInstanceUID=1.2.3.1.1",
    ):
        (row,) = objects(get(service(), address))
        assert row["00080018"]["Value"] == ["1.2.3.1.1.2"]


def test_keys_are_keywords_or_tags_in_any_case_and_also_in_paths() -> None:
    for key in ("PatientID", "patientid", "00100020", "(0010,0020)", "0010,0020"):
        assert found(f"{key}=PID2") == {"1.2.3.2"}, key
    for key in (
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "00400275.00400009",
        "00400275.ScheduledProcedureStepID",
    ):
        assert found(f"{key}=SPS2") == {"1.2.3.2"}, key
    assert found("0040a123=slim^fast") == {"1.2.3.8"}


def test_an_unknown_key_is_ignored_if_the_setting_says_so_and_the_answer_warns() -> None:
    for key in ("StudyComments", "what", "00991234", "OperatorsName", "InstanceNumber"):
        response = get(service(ignores_unknown_keys=True), f"/studies?PatientID=PID2&{key}={MARK}")
        assert response.headers["Warning"] == '299 imaging-index "Keys that cannot be searched by were ignored."'
        assert len(objects(response)) == 1
        assert get(service(), f"/studies?PatientID=PID2&{key}={MARK}").status == 400


@pytest.mark.parametrize(
    "key",
    [
        *("PatinetName", "PatientNam", "patient_name", "OtherPatientIDs", "IssuerOfPatientId.x", "AccessionNumbers"),
        *("SOPInstanceUID", "ReferencedSOPInstanceUID", "WhatUID", "00081155", "PatientBirthdate.", "00101000"),
        *("RequestAttributesSequence.StudyInstanceUID", "OtherPatientIDsSequence.IssuerOfPatientID"),
    ],
)
def test_a_key_of_identity_is_never_ignored(key: str) -> None:
    assert get(service(ignores_unknown_keys=True), f"/studies?{key}=1").status == 400


def test_text_is_exact_but_for_names_and_wildcards() -> None:
    assert found("StudyDescription=CT CHEST") == {"1.2.3.1"}
    assert found("StudyDescription=ct chest") == set()
    assert found("AccessionNumber=acc1") == set()
    assert found("PatientName=DOE^JOHN") == found("PatientName=doe^john^") == {"1.2.3.1"}
    assert found("PatientName=Muller^Anne") == {"1.2.3.3"}
    assert found("PatientName=doe") == set()
    assert found("PatientName=doe&fuzzymatching=true") >= {"1.2.3.1", "1.2.3.2"} - {"1.2.3.2"}
    assert found("PatientName=jo*+DOE&fuzzymatching=true") == {"1.2.3.1", "1.2.3.4"}


def test_a_range_of_dates_with_a_range_of_times_is_one_range_of_moments() -> None:
    assert "1.2.4.11" in found("StudyDate=20240101-20241231&StudyTime=0800-0900")  # at 11:11 of a day in December
    assert found("StudyDate=20240131-20240202&StudyTime=0831-0101") == {"1.2.4.1"}
    assert found("StudyDate=20240131-20240202&StudyTime=0830-0100") == {"1.2.3.6"}
    assert found("StudyDate=20240131-20240202&StudyTime=083015-") == {"1.2.3.6", "1.2.4.1"}
    assert found("StudyDate=20240131-20240202&StudyTime=083015.5-010100") == {"1.2.3.6", "1.2.4.1"}
    assert found("StudyDate=20240131-20240202&StudyTime=083015.6-005959") == set()
    assert found("StudyDate=20240131&StudyTime=0831-0900") == set()
    assert found("StudyDate=20240115-20240120&StudyTime=083015.5") == {"1.2.3.1", "1.2.3.2"}


def test_two_quotation_marks_are_what_has_no_value_if_they_are_to_be() -> None:
    assert found('AccessionNumber=""&emptyvaluematching=true') >= {"1.2.3.3", "1.2.3.4"}
    assert "1.2.3.1" not in found('AccessionNumber=""&emptyvaluematching=true')
    assert found('AccessionNumber=""') == set()
    assert found('StudyDate=""&emptyvaluematching=true') == {"1.2.3.4"}


def test_several_values_are_all_there_if_they_are_to_be() -> None:
    both = Stored(
        image_set(1, series={"SeriesInstanceUID": "1.2.1", "SoftwareVersions": "A\\B"}),
        image_set(2, study={"StudyInstanceUID": "1.3"}, series={"SeriesInstanceUID": "1.3.1", "SoftwareVersions": "A"}),
    )
    for query, uids in (
        ("SoftwareVersions=A\\B&multiplevaluematching=true", {"1.2"}),
        ("SoftwareVersions=B\\A&multiplevaluematching=true", {"1.2"}),
        ("SoftwareVersions=A&multiplevaluematching=true", {"1.2", "1.3"}),
        ("SoftwareVersions=A\\C&multiplevaluematching=true", set()),
        ("ModalitiesInStudy=CT\\MR", {"1.2", "1.3"}),
        ("ModalitiesInStudy=CT\\MR&multiplevaluematching=true", set()),
    ):
        assert {each["0020000D"]["Value"][0] for each in objects(get(service(both), f"/studies?{query}"))} == uids, (
            query
        )


def test_what_is_hashed_is_found_by_its_value_or_its_token_and_by_no_part_of_it() -> None:
    hashing = toml_file.parse(
        'revision = 1\nattributes = ["StudyInstanceUID", "SeriesInstanceUID", "PatientID", "PatientName", "StudyDate", '
        '"SeriesNumber", "Modality"]\n[privacy]\nPatientID = "hash"\nPatientName = "hash"\nStudyDate = "hash"\n'
        'SeriesNumber = "hash"\nModality = "hash"\n[indexes.arrived]\npartition = ["DatastoreId"]\n'
        'sort = ["FirstIndexedAt"]\n'
    )

    def token(value: str) -> str:
        return hmac.digest(SECRET, value.encode(), "sha256").hex()

    stored = table_of(hashing)

    def studies(query: str, token: Any = token) -> set[str]:
        answering = service(stored, profile=hashing, token=token)
        return {each["0020000D"]["Value"][0] for each in objects(get(answering, f"/studies?{query}"))}

    assert (
        studies("PatientID=PID2")
        == studies("PatientID=%20PID2")
        == studies(f"PatientID={token('PID2')}")
        == {"1.2.3.2"}
    )
    assert studies(f"PatientID={token('PID2')}", token=None) == {"1.2.3.2"}
    assert studies("PatientID=pid2") == set()
    assert studies("PatientName=Doe^John") == {"1.2.3.1"}
    assert studies("StudyDate=20240115") == {"1.2.3.1"}
    assert studies("Modality=US,DX") >= {"1.2.3.4", "1.2.3.6"}
    assert studies("SeriesNumber=5") == {"1.2.3.8"}
    assert studies("PatientID=*") == studies("")
    for query in (
        "PatientID=PID*",
        "PatientName=D?e",
        "PatientName=doe&fuzzymatching=true",
        "StudyDate=20240101-20240131",
    ):
        response = get(service(stored, profile=hashing, token=token), f"/studies?{query}")
        assert (response.status, "is stored as a token" in message(response)) == (400, True)
    response = get(service(stored, profile=hashing), "/studies?PatientID=PID2")
    assert (response.status, "64 hexadecimal digits" in message(response)) == (400, True)


def test_a_capped_age_is_answered_as_it_is_stored_and_none_that_is_not_is_looked_for() -> None:
    capping = toml_file.parse(
        'revision = 1\nattributes = ["StudyInstanceUID", "SeriesInstanceUID", "PatientAge"]\n[privacy]\n'
        'PatientAge = "cap"\n[indexes.date]\npartition = ["DatastoreId"]\nsort = ["StudyMoment"]\n'
    )
    answering = service(table_of(capping), profile=capping)
    response = get(answering, "/studies?PatientAge=095Y")
    assert (response.status, "90 years for all ages over 89" in message(response)) == (400, True)
    assert get(answering, "/studies?PatientAge=090Y").status == 200
    age = capping.find("PatientAge")
    assert age
    assert has_values(age)


def test_copies_that_are_not_primary_are_left_out_and_told_of_or_asked_for() -> None:
    response = get(service(), "/series?PatientName=Doe^Edgar&Modality=DX")
    assert objects(response) == []
    assert "1 image sets that are not primary are left out. The parameter allcopies=true" in response.headers["Warning"]
    copies = get(service(), "/series?PatientName=Doe^Edgar&Modality=DX&allcopies=true")
    assert len(objects(copies)) == 1
    assert "Warning" not in copies.headers
    assert found("PatientName=Doe^Nobody") == {"1.2.3.7"}
    for query, count in (("", 2), ("?allcopies=true", 4)):
        assert len(objects(get(service(), f"/studies/1.2.3.7/instances{query}"))) == count
        assert get(service(), f"/studies/1.2.3.7/instances/count{query}").body == b'{"count":%d}' % count


@pytest.mark.parametrize(
    ("key", "instances", "marks"),
    [
        ("SliceThickness=3", ({"SliceThickness": "1"}, {"SliceThickness": "3"}), [["SliceThickness"]] * 2),
        ("SliceThickness=3", ({"SliceThickness": "3"}, {"SliceThickness": None}), [["SliceThickness"]] * 2),
        ("SliceThickness=3", ({"SliceThickness": "3"}, {"SliceThickness": "3.0"}), [None] * 2),
        ("ViewPosition=AP", ({"ViewPosition": "AP"}, {"ViewPosition": "PA"}), [["ViewPosition"]] * 2),
        ("ViewPosition=AP", ({"ViewPosition": "AP"}, {}), [["ViewPosition"]] * 2),
        ("ViewPosition=AP", ({"ViewPosition": "AP"}, {"ViewPosition": "AP"}), [None] * 2),
        ("KVP=120&ViewPosition=AP", ({"ViewPosition": "AP", "KVP": "120"}, {"KVP": "120"}), [["ViewPosition"]] * 2),
        ("Rows=100", ({"Rows": 100}, {"Rows": 200}), [None]),
        ("Modality=CT", ({}, {}), [None] * 2),
    ],
)
def test_an_instance_of_an_image_set_whose_instances_differ_is_marked_as_a_possible_match(
    key: str, instances: tuple[Values, ...], marks: list[Any]
) -> None:
    rows = objects(get(service(Stored(image_set(1, *instances))), f"/studies/1.2/instances?{key}"))
    assert [each.get("00991005", {}).get("Value") for each in rows] == marks


def test_an_index_that_lacks_the_time_or_folds_no_name_decides_nothing_of_it() -> None:
    held = ("StudyInstanceUID", "SeriesInstanceUID", "PatientName", "StudyDate", *FLAWS)
    indexes = {
        "name": msgspec.structs.replace(PROFILE.indexes["name"], holds=held),
        "physician": Index(("DatastoreId", "ReferringPhysicianName"), ("ImageSetId",)),
        "date": PROFILE.indexes["date"],
    }
    lacking = Stored(image_set(), profile=msgspec.structs.replace(PROFILE, indexes=indexes))
    for query in (
        "PatientName=doe^jane&StudyDate=20100130-20240131&StudyTime=0800-0900",
        "ReferringPhysicianName=SMITH^ANN",
    ):
        assert len(objects(get(service(lacking), f"/studies?{query}"))) == 1, query
