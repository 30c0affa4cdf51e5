"""Where an attribute's value is found: named sources, private elements, functional groups."""

import base64
import json
import re
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from imaging_index.dicom import functional_groups, vrs
from imaging_index.dicom.dictionary import lookup
from imaging_index.document.document import Run
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError
from proof.harness.built import build

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
    ("vr", "value"), [("IS", {"Min": 5, "Max": 7, "Values": [5, 7]}), ("LO", ["5", "7"]), ("LT", ["5\\7"])]
)
def test_a_private_element_whose_values_stand_behind_backslashes_has_several(vr: str, value: object) -> None:
    text = named("B", SIEMENS, f'vr = "{vr}"')
    instance = {"00190010": "SIEMENS MR HEADER", "0019100C": "5\\7"}
    found = build(text, instance, vrs={"0019100C": vr})
    assert (found.get("B"), found.get("BValues")) == (value, None)
    assert found.get("InvalidAttributes") is None
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


# Each creator's element, as its vendor says it is (conformance statements; pydicom's private dictionary).
PHILIPS = '{ creator = "Philips Imaging DD 001", element = "2001xx03", vr = "FL" }'
GE = """{ creator = "GEMS_PARM_01", element = "0043xx39", vr = "IS", component = 1,
          modulo = [1000000000, 1073741824] }""".replace("\n", "")
B_VALUE = named("B", f'"DiffusionBValue", {SIEMENS}, {GE}, {PHILIPS}', 'vr = "FD"')


def opaque(creator: str, key: str, content: bytes, text: str = B_VALUE, vr: str = "UN") -> dict[str, Any]:
    """The entry of an instance that has these bytes in an element whose VR is not known."""
    values = {f"{key[:4]}0010": creator, key: base64.b64encode(content).decode()}
    return build(text, values, vrs={f"{key[:4]}0010": "LO", key: vr})


@pytest.mark.parametrize(
    ("creator", "key", "content", "value"),
    [
        ("Philips Imaging DD 001", "20011003", struct.pack("<f", 1000), 1000),
        ("Philips Imaging DD 001", "20011003", struct.pack("<f", 0.5), Decimal("0.5")),
        ("SIEMENS MR HEADER", "0019100C", b"800 ", 800),
        ("SIEMENS MR HEADER", "0019100C", b"12345678", 12345678),  # eight bytes, as many as an FD has
        ("GEMS_PARM_01", "00431039", b"1000000050\\8\\0\\0", 50),
        ("GEMS_PARM_01", "00431039", b"1073742824\\8\\0\\0 ", 1000),
        ("GEMS_PARM_01", "00431039", b"700\\x", 700),  # of another component nothing is asked
    ],
)
@pytest.mark.parametrize("vr", ["UN", "OB", "OW"])
def test_bytes_of_a_private_element_are_read_as_the_vr_of_their_source(
    creator: str, key: str, content: bytes, value: object, vr: str
) -> None:
    assert opaque(creator, key, content, vr=vr)["B"] == {"Min": value, "Max": value}


@pytest.mark.parametrize(
    ("creator", "key", "content"),
    [
        ("Philips Imaging DD 001", "20011003", b"1000 "),  # no floats of four bytes
        ("Philips Imaging DD 001", "20011003", struct.pack("<d", 1000)[:7]),
        ("Philips Imaging DD 001", "20011003", struct.pack("<f", float("inf"))),
        ("SIEMENS MR HEADER", "0019100C", struct.pack("<d", 1000)),
        ("SIEMENS MR HEADER", "0019100C", b"8.5 "),  # a number, but no IS
        ("SIEMENS MR HEADER", "0019100C", "８００".encode()),  # digits, but none of DICOM's
        ("GEMS_PARM_01", "00431039", b"x\\8"),
    ],
)
def test_bytes_that_cannot_be_of_the_sources_vr_are_left_out_and_named(creator: str, key: str, content: bytes) -> None:
    found = opaque(creator, key, content)
    assert "B" not in found
    assert found["InvalidAttributes"] == ["B"]


