"""What a profile may say, and what it is told when it may not."""

import json
import re
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from imaging_index.dicom.dictionary import Level, keywords, lookup
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile import toml_file
from imaging_index.profile.attributes import Source
from imaging_index.profile.profile import Index, ProfileError
from imaging_index.profile.schema import LONGEST_SEVERAL
from imaging_index.profile.toml_file import load, parse

ROOT = Path(__file__).parents[2]
RADIOLOGY = ROOT / "profiles/radiology.toml"
ATTRIBUTES = 'attributes = ["PatientID", "StudyDate", "Rows", "SoftwareVersions", "OtherPatientIDsSequence.PatientID"]'


_LINE = re.compile(r"line [0-9]+: ")


def _mistakes(text: str) -> list[str]:
    with pytest.raises(ProfileError) as refused:
        parse(text)
    return [_LINE.sub("", message) for message in str(refused.value).splitlines()]


def _index(text: str) -> str:
    return f"revision = 1\n{ATTRIBUTES}\n[indexes.patient]\n{text}"


def test_the_radiology_profile_selects_what_it_says() -> None:
    radiology = load(RADIOLOGY)
    assert len(radiology.attributes) == 64
    usual = {"study", "series", "patient", "name", "accession", "date", "arrived"}
    assert set(radiology.indexes) == usual | {"nonprimary"}
    assert [name for name, index in radiology.indexes.items() if "NonPrimary" in index.partition] == ["nonprimary"]
    assert radiology.indexes["date"] == Index(("DatastoreId",), ("StudyMoment", "ImageSetId"))
    assert [attribute.name for attribute in radiology.at(Level.PATIENT)][:2] == ["PatientID", "PatientName"]
    assert radiology.keys >= {"StudyInstanceUID", "AccessionNumber", "FirstIndexedAt"}
    assert {radiology.key_type(key) for key in radiology.keys} == {"S"}


@pytest.mark.parametrize(
    ("name", "vr", "multiple", "level", "identifier"),
    [
        ("PatientID", "LO", False, Level.PATIENT, True),
        ("PatientName", "PN", False, Level.PATIENT, False),
        ("StudyDescription", "LO", False, Level.STUDY, False),
        ("SeriesNumber", "IS", False, Level.SERIES, True),
        ("SoftwareVersions", "LO", True, Level.SERIES, False),
        ("PixelSpacing", "DS", True, Level.INSTANCE, False),
        ("SmallestImagePixelValue", "US", False, Level.INSTANCE, False),
        ("SOPClassUID", "UI", False, Level.INSTANCE, True),
        ("RequestAttributesSequence.AccessionNumber", "SH", True, Level.SERIES, True),
        ("SegmentSequence.SegmentLabel", "LO", True, Level.INSTANCE, False),
    ],
)
def test_the_dictionary_says_how_an_attribute_is_stored(
    name: str, vr: str, multiple: bool, level: Level, identifier: bool
) -> None:
    (attribute,) = parse(f'revision = 1\nattributes = ["{name}"]').attributes
    assert (attribute.vr, attribute.multiple, attribute.level) == (vr, multiple, level)
    assert attribute.identifier == identifier
    assert attribute.sources[0] == Source(tuple(name.split(".")))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ('["PatientId"]', "'PatientId' is not a DICOM keyword. Did you mean 'PatientID'?"),
        ('["SliceTickness"]', "'SliceTickness' is not a DICOM keyword. Did you mean 'SliceThickness'?"),
        ('["SliceWidth"]', "'SliceWidth' is not a DICOM keyword. Did you mean 'SliceThickness'?"),
        ('["PatientDOB"]', "'PatientDOB' is not a DICOM keyword. Did you mean 'PatientBirthDate'?"),
        ('["SeriesUID"]', "'SeriesUID' is not a DICOM keyword. Did you mean 'SeriesInstanceUID'?"),
        ('["Vendor"]', "'Vendor' is not a DICOM keyword. Did you mean 'Manufacturer'?"),
        ('["qqqqqqqq"]', "'qqqqqqqq' is not a DICOM keyword. Write it as in DICOM PS3.6, like 'StudyDate'."),
        ('[""]', "'' is not a DICOM keyword. Write it as in DICOM PS3.6, like 'StudyDate'."),
        (
            '["RequestAttributesSequence.AcessionNumber"]',
            "'AcessionNumber' is not a DICOM keyword. Did you mean 'AccessionNumber'?",
        ),
        (
            '["PatientID.CodeValue"]',
            "'PatientID.CodeValue' is not a valid path: PatientID is not a sequence.",
        ),
        (
            '["ProcedureCodeSequence"]',
            "'ProcedureCodeSequence' is a sequence; select an attribute in it, like 'ProcedureCodeSequence.CodeValue'.",
        ),
        ('["PixelData"]', "'PixelData' holds OB or OW, which is not searchable; take it out."),
        ('["PatientID", "PatientID"]', "The attribute 'PatientID' is selected twice; take one of them out."),
    ],
)
def test_an_attribute_that_cannot_be_selected_is_one_clear_message(names: str, message: str) -> None:
    assert _mistakes(f"revision = 1\nattributes = {names}") == [message]


