"""Several values where DICOM allows one: the first is found and all are shown, or none of them is taken for the one."""

import hashlib
import hmac
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.dicom import dictionary, vrs
from proof.harness.built import SECRET, build

PROFILE = """
attributes = ["PatientID", "PatientName", "PatientBirthDate", "PatientAge", "PatientAgeYears", "StudyInstanceUID",
  "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "SeriesInstanceUID", "SeriesNumber", "Modality",
  "StationName", "SoftwareVersions", "StationAETitle", "InstitutionAddress", "SOPClassUID", "KVP", "AcquisitionDate",
  "ViewPosition", "ContrastBolusAgent", "ImageComments"]
[instances]
keep = ["SliceLocation", "ViewPosition"]
[indexes.patient]
partition = ["DatastoreId", "PatientID"]
sort = ["StudyMoment", "ImageSetId"]
"""


@pytest.mark.parametrize("written", ["A1", "A1\\", "\\A1 ", "A1\\ A1", "A1\\\\A1\\", ["A1", "A1"], ["", "A1", None]])
def test_one_value_that_differs_from_none_is_that_value(written: object) -> None:
    found = build(
        PROFILE, {"ViewPosition": written}, patient={"PatientID": written}, study={"AccessionNumber": written}
    )
    assert (found["PatientID"], found["AccessionNumber"], found["ViewPosition"]) == ("A1", "A1", ["A1"])
    assert not {name for name in found if name.endswith("Values")} | {"InvalidAttributes"} & found.keys()


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("StudyDate", "20240101\\2024.01.01", "20240101"),
        ("StudyTime", "10\\1000", "100000"),
        ("StudyInstanceUID", ["1.2", "1.2\0"], "1.2"),
        ("PatientAge", "45Y\\045Y", "045Y"),
    ],
)
def test_values_that_mean_the_same_are_one(name: str, written: object, value: str) -> None:
    found = build(PROFILE, study={name: written})
    assert found[name] == value
    assert "InvalidAttributes" not in found


@pytest.mark.parametrize("written", ["\\", "\\\\", ["", None], [" ", "\\"]])
def test_values_that_are_all_empty_are_none(written: object) -> None:
    found = build(PROFILE, {"ViewPosition": written, "KVP": written}, patient={"PatientID": written})
    assert not {"PatientID", "ViewPosition", "KVP", "InvalidAttributes"} & found.keys()


@pytest.mark.parametrize("written", ["B2\\A1 \\B2\\", ["B2", "A1"], ["B2\\A1"]])
@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("patient", "PatientID"),
        ("study", "AccessionNumber"),
        ("study", "StudyDescription"),
        ("series", "Modality"),
        ("series", "StationName"),
    ],
)
def test_of_several_texts_the_first_stands_and_all_are_listed(level: str, name: str, written: object) -> None:
    found = build(PROFILE, **{level: {name: written}})
    assert (found[name], found[f"{name}Values"]) == ("B2", ["B2", "A1"])
    assert found["InvalidAttributes"] == [name]


@pytest.mark.parametrize(
    ("level", "name", "written", "values"),
    [
        ("study", "StudyDate", "20240102\\20240101", ["20240102", "20240101"]),
        ("study", "StudyTime", ["11", "10"], ["110000", "100000"]),
        ("study", "StudyInstanceUID", "1.2\\1.3", ["1.2", "1.3"]),
        ("study", "PatientAge", "45Y\\046Y", ["045Y", "046Y"]),
        ("patient", "PatientName", "Doe^A\\Doe^B", ["Doe^A", "Doe^B"]),
        ("series", "SeriesNumber", "2\\1.0", [2, 1]),
        ("series", "SeriesNumber", [2, 1], [2, 1]),
        ("series", "SeriesInstanceUID", "1.3\\1.2", ["1.3", "1.2"]),
    ],
)
def test_of_several_others_none_stands_and_all_are_listed(
    level: str, name: str, written: object, values: list[object]
) -> None:
    found = build(PROFILE, **{level: {name: written}})
    assert found[f"{name}Values"] == values
    assert name not in found
    assert found["InvalidAttributes"] == [name]


