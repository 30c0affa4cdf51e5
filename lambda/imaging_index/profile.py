"""The profile: which DICOM attributes the index holds, which indexes stand over them, and what must not be told.

A profile is a TOML file (`profiles/radiology.toml`). It is read by the stack, which makes the table's indexes from it,
and by the function, which makes the entries from it.
"""

import difflib
import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from imaging_index import dictionary, selection
from imaging_index.dictionary import Level
from imaging_index.functional_groups import CONVERTED, PER_FRAME
from imaging_index.selection import Attribute, SelectionError, Source

# What the index itself writes into an entry, and which of it may be a key. No name is a DICOM keyword (a test).
OWN_KEYS: Final[Mapping[str, str]] = {
    "DatastoreId": "S",
    "ImageSetId": "S",
    "ImageSetVersion": "N",
    "InstanceCount": "N",
    "FrameCount": "N",
    "EventTime": "S",
    "IndexedAt": "S",
    "FirstIndexedAt": "S",
    "Cause": "S",
    "StudyMoment": "S",
    "PatientNameKey": "S",
    "NonPrimary": "S",
    "FrameBytes": "N",
}
# Not every entry has these, which would be missed in an index that sorts by them.
_SOMETIMES: Final = frozenset({"EventTime", "NonPrimary"})
_OF_TOMBSTONES: Final = frozenset({"DatastoreId", "ImageSetId", "IndexedAt"})
OWN_NAMES: Final = frozenset(OWN_KEYS) | {
    "ImageSet",
    "Part",
    "IsPrimary",
    "Generation",
    "Attempt",
    "ProfileHash",
    "Pages",
    "PagesChecksum",
    "SeriesInstanceUIDs",
    "MissingIn",
    "InvalidAttributes",
    "TruncatedAttributes",
}

# The bounds of an entry's values: text in bytes, the texts of a list together, the values of a list, the numbers or
# dates of the instances. What is longer is cut or left out, so that an entry stays within DynamoDB's 400 kB an item.
LONGEST_TEXT: Final = 1024
LONGEST_LIST: Final = 8192
# The lists of several values where DICOM allows one, of all attributes together: hardly any image set has one.
LONGEST_SEVERAL: Final = 65_536
MOST_VALUES: Final = 100
MOST_LISTED: Final = 16
# The values of one attribute in one instance, or in the frames of one: of more, none is looked at.
MOST_OF_AN_ATTRIBUTE: Final = 100_000
# Where an instance lies, and what tells apart those that lie at one place (PS3.3, sections C.7.6.2 and C.8.3.1).
_GEOMETRY: Final = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "EchoNumbers",
)
# The names of what a page keeps, which each page has once.
_LONGEST_NAMES_KEPT: Final = 20_000
# 400 kB less what the index itself writes: its own attributes, and the names of those that were left out or cut.
_LARGEST_ENTRY: Final = 380_000

# DynamoDB Developer Guide, "Quotas": 20 indexes a table; "Multi-attribute keys": four attributes each.
MOST_INDEXES: Final = 20
_MOST_KEY_ATTRIBUTES: Final = 4
_LONGEST_MESSAGE: Final = 1000
# DynamoDB API Reference, "GlobalSecondaryIndex".
_INDEX_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")

_TOO_DEEP: Final = "The profile has brackets nested by the hundred, or a number of thousands of digits: take them out."

_ZONE: Final = Source(("TimezoneOffsetFromUTC",))


class Privacy(StrEnum):
    """What becomes of an attribute's value, before anything is derived from it or written."""

    KEEP = "keep"
    DROP = "drop"
    HASH = "hash"


