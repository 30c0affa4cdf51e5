"""What all outputs of a pseudonymous profile tell together: no marker, no shift, and no age over 89."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from exporting.export import export
from exporting.instances import beside, place_of
from exporting.scanning import Page
from imaging_index.dicom import deidentification, dictionary, vrs
from imaging_index.dicom.dictionary import Level
from imaging_index.document.reader import Reader
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.indexing import Indexer
from imaging_index.profile import toml_file
from imaging_index.publishing import event
from imaging_index.publishing.change import Change
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.layout import Key
from proof.harness import canary
from proof.harness.table_items import lines

if TYPE_CHECKING:
    from collections.abc import Iterable

PROFILE = toml_file.load(Path(__file__).parents[2] / "profiles" / "research-pseudonymous.toml")
# With ages, dates of birth and of images, and pages, all of which the shipped profile has less of.
MORE = toml_file.parse("""
revision = 1
attributes = ["PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "StudyTime", "PatientAge",
              "PatientAgeYears", "SeriesInstanceUID", "AcquisitionDate", "FrameReferenceDateTime"]
[privacy]
PatientID = "hash"
PatientBirthDate = "shift"
StudyInstanceUID = "uid"
SeriesInstanceUID = "uid"
SOPInstanceUID = "uid"
StudyDate = "shift"
AcquisitionDate = "shift"
FrameReferenceDateTime = "shift"
PatientAge = "cap"
[events]
attributes = ["PatientID", "StudyInstanceUID", "StudyDate", "PatientAge"]
identifying = ["PatientID", "StudyInstanceUID", "StudyDate", "PatientAge"]
""")
STORE = "d" * 32
# What the document says must be kept, so that it is no marker: characteristics that the profile retains, and kinds.
RETAINED = {"PatientSex", "PatientSize", "PatientWeight"}


class Output(NamedTuple):
    """All that one image set becomes: its entry as it is put into the table, its instances, its event, its items."""

    entry: dict[str, Any]
    instances: list[dict[str, Any]]
    event: dict[str, Any]
    items: list[Any]

    @property
    def text(self) -> str:
        return json.dumps([self.entry, self.instances, self.event], default=str)


class Table:
    """The writing of the table, which remembers the last entry."""

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self.entry: Any = None

    def head(self, _: Key) -> None:
        return None

    def put_pages(self, _: Key, __: str, ___: str, pages: list[bytes]) -> None:
        self.pages = pages

    def put_entry(self, _: Key, item: Any) -> bool:
        self.entry = item
        return True

    def sweep(self, _: Key, __: object) -> None:
        pass


class HealthImaging:
    """HealthImaging with one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def metadata(self, *arguments: Any, **_: Any) -> Any:
        return arguments[-1]([json.dumps(self._document).encode()])


def indexed(document: dict[str, Any], profile: Any = PROFILE, secret: bytes = b"key") -> Output:
    """What the index makes of a document by its own write protocol."""
    table: Any = Table()
    healthimaging: Any = HealthImaging(document)
    key = Key(STORE, document["ImageSetID"])
    hint = Hint(Kind.CREATED, Cause.EVENT, STORE, document["ImageSetID"], 1, True, datetime.now(UTC).isoformat())
    Indexer(healthimaging, table, profile, Reader(profile), lambda: secret).converge(hint, age=timedelta(0), tries=1)
    made = event.of_change(Change(key, None, table.entry, "1", 0.0), profile.events)
    assert made
    keys = {"ImageSet": {"S": f"{STORE}/{document['ImageSetID']}"}}
    start = f"page/{table.entry['Generation']['S']}/{table.entry['Attempt']['S']}"
    pages = [
        keys | {"Part": {"S": f"{start}/{number:04}"}, "Content": {"B": page}}
        for number, page in enumerate(table.pages)
    ]
    items = [table.entry | keys | {"Part": {"S": "entry"}}, *pages]
    return Output(plain(table.entry), unpack(table.pages)[0], json.loads(made.detail), items)


