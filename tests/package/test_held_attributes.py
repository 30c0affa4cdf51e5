"""What an index holds besides keys, as a profile says it, and the name that it has in DynamoDB for it."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from imaging_index.dicom.dictionary import Level
from imaging_index.profile import index_names, toml_file
from imaging_index.profile.profile import Index, Profile, ProfileError
from imaging_index.profile.schema import OWN_NAMES, TABLE_KEYS

ROOT: Final = Path(__file__).parents[2]
SELECTED: Final = ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "Modality")
INDEX: Final = '[indexes.{}]\npartition = ["StudyInstanceUID"]\nsort = ["ImageSetId"]\nholds = {}\n'


def profile(holds: str, *, privacy: str = "", attributes: tuple[str, ...] = SELECTED, name: str = "study") -> Profile:
    return toml_file.parse(
        f"revision = 1\nattributes = {json.dumps(attributes)}\n[privacy]\n{privacy}\n{INDEX.format(name, holds)}"
    )


def mistake(holds: str, privacy: str = "") -> str:
    """The only mistake of a profile, after its line."""
    with pytest.raises(ProfileError) as refused:
        profile(holds, privacy=privacy)
    (line,) = str(refused.value).splitlines()
    return line.partition(": ")[2]


@pytest.mark.parametrize(
    ("holds", "held"),
    [
        ('"all"', None),
        ('"keys"', ()),
        ('["Modality", "PatientNameFolded"]', ("Modality", "PatientNameFolded")),
        # DynamoDB adds the keys of the table and of the index.
        ('["StudyInstanceUID", "Modality", "ImageSetId", "ImageSet", "Part"]', ("Modality",)),
        ('["StudyInstanceUID"]', ()),
        # What search needs to decide, and to say that an entry holds less than the image set.
        *(
            (f'["{name}"]', (name,))
            for name in ("IsPrimary", "InvalidAttributes", "TruncatedAttributes", "MissingIn", "PatientIDValues")
        ),
    ],
)
def test_an_index_holds_what_is_listed_besides_keys(holds: str, held: tuple[str, ...] | None) -> None:
    assert profile(holds).indexes["study"].holds == held


def test_an_index_of_which_nothing_is_said_holds_all() -> None:
    text = f"revision = 1\nattributes = {json.dumps(SELECTED)}\n{INDEX.format('study', 0)}".replace("holds = 0", "")
    assert toml_file.parse(text).indexes["study"].holds is None


def test_all_that_the_index_itself_writes_can_be_held() -> None:
    for name in OWN_NAMES - {*TABLE_KEYS, "ImageSetId"}:
        assert profile(f'["{name}"]').indexes["study"].holds == (name,)


@pytest.mark.parametrize("holds", ['"everything"', "[]", "1", '["Modality", 1]', "true", "{}"])
def test_holds_has_three_forms(holds: str) -> None:
    assert mistake(holds) == '[indexes.study] needs holds = "all", holds = "keys", or holds = [...] with attributes.'


@pytest.mark.parametrize(
    ("name", "privacy", "why"),
    [
        ("Modalty", "", "which no entry has. Did you mean 'Modality'?"),
        ("IsPrimry", "", "which no entry has. Did you mean 'IsPrimary'?"),
        ("qqqqqq", "", "which no entry has; select it, or take it out."),
        ("BodyPartExamined", "", "which is not selected; add BodyPartExamined to `attributes`."),
        ("OtherPatientNamesFolded", "", "which is not selected; add OtherPatientNames to `attributes`."),
        ("PatientName", 'PatientName = "drop"', "which [privacy] drops; take it out of the list."),
        ("PatientNameFolded", 'PatientName = "drop"', "which [privacy] drops; take it out of the list."),
        (
            "PatientNameFolded",
            'PatientName = "hash"',
            "which no entry has, since [privacy] does not keep PatientName; take it out of the list.",
        ),
        ("ModalityFolded", "", "which no entry has, since Modality has no such form; take it out of the list."),
    ],
)
def test_what_an_index_cannot_hold_is_one_clear_message(name: str, privacy: str, why: str) -> None:
    assert mistake(f'["Modality", "{name}"]', privacy) == f"[indexes.study] holds '{name}', {why}"


def test_an_attribute_is_listed_once() -> None:
    assert mistake('["Modality", "Modality"]') == "[indexes.study] holds 'Modality' twice; take one of them out."


def test_a_hashed_attribute_can_be_held_and_its_several_values_do_not_exist() -> None:
    assert profile('["PatientID"]', privacy='PatientID = "hash"').indexes["study"].holds == ("PatientID",)
    assert "since [privacy] does not keep PatientID" in mistake('["PatientIDValues"]', 'PatientID = "hash"')


def twenty(extra: int = 0) -> list[str]:
    """Twenty names that entries have and that are no keys, and some more."""
    return sorted(OWN_NAMES - {*TABLE_KEYS, "ImageSetId"})[: 20 + extra]


def test_an_index_lists_at_most_twenty_attributes_and_its_keys_do_not_count() -> None:
    holds = json.dumps(["StudyInstanceUID", "ImageSetId", *twenty()])
    assert profile(holds).indexes["study"].holds == tuple(twenty())
    assert mistake(json.dumps(twenty(extra=1))) == (
        '[indexes.study] holds 21 attributes besides keys; DynamoDB takes 20. Take some out, or write holds = "all".'
    )


def test_the_indexes_together_list_at_most_a_hundred() -> None:
    def text(*holds: str) -> str:
        tables = "".join(INDEX.format(f"n{number:02}", each) for number, each in enumerate(holds))
        return f"revision = 1\nattributes = {json.dumps(SELECTED)}\n{tables}"

    full = [json.dumps(twenty())] * 5
    assert toml_file.parse(text(*full, '"all"', '"keys"')).indexes["n05"].holds is None
    with pytest.raises(ProfileError) as refused:
        toml_file.parse(text(*full, '["Modality"]', '["StudyDate"]'))
    line = text(*full, '["Modality"]').splitlines().index('holds = ["Modality"]') + 1
    assert str(refused.value) == (
        f"line {line}: The indexes hold 102 attributes in lists, counted in each list; DynamoDB takes 100 a table. "
        'Take some out, or let an index hold "all" or "keys".'
    )


def test_a_name_in_dynamodb_says_what_the_index_holds_and_leads_back_to_the_declared_one() -> None:
    def name(*lists: str) -> set[str]:
        return {index_names.in_table("study", profile(each).indexes["study"]) for each in lists}

    assert name('"all"') == {"study"}
    (keys,) = name('"keys"')
    assert re.fullmatch(r"study\.[0-9a-f]{4}", keys)
    (some,) = name('["Modality", "StudyDate"]', '["StudyDate", "Modality"]', '["StudyDate", "Modality", "ImageSetId"]')
    assert len({"study", keys, some, *name('["Modality"]')}) == 4
    assert {index_names.declared(each) for each in ("study", keys, some)} == {"study"}
    other_keys = index_names.in_table("study", Index(("PatientID",), ("ImageSetId",), ()))
    assert other_keys != keys


def test_a_declared_name_cannot_be_taken_for_one_in_dynamodb() -> None:
    with pytest.raises(ProfileError, match=r"cannot be named 'by\.2024', since names in DynamoDB end like that"):
        profile('"all"', name='"by.2024"')
    assert profile('"all"', name='"by.date"').indexes.keys() == {"by.date"}


@pytest.mark.parametrize("name", ["radiology", "minimal"])
def test_the_lists_of_the_shipped_profiles_say_all_that_a_line_of_a_work_list_needs(name: str) -> None:
    shipped = toml_file.load(ROOT / f"profiles/{name}.toml")
    lists = {each: (*index.keys, *index.holds) for each, index in shipped.indexes.items() if index.holds}
    assert lists.keys() == shipped.indexes.keys() & {"study", "patient", "name", "accession", "arrived"}
    assert {frozenset(each) - shipped.keys for each in lists.values()} == {
        frozenset(next(iter(lists.values()))) - shipped.keys
    }
    for held in lists.values():
        assert {"StudyMoment", "StudyDate", "StudyTime", "IssuerOfPatientID", "InstanceCount", "IsPrimary"} < {*held}
        # Without these two, what an index does not hold of a value would have to be looked up for every entry.
        assert {"InvalidAttributes", "TruncatedAttributes"} < {*held}
        assert not [each.name for each in shipped.at(Level.INSTANCE) if each.name in held]