class ProfileError(ValueError):
    """A profile that cannot be used. Its text has one line for each mistake, and says what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))


class Index(msgspec.Struct, frozen=True):
    """The key attributes of one global secondary index, as declared."""

    partition: tuple[str, ...]
    sort: tuple[str, ...]


class Instances(msgspec.Struct, frozen=True, array_like=True):
    """What the pages keep of each instance, besides what they always keep: nothing at all when not `on`."""

    on: bool = True
    frames: bool = True
    keep: tuple[Attribute, ...] = ()
    geometry: tuple[Attribute, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """What was selected. `private` has the keywords that are dropped or hashed; `warnings` is for the author."""

    revision: int
    attributes: tuple[Attribute, ...]
    indexes: Mapping[str, Index]
    private: Mapping[str, Privacy]
    instances: Instances
    warnings: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Stands for all that decides what an entry holds, in 16 hexadecimal digits."""
        # Keys count, since an attribute that is one is never cut.
        keys = sorted([sorted(index.partition), sorted(index.sort)] for index in self.indexes.values())
        content = [msgspec.to_builtins(self.attributes), keys, sorted(self.private.items())]
        content.append([msgspec.to_builtins(self.instances)])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def keys(self) -> frozenset[str]:
        """The names of all attributes that are a key of some index."""
        return frozenset(key for index in self.indexes.values() for key in (*index.partition, *index.sort))

    @property
    def hashes(self) -> bool:
        """Whether some attribute is hashed, for which the function needs a key."""
        return Privacy.HASH in self.private.values()

    def at(self, level: Level) -> tuple[Attribute, ...]:
        """The attributes of one level, in the order of the profile."""
        return tuple(attribute for attribute in self.attributes if attribute.level is level)

    @property
    def read(self) -> tuple[Attribute, ...]:
        """The attributes that a document is read for: those of the entry, and those that the pages have."""
        return (*self.attributes, *self.instances.keep, *self.instances.geometry)

    def keywords(self, level: Level) -> frozenset[str]:
        """The top keywords that a document is read for at one level."""
        read = [attribute for attribute in self.read if attribute.level is level]
        sources = chain.from_iterable((*attribute.sources, *self.zone(attribute)) for attribute in read)
        public = (source for source in sources if source.vr is None)
        derived = selection.AGE_SOURCES.get(level, ()) if self.find(selection.AGE_IN_YEARS) else ()
        keywords = {keyword for source in public for keyword in (source.path[0], *source.unless)}
        return frozenset(keywords | {*derived})

    def per_frame(self) -> dict[str, frozenset[str]]:
        """The sequences that an item of PerFrameFunctionalGroupsSequence is read for, and what is read in each."""
        paths = {source.path for attribute in self.read for source in attribute.sources if source.path[0] == PER_FRAME}
        macros = sorted({path[1] for path in paths})
        return {macro: frozenset(path[2] for path in paths if path[1] == macro and len(path) > 2) for macro in macros}

    def by_tag(self) -> tuple[Source, ...]:
        """What an instance is read for under tags: private elements, and what HealthImaging may know no keyword of."""
        sources = (source for attribute in self.read for source in attribute.sources)
        return tuple(dict.fromkeys(source for source in sources if source.vr is not None))

    def conditional_sources(self) -> list[Source]:
        """The sources that count in some instances only."""
        return [*dict.fromkeys(source for each in self.read for source in each.sources if source.unless)]

    def summed_up(self) -> list[list[Attribute]]:
        """The attributes of the instances, those together whose values stand in the same rows."""
        groups: dict[str, list[Attribute]] = {}
        for each in self.at(Level.INSTANCE):
            groups.setdefault(each.sequence if each.column else each.name, []).append(each)
        return [*groups.values()]

    def zone(self, attribute: Attribute) -> tuple[Source, ...]:
        """The source of what orders a DT of the instances that has no offset; none where that is private."""
        return (_ZONE,) if attribute.by_instant and _ZONE.path[0] not in self.private else ()

    def in_order(self) -> frozenset[str]:
        """The sequences in an item of PerFrameFunctionalGroupsSequence whose values are told frame by frame."""
        paths = (source.path for attribute in self.instances.geometry for source in attribute.sources)
        return frozenset(path[1] for path in paths if path[0] == PER_FRAME)

    def find(self, name: str) -> Attribute | None:
        """The selected attribute of a name, or None."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def key_type(self, name: str) -> str:
        """The DynamoDB type, `S` or `N`, of an attribute that an index names."""
        attribute = self.find(name)
        if attribute is None:
            return OWN_KEYS[name]
        return "N" if attribute.number else "S"


class _Mistakes:
    """The mistakes in a profile's text, each with its line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[tuple[str, tuple[str | int, ...]]] = []

    def add(self, message: str, *path: str | int) -> None:
        """Note a mistake in what `path` leads to: keys, and the places of elements in arrays.

        What is missing belongs to the innermost table around it that there is.
        """
        self._found.append((message, path))

    def raise_any(self) -> None:
        """Raise all that was found, in the order of the lines."""
        if not self._found:
            return
        # A profile without mistakes, as the function has it, does without this import.
        from imaging_index.toml_lines import Lines

        try:
            lines = Lines(self._text)
        except RecursionError:
            raise ProfileError([_TOO_DEEP]) from None
        placed = sorted(((lines.line(*path), message) for message, path in self._found), key=lambda each: each[0])
        raise ProfileError([_line(f"line {line}: {message}" if line else message) for line, message in placed])


