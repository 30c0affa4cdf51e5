"""Answers about pydicom's own files, and about random documents, are what these say, and valid DICOM JSON."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from imaging_index.searching.question import Level
from imaging_index.table.layout import Key
from local.healthimaging.conversion import convert
from tests.qido.stored import (
    INSTANCE,
    PATIENT,
    SERIES,
    STORE,
    STUDY,
    Stored,
    answers,
    by_series,
    image_set,
    of_document,
    read,
    wanted,
)

LEVELS = [(level, relational) for level in (Level.STUDY, Level.SERIES, Level.IMAGE_SET) for relational in (False, True)]


def files() -> dict[tuple[str, str], list[Dataset]]:
    """pydicom's files by study and series, each instance once."""
    folder = Path(pydicom.data.__file__).parent
    found: dict[tuple[str, str], dict[str, Dataset]] = defaultdict(dict)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            dataset = dcmread(path)
            uids = [str(dataset.get(name, "")) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
            if all(uids):
                found[uids[0], uids[1]].setdefault(uids[2], dataset)
    return {key: [*each.values()] for key, each in found.items()}


@pytest.fixture(scope="module")
def imported() -> tuple[Stored, dict[tuple[str, str], list[Dataset]]]:
    """All files as they are stored, an image set a series, and the files themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        series = files()
        stored = [of_document(document(each), Key(STORE, f"{n:032}")) for n, each in enumerate(series.values())]
    return Stored(*stored), series


def document(datasets: list[Dataset]) -> Any:
    levels = [convert(each).levels for each in datasets]
    patient, study, series, _ = levels[0].values()
    instances = {str(each["Instance"]["SOPInstanceUID"]): {"DICOM": each["Instance"]} for each in levels}  # type: ignore[index]
    return json.loads(
        json.dumps(
            {
                "Patient": {"DICOM": patient},
                "Study": {
                    "DICOM": study,
                    "Series": {str(series["SeriesInstanceUID"]): {"DICOM": series, "Instances": instances}},
                },
            },
            default=str,
        )
    )


def test_studies_and_series_of_files_are_counted_and_described_as_pydicom_reads_them(imported: Any) -> None:
    stored, series = imported
    of_studies: dict[str, dict[str, list[Dataset]]] = defaultdict(dict)
    for (study, uid), each in series.items():
        of_studies[study][uid] = each
    studies = {each["0020000D"]["Value"][0]: each for each in answers(stored, wanted())}
    assert studies.keys() == of_studies.keys()
    for uid, own in of_studies.items():
        found = studies[uid]
        assert found["00201206"]["Value"] == [len(own)]
        assert found["00201208"]["Value"] == [sum(map(len, own.values()))]
        modalities = sorted({str(each[0].Modality) for each in own.values() if each[0].get("Modality")})
        assert found.get("00080061", {}).get("Value", []) == modalities
    listed = by_series(answers(stored, wanted(Level.SERIES)))
    assert {uid: each["00201209"]["Value"] for uid, each in listed.items()} == {
        uid: [len(each)] for (_, uid), each in series.items()
    }


def test_instances_of_files_are_as_pydicom_reads_them(imported: Any) -> None:
    stored, series = imported
    found = {each["00080018"]["Value"][0]: each for each in answers(stored, wanted(Level.IMAGE_SET, relational=True))}
    datasets = {str(each.SOPInstanceUID): each for own in series.values() for each in own}
    assert found.keys() == datasets.keys()
    for uid, dataset in datasets.items():
        for keyword in ("SOPClassUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames"):
            element = found[uid].get(f"{pydicom.datadict.tag_for_keyword(keyword):08X}", {})
            value = dataset.get(keyword)
            # One file says that it has 1A frames.
            said = [str(value)] if isinstance(value, int | UID) else []
            assert [*map(str, element.get("Value", []))] == said, keyword
        name = found[uid]["00100010"].get("Value", [{}])[0]
        groups = [name.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        assert "=".join(groups).rstrip("^=") == str(dataset.get("PatientName") or "").rstrip("^= ")


@pytest.mark.parametrize(("level", "relational"), LEVELS)
def test_every_answer_about_files_is_read_by_pydicom(imported: Any, level: Level, relational: bool) -> None:
    stored, _ = imported
    for everything in (False, True):
        found = answers(stored, wanted(level, relational=relational, everything=everything))
        assert found
        for each in found:
            # These files have values that their VR does not allow. They are answered as HealthImaging has them.
            assert [*Dataset.from_json(json.dumps(each)).iterall()]
            assert_well_formed(each)


def assert_well_formed(found: Any) -> None:
    """An object is as PS3.18, section F.2, has it: in order, no list is empty, no item says what it is not."""
    assert [*found] == sorted(found)
    for tag, element in found.items():
        assert len(tag) == 8
        assert element.keys() <= {"vr", "Value"}
        assert element.get("Value", [None]) != []
        for value in element.get("Value", []):
            match element["vr"]:
                case "SQ":
                    assert isinstance(value, dict)
                case "PN":
                    assert {*value} <= {"Alphabetic", "Ideographic", "Phonetic"}
                case "IS" | "US" | "UL" | "SS" | "SL":
                    assert isinstance(value, int)
                case "DS" | "FD" | "FL":
                    assert isinstance(value, int | float)
                case _:
                    assert isinstance(value, str)
                    assert value


def some(values: dict[str, Any], **others: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A level's values, each there, absent, or another one."""
    return st.fixed_dictionaries(
        {name: st.sampled_from([value, None, *others.get(name, ())]) for name, value in values.items()}
    )


IMAGE_SETS = st.fixed_dictionaries(
    {
        "patient": some(
            PATIENT, PatientName=["=山田", "Müller"], PatientSex=["M"], PatientBirthDate=["1970", "19990101"]
        ),
        "study": some(STUDY, StudyTime=["000000", "0830", "99"], StudyInstanceUID=["1.3"], StudyID=["12"]).map(
            lambda each: {**each, "StudyInstanceUID": each["StudyInstanceUID"] or "1.2"}
        ),
        "series": st.tuples(
            some(SERIES, Modality=["MR"], SeriesNumber=["x", "12"]), st.sampled_from(["1.2.1", "1.2.2"])
        ).map(lambda each: {**each[0], "SeriesInstanceUID": each[1]}),
        "instances": st.lists(some(INSTANCE, Rows=[64], TimezoneOffsetFromUTC=["-0500"]), min_size=1, max_size=3),
        "primary": st.sampled_from([True, True, False, None]),
    }
)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(st.lists(IMAGE_SETS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_every_answer_about_random_documents_is_valid(documents: Any, all_copies: bool, everything: bool) -> None:
    stored = Stored(
        *(
            image_set(
                number,
                *each["instances"],
                primary=each["primary"],
                **{name: each[name] for name in ("patient", "study", "series")},
            )
            for number, each in enumerate(documents)
        )
    )
    sizes = {f"{number:032}": len(each["instances"]) for number, each in enumerate(documents)}
    for level, relational in LEVELS:
        found = answers(stored, wanted(level, relational=relational, all_copies=all_copies, everything=everything))
        for each in found:
            assert read(each)
            assert_well_formed(each)
            if level is Level.SERIES and "imageSetId" in each["00081190"]["Value"][0]:
                assert each["00201209"]["Value"] == [sizes[each["00081190"]["Value"][0].rpartition("=")[2]]]
        if level is Level.IMAGE_SET and all_copies:
            assert len(found) == sum(sizes.values())