@pytest.mark.parametrize(
    ("level", "name", "written", "value", "values"),
    [
        ("study", "StudyDate", "20240101\\soon", None, ["20240101"]),
        ("study", "StudyDate", "now\\soon", None, None),
        ("study", "AccessionNumber", [7, "A1", "A2"], "A1", ["A1", "A2"]),
        ("study", "AccessionNumber", [7, "A1"], "A1", ["A1"]),
        ("patient", "PatientID", ["x" * 1025 + "é" * 1024, "A"], "A", ["A"]),
    ],
)
def test_of_several_those_that_can_be_typed_are_listed(
    level: str, name: str, written: object, value: object, values: object
) -> None:
    found = build(PROFILE, **{level: {name: written}})
    assert (found.get(name), found.get(f"{name}Values")) == (value, values)
    assert found["InvalidAttributes"] == [name]


def test_nothing_is_derived_from_several_values() -> None:
    found = build(
        PROFILE,
        {"SOPClassUID": "1.7\\1.8", "InstanceNumber": "1\\2", "SliceLocation": "1\\2", "Rows": [5, 5]},
        patient={"PatientName": "Doe^A\\Doe^B", "PatientBirthDate": "19500101\\19600101"},
        study={"StudyDate": "20240101\\20250101", "StudyTime": "10", "PatientAge": "045Y\\055Y"},
        series={"SeriesInstanceUID": "1.2\\1.3"},
    )
    assert not {"PatientNameFolded", "PatientNameKey", "PatientAgeYears", "SeriesInstanceUIDs"} & found.keys()
    assert found["StudyMoment"] == "00000000100000"
    (row,) = found["instances"]
    assert row["SeriesInstanceUID"] == ""
    assert not {"SOPClassUID", "InstanceNumber", "SliceLocation"} & row.keys()
    assert row["Rows"] == 5


@pytest.mark.parametrize(("vr", "name"), [("ST", "InstitutionAddress"), ("LT", "ImageComments")])
def test_a_backslash_is_text_in_a_text_that_has_one_value(vr: str, name: str) -> None:
    element = dictionary.lookup(name)
    assert element
    assert element.vr == vr
    found = build(PROFILE, {name: "A\\A"}, series={name: "A\\A"})
    assert found[name] in ("A\\A", ["A\\A"])
    assert "InvalidAttributes" not in found
    assert vrs.components("UT", "A\\B") == vrs.components("UR", ["A\\B"]) == ["A\\B"]


def test_a_list_where_backslashes_are_split_is_a_list_either_way() -> None:
    assert build(PROFILE, series={"SoftwareVersions": "B \\\\A\\B"})["SoftwareVersions"] == ["B", "", "A", "B"]


def test_of_the_instances_each_has_its_first_and_the_list_has_those_of_all_that_had_several() -> None:
    found = build(PROFILE, {"ViewPosition": "PA\\AP"}, {"ViewPosition": "LL"}, {"ViewPosition": ["AP", "RL"]}, {})
    assert found["ViewPosition"] == ["AP", "LL", "PA"]
    assert found["ViewPositionValues"] == ["AP", "PA", "RL"]
    assert found["MissingIn"] == {"ViewPosition": 1}
    assert found["InvalidAttributes"] == ["ViewPosition"]
    assert [row.get("ViewPosition") for row in found["instances"]] == ["PA", "LL", "AP", None]


def test_of_the_instances_one_with_several_numbers_or_dates_counts_as_missing() -> None:
    found = build(PROFILE, {"KVP": "120\\80"}, {"KVP": 100}, {"KVP": ["9.50", "120"], "AcquisitionDate": "20240101\\x"})
    assert found["KVP"] == {"Min": 100, "Max": 100, "Missing": 2}
    assert found["KVPValues"] == [Decimal("9.5"), 80, 120]
    assert found["AcquisitionDateValues"] == ["20240101"]
    assert "AcquisitionDate" not in found
    assert found["InvalidAttributes"] == ["AcquisitionDate", "KVP"]


