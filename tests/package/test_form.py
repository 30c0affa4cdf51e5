"""How an entry holds each attribute of a profile."""

from typing import Any

import pytest

from imaging_index.profile.form import Form
from imaging_index.profile.toml_file import parse

PROFILE = parse("""
revision = 1
attributes = [
  "PatientID", "SeriesNumber", "StudyDate", "StudyTime", "SoftwareVersions",
  "ProcedureCodeSequence.CodeValue", "Rows", "PixelSpacing", "AcquisitionDateTime", "ImageType", "SOPClassUID",
  "SegmentSequence.SegmentNumber", "AnatomicRegionSequence.CodeValue", "AnatomicRegionSequence.CodeMeaning",
  "StudyID", "InstanceNumber",
]
[privacy]
StudyID = "hash"
InstanceNumber = "hash"
""")


@pytest.mark.parametrize(
    ("name", "form", "stored"),
    [
        ("PatientID", Form("text", "one"), "S"),
        ("SeriesNumber", Form("number", "one"), "N"),
        ("StudyDate", Form("date", "one"), "S"),
        ("StudyTime", Form("time", "one"), "S"),
        ("StudyID", Form("token", "one"), "S"),
        ("SoftwareVersions", Form("text", "list"), "L"),
        ("ProcedureCodeSequence.CodeValue", Form("text", "list"), "L"),
        ("Rows", Form("number", "range"), "M"),
        ("PixelSpacing", Form("number", "range", whole=True), "M"),
        ("AcquisitionDateTime", Form("moment", "range"), "M"),
        ("ImageType", Form("text", "distinct", whole=True), "L"),
        ("SOPClassUID", Form("text", "distinct"), "L"),
        ("InstanceNumber", Form("token", "distinct"), "L"),
        ("SegmentSequence.SegmentNumber", Form("number", "range"), "M"),
        ("AnatomicRegionSequence.CodeValue", Form("text", "column"), "L"),
    ],
)
def test_the_form_of_an_attribute_follows_from_its_vr_its_level_and_its_privacy(
    name: str, form: Form, stored: Any
) -> None:
    attribute = PROFILE.find(name)
    assert attribute is not None
    assert attribute.form == form
    assert attribute.form.type == stored