def _line(message: str) -> str:
    """A message as one line of some length, whatever the names in it are."""
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in message[: _LONGEST_MESSAGE + 1])
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]} ..."


def load(path: Path) -> Profile:
    """The profile of a file.

    Raises:
        ProfileError: naming every mistake in it.
    """
    try:
        text = path.read_text("utf-8-sig")  # some editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(
            [f"The profile {path} cannot be read ({type(error).__name__}). Name a TOML file in UTF-8."]
        ) from None
    return parse(text)


def parse(text: str) -> Profile:
    """The profile written in `text`.

    Raises:
        ProfileError: naming every mistake in it.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError([_line(f"The profile is not TOML: {error}.")]) from None
    except (RecursionError, ValueError):
        # Python's own bounds: of nested calls, and of the digits of a number.
        raise ProfileError([_TOO_DEEP]) from None
    mistakes = _Mistakes(text)
    fields = ("revision", "attributes", "named", "privacy", "instances", "indexes")
    for field in document:
        if field not in fields:
            mistakes.add(f"The profile has a field '{field}', which is none: it may have {', '.join(fields)}.", field)
    revision = document.get("revision")
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision <= 999_999:
        mistakes.add(
            "The profile needs `revision = 1`, a whole number up to 999999 that rises with every change.", "revision"
        )
        revision = 1
    selected = _attributes(document, mistakes)
    instances = _instances(document.get("instances", True), mistakes)
    private = _privacy(document.get("privacy", {}), selected, instances.keep, mistakes)
    attributes = _in_columns(_protected(selected, private))
    instances = structs.replace(
        instances,
        keep=tuple(_protected({each.name: each for each in instances.keep}, private).values()),
        geometry=tuple(each for each in instances.geometry if _is_told(each, private)),
    )
    indexes = _indexes(document.get("indexes", {}), attributes, selected, mistakes)
    if (largest := LONGEST_SEVERAL + sum(map(_largest, attributes.values()))) > _LARGEST_ENTRY:
        mistakes.add(
            f"An entry of these attributes could have {largest} bytes, and DynamoDB takes {_LARGEST_ENTRY}; select "
            "fewer lists and attributes of the instances.",
            "attributes",
        )
    mistakes.raise_any()
    warnings = [*_warnings(selected), *_warnings_of_moments(attributes, indexes)]
    return Profile(revision, tuple(attributes.values()), indexes, private, instances, tuple(warnings))


def _attributes(document: Mapping[str, Any], mistakes: _Mistakes) -> dict[str, Attribute]:
    names, named = document.get("attributes"), document.get("named", {})
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        mistakes.add(
            'The profile needs `attributes = ["PatientID", ...]`: DICOM keywords or dotted paths.', "attributes"
        )
        names = []
    if not isinstance(named, dict):
        mistakes.add("Named attributes are tables: [named.BValue] with from = [...].", "named")
        named = {}
    selected = {}
    vrs: dict[tuple[str, str], str] = {}
    for name, times in Counter(names).items():
        place = ("attributes", names.index(name))
        if times > 1:
            mistakes.add(f"The attribute '{name}' is selected twice; take one of them out.", *place)
        try:
            selected[name] = selection.select(name)
        except SelectionError as error:
            mistakes.add(str(error), *place)
    for name, table in named.items():
        if name in OWN_NAMES or name == selection.AGE_IN_YEARS:
            mistakes.add(f"[named.{name}] cannot have a name of the index's own; choose another.", "named", name)
            continue
        try:
            selected[name] = selection.select_named(name, table)
        except SelectionError as error:
            mistakes.add(str(error), "named", name, *error.place)
            continue
        for source in selected[name].sources:
            if source.creator and source.vr:
                vr = vrs.setdefault((source.creator, source.path[0]), source.vr)
                if vr != source.vr:
                    mistakes.add(
                        f"[named.{name}] reads {source.path[0]} of {source.creator} as {source.vr}, and it is read as "
                        f"{vr} before; an element has one VR.",
                        "named",
                        name,
                    )
    return selected


def _privacy(
    table: Any, selected: Mapping[str, Attribute], kept: Iterable[Attribute], mistakes: _Mistakes
) -> dict[str, Privacy]:
    """What is not stored, by the attribute's name or a keyword that it is read from.

    Whatever else reads the same keyword, at any depth, needs a word of its own.
    """
    if not isinstance(table, dict):
        mistakes.add('Privacy is a table: [privacy] with lines like PatientName = "drop".', "privacy")
        return {}
    private = {}
    every = {each.name: each for each in kept} | dict(selected)
    for name, word in table.items():
        where = ("privacy", name)
        if word not in list(Privacy):
            mistakes.add(f'[privacy] needs "keep", "drop" or "hash" for {name}.', *where)
        elif name not in every and not dictionary.lookup(name):
            meant = difflib.get_close_matches(name, [*every, *dictionary.keywords()], n=1)
            hint = f" Did you mean '{meant[0]}'?" if meant else ""
            mistakes.add(f"[privacy] names '{name}', which is neither selected nor a DICOM keyword.{hint}", *where)
        elif name == selection.AGE_IN_YEARS and word == Privacy.HASH:
            mistakes.add(f"[privacy] cannot hash {name}, which is a number of its own; drop it.", *where)
        elif word != Privacy.KEEP:
            private[name] = Privacy(word)
    for name, attribute in every.items():
        named = not dictionary.lookup(name.partition(".")[0])
        # A part of a DT is not read where that is private.
        sources = [source for source in attribute.sources if source.part is None]
        whole = {".".join(source.path) for source in sources} - {name}
        for read in sorted(whole & private.keys()):
            if private.get(name) not in (private[read], Privacy.DROP):
                mistakes.add(
                    f"{f'[named.{name}]' if named else name} reads {read}, which is not kept; add to [privacy] "
                    f'{name} = "{private[read]}".',
                    *(("named", name) if named else ("privacy", read)),
                )
        parts = {keyword for source in sources for keyword in source.path} - whole - {name}
        for part in sorted(parts & private.keys()) if name not in table else ():
            mistakes.add(
                f'[privacy] has {part}, and \'{name}\' may tell the same; add "{name}" as "drop", "hash" or "keep".',
                "privacy",
                part,
            )
    return private


def _protected(selected: Mapping[str, Attribute], private: Mapping[str, Privacy]) -> dict[str, Attribute]:
    """The attributes without those that are dropped, and without what a private DT tells; the hashed ones say so."""
    return {
        name: structs.replace(
            attribute,
            hashed=private.get(name) is Privacy.HASH,
            sources=tuple(each for each in attribute.sources if each.part is None or each.path[0] not in private),
        )
        for name, attribute in selected.items()
        if private.get(name) is not Privacy.DROP
    }


def _in_columns(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """The attributes; those of the instances that stand in one sequence with others say so."""
    # The items of frames are taken apart, since all but a few of their sequences are passed over.
    sequences = Counter(each.sequence for each in attributes.values() if each.level is Level.INSTANCE)
    del sequences[""], sequences[PER_FRAME]
    return {
        name: structs.replace(each, column=each.level is Level.INSTANCE and sequences[each.sequence] > 1)
        for name, each in attributes.items()
    }


def _instances(table: Any, mistakes: _Mistakes) -> Instances:
    """What the pages keep of each instance, before privacy is applied."""
    if isinstance(table, bool):
        return Instances(on=table, geometry=_geometry() if table else ())
    table = table if isinstance(table, dict) else {"": table}
    keep, frames, geometry = table.get("keep", []), table.get("frames", True), table.get("geometry", True)
    if (
        not isinstance(keep, list)
        or not all(isinstance(name, str) for name in keep)
        or not isinstance(frames, bool)
        or not isinstance(geometry, bool)
        or table.keys() - {"keep", "frames", "geometry"}
    ):
        mistakes.add(
            'Write instances = false, or a table: [instances] with keep = ["..."], frames = false, geometry = false.',
            "instances",
        )
        return Instances()
    kept = {}
    for at, name in enumerate(keep):
        place = ("instances", "keep", at)
        try:
            attribute = selection.select(name)
        except SelectionError as error:
            mistakes.add(str(error), *place)
            continue
        # What differs from frame to frame is no value of the instance.
        sources = tuple(source for source in attribute.sources if source.path[0] != PER_FRAME)
        if attribute.level is not Level.INSTANCE:
            where = f"HealthImaging keeps it with the {attribute.level}"
            mistakes.add(f"[instances] cannot keep '{name}': {where}.", *place)
        elif not sources:
            mistakes.add(f"[instances] cannot keep '{name}', which each frame has its own of; take it out.", *place)
        kept[name] = structs.replace(attribute, sources=sources)
    if (size := sum(map(len, kept))) > _LONGEST_NAMES_KEPT:
        mistakes.add(
            f"[instances] keeps attributes whose names have {size} characters, and a page has room for "
            f"{_LONGEST_NAMES_KEPT}; keep fewer.",
            "instances",
            "keep",
        )
    return Instances(frames=frames, keep=tuple(kept.values()), geometry=_geometry() if geometry else ())


def _geometry() -> tuple[Attribute, ...]:
    """What tells where an instance lies; of what single frames were converted to, nothing that has no macro."""
    converted = set(CONVERTED.values())
    return tuple(
        structs.replace(each, sources=tuple(source for source in each.sources if converted.isdisjoint(source.path)))
        for each in map(selection.select, _GEOMETRY)
    )


def _is_told(attribute: Attribute, private: Mapping[str, Privacy]) -> bool:
    """Whether nothing that an attribute is read from is private."""
    return private.keys().isdisjoint(keyword for source in attribute.sources for keyword in source.path)


def _indexes(
    tables: Any, attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute], mistakes: _Mistakes
) -> dict[str, Index]:
    others = [name for name, table in tables.items() if not isinstance(table, dict)] if isinstance(tables, dict) else []
    if not isinstance(tables, dict) or others:
        mistakes.add(
            "Indexes are tables: [indexes.patient] with partition = [...] and sort = [...].", "indexes", *others[:1]
        )
        return {}
    if len(tables) > MOST_INDEXES:
        mistakes.add(
            f"{len(tables)} indexes are declared; DynamoDB allows {MOST_INDEXES} a table. Take some out.",
            "indexes",
            [*tables][MOST_INDEXES],
        )
    indexes = {}
    for name, table in tables.items():
        where, place = f"[indexes.{name}]", ("indexes", name)
        for field in table:
            if field not in {"partition", "sort"}:
                mistakes.add(
                    f"{where} has a field '{field}', which is none: it may have partition and sort.", *place, field
                )
        if not _INDEX_NAME.fullmatch(name):
            mistakes.add(f"An index cannot be named '{name}'; take 3 to 255 letters, digits, '_', '-' or '.'.", *place)
        keys = [_keys(name, part, table.get(part), mistakes) for part in ("partition", "sort")]
        indexes[name] = index = Index(*keys)
        if all(keys) and _OF_TOMBSTONES.issuperset(chain(*keys)):
            mistakes.add(
                f"{where} would hold deleted image sets as well; add what only the others have, like FirstIndexedAt or "
                "StudyMoment.",
                *place,
            )
        for key, places in _places(name, index).items():
            if len(places) > 1:
                mistakes.add(f"{where} names '{key}' twice; take one of them out.", *places[0])
            wrong = _wrong_key(key, attributes, selected)
            if wrong:
                mistakes.add(f"{where} {wrong}", *places[0])
            if key == "PatientNameKey" and not _told("PatientName", attributes):
                mistakes.add(
                    f"{where} is by PatientNameKey, but PatientName is not selected, or not kept; select it, or take "
                    "the index out.",
                    *places[0],
                )
        for at, key in enumerate(index.sort):
            if key in attributes or key in _SOMETIMES:
                mistakes.add(
                    f"{where} sorts by '{key}', which not every image set has, and would miss those without; make it a "
                    "partition key, or sort by what always stands, like StudyMoment or ImageSetId.",
                    *place,
                    "sort",
                    at,
                )
    return indexes


def _told(name: str, attributes: Mapping[str, Attribute]) -> bool:
    return name in attributes and not attributes[name].hashed


def _places(name: str, index: Index) -> dict[str, list[tuple[str | int, ...]]]:
    """Where an index names each of its keys: once, unless by mistake."""
    places: dict[str, list[tuple[str | int, ...]]] = {}
    for part, keys in (("partition", index.partition), ("sort", index.sort)):
        for at, key in enumerate(keys):
            places.setdefault(key, []).append(("indexes", name, part, at))
    return places


def _keys(index: str, part: str, names: Any, mistakes: _Mistakes) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = []
    if not 1 <= len(names) <= _MOST_KEY_ATTRIBUTES:
        mistakes.add(
            f"[indexes.{index}] needs {part} = [...] with one to {_MOST_KEY_ATTRIBUTES} attributes.",
            "indexes",
            index,
            part,
        )
        return ()
    return tuple(names)


def _wrong_key(key: str, attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute]) -> str | None:
    """Why an attribute cannot be a key of an index, and what to do; None when it can."""
    attribute = attributes.get(key)
    if attribute is None:
        if key in OWN_KEYS:
            return None
        if key in selected:
            return f"cannot have '{key}' as a key, since [privacy] drops it; take it out of the index."
        if dictionary.lookup(key.split(".", 1)[0]):
            return f"names '{key}', which is not selected; add it to `attributes`."
        meant = difflib.get_close_matches(key, [*OWN_KEYS, *attributes], n=1)
        what = f". Did you mean '{meant[0]}'?" if meant else f"; select it, or take one of {', '.join(OWN_KEYS)}."
        return f"names '{key}', which is not selected{what}"
    if attribute.multiple:
        return f"cannot have '{key}' as a key, since it holds several values; take it out of the index."
    if attribute.level is Level.INSTANCE:
        return f"cannot have '{key}' as a key, since it is summed up over the instances; take it out of the index."
    return None


def _largest(attribute: Attribute) -> int:
    """How many bytes of an entry the attribute may take (DynamoDB Developer Guide, "Item sizes and formats").

    Without the list of several values, of which the entry has `LONGEST_SEVERAL` for all attributes.
    """
    of_instances = attribute.level is Level.INSTANCE
    if attribute.ordered and of_instances:
        bounds = 2 * MOST_VALUES * 48 + LONGEST_LIST + MOST_LISTED * MOST_VALUES if attribute.whole else 0
        size = bounds or (MOST_LISTED + 3) * 48
    elif attribute.multiple or of_instances:
        size = LONGEST_LIST + MOST_VALUES
    else:
        size = 2 * LONGEST_TEXT
    # The attribute's name, that of its several values, and in `MissingIn`.
    names = len(attribute.name) * (1 + (not attribute.multiple) + of_instances) + 32
    return names + size + (LONGEST_TEXT + 64 if attribute.vr == "PN" else 0)


def _warnings_of_moments(attributes: Mapping[str, Attribute], indexes: Mapping[str, Index]) -> list[str]:
    if _told("StudyDate", attributes):
        return []
    return [
        f"[indexes.{name}] is by StudyMoment, which is all zeros without StudyDate."
        for name, index in indexes.items()
        if "StudyMoment" in (*index.partition, *index.sort)
    ]


def _warnings(selected: Mapping[str, Attribute]) -> list[str]:
    return [
        f"'{keyword}' is retired from DICOM: newer objects do not have it."
        for name in selected
        for keyword in name.split(".")
        if (element := dictionary.lookup(keyword)) and element.retired
    ]
