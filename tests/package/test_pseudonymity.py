"""What a profile may say of privacy: policies that fit their attributes and each other, and what pseudonymous asks."""

from pathlib import Path

import pytest

from imaging_index.dicom import deidentification, dictionary
from imaging_index.entry.pages import COLUMNS
from imaging_index.profile import toml_file
from imaging_index.profile.attributes import SelectionError, select
from imaging_index.profile.privacy import Policy
from imaging_index.profile.profile import Profile, ProfileError

PROFILES = Path(__file__).parents[2] / "profiles"
UIDS = 'SOPInstanceUID = "uid"\nSeriesInstanceUID = "uid"\n'


def parse(attributes: str, privacy: str = "", rest: str = "", top: str = "") -> Profile:
    return toml_file.parse(f"revision = 1\n{top}\nattributes = [{attributes}]\n[privacy]\n{privacy}\n{rest}")


def mistakes(attributes: str, privacy: str = "", rest: str = "", top: str = "") -> str:
    with pytest.raises(ProfileError) as refused:
        parse(attributes, privacy, rest, top)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "policy", "why"),
    [
        ("SOPClassUID", "uid", "identifies nobody; keep it"),
        ("TransferSyntaxUID", "uid", "identifies nobody; keep it"),
        ("ReferencedSeriesSequence.ReferencedInstanceSequence.ReferencedSOPClassUID", "uid", "identifies nobody"),
        ("PatientID", "uid", "holds LO and no UIDs; hash or drop it"),
        ("StudyTime", "shift", "holds TM and no dates"),
        ("PatientAge", "shift", "holds AS and no dates"),
        ("StudyInstanceUID", "shift", "holds UI and no dates"),
        ("PatientBirthDate", "cap", "holds DA and no ages"),
        ("PatientSize", "cap", "holds DS and no ages"),
        ("PatientAgeYears", "shift", "cap or drop it"),
    ],
)
def test_a_policy_that_does_not_fit_its_attribute_is_refused(name: str, policy: str, why: str) -> None:
    said = mistakes(f'"{name}"', f'"{name}" = "{policy}"')
    assert f"[privacy] cannot {policy} {name}, " in said
    assert why in said


def test_a_name_of_ones_own_over_what_is_no_instance_cannot_be_mapped() -> None:
    named = '[named.Kind]\nfrom = ["SOPClassUID"]\n'
    assert "cannot uid Kind, which says of what kind" in mistakes('"Modality"', 'Kind = "uid"', named)
    named = '[named.Birth]\nvr = "LO"\nfrom = ["PatientBirthDate"]\n'
    assert "Birth" in mistakes('"Modality"', 'PatientBirthDate = "shift"', named)
    parse('"Modality"', 'PatientBirthDate = "shift"\nBirth = "drop"\n' + UIDS, named)


@pytest.mark.parametrize(
    ("attributes", "privacy", "said"),
    [
        ('"StudyDate", "SeriesDate"', 'StudyDate = "shift"\n' + UIDS, "shifts other dates than SeriesDate"),
        (
            '"StudyDate", "SeriesDate"',
            'StudyDate = "shift"\nSeriesDate = "hash"\n' + UIDS,
            "other dates than SeriesDate",
        ),
        ('"StudyDate", "AcquisitionDateTime"', 'StudyDate = "shift"\n' + UIDS, "other dates than AcquisitionDateTime"),
        ('"StudyDate", "StudyInstanceUID"', 'StudyDate = "shift"\n' + UIDS, "a UID like StudyInstanceUID"),
        ('"StudyDate"', 'StudyDate = "shift"\nSeriesInstanceUID = "uid"', "a UID like SOPInstanceUID"),
        ('"PatientAge", "PatientAgeYears"', 'PatientAgeYears = "cap"', "caps other ages than PatientAge"),
        ('"PatientAge", "PatientAgeYears"', 'PatientAge = "cap"\nPatientAgeYears = "keep"', "than PatientAgeYears"),
    ],
)
def test_policies_that_undo_each_other_are_refused(attributes: str, privacy: str, said: str) -> None:
    assert said in mistakes(attributes, privacy)


def test_a_capped_age_caps_what_is_derived_from_it() -> None:
    assert parse('"PatientAge", "PatientAgeYears"', 'PatientAge = "cap"').policy("PatientAgeYears") is Policy.CAP


@pytest.mark.parametrize(
    "privacy", ['AcquisitionDate = "shift"\n' + UIDS, 'AcquisitionDate = "shift"\nStudyDate = "shift"\n' + UIDS]
)
def test_pages_cannot_have_dates_that_are_shifted(privacy: str) -> None:
    said = mistakes('"StudyDate"', privacy, '[instances]\nkeep = ["AcquisitionDate"]')
    assert "[instances] cannot keep 'AcquisitionDate', since pages are written before the patient is known" in said