def exported(output: Output, profile: Any, place: Path) -> str:
    """All values that an export of an image set and of its instances has, and what it says of itself."""
    page = Page(0, lines(output.items), len(output.items))
    with beside(place, profile) as instances:
        instances.take(page)
        instances.belong_to(export([page.lines], profile, place))
    assert (instances.count, instances.incomplete) == (1, 0)
    tables = [pq.read_table(file) for file in (place, place_of(place))]
    assert [table.num_rows for table in tables] == [1, 1]
    return "\n".join(f"{table.to_pylist()} {table.schema.metadata}" for table in tables)


def document(
    number: int, patient: dict[str, Any], study: dict[str, Any], series: Any, *instances: Any
) -> dict[str, Any]:
    return {
        "DatastoreID": STORE,
        "ImageSetID": f"{number:032x}",
        "Study": {
            "Series": {
                "1.2.3": {
                    "Instances": {f"1.2.3.{at}": {"DICOM": each} for at, each in enumerate(instances)},
                    "DICOM": series,
                }
            },
            "DICOM": study,
        },
        "Patient": {"DICOM": patient},
    }


def marked_everywhere() -> dict[str, Any]:
    """A document with the marker in every attribute of the table, at its level and in a sequence of the instance."""
    levels: dict[Level, dict[str, Any]] = {level: {} for level in Level}
    for keyword in dictionary.keywords():
        element = dictionary.lookup(keyword)
        if element and keyword not in RETAINED and deidentification.line(keyword) and element.vr != "SQ":
            levels[element.level][keyword] = ""
    levels[Level.INSTANCE] |= dict.fromkeys(("ContentDate", "AcquisitionDateTime"), "")
    levels[Level.INSTANCE]["RequestAttributesSequence"] = [dict(levels[Level.INSTANCE])]
    levels[Level.SERIES]["SeriesInstanceUID"] = "1.2"
    marked = {level: canary.marked(values) for level, values in levels.items()}
    # One that is young, so that its dates are stored, and no number of the dictionary is the marker by chance.
    marked[Level.PATIENT]["PatientBirthDate"], marked[Level.STUDY]["PatientAge"] = canary.DAY, "003Y"
    return document(1, *(marked[level] for level in (Level.PATIENT, Level.STUDY, Level.SERIES)), marked[Level.INSTANCE])


@pytest.mark.parametrize("profile", [PROFILE, MORE], ids=["shipped", "more"])
def test_nothing_that_identifies_is_in_what_a_pseudonymous_profile_writes_announces_or_exports(
    profile: Any, tmp_path: Path
) -> None:
    whole = marked_everywhere()
    assert len(json.dumps(whole)) > 20_000
    output = indexed(whole, profile)
    text = output.text.lower()
    for marker in (canary.MARKER, canary.DAY, canary.NUMBER, canary.PACKED_MARKER):
        assert marker.lower() not in text
    assert canary.found(exported(output, profile, tmp_path / "all.parquet")) is None
    # Without policies it is there.
    plainly = toml_file.parse('revision = 1\nattributes = ["PatientName", "StudyDate", "StudyInstanceUID"]')
    output = indexed(whole, plainly)
    text = output.text
    assert all(marker in text for marker in (canary.MARKER, canary.DAY, canary.NUMBER))
    text = exported(output, plainly, tmp_path / "plain.parquet")
    assert all(marker in text for marker in (canary.MARKER, canary.NUMBER, "1877, 4, 13"))


def test_an_entry_with_shifted_dates_has_no_moment_of_its_own_and_any_other_has() -> None:
    whole = document(1, {"PatientID": "1"}, {"StudyDate": "20200102", "PatientAge": "040Y"}, {}, {})
    plainly = toml_file.parse('revision = 1\nattributes = ["StudyDate"]')
    assert {"IndexedAt", "FirstIndexedAt", "EventTime"} <= indexed(whole, plainly).entry.keys()
    moment = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
    assert moment.search(indexed(whole, plainly).text)
    shifted = indexed(whole, MORE)
    assert "StudyDate" in shifted.entry
    assert not moment.search(shifted.text)


class Visit(NamedTuple):
    """An image set: its patient by number, and the true day."""

    patient: int
    day: date
    output: Output