def test_a_name_of_the_profiles_own_is_selected_by_its_table_alone() -> None:
    named = '[named.Kernel]\nfrom = ["ConvolutionKernel"]'
    assert _mistakes(f'revision = 1\nattributes = ["PatientID", "Kernel"]\n{named}') == [
        "'Kernel' is a name of the profile's own, which [named.Kernel] selects; take it out."
    ]


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("MRDiffusionSequence.DiffusionBValue", "DiffusionBValue"),
        ("PerFrameFunctionalGroupsSequence.MRDiffusionSequence.DiffusionBValue", "DiffusionBValue"),
        ("EffectiveEchoTime", "EchoTime"),
        ("DiffusionBValue", None),
        ("EchoTime", None),
        ("ReferencedImageSequence.ReferencedSOPInstanceUID", None),
    ],
)
def test_what_functional_groups_alone_have_is_a_warning_that_says_what_to_select(
    written: str, instead: str | None
) -> None:
    (*warnings,) = parse(f'revision = 1\nattributes = ["{written}"]').warnings
    assert warnings == (
        [f"'{written}' is in functional groups alone, which are looked into for '{instead}': select that instead."]
        if instead
        else []
    )


@pytest.mark.parametrize("attributes", ["", "attributes = []", 'attributes = "PatientID"', "attributes = [1]"])
def test_a_profile_needs_attributes(attributes: str) -> None:
    (message,) = _mistakes(f"revision = 1\n{attributes}")
    assert message.startswith("The profile needs `attributes = [")


@pytest.mark.parametrize("revision", ["", "revision = 0", "revision = '1'", "revision = true", "revision = 1000000"])
def test_a_profile_needs_a_revision(revision: str) -> None:
    (message,) = _mistakes(f"{revision}\n{ATTRIBUTES}")
    assert message.startswith("The profile needs `revision = 1`")


def test_an_unknown_field_is_told_with_those_that_are_known() -> None:
    assert _mistakes(f"revision = 1\n{ATTRIBUTES}\nindices = 1") == [
        "Unknown field 'indices'. Allowed fields: revision, attributes, named, privacy, instances, geometry, indexes, "
        "events, pseudonymous, retain."
    ]
    assert _mistakes(_index('partition = ["PatientID"]\nsort = ["ImageSetId"]\nprojection = "ALL"')) == [
        "[indexes.patient] has an unknown field 'projection'. Allowed fields: partition, sort, holds."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "attributes = " + "[" * 5000,
        "attributes = " + "[" * 5000 + "]" * 5000,
        "[named.A]\nfrom = " + "{a = " * 5000 + "1" + "}" * 5000,
        "revision = " + "9" * 5000,
        "revision = 1" + "_1" * 5000,
        "revision = " + "9" * 5000 + "\nattributes = " + "[" * 5000,
    ],
    ids=["open", "closed", "tables", "digits", "underlines", "both"],
)
def test_toml_that_python_does_not_follow_is_one_clear_message(text: str) -> None:
    (message,) = _mistakes(text)
    assert message == (
        "The profile has brackets nested by the hundred, or a number of thousands of digits: take them out."
    )