def test_pages_cannot_have_dates_that_would_tell_an_age() -> None:
    said = mistakes('"PatientAge"', 'PatientAge = "cap"', '[instances]\nkeep = ["ContentDate"]')
    assert "[instances] cannot keep 'ContentDate'" in said


@pytest.mark.parametrize("moment", ["IndexedAt", "FirstIndexedAt", "EventTime"])
def test_no_index_is_by_or_holds_when_an_entry_was_written_whose_dates_are_shifted(moment: str) -> None:
    index = f'[indexes.arrived]\npartition = ["{moment}"]\nsort = ["StudyMoment"]'
    parse('"StudyDate"', "", index)
    said = mistakes('"StudyDate"', 'StudyDate = "shift"\n' + UIDS, index)
    assert f"cannot have '{moment}' as a key, which no entry has whose dates are shifted" in said
    index = f'[indexes.arrived]\npartition = ["DatastoreId"]\nsort = ["StudyMoment"]\nholds = ["{moment}"]'
    parse('"StudyDate"', "", index)
    said = mistakes('"StudyDate"', 'StudyDate = "shift"\n' + UIDS, index)
    assert f"[indexes.arrived] holds '{moment}', which no entry has whose dates are shifted" in said


def test_an_index_by_shifted_dates_and_uids_is_typed_like_any() -> None:
    index = '[indexes.study]\npartition = ["StudyInstanceUID"]\nsort = ["StudyMoment"]'
    selected = parse('"StudyDate", "StudyInstanceUID"', 'StudyDate = "shift"\nStudyInstanceUID = "uid"\n' + UIDS, index)
    assert selected.key_type("StudyInstanceUID") == "S"
    assert selected.warnings == ()
    assert (selected.keyed, selected.hashes, selected.shifts, selected.caps) == (True, False, True, False)


@pytest.mark.parametrize(
    ("attribute", "rest", "why"),
    [
        ("PatientName", "", "which is read from PatientName (PS3.15, table E.1-1)"),
        ("StudyDate", "", "read from StudyDate"),
        ("RequestAttributesSequence.RequestedProcedureID", "", "read from RequestAttributesSequence"),
        ("PatientAgeYears", "", "which is derived from PatientAge"),
        ("NameOfPhysiciansReadingStudy", "", "PS3.15"),
        ("SegmentSequence.SegmentLabel", "", "which is free text"),
        ("VolumeFrameOfReferenceUID", "", "which is the UID of an object"),
        ("RetrieveURI", "", "which is an address"),
        (
            "BValue",
            '[named.BValue]\nfrom = [{ creator = "GEMS_PARM_01", element = "0043xx39", vr = "IS" }]',
            "private element",
        ),
        ("Where", '[named.Where]\nfrom = ["InstitutionName"]', "read from InstitutionName"),
    ],
)
def test_a_pseudonymous_profile_says_something_of_all_that_may_identify(attribute: str, rest: str, why: str) -> None:
    selected = "" if rest else f', "{attribute}"'
    top = "pseudonymous = true"
    said = mistakes(f'"Modality"{selected}', UIDS, rest, top)
    assert f"[privacy] says nothing of {attribute}, " in said
    assert why in said
    assert f"[privacy] keeps {attribute}, " in mistakes(
        f'"Modality"{selected}', f'{UIDS}"{attribute}" = "keep"', rest, top
    )
    parse(f'"Modality"{selected}', f'{UIDS}"{attribute}" = "drop"', rest, top)


@pytest.mark.parametrize(
    ("attribute", "option"),
    [
        ("PatientSex", "patient-characteristics"),
        ("StudyInstanceUID", "uids"),
        ("StationName", "device-identity"),
        ("InstitutionName", "institution-identity"),
        ("StudyTime", "full-dates"),
        ("VolumeFrameOfReferenceUID", "uids"),
    ],
)
def test_what_an_option_retains_is_kept_under_that_option_alone(attribute: str, option: str) -> None:
    keep = f'{UIDS}{attribute} = "keep"\n'
    for other in deidentification.OPTIONS:
        top = f'pseudonymous = true\nretain = ["{other}"]'
        if other == option:
            assert parse(f'"{attribute}"', keep, top=top).retained == (option,)
        else:
            assert f"retain = ['{option}'] allows that" in mistakes(f'"{attribute}"', keep, top=top)


