"""Values in the DICOM JSON Model."""

from __future__ import annotations

from decimal import Decimal

import pytest

from imaging_index.profile.attributes import select
from imaging_index.qido.elements import Elements, add, element, empty, in_order, values_of


@pytest.mark.parametrize(
    ("keyword", "values", "made"),
    [
        ("StudyDate", ["20240131"], {"00080020": {"vr": "DA", "Value": ["20240131"]}}),
        ("InstanceNumber", [Decimal(7)], {"00200013": {"vr": "IS", "Value": [Decimal(7)]}}),
        ("PatientName", ["Doe^J"], {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^J"}]}}),
        ("PatientName", ["=山田"], {"00100010": {"vr": "PN", "Value": [{"Ideographic": "山田"}]}}),
        ("NumberOfStudyRelatedSeries", [0], {"00201206": {"vr": "IS", "Value": [0]}}),
        ("StudyDate", [None, ""], {}),
        ("Nonsense", ["x"], {}),
    ],
)
def test_an_element_has_its_tag_its_vr_and_its_values(keyword: str, values: list[object], made: Elements) -> None:
    assert element(keyword, values) == made


def test_an_empty_element_has_a_vr_alone() -> None:
    assert empty("StudyDate") == {"00080020": {"vr": "DA"}}
    assert empty("Nonsense") == {}


def test_elements_come_in_the_order_of_their_tags() -> None:
    assert [*in_order(element("PatientID", ["1"]) | element("StudyDate", ["20240131"]))] == ["00080020", "00100020"]


@pytest.mark.parametrize(
    ("name", "stored", "values"),
    [
        ("Rows", {"Min": 512, "Max": 512}, [512]),
        ("Rows", {"Min": 256, "Max": 512}, []),
        ("Rows", {"Min": 512, "Max": 512, "Missing": 1}, []),
        ("PixelSpacing", {"Min": [1, 2], "Max": [1, 2]}, [1, 2]),
        ("ImageType", ["ORIGINAL\\PRIMARY"], ["ORIGINAL", "PRIMARY"]),
        ("ImageType", ["A\\B", "C"], []),
        ("StudyDate", "20240131", ["20240131"]),
        ("SoftwareVersions", ["A", "B"], ["A", "B"]),
        ("StudyDate", None, []),
    ],
)
def test_of_the_instances_there_is_what_all_have(name: str, stored: object, values: list[object]) -> None:
    assert values_of(select(name), stored) == values


def test_an_attribute_deeper_than_in_one_sequence_is_left_out() -> None:
    found: Elements = {}
    add(found, select("BlendingSequence.ReferencedSeriesSequence.SeriesInstanceUID"), ["1.2"])
    assert found == {}


def test_a_sequence_without_any_value_is_left_out() -> None:
    found: Elements = {}
    add(found, select("RequestAttributesSequence.RequestedProcedureID"), ["", ""])
    assert found == {}