@pytest.mark.parametrize(
    ("vr", "content", "values"),
    [
        ("FD", struct.pack("<dd", 1, 2), {"Min": 1, "Max": 2, "Values": [1, 2]}),
        ("US", struct.pack("<H", 1000), {"Min": 1000, "Max": 1000}),
        ("DS", b"1e3 ", {"Min": 1000, "Max": 1000}),
        ("AT", struct.pack("<HHHH", 0x18, 0x1063, 0x10, 0x20), ["00100020", "00181063"]),
        ("LO", b"A\\B ", ["A", "B"]),
        ("LT", b"A\\B ", ["A\\B"]),
        ("SH", "Köln".encode(), ["Köln"]),
        ("DA", b"20240101", {"Min": "20240101", "Max": "20240101"}),
        ("CS", b"", None),
        ("FD", b"", None),
        ("IS", b"  ", None),
    ],
)
def test_bytes_are_read_as_any_vr_that_holds_values(vr: str, content: bytes, values: object) -> None:
    source = f'{{ creator = "MINE", element = "0019xx0C", vr = "{vr}" }}'
    found = opaque("MINE", "0019100C", content, named("B", source))
    assert found.get("B") == values
    assert "InvalidAttributes" not in found


@pytest.mark.parametrize(
    ("vr", "content"), [("LO", "Köln".encode("latin-1")), ("LO", b"\x1b$B;3ED"), ("CS", "Ö".encode())]
)
def test_bytes_whose_characters_are_not_known_are_left_out_and_named(vr: str, content: bytes) -> None:
    source = f'{{ creator = "MINE", element = "0019xx0C", vr = "{vr}" }}'
    assert opaque("MINE", "0019100C", content, named("B", source))["InvalidAttributes"] == ["B"]


@pytest.mark.parametrize(("told", "values"), [("LO", ["A", "B"]), ("LT", ["A\\B"]), ("XX", ["A", "B"])])
def test_a_vr_that_is_told_counts_before_that_of_the_source(told: str, values: object) -> None:
    source = '{ creator = "MINE", element = "0019xx0C", vr = "SH" }'
    instance = {"00190010": "MINE", "0019100C": "A\\B"}
    assert build(named("B", source), instance, vrs={"0019100C": told})["B"] == values
    # Eight letters that are base64 as well are no bytes for that.
    assert build(named("B", source), instance | {"0019100C": "QUJDREVG"}, vrs={"0019100C": told})["B"] == ["QUJDREVG"]


def test_a_source_without_a_vr_has_that_of_the_dictionary_of_private_elements() -> None:
    for creator, element, content in (
        ("SIEMENS MR HEADER", "0019xx0C", b"800 "),
        (" siemens mr header", "0019xx0c", b"800 "),
        ("Philips Imaging DD 001", "2001xx03", struct.pack("<f", 800)),
    ):
        text = named("B", f'{{ creator = "{creator}", element = "{element}" }}')
        assert opaque(creator, element.replace("xx", "10").upper(), content, text)["B"]["Max"] == 800


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((None, "IS"), ("800 ", "IS")),
        (("", "UN"), ("ODAwIA==", "UN")),
        (("ICA=", "UN"), ("ODAwIA==", "UN")),  # two blanks
        ((["", None], "IS"), (["800"], "IS")),
        (("\u0000", "IS"), ("800", "IS")),
        (("\\", "IS"), ("800", "IS")),
        (([], "IS"), (800, "UL")),
    ],
)
def test_of_two_blocks_of_a_creator_the_first_with_a_value_counts(first: Any, second: Any) -> None:
    instance = dict.fromkeys(("00190010", "00190012", "00190013"), "SIEMENS MR HEADER")
    instance |= {"0019100C": first[0], "0019120C": second[0], "0019130C": "7"}
    vrs = {"0019100C": first[1], "0019120C": second[1], "0019130C": "IS"}
    assert build(B_VALUE, instance, vrs=vrs)["B"] == {"Min": 800, "Max": 800}


def test_of_two_blocks_of_a_creator_an_unusable_first_value_counts_all_the_same() -> None:
    instance = {"00190010": "SIEMENS MR HEADER", "0019100C": "null", "00190011": "SIEMENS MR HEADER", "0019110C": "8"}
    found = build(B_VALUE, instance, vrs={"0019100C": "LO", "0019110C": "IS"})
    assert found["InvalidAttributes"] == ["B"]


# 0008,001C CS; 0018,9907 FD of what HealthImaging's dictionary may not have; a sequence, and what stands in it.
NEW_TEXT, NEW_NUMBER = "SyntheticData", "AcousticCouplingMediumTemperature"
NEW_SEQUENCE = "EthnicGroupCodeSequence"


def tag(keyword: str) -> str:
    found = lookup(keyword)
    assert found
    assert found.newer
    return found.tag


