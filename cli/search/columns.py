"""The columns of each level: those that say which row it is, and those that `--show` replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from imaging_index.dicom import dictionary
from imaging_index.entry.item import plain_value
from imaging_index.searching import names
from imaging_index.searching.question import Level
from imaging_index.searching.rows import is_left_out, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imaging_index.profile.profile import Profile
    from imaging_index.searching.rows import Row

# A text that may be cut on the screen, an identifier that may not, a day, or a number.
Kind = Literal["text", "whole", "day", "number"]

MODALITIES: Final = names.OF_STUDY


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name for programs, its heading for people, and what it shows of a row.

    `of` computes what is no attribute of an entry; without it the column has the attribute `name`.
    """

    name: str
    heading: str
    kind: Kind = "text"
    of: Callable[[Row], Any] | None = None

    def value(self, row: Row, conflicts: dict[str, tuple[str, ...]]) -> Any:
        """The plain value in a row, or None; of a patient's conflicting values all."""
        if self.of is not None:
            return self.of(row)
        return [*conflicts[self.name]] if self.name in conflicts else row.value(self.name)


def _modalities(row: Row) -> Any:
    return None if row.modalities is None else [*row.modalities]


def _count(name: str) -> Callable[[Row], Any]:
    return lambda row: None if row.counts is None else getattr(row.counts, name)


def _description(row: Row) -> Any:
    return row.value("SeriesDescription") or row.value("StudyDescription")


def image_sets(row: Row) -> list[str]:
    """The ids of the image sets that match."""
    return [key_of(item, Level.IMAGE_SET)[1] for item in row.entries]


def not_primary(row: Row) -> bool:
    """Whether a row is of image sets alone that are not primary."""
    return row.only_non_primary or all(map(is_left_out, row.entries))


# What the marks of rows on the screen mean.
LEGEND: Final = (
    "? possible match   ! conflicting values of the patient   - not primary   +N further image sets, not primary"
)


def marks(row: Row) -> str:
    """What people are to know of a row, as a few characters; empty for most."""
    others = f"+{row.non_primary}" if row.non_primary else ""
    return f"{'?' * row.possible}{'!' * bool(row.conflicts)}{'-' if not_primary(row) else others}"


# Also in an index that holds keys alone there is the table's key.
_DATASTORE: Final = Column("DatastoreId", "Data store", "whole", lambda row: row.datastore_id)
_STUDY: Final = Column("StudyInstanceUID", "Study", "whole")
_SERIES: Final = Column("SeriesInstanceUID", "Series", "whole")
_IMAGE_SET: Final = Column("ImageSetId", "Image set", "whole", lambda row: image_sets(row)[0])
_NAME: Final = Column("PatientName", "Patient")
_ID: Final = Column("PatientID", "ID", "whole")
_ISSUER: Final = Column("IssuerOfPatientID", "Issuer", "whole")
_BORN: Final = Column("PatientBirthDate", "Born", "day")
_SEX: Final = Column("PatientSex", "Sex", "whole")
_DATE: Final = Column("StudyDate", "Date", "day")
_TIME: Final = Column("StudyTime", "Time", "whole")
_ACCESSION: Final = Column("AccessionNumber", "Accession", "whole")
_MODALITIES: Final = Column(MODALITIES, "Mod", "whole", _modalities)
_MODALITY: Final = Column("Modality", "Mod", "whole")
_STUDY_DESCRIPTION: Final = Column("StudyDescription", "Description")
_SERIES_NUMBER: Final = Column("SeriesNumber", "No.", "number")
_SERIES_DESCRIPTION: Final = Column("SeriesDescription", "Description")
_EITHER_DESCRIPTION: Final = Column("SeriesDescription", "Description", "text", _description)
_BODY_PART: Final = Column("BodyPartExamined", "Body part")
_INSTANCES: Final = Column("InstanceCount", "Images", "number")
POSSIBLE: Final = Column("Possible", "Possible", "whole", lambda row: row.possible or None)
NOT_PRIMARY: Final = Column("NotPrimary", "Not primary", "whole", lambda row: not_primary(row) or None)
MARKS: Final = Column("Marks", "", "whole", lambda row: marks(row) or None)


def _related(of: str, what: str, heading: str) -> Column:
    # PS3.4, section C.3.4: the attributes of a query that count what belongs to a patient, study or series.
    return Column(f"NumberOf{of}Related{what}", heading, "number", _count(what.lower()))