def test_what_an_option_would_have_cleaned_is_not_kept_under_it() -> None:
    # SeriesDescription is C under Clean Descriptors, and StudyDate is C under Modified Dates.
    for option in ("descriptors", "modified-dates"):
        top = f'pseudonymous = true\nretain = ["{option}"]'
        said = mistakes('"SeriesDescription"', f'{UIDS}SeriesDescription = "keep"', top=top)
        assert f"`retain` names '{option}', which no option is called." in said
        assert "[privacy] keeps SeriesDescription" in said


def test_the_uids_of_series_and_instances_are_in_pages_though_nothing_selects_them() -> None:
    top = "pseudonymous = true"
    for name in ("SeriesInstanceUID", "SOPInstanceUID"):
        assert f"[privacy] keeps {name}, which entries or pages have in any case" in mistakes('"Modality"', top=top)
    said = mistakes('"Modality"', top=f"{top}\ninstances = false")
    assert "SeriesInstanceUID" in said
    assert "SOPInstanceUID" not in said


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ('pseudonymous = "yes"', "Write pseudonymous = true or false"),
        ('retain = "uids"\npseudonymous = true', "Write retain = [...]"),
        ('retain = ["uids"]', "`retain` is for a profile with pseudonymous = true"),
        ('retain = ["uid"]\npseudonymous = true', "Did you mean 'uids'?"),
    ],
)
def test_fields_of_another_kind_are_refused(top: str, said: str) -> None:
    assert said in mistakes('"Modality"', UIDS, top=top)


def test_the_shipped_profile_of_research_is_pseudonymous_and_the_function_reads_it_without_the_table() -> None:
    path = PROFILES / "research-pseudonymous.toml"
    selected = toml_file.load(path)
    assert selected.pseudonymous
    assert selected == toml_file.load(path, checked=True)
    methods = deidentification.methods(selected.retained, shifted=selected.shifts)
    assert [each.code for each in methods] == ["113100", "113108", "113107"]
    for line in path.read_text("utf-8").splitlines():
        if line.endswith(('= "uid"', '= "shift"', '= "hash"', '= "cap"')):
            with pytest.raises(ProfileError, match=line.split(" ")[0]):
                toml_file.parse(path.read_text("utf-8").replace(f"{line}\n", ""))


def test_the_table_has_a_line_for_what_identifies_and_none_for_what_does_not() -> None:
    line = deidentification.line("PatientAge")
    assert line == deidentification.Line("X", {"patient-characteristics": "K"})
    assert line.is_retained(["uids", "patient-characteristics"])
    assert not line.is_retained(["uids"])
    study = deidentification.line("StudyDate")
    assert study
    assert study.options == {"full-dates": "K", "modified-dates": "C"}
    assert not study.is_retained(["modified-dates"])
    assert deidentification.line("SOPClassUID") is None
    assert deidentification.line("Rows") is None
    assert deidentification.line("NoSuchKeyword") is None


def test_what_pages_always_have_is_not_in_the_table_but_for_uids() -> None:
    geometry = [each.name for each in parse('"Modality"').instances.geometry]
    assert "ImagePositionPatient" in geometry
    assert {name for name in (*geometry, *COLUMNS) if deidentification.line(name)} == {
        "SOPInstanceUID",
        "SeriesInstanceUID",
    }


def test_every_line_of_the_table_has_its_tag_and_known_codes() -> None:
    lines = (Path(deidentification.__file__).parent / "deidentification.tsv").read_text("utf-8").splitlines()
    assert len(lines) == 653
    tags = [line.split("\t")[0] for line in lines[1:]]
    assert tags == sorted(set(tags))
    for line in lines[1:]:
        tag, keyword, basic, options = line.split("\t")
        assert (dictionary.keyword_of(tag) or "") == keyword
        assert set(basic.split("/")) <= {"X", "Z", "D", "U", "U*"}
        assert all(each.partition("=")[2] in ("K", "C") for each in options.split())


def test_uids_of_kinds_and_of_coding_schemes_need_no_policy() -> None:
    kinds = '"SOPClassUID", "TransferSyntaxUID", "AnatomicRegionSequence.CodingSchemeUID"'
    assert parse(kinds, UIDS, top="pseudonymous = true").pseudonymous


@pytest.mark.parametrize("vr", ["PN", "DA", "DT"])
def test_a_name_or_date_that_the_table_lacks_needs_a_policy_all_the_same(vr: str) -> None:
    without = [
        keyword
        for keyword in dictionary.keywords()
        if (element := dictionary.lookup(keyword)) and element.vr == vr and not deidentification.line(keyword)
    ]
    for keyword in without:
        try:
            select(keyword)
        except SelectionError:
            continue
        assert f"[privacy] says nothing of {keyword}" in mistakes(f'"{keyword}"', UIDS, top="pseudonymous = true")
