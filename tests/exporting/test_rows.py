"""The rows of an export have an entry's values, exactly, in the types that the profile leads to expect."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from exporting.rows import RowsReader, Wrapping
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from infra.config import ROOT
from proof.harness.built import content
from proof.harness.table_items import entry, lines
from tests.exporting.plain_rows import row

PROFILE = toml_file.parse("""
revision = 1
attributes = ["PatientID", "PatientName", "PatientBirthDate", "OtherPatientIDsSequence.PatientID", "StudyDate",
  "StudyTime", "SeriesNumber", "SoftwareVersions", "RequestAttributesSequence.ScheduledProcedureStepID",
  "RequestAttributesSequence.RequestedProcedureID", "OperatorsName", "ImageType", "SliceThickness", "PixelSpacing",
  "AcquisitionTime", "AcquisitionDateTime", "Rows", "ContrastBolusAgent", "ViewPosition"]
""")
CLOCK = "StudyTime"


def read(*items: Item, profile: Profile = PROFILE) -> list[dict[str, Any]]:
    rows = RowsReader(profile).read(lines(items)).to_pylist()
    maps = ("MissingIn", "SeveralValues", "InexactValues")
    rows = [row | {name: dict(row[name]) if row[name] else None for name in maps} for row in rows]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def made(*instances: dict[str, Any], profile: Profile = PROFILE, **levels: dict[str, Any]) -> Item:
    return entry(content(profile, *instances, **levels).attributes, profile)


def test_each_value_of_an_entry_is_there_in_its_type() -> None:
    image = {"SliceThickness": "1.25", "PixelSpacing": ["0.5", "0.4882812500000001"], "Rows": 512}
    item = made(
        image | {"ImageType": ["ORIGINAL", "PRIMARY"], "AcquisitionTime": "0930", "ContrastBolusAgent": "Iohexol"},
        image | {"SliceThickness": "1.3", "AcquisitionDateTime": "2024010203+0100", "ImageType": ["DERIVED", "", "X"]},
        {"ViewPosition": ["PA", "AP"]},
        patient={
            "PatientID": "P1",
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "PatientBirthDate": "19700131",
        },
        study={"StudyDate": "20240229", "StudyTime": "235959.5"},
        series={
            "SeriesNumber": "3",
            "SoftwareVersions": ["A", "", "B"],
            "OperatorsName": ["Roe^Jane", "=X"],
            "RequestAttributesSequence": [{"ScheduledProcedureStepID": "1"}, {"RequestedProcedureID": "2"}],
        },
    )
    (found,) = read(item)
    assert found == row(item, PROFILE)
    assert found["PatientName"] == {
        "Alphabetic": "Yamada^Tarou",
        "Ideographic": "山田^太郎",
        "Phonetic": "やまだ^たろう",
    }
    assert (found["StudyDate"], found["StudyTime"]) == (date(2024, 2, 29), time(23, 59, 59, 500_000))
    thickness = {"min": Decimal("1.25"), "max": Decimal("1.3"), "values": [Decimal("1.25"), Decimal("1.3")]}
    assert found["SliceThickness"] == thickness | {"missing": 1}
    assert found["PixelSpacing"]["min"] == [Decimal("0.5"), Decimal("0.4882812500000001")]
    assert found["Rows"] == {"min": 512, "max": 512, "values": None, "missing": 1}
    assert found["RequestAttributesSequence.ScheduledProcedureStepID"] == ["1", None]
    assert found["MissingIn"] == {"ContrastBolusAgent": 2, "ImageType": 1, "ViewPosition": 2}
    assert found["SeveralValues"] == {"ViewPosition": ["AP", "PA"]}
    assert "InexactValues" not in found


def test_a_value_that_its_type_cannot_hold_is_null_and_its_text_is_kept() -> None:
    huge = "9" * 30
    item = made(
        {"SliceThickness": "1.0000000000000000001", "AcquisitionTime": "235960"},
        {"SliceThickness": "2", "AcquisitionTime": "1200"},
        study={"StudyTime": "235960"},
        series={"SeriesNumber": huge},
    )
    usual = made({"SliceThickness": "3"}, study={"StudyTime": "120000"}, series={"SeriesNumber": "1"})
    found, other = read(item, usual)
    assert {"StudyTime", "SeriesNumber"}.isdisjoint(found)
    assert found["SliceThickness"]["min"] is None
    assert found["SliceThickness"]["values"] == [None, Decimal(2)]
    assert found["InexactValues"] == {
        "StudyTime": ["235960"],
        "SeriesNumber": [huge],
        "SliceThickness": ["1.0000000000000000001"],
        "AcquisitionTime": ["235960"],
    }
    assert other == row(usual, PROFILE)


def test_pages_and_tombstones_are_no_rows() -> None:
    item = made({"Rows": 1})
    page = item | {"Part": {"S": "page/0000000001.000002.0003.0000/a/0000"}, "Content": {"B": "AAAA"}}
    tombstone = {name: item[name] for name in ("ImageSet", "Part", "DatastoreId", "ImageSetId", "IndexedAt")}
    assert len(read(page, item, tombstone | {"Generation": {"S": "~"}})) == 1
    assert not read(page)
    assert not read()


def test_an_entry_of_another_profile_is_there_without_what_has_another_type_now() -> None:
    item = made({"Rows": 1}, patient={"PatientID": "P1"}, study={"StudyTime": "1200"})
    other = item | {"StudyTime": {"L": [{"S": "120000"}]}, "Rows": {"N": "1"}, "Unknown": {"SS": ["a"]}}
    (found,) = read(other)
    assert found == {name: value for name, value in row(item, PROFILE).items() if name not in ("StudyTime", "Rows")}


def test_what_a_profile_protects_is_no_longer_there_and_no_moment_of_the_index_either() -> None:
    profile = toml_file.parse(
        'revision = 1\nattributes = ["PatientID", "PatientName", "StudyDate", "OperatorsName"]\n'
        '[privacy]\nPatientID = "hash"\nPatientName = "drop"\nOperatorsName = "hash"'
    )
    item = made(
        {},
        profile=profile,
        patient={"PatientID": "P1", "PatientName": "Roe^Jane"},
        series={"OperatorsName": ["Roe^Jane"]},
    )
    (found,) = read(item, profile=profile)
    assert found == row(item, profile)
    assert len(found["PatientID"]) == len(found["OperatorsName"][0]) == 64
    assert "PatientName" not in found
    assert not {"EventTime", "IndexedAt", "FirstIndexedAt"} & {*RowsReader(profile).schema.names}


def test_counts_of_slices_are_whole_numbers_tokens_are_texts_and_shifted_dates_are_dates() -> None:
    research, pseudonymous = (
        {field.name: field.type for field in RowsReader(toml_file.load(ROOT / "profiles" / f"{name}.toml")).schema}
        for name in ("research", "research-pseudonymous")
    )
    assert research["VolumeGeometry"] == research["Orientation"] == pa.string()
    assert research["SliceSpacing"] == pa.decimal128(38, 18)
    for name in (
        "SliceCount",
        "SliceGaps",
        *(f"VolumesBy{each}" for each in ("Echo", "BValue", "Time", "Acquisition")),
    ):
        assert research[name] == pa.int64(), name
    assert pseudonymous["PatientID"] == pseudonymous["StudyInstanceUID"] == pseudonymous["PatientAge"] == pa.string()
    assert pseudonymous["ReferencedSeries"] == pa.list_(pa.string())
    assert pseudonymous["StudyDate"] == pa.date32()
    assert pseudonymous["AcquisitionDate"].field("max").type == pa.date32()


def test_columns_have_the_types_of_their_vrs() -> None:
    types = {field.name: field.type for field in RowsReader(PROFILE).schema}
    assert types["StudyDate"] == pa.date32()
    assert types[CLOCK] == pa.time64("us")
    assert types["SeriesNumber"] == pa.int64()
    assert types["SliceThickness"].field("max").type == pa.decimal128(38, 18)
    assert types["AcquisitionDateTime"].field("min").type == pa.string()
    assert types["IndexedAt"] == pa.timestamp("us")


def test_entries_that_another_profile_made_have_no_row_where_something_is_protected() -> None:
    private = toml_file.parse('revision = 2\nattributes = ["PatientID"]\n[privacy]\nPatientID = "hash"\n')
    token = entry({"PatientID": {"S": "0f" * 32}}, private, "a")
    clear = entry({"PatientID": {"S": "4711"}}, private, "b") | {"ProfileHash": {"S": "of before"}}
    reader = RowsReader(private)
    assert reader.read(lines([token, clear]))["PatientID"].to_pylist() == ["0f" * 32]
    assert reader.left_out == 1
    # What changed into such an entry is not of the table any more.
    changes = [
        {"Keys": {name: item[name] for name in ("ImageSet", "Part")}, "NewImage": item} for item in (token, clear)
    ]
    found = RowsReader(private, Wrapping.INCREMENTAL).changes(msgspec.json.Encoder().encode_lines(changes))
    assert found.rows["PatientID"].to_pylist() == ["0f" * 32]
    assert found.removed == [clear["ImageSet"]["S"]]