@pytest.mark.parametrize(
    "text",
    [
        f"revision = 0x{'f' * 5000}\n{ATTRIBUTES}",
        f"revision = 1\n{ATTRIBUTES}\na{'.a' * 5000} = 1",
        f"revision = 1\n{ATTRIBUTES}\n[named.B]\nfrom = [{{ path = 'Rows', component = 0x{'f' * 5000} }}]",
        f"revision = 1\n{ATTRIBUTES}\n[named.B]\nfrom = [{{ path{'.a' * 5000} = 1 }}]",
        f"revision = 1\n{ATTRIBUTES}\n[instances]\nkeep = [{{ a{'.a' * 5000} = 1 }}]",
        f"revision = 1\n{ATTRIBUTES}\nprivacy{'.a' * 5000} = 1",
        f"revision = 1\n{ATTRIBUTES}\nindexes{'.a' * 5000} = 1",
        f'revision = 1\nattributes = ["{"x" * 100_000}"]',
        'revision = 1\nattributes = ["\\u001b[31m\\n\\u202e"]',
        f'revision = 1\n{ATTRIBUTES}\n[named."\\u009b"]\nfrom = ["Rows"]',
        f'revision = 1\n{ATTRIBUTES}\n[named.B]\nfrom = [{{ creator = "\\n", element = "0019xx01" }}]',
        f"revision = 1\n{ATTRIBUTES}\nindices = 1\n\x00",
    ],
)
def test_whatever_a_profile_says_each_mistake_is_a_line_of_some_length(text: str) -> None:
    for message in _mistakes(text):
        assert message.isprintable()
        assert len(message) < 1100


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    (message,) = _mistakes("revision = 1\nattributes = [,]")
    assert message.startswith("The profile is not TOML: ")
    assert "line 2" in message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('partition = ["PatientID"]', "[indexes.patient] needs sort = [...] with one to 4 attributes."),
        (
            'partition = []\nsort = ["ImageSetId"]',
            "[indexes.patient] needs partition = [...] with one to 4 attributes.",
        ),
        (
            'partition = ["PatientID"]\nsort = "ImageSetId"',
            "[indexes.patient] needs sort = [...] with one to 4 attributes.",
        ),
        (
            'partition = ["PatientID"]\nsort = ["StudyMoment", "EventTime", "IndexedAt", "Cause", "ImageSetId"]',
            "[indexes.patient] needs sort = [...] with one to 4 attributes.",
        ),
        (
            'partition = ["PatientID"]\nsort = ["StudyTime"]',
            "[indexes.patient] names 'StudyTime', which is not selected; add it to `attributes`.",
        ),
        (
            'partition = ["DataStoreId"]\nsort = ["ImageSetId"]',
            "[indexes.patient] names 'DataStoreId', which is not selected. Did you mean 'DatastoreId'?",
        ),
        (
            'partition = ["PatientId"]\nsort = ["ImageSetId"]',
            "[indexes.patient] names 'PatientId', which is not selected. Did you mean 'PatientID'?",
        ),
        (
            'partition = ["Rows"]\nsort = ["ImageSetId"]',
            "[indexes.patient] cannot have 'Rows' as a key, since it is summarized over the instances; "
            "take it out of the index.",
        ),
        (
            'partition = ["SoftwareVersions"]\nsort = ["ImageSetId"]',
            "[indexes.patient] cannot have 'SoftwareVersions' as a key, since it holds several values; "
            "take it out of the index.",
        ),
        (
            'partition = ["OtherPatientIDsSequence.PatientID"]\nsort = ["ImageSetId"]',
            "[indexes.patient] cannot have 'OtherPatientIDsSequence.PatientID' as a key, "
            "since it holds several values; take it out of the index.",
        ),
        (
            'partition = ["DatastoreId"]\nsort = ["IndexedAt", "ImageSetId"]',
            "[indexes.patient] would hold deleted image sets as well; add what only the others have, "
            "like FirstIndexedAt or StudyMoment.",
        ),
        (
            'partition = ["PatientID"]\nsort = ["ImageSetId", "ImageSetId"]',
            "[indexes.patient] names 'ImageSetId' twice; take one of them out.",
        ),
    ],
)
def test_an_index_that_cannot_be_is_one_clear_message(keys: str, message: str) -> None:
    assert _mistakes(_index(keys)) == [message]


def test_an_index_of_what_only_some_have_is_by_it_and_never_sorted_by_it() -> None:
    by = _index('partition = ["DatastoreId", "NonPrimary"]\nsort = ["FirstIndexedAt", "ImageSetId"]')
    assert parse(by).key_type("NonPrimary") == "S"
    (message,) = _mistakes(_index('partition = ["DatastoreId"]\nsort = ["NonPrimary"]'))
    assert message.startswith("[indexes.patient] sorts by 'NonPrimary', and the index would leave out")


