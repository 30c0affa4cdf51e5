"""Small inputs of kinds that public bug reports tell of, each with its rule and the right value.

`cases.json` has one or more of each kind; `own.py` has more, so that a kind is right and not only its sample.
"""

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from cli import profiles
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from local.healthimaging.document import Document, Patient, Series, Study, pack
from local.healthimaging.importing import Scan, scan
from tests.cases import own

FOLDER: Final = Path(__file__).parent
KINDS: Final = "abcdefghijklmn"


def _read_cases() -> list[own.Case]:
    return [
        own.Case(
            name=case["file"],
            content=(FOLDER / case["file"]).read_bytes(),
            entry=case.get("entry", {}),
            absent=tuple(case.get("absent", ())),
            invalid=tuple(case["InvalidAttributes"]) if "InvalidAttributes" in case else None,
            document=case.get("document", {}),
            attributes=(case["profile"],) if "profile" in case else (),
        )
        for case in msgspec.json.decode((FOLDER / "cases.json").read_bytes())
    ]


GIVEN: Final = _read_cases()


@pytest.mark.parametrize("case", [*GIVEN, *own.CASES], ids=lambda case: case.name)
def test_a_strangers_file_has_the_right_values_in_the_entry(case: own.Case) -> None:
    content = case.content
    if case.dicom:
        found = scan([(case.name, content)], "HTJ2K")
        assert bool(found.refused) == case.refused, found.refused
        if case.refused:
            return
        content = _document(found)
        _check_document(content, case.document)
    values = plain(entry.build(Reader(_profile(case)), [content]).attributes)
    assert {name: values.get(name) for name in case.entry if not _same(case.entry[name], values.get(name))} == {}
    assert [name for name in case.absent if name in values] == []
    if case.invalid is not None:
        assert values["InvalidAttributes"] == list(case.invalid)


def test_each_kind_is_there_with_two_more_inputs() -> None:
    assert {kind for kind in KINDS if not any(case.name.startswith(kind) for case in GIVEN)} == set()
    assert {kind for kind in KINDS if sum(case.name.startswith(f"{kind}: ") for case in own.CASES) < 2} == set()


def _profile(case: own.Case) -> Profile:
    match case.attributes:
        case ():
            return profiles.load("radiology")
        case (name,) if name.endswith(".toml"):
            return profiles.load(str(FOLDER / name))
    return toml_file.parse(f"revision = 1\nattributes = {msgspec.json.encode(case.attributes).decode()}\n")


def _document(found: Scan) -> bytes:
    group = next(iter(found.groups.values()))
    series = {group.grouping.series_uid: Series(group.series, group.rounds[0])}
    return pack(Document("d" * 32, "a" * 32, Patient(group.patient), Study(group.study, series)))


def _check_document(document: bytes, right: dict[str, Any]) -> None:
    plain_document: Any = msgspec.json.decode(gzip.decompress(document))
    series = next(iter(plain_document["Study"]["Series"].values()))
    instance = next(iter(series["Instances"].values()))
    found = instance["DICOM"] | {"DICOMVRs": instance["DICOMVRs"]}
    assert {name: found.get(name) for name in right} == right


def _same(right: Any, value: Any) -> bool:
    """Whether a value of an entry is the right one; numbers by value, of maps what the right one names."""
    if isinstance(right, dict):
        return isinstance(value, dict) and all(_same(each, value.get(name)) for name, each in right.items())
    if isinstance(right, list):
        return isinstance(value, list) and len(right) == len(value) and all(map(_same, right, value))
    if isinstance(right, str):
        # Empty groups at the end of a name say nothing (PS3.5, section 6.2.1).
        return isinstance(value, str) and value.rstrip("=") == right
    if value is None:
        return False
    return not isinstance(value, str) and Decimal(str(right)) == value