@pytest.mark.parametrize(
    ("told", "value"),
    [("CS", "YES"), ("UN", base64.b64encode(b"YES ").decode()), ("CS", ["YES"]), (None, "YES ")],
)
def test_a_keyword_newer_than_healthimagings_is_found_under_its_tag_as_well(told: str | None, value: Any) -> None:
    text = f'attributes = ["{NEW_TEXT}"]'
    for spelt in (tag(NEW_TEXT), tag(NEW_TEXT).lower()):
        assert build(text, {spelt: value}, vrs={spelt: told} if told else None)[NEW_TEXT] == ["YES"]
    assert build(text, {NEW_TEXT: "NO", tag(NEW_TEXT): "YES"}, vrs={tag(NEW_TEXT): "CS"})[NEW_TEXT] == ["NO"]
    assert build(text, {NEW_TEXT: "", tag(NEW_TEXT): "YES"}, vrs={tag(NEW_TEXT): "CS"})[NEW_TEXT] == ["YES"]


def test_bytes_under_a_newer_tag_are_read_as_the_dictionarys_vr() -> None:
    text = f'attributes = ["{NEW_NUMBER}"]'
    for content, expected in ((struct.pack("<d", 36.5), Decimal("36.5")), (struct.pack("<f", 36.5), None)):
        instance = {tag(NEW_NUMBER): base64.b64encode(content).decode()}
        found = build(text, instance, vrs={tag(NEW_NUMBER): "UN"})
        assert found.get(NEW_NUMBER) == (expected and {"Min": expected, "Max": expected})
        assert found.get("InvalidAttributes") == (None if expected else [NEW_NUMBER])


def test_a_newer_keyword_in_a_sequence_is_found_by_either_spelling_at_every_level() -> None:
    levels: dict[str, dict[str, Any]] = {
        "patient": {"OtherPatientIDsSequence": [{tag(NEW_TEXT): "A"}, {tag(NEW_TEXT): None}]},
        "study": {"ProcedureCodeSequence": [{NEW_TEXT: "B"}]},
        "series": {"RequestAttributesSequence": [{tag(NEW_TEXT): "C"}]},
    }
    paths = [f"{next(iter(level))}.{NEW_TEXT}" for level in levels.values()]
    found = build(f"attributes = {json.dumps(paths)}", **levels)
    assert [found[path] for path in paths] == [["A", ""], ["B"], ["C"]]


def test_a_newer_sequence_is_found_by_either_spelling_with_what_stands_in_it() -> None:
    path = f"{NEW_SEQUENCE}.CodeValue"
    instance = {tag(NEW_SEQUENCE): [{"CodeValue": "X1"}, {"CodeValue": "X2"}]}
    assert build(f'attributes = ["{path}"]', instance, vrs={tag(NEW_SEQUENCE): "SQ"})[path] == ["X1", "X2"]
    unknown = {tag(NEW_SEQUENCE): base64.b64encode(b"\xfe\xff\x00\xe0").decode()}
    found = build(f'attributes = ["{path}"]', unknown, vrs={tag(NEW_SEQUENCE): "UN"})
    assert found["InvalidAttributes"] == [path]


