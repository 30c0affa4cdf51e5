"""One selected attribute: its name, its type, and the places in a document where its value may be."""

import itertools
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from imaging_index.dicom import dictionary, functional_groups, vrs
from imaging_index.dicom.dictionary import Level
from imaging_index.profile import form
from imaging_index.profile.derived import BY_NAME, FOLDED, PARTS, SELECTED, SEVERAL
from imaging_index.profile.form import Form
from imaging_index.profile.privacy import Policy

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
# What a number of a private element may have on top.
_LARGEST: Final = 2**63 - 1
_DATES: Final = frozenset({"DA", "DT"})
PRIVATE: Final = re.compile(r"[0-9a-fA-F]{3}[13579bdfBDF]xx[0-9a-fA-F]{2}")


class SelectionError(ValueError):
    """A selection that cannot be. The text says what to do; `place` leads to the mistake in a table of the profile."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


class Source(msgspec.Struct, frozen=True, array_like=True):
    """One place where an attribute's value may be.

    `path` has keywords, the first of them at the attribute's level, the others in sequences; of a private element it
    is its tag alone, `0019xx0C`, and `creator` says whose (PS3.5, section 7.8.1). `component`, counted from 1, picks
    one of several values; a number of at least one of `modulo` is taken modulo it, the largest first. `gaps` says that
    an empty value among others counts, as an empty text. `part`, DA or TM, is what is taken of a DT; `unless` has the
    keywords at the top of an instance of which it must have none for the source to count.

    `vr` is that of an element found under its tag: a private one, or a sequence or attribute that is newer than
    HealthImaging's dictionary. It is None for what is found under a keyword.
    """

    path: tuple[str, ...]
    creator: str | None = None
    component: int | None = None
    modulo: tuple[int, ...] = ()
    gaps: bool = True
    vr: str | None = None
    part: str | None = None
    unless: tuple[str, ...] = ()


class Attribute(msgspec.Struct, frozen=True, array_like=True):
    """One selected attribute.

    `name` is a keyword, a dotted path through sequences, or a name of the profile's own. Its value comes from the first
    of `sources` that has one, or with `union` from all of them. `multiple` says that it is stored as a list (a
    dictionary VM other than 1, a nested attribute, a union). `policy` says whether a token is stored for each value.

    Of the instances, `whole` says that all components of a value stay together (a VM other than 1), and `column` that
    other attributes of the same sequence are selected, whose values are in the same rows.
    """

    name: str
    vr: str
    multiple: bool
    level: Level
    sources: tuple[Source, ...]
    union: bool = False
    policy: Policy = Policy.KEEP
    whole: bool = False
    column: bool = False

    @property
    def sequence(self) -> str:
        """The path of its sequence, as it is selected; empty for one at the top."""
        return self.name.rpartition(".")[0]

    @property
    def form(self) -> Form:
        """How an entry holds it."""
        of_instances = self.level is Level.INSTANCE
        return form.of(self.vr, self.policy is Policy.HASH, of_instances, self.multiple, self.whole, self.column)

    @property
    def is_date(self) -> bool:
        """Whether its values have days, whatever its own VR is."""
        return self.vr in _DATES or any(_vr(each) in _DATES for each in self.sources if each.part != "TM")

    @property
    def by_instant(self) -> bool:
        """Whether its values are ordered by instant, for which one without an offset needs that of its instance."""
        return self.vr == "DT" and self.form.arrangement == "range"

    @property
    def identifier(self) -> bool:
        """Whether the value names something, so that a shortened one would name something else: it is never cut."""
        named = self.name.endswith(("ID", "Identifier", "Number"))
        return named or self.policy is Policy.HASH or self.vr in {"AE", "AS", "CS", "SH", "UI"}


def select(name: str) -> Attribute:
    """The attribute of a keyword or dotted path, at the level where HealthImaging keeps it.

    Of an instance it is also looked for in the standard functional groups of multi-frame objects. What is newer than
    HealthImaging's dictionary is looked for by its tag as well: the service moves only its fixed list to other levels,
    so at the top such an attribute is always the instance's.

    Raises:
        SelectionError: there is no such attribute, or it is not searchable.
    """
    if (derived := BY_NAME.get(name)) and derived.level:
        return Attribute(name, derived.vr, False, derived.level, ())
    path = tuple(name.split("."))
    elements = [_element(keyword) for keyword in path]
    for element in elements[:-1]:
        if element.vr != "SQ":
            raise SelectionError(f"'{name}' is not a valid path: {element.keyword} is not a sequence.")
    last = elements[-1]
    if last.vr == "SQ":
        raise SelectionError(f"'{name}' is a sequence; select an attribute in it, like '{name}.CodeValue'.")
    if not _searchable(last.vr):
        raise SelectionError(f"'{name}' holds {last.vr}, which is not searchable; take it out.")
    level = elements[0].level
    newer = {element.keyword: element for element in elements if element.newer}
    sources = _spellings(Source(path), newer)
    if level is Level.INSTANCE:
        for other in functional_groups.paths(path):
            sources += _spellings(Source(other, gaps=False), newer)
    if name in PARTS:
        # Enhanced multi-frame objects have both in one (PS3.3, sections C.8.13.1 of MR and C.8.15.2 of CT).
        sources.append(Source((PARTS[name],), part=last.vr, unless=tuple(PARTS)))
    several = last.vm != "1"
    whole = several and len(path) == 1 and level is Level.INSTANCE
    vr = last.vr.split(" or ", 1)[0]
    return Attribute(name, vr, len(path) > 1 or several, level, tuple(sources), whole=whole)


def _spellings(source: Source, newer: Mapping[str, dictionary.Element]) -> list[Source]:
    """A source, and what it is where the newer ones of its keywords are not known: these are tags there."""
    if newer.keys().isdisjoint(source.path):
        return [source]
    ways = itertools.product(*((each, newer[each].tag) if each in newer else (each,) for each in source.path))
    top = newer.get(source.path[0])
    return [structs.replace(source, path=way, vr=top.vr if top and way[0] == top.tag else None) for way in ways]


def select_named(name: str, table: Any) -> Attribute:
    """The attribute of a `[named.<name>]` table: `from`, a list of sources, and optionally `vr` and `union`.

    Raises:
        SelectionError: the table cannot be used.
    """
    where = f"[named.{name}]"
    if not _NAME.fullmatch(name):
        raise SelectionError(f"{where} needs another name: letters, digits and '_', the first one a letter.")
    if dictionary.lookup(name):
        raise SelectionError(f"{where} cannot have that name, which is a DICOM keyword; choose one of your own.")
    if name.endswith((FOLDED, SEVERAL)):
        raise SelectionError(
            f"{where} cannot have a name that ends in {FOLDED} or {SEVERAL}, as the index's own; choose another."
        )
    if not isinstance(table, dict) or table.keys() - {"from", "vr", "union"} or not isinstance(table.get("from"), list):
        raise SelectionError(f'{where} needs from = ["Keyword", ...], and may have vr and union = true.')
    found = []
    for at, source in enumerate(table["from"]):
        try:
            found.append(_named_source(where, source))
        except SelectionError as error:
            raise SelectionError(str(error), "from", at, *error.place) from None
    if not found:
        raise SelectionError(f"{where} has no source; name at least one in from.", "from")
    levels = {level for _, _, _, level in found}
    if len(levels) > 1:
        raise SelectionError(
            f"{where} has sources at several levels ({', '.join(sorted(levels))}); keep those of one.", "from"
        )
    vr = table.get("vr", found[0][1])
    if not isinstance(vr, str) or " or " in vr or not _searchable(vr):
        raise SelectionError(f'{where} needs vr = "..." with a searchable VR, like "FD" or "LO".', "vr")
    union = table.get("union", False)
    if not isinstance(union, bool):
        raise SelectionError(f"{where} may have union = true or false.", "union")
    sources = tuple(source for each, _, _, _ in found for source in each)
    multiple = union or any(several for _, _, several, _ in found)
    level = levels.pop()
    whole = multiple and not union and level is Level.INSTANCE and not any(map(_in_sequence, table["from"]))
    return Attribute(name, vr, multiple, level, sources, union, whole=whole)


def _named_source(where: str, source: Any) -> tuple[tuple[Source, ...], str, bool, Level]:
    """The places of one source, its VR, whether it has several values, and its level."""
    if isinstance(source, str):
        source = {"path": source}
    fields = {"path"} if isinstance(source, dict) and "path" in source else {"creator", "element", "vr"}
    if not isinstance(source, dict) or source.keys() - fields - {"component", "modulo"}:
        raise SelectionError(
            f"{where} has an invalid source. Write a keyword or path, or {{creator = ..., element = ..., "
            "vr = ...}, with component and modulo if needed."
        )
    component, modulo = source.get("component"), source.get("modulo", [])
    modulo = modulo if isinstance(modulo, list) else [modulo]
    numbers = {"component": [] if component is None else [component], "modulo": modulo}
    for field, values in numbers.items():
        if not all(map(_positive, values)):
            raise SelectionError(f"{where} needs whole numbers from 1 to {_LARGEST} for component and modulo.", field)
    settings: dict[str, Any] = {"component": component, "modulo": tuple(sorted(modulo, reverse=True)), "gaps": False}
    if "path" in source:
        if not isinstance(source["path"], str):
            raise SelectionError(f"{where} has a path that is not a text; write it like path = 'PatientID'.", "path")
        if source["path"] in SELECTED:
            raise SelectionError(
                f"{where} cannot read {source['path']}, which is derived itself; read what it is made of, like "
                f"{BY_NAME[source['path']].made_of[0]}.",
                "path",
            )
        try:
            attribute = select(source["path"])
        except SelectionError as error:
            raise SelectionError(str(error), "path") from None
        sources = tuple(structs.replace(each, **settings) for each in attribute.sources)
        several = attribute.multiple and (component is None or "." in attribute.name)
        return sources, attribute.vr, several, attribute.level
    creator, element, vr = source.get("creator"), source.get("element"), source.get("vr")
    if not isinstance(creator, str) or not creator.strip() or not creator.isascii():
        raise SelectionError(f'{where} has a private element without its creator; add creator = "...".', "creator")
    if not isinstance(element, str) or not PRIVATE.fullmatch(element):
        raise SelectionError(
            f"{where} has a private element that is not written like '0019xx0C' (an odd group).", "element"
        )
    creator, element = creator.strip().upper(), element[:4].upper() + "xx" + element[6:].upper()
    if vr is None and (vr := dictionary.private_vr(creator, element)) is None:
        raise SelectionError(
            f"{where} reads {element} of {creator}, whose VR is not known here; look it up in the vendor's conformance "
            f'statement, and add vr = "..." beside element.',
            "element",
        )
    if not isinstance(vr, str) or " or " in vr or not _searchable(vr):
        raise SelectionError(f'{where} needs vr = "..." with a searchable VR for {element}, like "FL" or "IS".', "vr")
    return (Source((element,), creator=creator, vr=vr, **settings),), vr, False, Level.INSTANCE


def _in_sequence(source: Any) -> bool:
    """Whether a named attribute's source is a path into a sequence."""
    return "." in (source if isinstance(source, str) else source.get("path", ""))


def _vr(source: Source) -> str | None:
    """The VR at the end of a source's path."""
    element = dictionary.lookup(source.path[-1])
    return source.vr if element is None else element.vr


def _element(keyword: str) -> dictionary.Element:
    element = dictionary.lookup(keyword)
    if element is None:
        from imaging_index.dicom import meant  # for a mistake alone: a function does without

        near = meant.keyword(keyword)
        hint = f" Did you mean '{near}'?" if near else " Write it as in DICOM PS3.6, like 'StudyDate'."
        raise SelectionError(f"'{keyword}' is not a DICOM keyword.{hint}")
    return element


def _searchable(vr: str) -> bool:
    try:
        vrs.parser(vr)
    except KeyError:
        return False
    return True


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST
