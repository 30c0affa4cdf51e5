"""DICOM's dictionary as the package carries it."""

from collections import Counter

import pytest
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import get_entry, keyword_dict

from imaging_index.dicom import vrs
from imaging_index.dicom.dictionary import Element, Level, keywords, lookup, nearest, private_vr
from imaging_index.profile.schema import OWN_KEYS, OWN_NAMES
from tools import dictionary

EVERY = {
    keyword: (tag, vr, vm, bool(retired))
    for keyword, tag in keyword_dict.items()
    if keyword
    for vr, vm, _, retired, _ in [get_entry(tag)]
}


def test_the_dictionary_is_pydicoms() -> None:
    assert sorted(keywords()) == sorted(EVERY)
    assert keywords() == sorted(keywords(), key=lambda keyword: EVERY[keyword][0])
    for keyword, (tag, vr, vm, retired) in EVERY.items():
        element = lookup(keyword)
        assert element is not None
        assert (element.keyword, element.tag, element.vr) == (keyword, f"{tag:08X}", vr)
        assert (element.vm, element.retired) == (vm, retired)


def test_what_may_be_newer_than_healthimagings_dictionary_is_marked_and_stays_with_the_instances() -> None:
    elements = [element for keyword in keywords() if (element := lookup(keyword))]
    newer = {element.keyword for element in elements if element.newer}
    assert len(newer) == 187
    # Of 2023 and later; of PS3.6 2022b and before.
    assert newer >= {"SyntheticData", "AcousticCouplingMediumFlag", "AcquisitionMethod"}
    assert not newer & {"PatientID", "KVP", "PertinentOtherEvidenceSequence", "MultienergyCTAcquisitionSequence"}
    assert {element.level for element in elements if element.newer} == {Level.INSTANCE}
    assert not [element.keyword for element in elements if element.newer and " or " in element.vr]


def test_the_vrs_of_private_elements_are_pydicoms() -> None:
    tried = 0
    for creator, elements in private_dictionaries.items():
        for element, (vr, *_) in elements.items():
            if "xx" not in element[4:6]:
                continue
            known = private_vr(creator.strip().upper(), element[:4].upper() + "xx" + element[6:].upper())
            assert known in (vr, None), (creator, element)
            tried += known is not None
    assert tried > 7_000


@pytest.mark.parametrize(
    ("creator", "element", "vr"),
    [
        ("SIEMENS MR HEADER", "0019xx0C", "IS"),
        ("GEMS_PARM_01", "0043xx39", "IS"),
        ("PHILIPS IMAGING DD 001", "2001xx03", "FL"),
        ("SIEMENS MR HEADER", "0019xx0D", "CS"),
        ("SIEMENS CSA HEADER", "0029xx10", None),  # OB, which holds nothing that can be searched
        ("NOBODY", "0019xx0C", None),
        ("", "", None),
        ("CREATOR", "ELEMENT", None),
    ],
)
def test_the_vr_of_a_private_element_is_known_or_none(creator: str, element: str, vr: str | None) -> None:
    assert private_vr(creator, element) == vr


def test_the_tool_writes_the_dictionaries_that_there_are() -> None:
    for name, lines in (("dictionary.tsv", dictionary.public()), ("private_dictionary.tsv", dictionary.private())):
        assert (dictionary.FOLDER / name).read_text("utf-8").splitlines()[1:] == lines


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        ({"FutureKeyword": 0x00080004}, "pydicom's keywords are 1 more"),
        ({"PatientID": None}, "pydicom has no keyword PatientID"),
    ],
)
def test_a_pydicom_that_the_lists_kept_by_hand_do_not_fit_ends_the_tool(
    new: dict[str, int | None], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {keyword: tag for keyword, tag in (keyword_dict | new).items() if tag is not None}
    monkeypatch.setattr(dictionary, "keyword_dict", changed)
    with pytest.raises(SystemExit, match=complaint):
        dictionary.public()


def test_as_many_attributes_stand_at_each_level_as_healthimaging_moves() -> None:
    levels = Counter(element.level for keyword in keywords() if (element := lookup(keyword)))
    assert {level: levels[level] for level in Level if level is not Level.INSTANCE} == {
        Level.PATIENT: 46,
        Level.STUDY: 50,
        Level.SERIES: 44,
    }


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (
            Level.PATIENT,
            "PatientID PatientName IssuerOfPatientID PatientComments DeidentificationMethod ClinicalTrialSiteID",
        ),
        (Level.STUDY, "StudyInstanceUID StudyDate PatientAge PatientSize PatientWeight Allergies PregnancyStatus"),
        (
            Level.SERIES,
            "Modality ProtocolName SoftwareVersions OperatorsName FrameOfReferenceUID RequestAttributesSequence",
        ),
        (
            Level.INSTANCE,
            "KVP ImageType Rows SOPClassUID SpecificCharacterSet TransferSyntaxUID RequestedProcedureDescription",
        ),
    ],
)
def test_what_is_easily_got_wrong_stands_at_its_level(level: Level, names: str) -> None:
    assert {(element := lookup(name)) and element.level for name in names.split()} == {level}


@pytest.mark.parametrize(
    "word",
    [
        "",
        "keyword",
        "patientid",
        "PatientID\t",
        "PatientID\t00100020",
        "PatientID\n",
        "\nPatientID",
        "LO",
        "1",
        "é",
        ".",
    ],
)
def test_a_word_that_is_no_keyword_is_not_found(word: str) -> None:
    assert lookup(word) is None


def test_the_first_and_the_last_line_are_found() -> None:
    first, *_, last = keywords()
    assert isinstance(lookup(first), Element)
    assert isinstance(lookup(last), Element)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("PatientId", "PatientID"),
        ("patientname", "PatientName"),
        ("StudyInstanceUid", "StudyInstanceUID"),
        ("SliceTickness", "SliceThickness"),
        ("Modallity", "Modality"),
        ("zzzzzzzzzz", None),
        ("", None),
    ],
)
def test_a_misspelt_keyword_is_told_from_one_that_nothing_resembles(word: str, meant: str | None) -> None:
    assert nearest(word) == meant


def test_no_name_of_our_own_is_a_keyword() -> None:
    ours = OWN_NAMES | {f"{keyword}Folded" for keyword, (_, vr, _, _) in EVERY.items() if vr == "PN"}
    ours |= {f"{keyword}Values" for keyword in EVERY}
    assert OWN_KEYS.keys() <= OWN_NAMES
    assert not ours & EVERY.keys()
    assert len(ours) == len(OWN_NAMES) + sum(vr == "PN" for _, vr, _, _ in EVERY.values()) + len(EVERY)


def test_every_vr_of_the_dictionary_is_searchable_or_a_sequence_or_binary() -> None:
    searchable = vrs.NUMBERS | vrs.MOMENTS | vrs.TEXTS
    first = {vr.split(" or ")[0] for _, vr, _, _ in EVERY.values()}
    assert first - searchable <= {"SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN", "NONE"}
    for vr in searchable:
        assert vrs.parser(vr)(None) is None