def test_frames_that_differ_are_no_several_values() -> None:
    frames = [{"CTXRayDetailsSequence": [{"KVP": value}]} for value in ("80", "120", "9\\9", "1\\2")]
    found = build(PROFILE, {"PerFrameFunctionalGroupsSequence": frames})
    assert found["KVP"] == {"Min": 9, "Max": 120, "Values": [9, 80, 120]}
    assert (found["KVPValues"], found["InvalidAttributes"]) == ([1, 2], ["KVP"])


def test_several_values_of_a_hashed_attribute_have_no_token_and_one_has_its_own() -> None:
    hashing = f'{PROFILE}[privacy]\nPatientID = "hash"\nViewPosition = "hash"\n'
    found = build(hashing, {"ViewPosition": "A1\\A2"}, patient={"PatientID": "A1\\A2"})
    assert not [name for name in found if name.startswith(("PatientID", "ViewPosition"))]
    assert found["InvalidAttributes"] == ["PatientID", "ViewPosition"]
    assert "A1" not in str(found)
    token = hmac.new(SECRET, b"A1", hashlib.sha256).hexdigest()
    found = build(hashing, {"ViewPosition": "A1"}, patient={"PatientID": "A1\\A1\\"})
    assert (found["PatientID"], found["ViewPosition"]) == (token, [token])
    assert "InvalidAttributes" not in found


def test_several_values_of_a_dropped_attribute_are_nowhere() -> None:
    dropping = f'{PROFILE.split("[indexes")[0]}[privacy]\nPatientID = "drop"\n'
    assert (
        not {"PatientID", "PatientIDValues", "InvalidAttributes"}
        & build(dropping, patient={"PatientID": "A\\B"}).keys()
    )


def test_several_values_of_what_only_the_instances_keep_are_no_attribute_of_the_entry() -> None:
    assert "SliceLocationValues" not in build(PROFILE, {"SliceLocation": "1\\2"})


def test_the_list_of_several_values_is_bounded_and_all_of_these_lists_together() -> None:
    found = build(PROFILE, patient={"PatientID": [str(number) for number in range(101)]})
    assert found["PatientIDValues"] == [str(number) for number in range(100)]
    assert found["TruncatedAttributes"] == ["PatientID"]
    long = [f"{number:03}" + "x" * 997 for number in range(9)]
    found = build(PROFILE, patient={"PatientID": long})
    assert found["PatientIDValues"] == long[:8]
    names = ["SeriesDescription", "ProtocolName", "Manufacturer", "ManufacturerModelName", "StationName", "Modality"]
    names += ["InstitutionName", "InstitutionalDepartmentName", "BodyPartExamined", "Laterality"]
    found = build(f"attributes = {json.dumps(names)}", series=dict.fromkeys(names, long))
    listed = [len(found.get(f"{name}Values", ())) for name in sorted(names)]
    assert listed == [8] * 8 + [1, 0]
    assert found["TruncatedAttributes"] == sorted(names)


def test_very_many_several_values_of_the_instances_are_told_by_the_least_whatever_their_order() -> None:
    instances = [{"ViewPosition": f"{number:05}\\{number + 1:05}"} for number in range(0, 10_000, 2)]
    for order in (instances, instances[::-1]):
        found = build(PROFILE, *order)
        assert found["ViewPositionValues"] == [f"{number:05}" for number in range(100)]
        assert found["TruncatedAttributes"] == ["ViewPosition"]


@given(st.lists(st.sampled_from(["", " ", "A1", "A2 ", " A3", "a1"]), max_size=5), st.booleans())
def test_what_stands_under_a_keyword_is_the_first_and_it_is_named_when_others_differ(
    parts: list[str], listed: bool
) -> None:
    found = build(PROFILE, patient={"PatientID": parts if listed else "\\".join(parts)})
    different = [*dict.fromkeys(part.strip() for part in parts if part.strip())]
    assert found.get("PatientID") == next(iter(different), None)
    assert found.get("PatientIDValues") == (different if len(different) > 1 else None)
    assert found.get("InvalidAttributes") == (["PatientID"] if len(different) > 1 else None)