def archive(seed: int, secret: bytes = b"key", patients: int = 25) -> list[Visit]:
    """The outputs of patients around 89 years of age, with some of what says how old they are, over many years."""
    chance = random.Random(seed)
    visits: list[Visit] = []
    for number in range(patients):
        born = date(1915, 1, 1) + timedelta(chance.randrange(15_000))
        for _ in range(chance.randrange(1, 6)):
            day = born + timedelta(chance.randrange(84 * 365, 95 * 365))
            age = int(vrs.years_between(_written(born), _written(day)) or 0)
            patient = {"PatientID": f"MRN-{number}"}
            if chance.random() < 0.7:
                patient["PatientBirthDate"] = _written(born)
            study = {"StudyDate": _written(day), "StudyInstanceUID": f"1.2.{_written(day)}.{number}"}
            if chance.random() < 0.7:
                study["PatientAge"] = f"{age:03}Y"
            later = _written(day + timedelta(chance.choice([0, 0, 1, 400])))
            instance = {"AcquisitionDate": later, "FrameReferenceDateTime": f"{later}101112"}
            made = indexed(document(len(visits), patient, study, {}, instance), MORE, secret)
            visits.append(Visit(number, day, made))
    return visits


def _written(day: date) -> str:
    return day.isoformat().replace("-", "")


def _days(value: Any) -> Iterable[str]:
    """The days that an adversary finds in a value of an entry."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _days(each)
    elif isinstance(value, list):
        for each in value:
            yield from _days(each)
    elif isinstance(value, str) and re.match(r"[0-9]{8}", value) and value[:8] != "0" * 8:
        yield value[:8]


def _found(output: Output) -> set[str]:
    names = ("PatientBirthDate", "StudyDate", "StudyMoment", "AcquisitionDate", "FrameReferenceDateTime")
    return {day for name in names for day in _days(output.entry.get(name))}


@pytest.mark.parametrize("seed", range(4))
def test_all_outputs_together_tell_neither_a_shift_nor_an_age_over_89(seed: int) -> None:
    visits = archive(seed)
    # Neither the true day is there nor the day of indexing: with either, a shift would be one subtraction.
    today = datetime.now(UTC).date()
    for visit in visits:
        for day in (visit.day, today):
            assert _written(day) not in visit.output.text
            assert day.isoformat() not in visit.output.text
    of_patient: dict[str, list[Output]] = {}
    for visit in visits:
        of_patient.setdefault(visit.output.entry["PatientID"], []).append(visit.output)
    assert len(of_patient) == len({visit.patient for visit in visits})
    oldest = 0
    for outputs in of_patient.values():
        found = {stored for each in outputs for stored in _found(each)}
        births = {each.entry["PatientBirthDate"] for each in outputs if "PatientBirthDate" in each.entry}
        known = [(born, 0) for born in births]
        for each in outputs:
            if (age := each.entry.get("PatientAge")) and (study := each.entry.get("StudyDate")):
                known.append((study, int(age[:3])))
            assert int(each.entry.get("PatientAgeYears", 0)) <= 90
        for since, age in known:
            for stored in found:
                oldest = max(oldest, age + int(vrs.years_between(since, stored) or 0))
    assert 85 <= oldest <= 89
    # There were such patients, and others whose dates can be compared.
    assert any(visit.output.entry.get("PatientAge") == "090Y" for visit in visits)
    assert any("StudyDate" not in visit.output.entry for visit in visits)


@pytest.mark.parametrize("seed", range(2))
def test_dates_of_a_patient_keep_their_distances_over_image_sets(seed: int) -> None:
    shifts: dict[int, set[timedelta]] = {}
    for visit in archive(seed):
        if stored := visit.output.entry.get("StudyDate"):
            shift = visit.day - datetime.strptime(stored, "%Y%m%d").date()  # noqa: DTZ007  a day has no zone
            shifts.setdefault(visit.patient, set()).add(shift)
    assert all(len(each) == 1 for each in shifts.values())
    assert len(set().union(*shifts.values())) > 10


def test_two_profiles_with_different_keys_share_no_token_and_no_uid() -> None:
    tokens = re.compile(r"\b(?:[0-9a-f]{64}|2\.25\.[0-9]+)\b")
    one, other = (
        {token for visit in archive(0, secret) for token in tokens.findall(visit.output.text)}
        for secret in (b"one", b"other")
    )
    assert len(one) == len(other) > 75
    assert not one & other
