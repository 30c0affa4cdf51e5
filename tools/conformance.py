"""Writes the tables of docs/dicomweb-conformance.md, which are those that QIDO-RS answers by. Run it when one of them
has changed: `python -m tools.conformance`.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from imaging_index.dicom import dictionary
from imaging_index.document.types import KEPT
from imaging_index.qido import conditions, parameters, reading, required, service
from imaging_index.qido.private import CREATOR, CREATOR_TAG, PRIVATE
from imaging_index.qido.required import Required
from imaging_index.searching.question import Level
from imaging_index.searching.values import MOST_LISTED

FILE: Final = Path(__file__).parent.parent / "docs" / "dicomweb-conformance.md"

_TABLE: Final = re.compile(r"(<!-- (\w+): by python -m tools\.conformance -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """The page with its tables as they are now.

    Raises:
        KeyError: the page has a table that is not made here.
    """
    made = tables()
    return _TABLE.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n{found[3]}", text)


def tables() -> Mapping[str, str]:
    """The tables in Markdown, by their names."""
    return {
        "study": _attributes(required.TABLES[Level.STUDY]),
        "series": _attributes(required.TABLES[Level.SERIES]),
        "instance": _attributes(required.TABLES[Level.IMAGE_SET]),
        "private": _private(),
        "limits": _limits(),
    }


def _attributes(found: Iterable[Required]) -> str:
    return _table(("attribute", "tag", "VR", "type", "value"), map(_attribute, found))


def _attribute(each: Required) -> tuple[str, ...]:
    *_, keyword = path = each.keyword.split(".")
    element = dictionary.lookup(keyword)
    if element is None:
        raise KeyError(keyword)
    place = " > ".join(path)
    value = "computed" if each.computed else "each instance's own" if keyword in KEPT else "if the profile selects it"
    return place, _tag(element.tag), element.vr, each.type, value


def _private() -> str:
    creator = ("the private creator", _tag(CREATOR_TAG), "LO", f"`{CREATOR}`")
    others = ((each.name, _tag(each.tag), each.vr, f"{each.meaning}.") for each in PRIVATE)
    return _table(("name", "tag", "VR", "value"), (creator, *others))


def _limits() -> str:
    limits = {
        "results without `limit`": parameters.LIMIT,
        "studies or series in an answer": parameters.MOST[Level.STUDY],
        "instances in an answer": parameters.MOST[Level.IMAGE_SET],
        "`offset`": parameters.FURTHEST,
        "entries of the index that a request reads, by the setting `dicomwebBudget`": service.BUDGET,
        "image sets whose instances a request reads": reading.MOST_IMAGE_SETS,
        "bytes of an answer": service.LARGEST,
        "parameters of a request": parameters.MOST_PARAMETERS,
        "their characters": parameters.LONGEST,
        "keys of a request": conditions.MOST_KEYS,
        "values of a UID or CS key": MOST_LISTED,
    }
    return _table(("limit", "at most"), ((name, f"{number:,}") for name, number in limits.items()))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tag(tag: str) -> str:
    return f"({tag[:4]},{tag[4:]})"


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text("utf-8")), "utf-8")