def test_a_newer_keyword_is_found_in_functional_groups_by_either_spelling() -> None:
    for spelt in (NEW_TEXT, tag(NEW_TEXT)):
        frames = [{"UnassignedPerFrameConvertedAttributesSequence": [{spelt: "YES"}]}]
        assert build(f'attributes = ["{NEW_TEXT}"]', {"PerFrameFunctionalGroupsSequence": frames})[NEW_TEXT] == ["YES"]


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


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A data set that has a value at a path through sequences."""
    return {path[0]: value if len(path) == 1 else [nested(path[1:], value)]}


VALUES = {"DA": "20240101", "TM": "1200", "DT": "20240101", "UI": "1.2", "AT": "00100020"}


@pytest.mark.parametrize("group", functional_groups.GROUPS)
@pytest.mark.parametrize("keyword", [*functional_groups.MACROS])
def test_each_standard_functional_group_is_looked_into(keyword: str, group: str) -> None:
    element = lookup(keyword)
    assert element
    name, more = (f"{keyword}.CodeValue", ("CodeValue",)) if element.vr == "SQ" else (keyword, ())
    for path in functional_groups.MACROS[keyword]:
        last = lookup((*path, *more)[-1])
        assert last
        value = VALUES.get(last.vr, 7 if last.vr in vrs.NUMBERS else "A")
        found = build(f'attributes = ["{name}"]', nested((group, *path, *more), value))
        assert name in found, path


# PS3.3, sections C.7.6.16.2, C.8.13.5, C.8.15.3, C.8.19.6 and C.8.22.5.
@pytest.mark.parametrize(
    ("keyword", "paths"),
    [
        ("KVP", ["CTXRayDetailsSequence", "FrameAcquisitionSequence", "CTAdditionalXRaySourceSequence"]),
        ("ConvolutionKernel", ["CTReconstructionSequence"]),
        ("DiffusionBValue", ["MRDiffusionSequence"]),
        ("RepetitionTime", ["MRTimingAndRelatedParametersSequence"]),
        ("PixelSpacing", ["PixelMeasuresSequence"]),
        ("SliceThickness", ["PixelMeasuresSequence"]),
        ("EchoTime", ["MREchoSequence.EffectiveEchoTime"]),
        ("ImageLaterality", ["FrameAnatomySequence.FrameLaterality"]),
        ("AnatomicRegionSequence", ["FrameAnatomySequence"]),
        ("ExposureInmAs", ["CTExposureSequence", "FrameAcquisitionSequence", "XRayAcquisitionDoseSequence"]),
        ("TableHeight", ["CTAcquisitionDetailsSequence", "PETFrameAcquisitionSequence"]),
        ("AcquisitionNumber", ["FrameContentSequence.FrameAcquisitionNumber"]),
        ("TemporalPositionIdentifier", ["FrameContentSequence.TemporalPositionIndex"]),
        ("DistanceSourceToDetector", ["CTGeometrySequence", "XRayGeometrySequence"]),
        ("ImagerPixelSpacing", ["FramePixelDataPropertiesSequence"]),
    ],
)
def test_an_attribute_is_looked_for_in_the_macros_of_the_standard(keyword: str, paths: list[str]) -> None:
    places = {".".join(path) for path in functional_groups.MACROS[keyword]}
    assert places >= {path if "." in path else f"{path}.{keyword}" for path in paths}


@pytest.mark.parametrize("group", functional_groups.GROUPS)
def test_what_a_converted_object_keeps_of_its_single_frames_is_found(group: str) -> None:
    converted = functional_groups.CONVERTED[group]
    item = {"KVP": "120", "AcquisitionDate": "20240101", "ContrastBolusAgentSequence": [{"CodeMeaning": "Iodine"}]}
    names = [*("KVP", "AcquisitionDate", "ContrastBolusAgentSequence.CodeMeaning", "ScanOptions", "Rows")]
    found = build(f"attributes = {json.dumps(names)}", {"Rows": 2, group: [{converted: [item | {"Rows": 5}]}]})
    assert found["KVP"] == {"Min": 120, "Max": 120}
    assert found["AcquisitionDate"] == {"Min": "20240101", "Max": "20240101"}
    assert found["ContrastBolusAgentSequence.CodeMeaning"] == ["Iodine"]
    assert found["Rows"] == {"Min": 2, "Max": 2}
    assert "ScanOptions" not in found
    # What every object has at the top is not taken from there; nor anything from the sequence of the other group.
    assert "Rows" not in build('attributes = ["Rows"]', {group: [{converted: [{"Rows": 5}]}]})
    (other,) = {*functional_groups.GROUPS} - {group}
    assert "KVP" not in build('attributes = ["KVP"]', {other: [{converted: [{"KVP": "120"}]}]})


def test_a_macro_goes_before_what_was_converted() -> None:
    frame = {
        "UnassignedPerFrameConvertedAttributesSequence": [{"KVP": "80"}],
        "CTXRayDetailsSequence": [{"KVP": 120}],
    }
    found = build('attributes = ["KVP"]', {"PerFrameFunctionalGroupsSequence": [frame]})
    assert found["KVP"] == {"Min": 120, "Max": 120}


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("frames", [3, 3000])
def test_what_the_frames_of_a_converted_object_say_is_found_however_many_there_are(frames: int, escaped: bool) -> None:
    selected = toml_file.parse('revision = 1\nattributes = ["KVP", "AcquisitionTime", "ScanOptions"]')
    groups: list[dict[str, Any]] = [
        {
            "PlanePositionSequence": [{"ImagePositionPatient": [0, 0, frame]}],
            "UnassignedPerFrameConvertedAttributesSequence": [
                {"KVP": str(100 + frame % 3), "AcquisitionTime": f"{frame % 24:02}", "Other": "x" * 100}
            ],
        }
        for frame in range(frames)
    ]
    groups[1]["UnassignedPerFrameConvertedAttributesSequence"] = "none"
    instance = {"SharedFunctionalGroupsSequence": [{}], "PerFrameFunctionalGroupsSequence": groups}
    document = json.dumps({"Study": {"Series": {"1.2": {"Instances": {"1.2.1": {"DICOM": instance}}}}}})
    if escaped:  # as JSON may write any letter
        document = document.replace("Unassigned", "\\u0055nassigned")
    pieces = [document[start : start + 10_000].encode() for start in range(0, len(document), 10_000)]
    found = plain(entry.build(Reader(selected), pieces).attributes)
    assert found["KVP"]["Min"] == 100
    assert found["KVP"]["Max"] == 102
    assert found["AcquisitionTime"]["Max"] == f"{min(frames - 1, 23):02}0000"
    assert found["InvalidAttributes"] == ["AcquisitionTime", "KVP", "ScanOptions"]


def test_of_what_very_many_frames_were_converted_with_only_what_is_selected_is_held_and_once() -> None:
    selected = toml_file.parse('revision = 1\nattributes = ["KVP"]')
    converted = [{"Other": f"{frame:0200}", "KVP": str(frame % 2)} for frame in range(3000)]
    groups = [{"UnassignedPerFrameConvertedAttributesSequence": [each]} for each in converted]
    instance = {"DICOM": {"PerFrameFunctionalGroupsSequence": groups}}
    document = json.dumps({"Study": {"Series": {"1.2": {"Instances": {"1.2.1": instance}}}}}).encode()
    pieces = [document[start : start + 10_000] for start in range(0, len(document), 10_000)]
    held: set[bytes] = set()

    def take(run: Run) -> None:
        values: Any = run.instances["1.2.1"].dicom
        held.update(text for macro, text in values.PerFrameFunctionalGroupsSequence if macro.startswith("Unassigned"))

    Reader(selected).read(pieces, take)
    zero, one = b'[{"KVP":"0"}]', b'[{"KVP":"1"}]'
    assert held
    assert held <= {b"[%b,%b]" % (zero, one), b"[%b,%b]" % (one, zero)}


def test_the_documentation_names_each_functional_group_with_what_it_holds() -> None:
    page = (Path(__file__).parents[2] / "docs/profile.md").read_text("utf-8")
    for keyword, paths in functional_groups.MACROS.items():
        for path in paths:
            direct = re.search(rf"^\| {path[0]} \| .*\b{keyword}\b", page, re.MULTILINE)
            assert direct or f"| {keyword} | {'.'.join(path)} |" in page, path


def test_the_table_of_functional_groups_names_sequences_and_attributes_that_exist() -> None:
    for keyword, macros in functional_groups.MACROS.items():
        assert lookup(keyword)
        for path in macros:
            *sequences, last = map(lookup, path)
            assert all(found and found.vr == "SQ" and not found.newer for found in sequences), path
            assert last, path
            assert not last.newer, path


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
        (named("StudyMoment", '"Rows"'), "which the index itself uses"),
        (named("A", '"Rows", "PatientID"'), "sources at several levels (Instance, Patient)"),
        (named("A", ""), "has no source"),
        (named("PatientNameFolded", '"Rows"'), "cannot have a name that ends in Folded or Values"),
        (named("RowsValues", '"Rows"'), "cannot have a name that ends in Folded or Values"),
        (named("A", '"PatientAgeYears"'), "which is derived itself"),
        (named("A", '{ creator = "X", element = "0019xx0C" }'), "whose VR is not known here; look it up"),
        (named("A", '{ creator = "X", element = "0019xx0C", vr = "UN" }'), 'needs vr = "..." with a searchable VR for'),
        (named("A", '{ creator = "X", element = "0019xx0C", vr = 1 }'), 'needs vr = "..." with a searchable VR for'),
        (named("A", '{ path = "Rows", vr = "US" }'), "has an invalid source. Write a keyword"),
        (named("A", "{ path = 1 }"), "has a path that is not a text"),
        (named("A", f'{{ path = "Rows", component = {2**63} }}'), "whole numbers from 1 to 9223372036854775807"),
        (named("A", '{ element = "0019xx0C" }'), "without its creator"),
        (named("A", '{ creator = "X", element = "0018xx0C" }'), "not written like '0019xx0C'"),
        (named("A", '{ path = "Rows", component = 0 }'), "whole numbers from 1"),
        (named("A", '"PixelPaddingValue"', 'vr = "US or SS"'), "with a searchable VR"),
        (named("A", SIEMENS, f"[named.B]\nfrom = [{SIEMENS[:-1]}, vr = 'FD' }}]"), "an element has one VR"),
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
        toml_file.parse(f"revision = 1\n{text}")
    assert message in str(refused.value)