def test_a_key_that_resembles_nothing_is_told_which_there_are() -> None:
    (message,) = _mistakes(_index('partition = ["qqqqqq"]\nsort = ["ImageSetId"]'))
    assert message.startswith(
        "[indexes.patient] names 'qqqqqq', which is not selected; select it, or take one of Datast"
    )


@pytest.mark.parametrize("name", ["ab", "by patient", "x" * 251, "Größe"])
def test_an_index_has_a_name_that_dynamodb_takes(name: str) -> None:
    text = f'revision = 1\n{ATTRIBUTES}\n[indexes."{name}"]\npartition = ["PatientID"]\nsort = ["ImageSetId"]'
    assert _mistakes(text) == [f"An index cannot be named '{name}'; take 3 to 250 letters, digits, '_', '-' or '.'."]


def test_there_are_at_most_twenty_indexes() -> None:
    def text(count: int) -> str:
        indexes = [f'[indexes.n{n:02}]\npartition = ["PatientID"]\nsort = ["ImageSetId"]' for n in range(count)]
        return "\n".join((f"revision = 1\n{ATTRIBUTES}", *indexes))

    assert len(parse(text(20)).indexes) == 20
    assert _mistakes(text(21)) == ["21 indexes are declared; DynamoDB allows 20 a table. Take some out."]


@pytest.mark.parametrize("indexes", ["indexes = 1", "indexes = []", "[indexes]\npatient = 1"])
def test_indexes_are_tables(indexes: str) -> None:
    (message,) = _mistakes(f"revision = 1\n{ATTRIBUTES}\n{indexes}")
    assert message.startswith("Indexes are tables: [indexes.patient]")


def test_every_mistake_is_told_at_once() -> None:
    text = 'colour = 1\nattributes = ["PatientId", "ModalityX"]\n[indexes.ab]\npartition = []\nsort = []'
    assert len(_mistakes(text)) == 1 + 1 + 2 + 3


def test_a_byte_order_mark_before_a_profile_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_text(f"revision = 1\n{ATTRIBUTES}\n", "utf-8-sig")
    assert load(path) == parse(f"revision = 1\n{ATTRIBUTES}\n")


def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none\.toml cannot be read \(FileNotFoundError\)"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(ProfileError, match=r"latin\.toml cannot be read \(UnicodeDecodeError\)"):
        load(tmp_path / "latin.toml")


def test_a_number_as_a_key_is_stored_as_one() -> None:
    text = (
        'revision = 1\nattributes = ["SeriesNumber"]\n[indexes.any]\npartition = ["SeriesNumber"]\nsort = ["IndexedAt"]'
    )
    assert parse(text).key_type("SeriesNumber") == "N"
    assert parse(text).key_type("IndexedAt") == "S"
    assert parse(text).key_type("ImageSetVersion") == "N"


def test_the_hash_changes_with_what_entries_hold_and_with_nothing_else() -> None:
    usual = _index('partition = ["PatientID"]\nsort = ["StudyMoment", "ImageSetId"]')
    same = [
        usual.replace("revision = 1", "revision = 2"),
        usual.replace("[indexes.patient]", "# a comment\n[indexes.other]"),
        usual.replace('["StudyMoment", "ImageSetId"]', '["ImageSetId", "StudyMoment"]'),
        f'{usual}\nholds = "keys"',
        f'{usual}\nholds = ["StudyDate"]',
    ]
    other = [
        usual.replace('"StudyDate", "Rows"', '"StudyDate", "Columns"'),
        usual.replace('["StudyMoment", "ImageSetId"]', '["ImageSetId"]'),
    ]
    assert {parse(text).hash for text in same} == {parse(usual).hash}
    assert len({parse(text).hash for text in (usual, *other)}) == 3
    assert len(toml_file.parse(usual).hash) == 16


def test_an_attribute_is_found_by_its_name_alone() -> None:
    found = parse(_index('partition = ["PatientID"]\nsort = ["ImageSetId"]')).find("OtherPatientIDsSequence.PatientID")
    assert found is not None
    assert found.sources == (Source(("OtherPatientIDsSequence", "PatientID")),)
    assert parse(_index('partition = ["PatientID"]\nsort = ["ImageSetId"]')).find("OtherPatientIDsSequence") is None


@pytest.mark.parametrize("attributes", ['["PatientID"]', '["PatientName"]\n[privacy]\nPatientName = "hash"'])
def test_an_index_of_names_needs_names(attributes: str) -> None:
    text = f'revision = 1\nattributes = {attributes}\n[indexes.name]\npartition = ["DatastoreId"]\n'
    (message,) = _mistakes(text + 'sort = ["PatientNameKey", "ImageSetId"]')
    assert message.startswith("[indexes.name] is by PatientNameKey, but PatientName is not selected, or not kept")


