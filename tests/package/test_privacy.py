"""What is dropped or hashed survives nowhere: neither in its own attribute, nor in a derived one, nor in the pages."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import Item
from imaging_index.entry.pages import unpack
from imaging_index.profile import toml_file
from imaging_index.profile.privacy import Policy, Privacy
from imaging_index.profile.profile import ProfileError

DOCUMENT = {
    "Patient": {"DICOM": {"PatientID": "P1", "PatientName": "Canary^Carla", "PatientBirthDate": "19500101"}},
    "Study": {
        "DICOM": {"StudyDate": "20200102", "StudyTime": "030405", "PatientAge": "070Y", "StudyInstanceUID": "1.2.77"},
        "Series": {
            uid: {
                "DICOM": {"SeriesInstanceUID": uid},
                "Instances": {f"{uid}.1": {"DICOM": {"SOPInstanceUID": f"{uid}.1"}}},
            }
            for uid in ("1.2.88", "1.2.99")
        },
    },
}
SELECTED = """
revision = 1
attributes = ["PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyTime", "PatientAge", "PatientAgeYears",
              "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
"""
SECRET = b"secret"


def build(privacy: dict[str, str]) -> tuple[Item, str]:
    """The entry, and all that would be written as text."""
    lines = "".join(f'{name} = "{word}"\n' for name, word in privacy.items())
    selected = toml_file.parse(f"{SELECTED}[privacy]\n{lines}")
    content = entry.build(Reader(selected), [json.dumps(DOCUMENT).encode()], SECRET)
    return content.attributes, json.dumps(content.attributes) + json.dumps(unpack(content.pages)[0])


def token(value: str) -> str:
    return hmac.new(SECRET, value.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("word", ["drop", "hash"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PatientID", ["P1"]),
        ("PatientName", ["Canary", "canary", "Carla", "carla"]),
        ("PatientBirthDate", ["19500101"]),
        ("StudyDate", ["20200102"]),
        ("StudyTime", ["030405"]),
        ("StudyInstanceUID", ["1.2.77"]),
        ("SeriesInstanceUID", ['1.2.88"', '1.2.99"']),
        ("SOPInstanceUID", ["1.2.88.1", "1.2.99.1"]),
    ],
)
def test_a_private_value_is_nowhere_in_what_is_written(name: str, values: list[str], word: str) -> None:
    _, kept = build({})
    assert all(value in kept for value in values)
    attributes, written = build({name: word})
    assert not any(value in written for value in values)
    assert (name in attributes) == (word == "hash")


def test_the_age_is_not_told_when_what_it_comes_from_must_not_be() -> None:
    assert build({})[0]["PatientAgeYears"] == {"N": "70"}
    assert build({"PatientBirthDate": "drop"})[0]["PatientAgeYears"] == {"N": "70"}  # from PatientAge
    assert build({"StudyDate": "hash"})[0]["PatientAgeYears"] == {"N": "70"}
    assert "PatientAgeYears" not in build({"PatientAge": "drop"})[0]
    assert "PatientAgeYears" not in build({"PatientAgeYears": "drop"})[0]


def test_equal_values_have_equal_tokens_that_only_the_key_gives() -> None:
    attributes, _ = build({"PatientID": "hash", "StudyDate": "hash"})
    assert attributes["PatientID"] == {"S": token("P1")}
    assert attributes["StudyDate"] == {"S": token("20200102")}
    assert attributes["StudyMoment"] == {"S": "00000000030405"}


def test_hashed_names_of_series_stay_equal_in_entry_and_pages() -> None:
    attributes, written = build({"SeriesInstanceUID": "hash"})
    assert attributes["SeriesInstanceUID"] == {"S": token("1.2.88")}
    assert attributes["SeriesInstanceUIDs"] == {"L": [{"S": token("1.2.88")}, {"S": token("1.2.99")}]}
    assert written.count(token("1.2.99")) == 2


def test_a_named_attribute_may_not_tell_what_its_source_may_not() -> None:
    text = SELECTED + '[named.Id]\nfrom = ["PatientID"]\n[privacy]\nPatientID = "hash"\n'
    with pytest.raises(
        ProfileError, match=r"\[named.Id\] reads PatientID, whose plain value .* not allow; add `Id = \"hash\""
    ):
        toml_file.parse(text)
    assert toml_file.parse(text + 'Id = "hash"\n').find("Id")


def test_a_stricter_privacy_than_that_of_its_source_is_fine() -> None:
    text = SELECTED + '[named.Id]\nfrom = ["PatientID"]\n[privacy]\nPatientID = "hash"\nId = "drop"\n'
    assert toml_file.parse(text).find("Id") is None


def test_a_nested_attribute_that_would_tell_a_private_one_needs_a_word_of_its_own() -> None:
    text = 'revision = 1\nattributes = ["OtherPatientIDsSequence.PatientID"]\n[privacy]\nPatientID = "hash"\n'
    with pytest.raises(ProfileError, match=r"'OtherPatientIDsSequence.PatientID' may contain the same value"):
        toml_file.parse(text)
    for word in ("keep", "hash", "drop"):
        toml_file.parse(text + f'"OtherPatientIDsSequence.PatientID" = "{word}"\n')


@pytest.mark.parametrize(
    ("private", "selection", "name"),
    [
        ("AccessionNumber", '[named.Order]\nfrom = ["RequestAttributesSequence.AccessionNumber"]', "Order"),
        (
            "RequestAttributesSequence",
            '[named.Order]\nfrom = ["RequestAttributesSequence.RequestedProcedureID"]',
            "Order",
        ),
        (
            "PatientID",
            '[instances]\nkeep = ["OriginalAttributesSequence.ModifiedAttributesSequence.PatientID"]',
            "OriginalAttributesSequence.ModifiedAttributesSequence.PatientID",
        ),
        ("FrameAcquisitionDateTime", '[named.When]\nfrom = ["AcquisitionDateTime"]', "When"),
    ],
)
def test_whatever_reads_a_private_keyword_at_any_depth_needs_a_word_of_its_own(
    private: str, selection: str, name: str
) -> None:
    text = f'revision = 1\nattributes = ["PatientName"]\n{selection}\n[privacy]\n{private} = "drop"\n'
    with pytest.raises(ProfileError, match=rf"has {private}, and '{name}' may contain the same value"):
        toml_file.parse(text)
    toml_file.parse(f'{text}"{name}" = "keep"\n')
    dropped = toml_file.parse(f'{text}"{name}" = "drop"\n')
    assert dropped.find(name) is None
    assert dropped.instances.keep == ()


@pytest.mark.parametrize("written", ["100", "100.0", "1E2", "+100", 100])
def test_equal_numbers_have_equal_tokens_however_they_are_written(written: object) -> None:
    selected = toml_file.parse('revision = 1\nattributes = ["SeriesNumber"]\n[privacy]\nSeriesNumber = "hash"\n')
    document = {"Study": {"Series": {"1.2": {"DICOM": {"SeriesNumber": written}}}}}
    content = entry.build(Reader(selected), [json.dumps(document).encode()], SECRET)
    assert content.attributes["SeriesNumber"] == {"S": token("100")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('PatientID = "mask"', 'needs one of "keep", "drop", "hash", "uid", "shift", "cap" for PatientID'),
        ('PatientIdd = "drop"', "Did you mean 'PatientID'?"),
        ('PatientAgeYears = "hash"', "cap or drop it"),
    ],
)
def test_a_privacy_that_cannot_be_is_told(line: str, message: str) -> None:
    with pytest.raises(ProfileError) as refused:
        toml_file.parse(f"{SELECTED}[privacy]\n{line}\n")
    assert message in str(refused.value)


@pytest.mark.parametrize("value", ["Doe^John", Decimal("1E+2"), Decimal(100)])
def test_a_policy_keeps_a_value_or_drops_it_or_has_its_token(value: Any) -> None:
    privacy = Privacy(b"key")
    assert privacy.apply(Policy.KEEP, value) == value
    assert privacy.apply(Policy.DROP, value) is None
    text = "Doe^John" if value == "Doe^John" else "100"
    assert privacy.apply(Policy.HASH, value) == hmac.digest(b"key", text.encode(), "sha256").hex()


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("empty", [None, ""])
def test_nothing_has_no_token(policy: Policy, empty: str | None) -> None:
    assert not Privacy(b"key").apply(policy, empty)


def test_the_hash_of_a_profile_that_hashes_is_what_it_was_before_there_were_policies() -> None:
    selected = toml_file.parse(
        'revision = 1\nattributes = ["PatientID", "Modality", "Rows"]\n[instances]\nkeep = ["InstanceNumber"]\n'
        '[privacy]\nPatientID = "hash"\nInstanceNumber = "hash"\nModality = "drop"\n'
    )
    assert selected.hash == "04a520b41e7fc8d4"


def test_a_hashed_attribute_is_text_whatever_its_vr() -> None:
    hashed = toml_file.parse(
        'revision = 1\nattributes = ["SeriesNumber"]\n[privacy]\nSeriesNumber = "hash"\n'
        '[indexes.number]\npartition = ["SeriesNumber"]\nsort = ["ImageSetId"]\n'
    )
    assert hashed.key_type("SeriesNumber") == "S"
    assert hashed.hashes
