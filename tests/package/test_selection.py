"""Where an attribute's value is found: named sources, private elements, functional groups."""

import base64
import json
import struct
from decimal import Decimal
from typing import Any

import pytest

from imaging_index import functional_groups, profile
from imaging_index.dictionary import lookup
from imaging_index.profile import ProfileError
from tests.package.built import build

SIEMENS = '{ creator = "SIEMENS MR HEADER", element = "0019xx0C" }'


def named(name: str, sources: str, more: str = "") -> str:
    return f'attributes = ["Modality"]\n[named.{name}]\nfrom = [{sources}]\n{more}'


def test_a_named_attribute_has_the_first_source_that_yields_a_value() -> None:
    text = named("Laterality2", '"ImageLaterality", "ViewPosition"')
    assert build(text, {"ImageLaterality": "L", "ViewPosition": "AP"})["Laterality2"] == ["L"]
    assert build(text, {"ImageLaterality": "", "ViewPosition": "AP"})["Laterality2"] == ["AP"]
    assert "Laterality2" not in build(text, {"Rows": 1})


def test_a_union_has_the_values_of_all_sources_once() -> None:
    text = named("Names", '"ReferringPhysicianName", "PhysiciansOfRecord"', "union = true")
    study = {"ReferringPhysicianName": "B", "PhysiciansOfRecord": ["A", "B", ""]}
    assert build(text, study=study)["Names"] == ["B", "A"]


def test_one_component_of_several_can_be_a_named_attribute() -> None:
    text = named("RowSpacing", '{ path = "PixelSpacing", component = 1 }')
    assert build(text, {"PixelSpacing": ["0.5 ", "0.7 "]})["RowSpacing"] == {
        "Min": Decimal("0.5"),
        "Max": Decimal("0.5"),
    }
    assert "RowSpacing" not in build(text, {"PixelSpacing": []})


def test_of_several_items_each_has_its_component() -> None:
    path = "RequestAttributesSequence.ScheduledProcedureStepID"
    items = [{"ScheduledProcedureStepID": ["A", "B"]}, {"ScheduledProcedureStepID": "C"}]
    text = named("Step", f'{{ path = "{path}", component = 1 }}')
    assert build(text, series={"RequestAttributesSequence": items})["Step"] == ["A", "C"]


@pytest.mark.parametrize(
    ("vr", "value", "several"), [("IS", None, [5, 7]), ("LO", ["5"], ["5", "7"]), ("LT", ["5\\7"], None)]
)
def test_a_private_element_whose_values_stand_behind_backslashes_has_several(
    vr: str, value: object, several: object
) -> None:
    text = named("B", SIEMENS, f'vr = "{vr}"')
    instance = {"00190010": "SIEMENS MR HEADER", "0019100C": "5\\7"}
    found = build(text, instance, vrs={"0019100C": vr})
    assert (found.get("B"), found.get("BValues")) == (value, several)
    assert found.get("InvalidAttributes") == (["B"] if several else None)
    second = f"{SIEMENS[:-1]}, component = 2 }}"
    assert build(named("B", second, 'vr = "IS"'), instance, vrs={"0019100C": "IS"})["B"] == {"Min": 7, "Max": 7}


@pytest.mark.parametrize("scaled", [1000, 10**9 + 1000, 2**30 + 1000])
def test_a_modulo_takes_off_what_a_vendor_put_on_top(scaled: int) -> None:
    source = '{ creator = "GEMS_PARM_01", element = "0043xx39", component = 1, modulo = [1000000000, 1073741824] }'
    instance = {"00430010": "GEMS_PARM_01", "00431039": [str(scaled), "8", "0"]}
    assert build(named("B", source, 'vr = "IS"'), instance, vrs={"00431039": "IS"})["B"]["Max"] == 1000


def test_a_private_element_is_found_by_its_creator_in_any_block_and_spelling() -> None:
    text = named("B", SIEMENS, 'vr = "IS"')
    for block, creator in (("10", "SIEMENS MR HEADER"), ("ff", " siemens mr header "), ("a1", "Siemens MR Header")):
        instance = {f"001900{block}": creator, f"0019{block}0c": "1000", "00190011": "OTHER", "0019110C": "7"}
        assert build(text, instance)["B"] == {"Min": 1000, "Max": 1000}
    assert "B" not in build(text, {"00190010": "OTHER", "0019100C": "7"})
    assert "B" not in build(text, {"00210010": "SIEMENS MR HEADER", "0019100C": "7"})  # of another group


def test_a_creator_is_looked_for_in_each_instance_anew() -> None:
    text = named("B", SIEMENS, 'vr = "IS"')
    first = {"00190010": "SIEMENS MR HEADER", "0019100C": "1", "0019110C": "3"}
    second = {"00190011": "SIEMENS MR HEADER", "0019100C": "4", "0019110C": "2"}
    assert build(text, first, second)["B"]["Values"] == [1, 2]


@pytest.mark.parametrize(
    ("vr", "content"),
    [("FD", struct.pack("<d", 1000)), ("US", struct.pack("<H", 1000)), ("IS", b"1000"), ("DS", b"1e3 ")],
)
def test_a_private_element_of_unknown_vr_is_read_as_the_one_that_is_selected(vr: str, content: bytes) -> None:
    instance = {"00190010": "SIEMENS MR HEADER", "0019100C": base64.b64encode(content).decode()}
    text = named("B", SIEMENS, f'vr = "{vr}"')
    assert build(text, instance, vrs={"0019100C": "UN"})["B"]["Max"] == 1000
    broken = instance | {"0019100C": base64.b64encode(content[:-1] + b"\xff\xff").decode()}
    assert build(text, broken, vrs={"0019100C": "UN"})["InvalidAttributes"] == ["B"]
    assert build(text, instance | {"0019100C": "no base64"}, vrs={"0019100C": "UN"})["InvalidAttributes"] == ["B"]