# For each level and whether people read it: the columns that say which row it is, and the others.
_SCREEN: Final[dict[Level, tuple[tuple[Column, ...], tuple[Column, ...]]]] = {
    Level.PATIENT: (
        (_NAME, _ID),
        (
            _BORN,
            _SEX,
            _MODALITIES,
            _related("Patient", "Studies", "Studies"),
            _related("Patient", "Series", "Series"),
            _related("Patient", "Instances", "Images"),
        ),
    ),
    Level.STUDY: (
        (_NAME, _ID, _DATE),
        (
            _MODALITIES,
            _STUDY_DESCRIPTION,
            _related("Study", "Series", "Series"),
            _related("Study", "Instances", "Images"),
        ),
    ),
    Level.SERIES: (
        (_NAME, _ID, _DATE, _SERIES_NUMBER),
        (_MODALITY, _EITHER_DESCRIPTION, _related("Series", "Instances", "Images")),
    ),
    Level.IMAGE_SET: ((_NAME, _ID, _DATE), (_MODALITY, _EITHER_DESCRIPTION, _INSTANCES, _IMAGE_SET)),
}
_PLAIN: Final[dict[Level, tuple[tuple[Column, ...], tuple[Column, ...]]]] = {
    Level.PATIENT: ((_DATASTORE, _ID, _ISSUER), (_NAME, *_SCREEN[Level.PATIENT][1])),
    Level.STUDY: (
        (_DATASTORE, _STUDY),
        (_NAME, _ID, _DATE, _TIME, _ACCESSION, *_SCREEN[Level.STUDY][1]),
    ),
    Level.SERIES: (
        (_DATASTORE, _STUDY, _SERIES),
        (
            _NAME,
            _ID,
            _DATE,
            _MODALITY,
            _SERIES_NUMBER,
            _SERIES_DESCRIPTION,
            _BODY_PART,
            _related("Series", "Instances", "Images"),
        ),
    ),
    Level.IMAGE_SET: (
        (_DATASTORE, _IMAGE_SET),
        (_STUDY, _SERIES, _NAME, _ID, _DATE, _MODALITY, _SERIES_NUMBER, _SERIES_DESCRIPTION, _INSTANCES),
    ),
}
_DAYS: Final = "DA"
_COMPUTED: Final = {MODALITIES: _MODALITIES}


def of_level(level: Level, shown: Sequence[str], *, screen: bool) -> tuple[Column, ...]:
    """The columns of a level's rows: for the screen, or for a pipe or file.

    `shown` are the attributes that were asked for instead of the usual ones; none for these.
    """
    identifying, others = (_SCREEN if screen else _PLAIN)[level]
    if shown:
        there = {column.name for column in identifying}
        others = tuple(_of_attribute(name) for name in shown if name not in there)
    return (*identifying, *others, *(() if screen else (POSSIBLE, NOT_PRIMARY)))


def _of_attribute(name: str) -> Column:
    element = dictionary.lookup(name)
    kind: Kind = "day" if element is not None and element.vr == _DAYS else "text"
    return _COMPUTED.get(name) or Column(name, name, kind)


def selected(written: Iterable[str], profile: Profile) -> tuple[str, ...]:
    """The attributes that were written to be shown: keywords, paths, tags, or names of the profile's or index's own.

    Raises:
        SearchError: no entry has one. The text says which one was most likely meant.
    """
    return tuple(dict.fromkeys(names.find(each, profile).name for each in written))


def needed(columns: Iterable[Column]) -> tuple[str, ...]:
    """The attributes that entries must have for some columns."""
    found = [column.name for column in columns if column.of is None]
    if _EITHER_DESCRIPTION in columns:
        found += ["SeriesDescription", "StudyDescription"]
    return tuple(found)


def entry(row: Row) -> dict[str, Any]:
    """The whole first entry of a row, as plain values."""
    return {name: plain_value(value) for name, value in row.entries[0].items()}


def said(value: Any) -> str:
    """A plain value as a text on one line: several with bars between them, components with backslashes as in DICOM."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return " | ".join("\\".join(map(str, each)) if isinstance(each, list) else str(each) for each in value)
        case {"Min": low, "Max": high}:
            values = said(value["Values"]) if "Values" in value else str(low) if low == high else f"{low}..{high}"
            return f"{values} ({value['Missing']} without)" if "Missing" in value else values
        case dict():
            return ", ".join(f"{name} {said(each)}" for name, each in value.items())
        case _:
            return str(value)
