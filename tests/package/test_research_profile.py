"""The profile research: what it has beside radiology is found where docs/profile.md says, in enhanced objects too."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from imaging_index.dicom.functional_groups import CONVERTED, GROUPS, PER_FRAME, SHARED
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile.attributes import Attribute
from imaging_index.profile.derived import VOLUME
from imaging_index.profile.toml_file import load

ROOT = Path(__file__).parents[2]
RESEARCH = load(ROOT / "profiles" / "research.toml")
RADIOLOGY = load(ROOT / "profiles" / "radiology.toml")
READER = Reader(RESEARCH)
DERIVED = {each.name for each in VOLUME}
MORE = [each for each in RESEARCH.attributes if not RADIOLOGY.find(each.name) and each.name not in DERIVED]


def documented() -> dict[str, str]:
    """Of the table in docs/profile.md, where each attribute is in enhanced objects."""
    page = (ROOT / "docs" / "profile.md").read_text("utf-8")
    table = page.partition("| attribute | in enhanced objects |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([^-|][^|]*) \| ([^|]*) \|$", table, re.MULTILINE)
    return {name: place for names, place in rows for name in names.split(", ")}


def macros(attribute: Attribute) -> set[str]:
    """The macros that an attribute is looked for in."""
    paths = (source.path for source in attribute.sources)
    return {path[1] for path in paths if path[0] in GROUPS and path[1] not in CONVERTED.values()}


def found(instance: dict[str, Any]) -> dict[str, Any]:
    document = {"Study": {"DICOM": {}, "Series": {"1.2": {"DICOM": {}, "Instances": {"1.3": {"DICOM": instance}}}}}}
    return plain(entry.build(READER, [json.dumps(document).encode()], b"key").attributes)


def test_what_research_has_beside_radiology_is_in_the_table_and_nothing_else() -> None:
    assert documented().keys() == {each.name for each in MORE}


@pytest.mark.parametrize("attribute", MORE, ids=[each.name for each in MORE])
def test_the_table_names_the_macros_that_an_attribute_is_looked_for_in(attribute: Attribute) -> None:
    place = documented()[attribute.name]
    named = set(re.findall(r"\w+Sequence", place.partition("(")[0]))
    assert named == macros(attribute)
    assert bool(named) or place.startswith(("the same", "none"))


@pytest.mark.parametrize("group", [SHARED, PER_FRAME])
def test_what_is_in_a_macro_is_found_in_an_enhanced_object(group: str) -> None:
    item = {
        "MRModifierSequence": [{"InversionTimes": [150]}],
        "MRTimingAndRelatedParametersSequence": [{"FlipAngle": 12, "EchoTrainLength": 7}],
        "MRReceiveCoilSequence": [{"ReceiveCoilName": "HEAD"}],
        "CTTableDynamicsSequence": [{"SpiralPitchFactor": 0.9}],
        "CTReconstructionSequence": [{"ReconstructionDiameter": 350}],
        "CTExposureSequence": [{"CTDIvol": 7.5}],
        "XRayAcquisitionDoseSequence": [{"EntranceDoseInmGy": 3}],
    }
    attributes = found({group: [item]})
    expected = {"InversionTime": 150, "FlipAngle": 12, "EchoTrainLength": 7, "SpiralPitchFactor": 0.9}
    expected |= {"ReconstructionDiameter": 350, "CTDIvol": 7.5, "EntranceDoseInmGy": 3}
    assert {name: float(attributes[name]["Min"]) for name in expected} == expected
    assert attributes["ReceiveCoilName"] == ["HEAD"]


def test_a_contrast_agent_its_route_and_ingredient_are_found_where_enhanced_objects_have_them() -> None:
    agent = {
        "CodeMeaning": "Gadobutrol",
        "ContrastBolusAdministrationRouteSequence": [{"CodeMeaning": "Intravenous route"}],
        "ContrastBolusIngredientCodeSequence": [{"CodeMeaning": "Gadolinium"}],
    }
    attributes = found({"ContrastBolusAgentSequence": [agent], "EchoPulseSequence": "GRADIENT"})
    sequence = "ContrastBolusAgentSequence"
    assert attributes[f"{sequence}.CodeMeaning"] == ["Gadobutrol"]
    assert attributes[f"{sequence}.ContrastBolusAdministrationRouteSequence.CodeMeaning"] == ["Intravenous route"]
    assert attributes[f"{sequence}.ContrastBolusIngredientCodeSequence.CodeMeaning"] == ["Gadolinium"]
    assert attributes["EchoPulseSequence"] == ["GRADIENT"]


def test_a_segments_code_stays_with_its_scheme_and_its_meaning() -> None:
    def segment(value: str, meaning: str) -> dict[str, Any]:
        code = {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}
        return {"SegmentAlgorithmType": "AUTOMATIC", "SegmentedPropertyTypeCodeSequence": [code]}

    attributes = found({"SegmentSequence": [segment("39607008", "Lung"), segment("10200004", "Liver")]})
    codes = "SegmentSequence.SegmentedPropertyTypeCodeSequence"
    assert attributes[f"{codes}.CodeValue"] == ["10200004", "39607008"]
    assert attributes[f"{codes}.CodeMeaning"] == ["Liver", "Lung"]


def test_research_says_who_nobody_is() -> None:
    names = {each.name for each in RESEARCH.attributes}
    assert names.isdisjoint({"PatientName", "PatientBirthDate", "AccessionNumber", "InstitutionName", "StationName"})
    assert RESEARCH.private == {"PatientID": "hash"}