def test_an_instance_cannot_pretend_to_have_private_elements() -> None:
    found = build(named("B", SIEMENS, 'vr = "IS"'), {"private_elements": {"B": 1}, "Rows": 1})
    assert "B" not in found
    assert "InvalidAttributes" not in found


def test_multi_frame_values_come_from_the_standard_functional_groups_alone() -> None:
    shared = {"PixelMeasuresSequence": [{"SliceThickness": "5 ", "PixelSpacing": ["0.5", "0.7"]}]}
    frames: list[dict[str, Any]] = [
        {"MREchoSequence": [{"EffectiveEchoTime": time}], "Private": [{"EchoTime": 99}]} for time in (10, 20)
    ]
    frames[0]["FrameAnatomySequence"] = [{"FrameLaterality": "R", "AnatomicRegionSequence": [{"CodeMeaning": "Knee"}]}]
    instance = {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
        "21051000": [{"EchoTime": "77"}],
    }
    names = ["SliceThickness", "PixelSpacing", "EchoTime", "ImageLaterality", "AnatomicRegionSequence.CodeMeaning"]
    found = build(f"attributes = {json.dumps(names)}", instance)
    assert found["SliceThickness"] == {"Min": 5, "Max": 5}
    assert found["PixelSpacing"] == {"Min": [Decimal("0.5"), Decimal("0.7")], "Max": [Decimal("0.5"), Decimal("0.7")]}
    assert found["EchoTime"]["Values"] == [10, 20]
    assert found["ImageLaterality"] == ["R"]
    assert found["AnatomicRegionSequence.CodeMeaning"] == ["Knee"]


def test_a_value_at_the_top_goes_before_functional_groups() -> None:
    shared = {"PixelMeasuresSequence": [{"SliceThickness": "5"}]}
    instance = {"SliceThickness": "1", "SharedFunctionalGroupsSequence": [shared]}
    assert build('attributes = ["SliceThickness"]', instance)["SliceThickness"] == {"Min": 1, "Max": 1}


def test_the_table_of_functional_groups_names_sequences_and_attributes_that_exist() -> None:
    for keyword, macros in functional_groups.MACROS.items():
        assert lookup(keyword)
        for sequence, attribute in macros:
            found, selected = lookup(sequence), lookup(attribute)
            assert found
            assert found.vr == "SQ"
            assert selected


def test_the_pages_keep_what_the_profile_says_and_nothing_when_it_says_so() -> None:
    text = 'attributes = ["Modality"]\n[instances]\nkeep = ["SliceLocation", "ImageType"]\nframes = false'
    (found,) = build(text, {"SliceLocation": "1.50 ", "ImageType": ["ORIGINAL", ""], "Rows": 2})["instances"]
    assert (found["SliceLocation"], found["ImageType"], found["Rows"]) == (1.5, ["ORIGINAL", ""], 2)
    assert found["Frames"] == []
    without = build('instances = false\nattributes = ["Rows"]', {"Rows": 2})
    assert without["instances"] == []
    assert (without["InstanceCount"], without["Rows"]) == (1, {"Min": 2, "Max": 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (named("PatientID", '"Rows"'), "is a DICOM keyword"),
        (named("StudyMoment", '"Rows"'), "a name of the index's own"),
        (named("A", '"Rows", "PatientID"'), "sources at several levels (Instance, Patient)"),
        (named("A", ""), "has no source"),
        (named("PatientNameFolded", '"Rows"'), "cannot have a name that ends in Folded or Values"),
        (named("RowsValues", '"Rows"'), "cannot have a name that ends in Folded or Values"),
        (named("A", '"PatientAgeYears"'), "which is derived itself"),
        (named("A", SIEMENS), 'needs vr = "..."'),
        (named("A", '{ element = "0019xx0C" }'), "without its creator"),
        (named("A", '{ creator = "X", element = "0018xx0C" }'), "not written like '0019xx0C'"),
        (named("A", '{ path = "Rows", component = 0 }'), "whole numbers from 1"),
        (named("A", '"PixelPaddingValue"', 'vr = "US or SS"'), "with a searchable VR"),
        (named("A", SIEMENS, f'vr = "FD"\n[named.B]\nvr = "LO"\nfrom = [{SIEMENS}]'), "take one VR for both"),
        (named("A", '"Rowz"'), "'Rowz' is not a DICOM keyword. Did you mean 'Rows'?"),
        ('attributes = ["Modality"]\n[instances]\nkeep = ["PatientID"]', "HealthImaging keeps it with the Patient"),
        (
            'attributes = ["Modality"]\n[instances]\n'
            'keep = ["PerFrameFunctionalGroupsSequence.PlanePositionSequence.ImagePositionPatient"]',
            "which each frame has its own of",
        ),
    ],
)
def test_a_source_that_cannot_be_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=r"line [0-9]+: ") as refused:
        profile.parse(f"revision = 1\n{text}")
    assert message in str(refused.value)
