"""The questions of docs/research.md have the answers that the documents lead to."""

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from exporting.database import Database
from exporting.export import export
from imaging_index.profile import toml_file
from imaging_index.profile.derived import VOLUME
from infra.config import ROOT
from proof.harness.built import content
from proof.harness.table_items import entry, lines

# `radiology` with the geometry of volumes.
PROFILE = toml_file.parse(
    (ROOT / "profiles" / "radiology.toml")
    .read_text("utf-8")
    .replace("attributes = [", f"attributes = {json.dumps([each.name for each in VOLUME])[:-1]},", 1)
)
PAGE = (Path(__file__).parents[2] / "docs/research.md").read_text("utf-8")
NOTEBOOK = Path(__file__).parents[2] / "examples/research/cohort.ipynb"
QUESTIONS = dict(re.findall(r"^([A-Z][^\n]*\?)[^\n]*\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))

Document = dict[str, Any]
Rows = Iterable[tuple[Any, ...]]


def documents(patients: int = 50) -> list[Document]:
    """Some image sets of an archive: the values of each level, of each instance, and whether it is primary."""
    chance = Random(18)
    made: list[Document] = []
    for number in range(patients):
        patient = {"PatientID": f"P{number % 42}", "PatientSex": chance.choice(["F", "M"])}
        for visit in range(chance.choice([1, 1, 2, 3])):
            study = {
                "StudyInstanceUID": f"1.2.{number}.{visit}",
                "StudyDate": f"20{chance.randrange(20, 24)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}",
                "StudyTime": f"{chance.randrange(24):02}{chance.randrange(60):02}",
                "PatientAge": chance.choice(["034Y", "067Y", "071Y", "008M", None]),
            }
            study |= chance.choice([{}, {}, {}, {"StudyDate": None}, {"StudyDate": "yesterday"}])
            for series in range(chance.choice([1, 2, 4])):
                made.append(_image_set(chance, patient, study, f"{study['StudyInstanceUID']}.{series}", made))
    return made


def _image_set(chance: Random, patient: Document, study: Document, uid: str, before: list[Document]) -> Document:
    modality = chance.choice(["CT", "CT", "CT", "MR", "MR", "PT", "SEG", None])
    vendor = chance.choice(
        [("SIEMENS", "Force"), ("Philips", "Brilliance"), ("GE MEDICAL SYSTEMS", "Revolution"), (None, None)]
    )
    series = {
        "SeriesInstanceUID": uid,
        "Modality": modality,
        "BodyPartExamined": chance.choice(["CHEST", "CHEST", "HEAD", None]),
        "SeriesDescription": chance.choice(["Thorax 1.0", None]),
        "Manufacturer": vendor[0],
        "ManufacturerModelName": vendor[1],
    }
    common: Document = {"Rows": chance.choice([256, 512]), "Columns": 512}
    common["PixelSpacing"] = chance.choice([["0.5", "0.75"], ["0.9765625", "0.4882812"], None])
    common["ContrastBolusAgent"] = chance.choice(["Iohexol", "Iohexol", "NONE", None])
    if modality == "MR":
        common["MagneticFieldStrength"] = chance.choice(["1.5", "3"])
    if modality == "SEG" and before:
        referenced = [chance.choice(before)["series"]["SeriesInstanceUID"] for _ in range(2)]
        common["ReferencedSeriesSequence"] = [{"SeriesInstanceUID": each} for each in referenced]
    instances = []
    for _ in range(chance.choice([1, 2, 3])):
        own: Document = {"SliceThickness": chance.choice(["1", "1.25", "5"])} if modality in ("CT", "MR") else {}
        if modality == "MR":
            own |= {"DiffusionBValue": chance.choice([0, 800, 1000])}
        instances.append(common | (own if chance.random() < 0.9 else {}))
    if modality == "CT" and chance.random() < 0.8:
        instances = _volume(chance, instances)
    primary = chance.random() > 0.05
    return {
        "patient": patient,
        "study": study,
        "series": series,
        "instances": instances,
        "primary": primary,
        "bytes": chance.randrange(10**8),
    }


def _volume(chance: Random, instances: list[Document]) -> list[Document]:
    """The instances as slices, which are a volume if there are three or more and none is left out."""
    spacing = chance.choice(["1", "1", "1.5"])
    here = {"ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"], "PixelSpacing": ["0.5", "0.75"], "Rows": 512}
    thick = chance.choice([{}, {"SliceThickness": "1"}, {"SliceThickness": "1"}])
    count = chance.choice([2, 4, 5])
    places = [place for place in range(count) if place != 2 or chance.random() < 0.8]
    return [
        instances[place % len(instances)]
        | here
        | thick
        | {"ImagePositionPatient": ["0", "0", f"{place * float(spacing):g}"]}
        for place in places
    ]


DOCUMENTS = documents()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the documents' entries."""
    items = []
    for number, each in enumerate(DOCUMENTS):
        levels = {level: _without_none(each[level]) for level in ("patient", "study", "series")}
        instances = map(_without_none, each["instances"])
        item = entry(content(PROFILE, *instances, **levels).attributes, PROFILE, f"{number:032}")
        items.append(item | {"IsPrimary": {"BOOL": each["primary"]}, "FrameBytes": {"N": str(each["bytes"])}})
    place = tmp_path_factory.mktemp("export") / "archive"
    assert export([lines(items)], PROFILE, place).image_sets == len(DOCUMENTS)
    return place


@pytest.fixture(scope="module")
def database(place: Path) -> Database:
    return Database(place)


def _without_none(values: Document) -> Document:
    return {name: value for name, value in values.items() if value is not None}


def primary() -> list[Document]:
    return [each for each in DOCUMENTS if each["primary"]]


def value(document: Document, keyword: str) -> Any:
    found = (document["patient"] | document["study"] | document["series"]).get(keyword)
    if keyword == "StudyDate":
        return date(int(found[:4]), int(found[4:6]), int(found[6:])) if found and found.isdigit() else None
    if keyword == "StudyTime":
        return time(int(found[:2]), int(found[2:]))
    return found


def of_instances(document: Document, keyword: str) -> list[Any]:
    return [each[keyword] for each in document["instances"] if each.get(keyword) is not None]


def numbers(document: Document, keyword: str) -> list[Decimal]:
    return [Decimal(str(each)) for each in of_instances(document, keyword)]


def megabytes(document: Document) -> float:
    return round(int(document["bytes"]) / 1e6, 2)


def grouped(found: Iterable[Document], *keywords: str) -> dict[tuple[Any, ...], list[Document]]:
    groups = defaultdict(list)
    for each in found:
        groups[tuple(value(each, keyword) for keyword in keywords)].append(each)
    return groups


def distinct(found: Iterable[Document], keyword: str) -> set[Any]:
    return {value(each, keyword) for each in found} - {None}


def how_many() -> Rows:
    uids = ("SeriesInstanceUID", "StudyInstanceUID", "PatientID")
    return [(len(DOCUMENTS), *(len(distinct(DOCUMENTS, each)) for each in uids))]


def how_much() -> Rows:
    for (modality,), found in grouped(primary(), "Modality").items():
        yield (
            modality,
            len(found),
            sum(len(each["instances"]) for each in found),
            round(sum(megabytes(each) for each in found), 2),
        )


def chest(found: Document) -> bool:
    return (value(found, "Modality"), value(found, "BodyPartExamined")) == ("CT", "CHEST")


def of_the_chest() -> Rows:
    for each in filter(chest, primary()):
        yield (
            "d" * 32,
            *(value(each, name) for name in ("PatientID", "SeriesInstanceUID", "SeriesDescription")),
            megabytes(each),
        )


def complete(found: Document) -> bool:
    """Whether slices are a volume of three or more at distances up to 1.25 mm."""
    places = [Decimal(each[2]) for each in of_instances(found, "ImagePositionPatient")]
    steps = {after - before for before, after in itertools.pairwise(places)}
    return len(places) > 2 and len(steps) == 1 and max(steps) <= Decimal("1.25")


def cohort() -> Rows:
    fitting = [
        each
        for each in filter(chest, primary())
        if numbers(each, "SliceThickness")
        and max(numbers(each, "SliceThickness")) <= Decimal("1.25")
        and set(of_instances(each, "ContrastBolusAgent")) - {"NONE"}
        and value(each, "Manufacturer") is not None
        and complete(each)
    ]
    for (patient,), found in grouped(fitting, "PatientID").items():
        dated = [(value(each, "StudyDate"), value(each, "SeriesInstanceUID")) for each in found]
        # DuckDB's order has null last.
        yield patient, max(dated, key=lambda each: (each[0] or date.max, each[1]))[1]


def by_month() -> Rows:
    dated = [each for each in primary() if value(each, "StudyDate")]
    months = defaultdict(set)
    for each in dated:
        months[f"{value(each, 'StudyDate'):%Y-%m}", value(each, "Modality")].add(value(each, "StudyInstanceUID"))
    return [(*group, len(studies)) for group, studies in months.items()]


def both() -> Rows:
    return [
        (p,) for (p,), found in grouped(primary(), "PatientID").items() if distinct(found, "Modality") >= {"CT", "MR"}
    ]


def modalities() -> Rows:
    for (study,), found in grouped(primary(), "StudyInstanceUID").items():
        yield study, sorted(distinct(found, "Modality")) or None


def thickness() -> Rows:
    thick = [each for each in primary() if value(each, "Modality") == "CT" and numbers(each, "SliceThickness")]
    for (vendor,), found in grouped(thick, "Manufacturer").items():
        every = [number for each in found for number in numbers(each, "SliceThickness")]
        yield vendor, min(every), max(every), len(found)


def differing() -> Rows:
    for each in primary():
        every = numbers(each, "SliceThickness")
        if len({*every}) > 1:
            yield value(each, "SeriesInstanceUID"), min(every), max(every)


def without_thickness() -> Rows:
    for number, each in enumerate(DOCUMENTS):
        missing = len(each["instances"]) - len(numbers(each, "SliceThickness"))
        if 0 < missing < len(each["instances"]):
            yield f"{number:032}", missing


def scanners() -> Rows:
    for group, found in grouped(primary(), "Manufacturer", "ManufacturerModelName").items():
        yield *group, len(distinct(found, "StudyInstanceUID"))


def diffusion() -> Rows:
    for each in primary():
        if value(each, "Modality") == "MR" and (every := numbers(each, "DiffusionBValue")) and max(every) >= 800:
            yield value(each, "SeriesInstanceUID"), max(every)


def field_strengths() -> Rows:
    strengths: dict[Any, int] = defaultdict(int)
    for each in primary():
        if value(each, "Modality") == "MR":
            strengths[next(iter(numbers(each, "MagneticFieldStrength")), None)] += 1
    return strengths.items()


def again() -> Rows:
    for (patient,), found in grouped(primary(), "PatientID").items():
        days = distinct(found, "StudyDate")
        if len(days) > 1:
            yield patient, (max(days) - min(days)).days


def ages() -> Rows:
    groups = defaultdict(set)
    for each in primary():
        if (age := value(each, "PatientAge")) and age.endswith("Y"):
            groups[value(each, "PatientSex"), int(age[:3]) // 10 * 10].add(value(each, "PatientID"))
    return [(*group, len(patients)) for group, patients in groups.items()]


def segmentations() -> Rows:
    by_uid = {value(each, "SeriesInstanceUID"): each for each in primary()}
    for uid, each in by_uid.items():
        sequences = of_instances(each, "ReferencedSeriesSequence")
        for source in {item["SeriesInstanceUID"] for sequence in sequences for item in sequence} & by_uid.keys():
            yield uid, source, value(by_uid[source], "Modality")


def fields_of_view() -> Rows:
    for each in primary():
        if spacing := next(iter(of_instances(each, "PixelSpacing")), None):
            height, width = of_instances(each, "Rows")[0], of_instances(each, "Columns")[0]
            yield value(each, "SeriesInstanceUID"), height * Decimal(spacing[0]), width * Decimal(spacing[1])


def at_night() -> Rows:
    studies = {(value(each, "StudyInstanceUID"), value(each, "StudyTime")) for each in primary()}
    return [(uid, clock) for uid, clock in studies if not time(6) <= clock < time(22)]


def without_body_part() -> Rows:
    for (modality,), found in grouped(primary(), "Modality").items():
        yield modality, sum(value(each, "BodyPartExamined") is None for each in found), len(found)


def not_typed() -> Rows:
    return [("StudyDate", sum(each["study"]["StudyDate"] == "yesterday" for each in DOCUMENTS))]


ANSWERS: dict[str, Callable[[], Rows]] = dict(
    zip(
        QUESTIONS,
        (
            *(how_many, how_much, of_the_chest, cohort, by_month, both, modalities, thickness, differing),
            *(without_thickness, scanners, diffusion, field_strengths, again, ages, segmentations, fields_of_view),
            *(at_night, without_body_part, not_typed),
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_the_page_has_the_answer_of_the_documents(question: str, database: Database) -> None:
    found = sorted(map(tuple, database.ask(QUESTIONS[question]).rows()), key=repr)
    expected = [*ANSWERS[question]()]
    assert len(expected) > 0
    assert _same(found) == _same(expected)


def _same(rows: Rows) -> list[str]:
    """Rows in one order and one way to write numbers."""
    return sorted(repr([_plain(each) for each in row]) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [*map(_plain, value)]
    return float(value) if isinstance(value, int | float | Decimal) else value


def test_there_are_twenty_questions() -> None:
    assert len(QUESTIONS) == 20


def test_the_notebook_finds_its_cohort(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_INDEX_EXPORT", str(place))
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    found: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), found)  # noqa: S102
    thin = [
        each
        for each in filter(chest, primary())
        if numbers(each, "SliceThickness") and max(numbers(each, "SliceThickness")) <= Decimal("1.25")
    ]
    assert {patient for patient, _ in found["cohort"]} == distinct(thin, "PatientID")
    assert len(found["places"]) == len(found["cohort"]) > 0
    assert _same(row[:2] for row in found["rows_of_modalities"]) == _same(row[:2] for row in how_much())
    assert found["svg"].startswith("<svg")