def test_an_index_by_date_without_dates_is_a_warning() -> None:
    text = 'revision = 1\nattributes = {}\n[indexes.date]\npartition = ["DatastoreId"]\nsort = ["StudyMoment"]'
    assert parse(text.replace("{}", '["StudyDate"]')).warnings == ()
    (warning,) = parse(text.replace("{}", '["PatientID"]')).warnings
    assert warning.startswith("[indexes.date] is by StudyMoment, which is all zeros")


def test_a_profile_whose_entries_could_be_too_large_for_dynamodb_is_refused() -> None:
    lists = [each for each in keywords() if (found := lookup(each)) and found.vr == "LO" and found.vm != "1"]
    texts = [each for each in keywords() if (found := lookup(each)) and found.vr in ("LO", "SH", "CS")][:100]
    assert lists
    (message,) = _mistakes(f"revision = 1\nattributes = {json.dumps(sorted({*lists, *texts}))}")
    assert message.startswith("An entry of these attributes could have ")


def test_what_only_some_image_sets_have_may_be_a_partition_key_and_no_sort_key() -> None:
    text = 'revision = 1\nattributes = ["PatientID"]\n[indexes.other]\n'
    usable = parse(text + 'partition = ["DatastoreId", "NonPrimary"]\nsort = ["FrameBytes", "ImageSetId"]')
    assert (usable.key_type("NonPrimary"), usable.key_type("FrameBytes")) == ("S", "N")
    (message,) = _mistakes(text + 'partition = ["DatastoreId"]\nsort = ["NonPrimary", "ImageSetId"]')
    assert "[indexes.other] sorts by 'NonPrimary', and the index would leave out" in message


def _bytes(value: Any) -> int:
    """What DynamoDB counts of a value (Developer Guide, "Item sizes and formats")."""
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return len(content.strip("-0.").replace(".", "")) // 2 + 2
    if kind == "L":
        return 3 + sum(1 + _bytes(each) for each in content)
    return 3 + sum(1 + len(name) + _bytes(each) for name, each in content.items())


@pytest.mark.parametrize("file", ["radiology", "minimal", "research"])
@pytest.mark.parametrize(
    "texts",
    [
        [f"{number:04}" + "x" * 1020 for number in range(200)],
        [f"{number:04}" for number in range(200)],
        [f"-1.{number:037}" for number in range(1, 150)],
        [f"20240101{number % 24:02}{number % 60:02}00.{number:06}-0100" for number in range(150)],
    ],
    ids=["long", "many", "numbers", "moments"],
)
def test_an_attribute_takes_no_more_of_an_entry_than_is_counted(file: str, texts: list[str]) -> None:
    selected = toml_file.load(ROOT / f"profiles/{file}.toml")

    def level(name: Level) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for each in selected.at(name):
            for source in each.sources[:1]:
                first, *inner = source.path
                items: list[Any] = [{} for _ in texts] if inner else [*texts]
                items = values.setdefault(first, items)
                for item, text in zip(items, texts, strict=True) if inner else ():
                    innermost = reduce(lambda outer, keyword: outer.setdefault(keyword, {}), inner[:-1], item)
                    innermost[inner[-1]] = text
        return values

    instances = {f"1.{n}": {"DICOM": level(Level.INSTANCE) if n else {}} for n in range(3)}
    series = {"1": {"DICOM": level(Level.SERIES), "Instances": instances}}
    study = {"DICOM": level(Level.STUDY), "Series": series}
    document = {"Patient": {"DICOM": level(Level.PATIENT)}, "Study": study}
    attributes = entry.build(Reader(selected), [json.dumps(document).encode()], b"key").attributes
    several = [name for name in attributes if name.endswith("Values")]
    assert sum(_bytes(attributes[name]) for name in several) <= LONGEST_SEVERAL + 200 * len(several)
    for each in selected.attributes:
        names = [name for name in (each.name, f"{each.name}Folded") if name in attributes]
        missing = len(each.name) + 12 if each.name in plain(attributes).get("MissingIn", {}) else 0
        taken = sum(len(name) + _bytes(attributes[name]) for name in names) + missing
        assert taken <= toml_file.largest(each), each.name
