"""What de-identification does to each attribute: the Basic Application Level Confidentiality Profile and its options.

deidentification.tsv has a line for each attribute of PS3.15, table E.1-1, but for curves and overlays, which nobody can
select: its tag, its keyword where the dictionary has one, the basic profile's code, and the code under each option. The
basic profile's codes are those of the edition 2026c. The options' codes are those of September 2024: an attribute that
is newer in the table has none here, so that no option retains it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom import dictionary

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping


class Method(msgspec.Struct, frozen=True):
    """A code of PS3.16, CID 7050, "De-identification Method", of the scheme DCM."""

    code: str
    meaning: str


BASIC: Final = Method("113100", "Basic Application Confidentiality Profile")
MODIFIED_DATES: Final = Method("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
# The options that retain attributes as they are, by their names in a profile.
OPTIONS: Final[Mapping[str, Method]] = {
    "uids": Method("113110", "Retain UIDs Option"),
    "device-identity": Method("113109", "Retain Device Identity Option"),
    "institution-identity": Method("113112", "Retain Institution Identity Option"),
    "patient-characteristics": Method("113108", "Retain Patient Characteristics Option"),
    "full-dates": Method("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
}


class Line(msgspec.Struct, frozen=True):
    """An attribute's line of the table: its code in the basic profile, and its codes under options."""

    basic: str
    options: Mapping[str, str]

    def is_retained(self, options: Iterable[str]) -> bool:
        """Whether one of some options keeps its values. An option that has them cleaned (C) does not."""
        return any(self.options.get(option) == "K" for option in options)

    @property
    def retained_by(self) -> tuple[str, ...]:
        """The options that keep its values."""
        return tuple(option for option in OPTIONS if self.options.get(option) == "K")


@cache
def _table() -> Mapping[str, Line]:
    """The lines by tag."""
    text = (Path(__file__).parent / "deidentification.tsv").read_text("utf-8")
    lines = {}
    for line in text.splitlines()[1:]:
        tag, _, basic, options = line.split("\t")
        lines[tag] = Line(basic, dict(each.split("=") for each in options.split()))
    return lines


def line(keyword: str) -> Line | None:
    """The line of an attribute, or None for one that is not in the table."""
    element = dictionary.lookup(keyword)
    return _table().get(element.tag) if element else None


def methods(options: Container[str], *, shifted: bool) -> tuple[Method, ...]:
    """What was done to a data set, for DeidentificationMethodCodeSequence: the options retained, and dates shifted."""
    retained = [method for name, method in OPTIONS.items() if name in options]
    return (BASIC, *retained, *([MODIFIED_DATES] if shifted else []))
