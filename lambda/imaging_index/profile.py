"""The profile: which DICOM attributes the index holds, and which indexes stand over them.

A profile is a TOML file (`profiles/radiology.toml`). It is read by the stack, which makes the table's indexes from it,
and by the function, which makes the entries from it.
"""

import difflib
import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imaging_index import dicom, dictionary
from imaging_index.dictionary import Element, Level

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
}
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
    "InvalidAttributes",
    "TruncatedAttributes",
}

# DynamoDB Developer Guide, "Quotas": 20 indexes a table; "Multi-attribute keys": four attributes each.
_MOST_INDEXES: Final = 20
_MOST_KEY_ATTRIBUTES: Final = 4
# DynamoDB API Reference, "GlobalSecondaryIndex".
_INDEX_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")


class ProfileError(ValueError):
    """A profile that cannot be used. Its text has one line for each mistake, and says what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One selected attribute.

    `name` is a keyword, or a dotted path whose `path` leads through sequences; `vr` is of its last keyword; `multiple`
    says that its value is stored as a list (a dictionary VM other than 1, or a nested attribute).
    """

    name: str
    path: tuple[str, ...]
    vr: str
    multiple: bool
    level: Level

    @property
    def nested(self) -> bool:
        """Whether the attribute stands in a sequence."""
        return len(self.path) > 1

    @property
    def identifier(self) -> bool:
        """Whether the value names something, so that a shortened one would name something else: it is never cut."""
        return self.vr in {"AE", "AS", "CS", "SH", "UI"} or self.path[-1].endswith(("ID", "Identifier", "Number"))


@dataclass(frozen=True, slots=True)
class Index:
    """The key attributes of one global secondary index, as declared."""

    partition: tuple[str, ...]
    sort: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What was selected. `hash` stands for all of it that decides what an entry holds (16 hexadecimal digits)."""

    revision: int
    attributes: tuple[Attribute, ...]
    indexes: Mapping[str, Index]
    hash: str

    @property
    def keys(self) -> frozenset[str]:
        """The names of all attributes that are a key of some index."""
        return frozenset(key for index in self.indexes.values() for key in (*index.partition, *index.sort))

    def at(self, level: Level) -> tuple[Attribute, ...]:
        """The attributes of one level, in the order of the profile."""
        return tuple(attribute for attribute in self.attributes if attribute.level is level)

    def find(self, name: str) -> Attribute | None:
        """The selected attribute of a name, or None."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def key_type(self, name: str) -> str:
        """The DynamoDB type, `S` or `N`, of an attribute that an index names."""
        attribute = self.find(name)
        if attribute is None:
            return OWN_KEYS[name]
        return "N" if attribute.vr in dicom.NUMBERS else "S"


def load(path: Path) -> Profile:
    """The profile of a file.

    Raises:
        ProfileError: naming every mistake in it.
    """
    try:
        text = path.read_text("utf-8")
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
        raise ProfileError([f"The profile is not TOML: {error}."]) from None
    mistakes = [
        f"The profile has a field '{field}', which is none: it may have revision, attributes and indexes."
        for field in document
        if field not in {"revision", "attributes", "indexes"}
    ]
    revision = document.get("revision")
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision <= 999_999:
        mistakes.append("The profile needs `revision = 1`, a whole number up to 999999 that rises with every change.")
        revision = 1
    attributes = _attributes(document.get("attributes"), mistakes)
    indexes = _indexes(document.get("indexes", {}), {attribute.name: attribute for attribute in attributes}, mistakes)
    if mistakes:
        raise ProfileError(mistakes)
    return Profile(revision, tuple(attributes), indexes, _hash(attributes, indexes))


def _attributes(names: Any, mistakes: list[str]) -> list[Attribute]:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        mistakes.append(
            'The profile needs `attributes = ["PatientID", ...]`, a list of DICOM keywords or dotted paths.'
        )
        return []
    mistakes.extend(
        f"The attribute '{name}' is selected twice; take one of them out."
        for name in sorted(set(names))
        if names.count(name) > 1
    )
    attributes = (_attribute(name, mistakes) for name in dict.fromkeys(names))
    return [attribute for attribute in attributes if attribute is not None]


def _attribute(name: str, mistakes: list[str]) -> Attribute | None:
    path = tuple(name.split("."))
    elements: list[Element] = []
    for keyword in path:
        element = dictionary.lookup(keyword)
        if element is None:
            meant = dictionary.nearest(keyword)
            hint = f" Did you mean '{meant}'?" if meant else " Write it as in DICOM PS3.6, like 'StudyDate'."
            mistakes.append(f"'{keyword}' is not a DICOM keyword.{hint}")
            return None
        elements.append(element)
    for element in elements[:-1]:
        if element.vr != "SQ":
            mistakes.append(f"'{name}' cannot be: {element.keyword} is no sequence, so nothing stands in it.")
            return None
    last = elements[-1]
    if last.vr == "SQ":
        mistakes.append(f"'{name}' is a sequence; select what stands in it, like '{name}.CodeValue'.")
        return None
    try:
        dicom.parser(last.vr)
    except KeyError:
        mistakes.append(f"'{name}' holds {last.vr}, which is not searchable; take it out.")
        return None
    multiple = len(path) > 1 or last.vm != "1"
    return Attribute(name, path, last.vr.split(" or ", 1)[0], multiple, elements[0].level)


def _indexes(tables: Any, attributes: Mapping[str, Attribute], mistakes: list[str]) -> dict[str, Index]:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        mistakes.append("Indexes are tables: [indexes.patient] with partition = [...] and sort = [...].")
        return {}
    if len(tables) > _MOST_INDEXES:
        mistakes.append(f"{len(tables)} indexes are declared; DynamoDB allows {_MOST_INDEXES} a table. Take some out.")
    indexes = {}
    for name, table in tables.items():
        mistakes.extend(
            f"[indexes.{name}] has a field '{field}', which is none: it may have partition and sort."
            for field in table
            if field not in {"partition", "sort"}
        )
        if not _INDEX_NAME.fullmatch(name):
            mistakes.append(f"An index cannot be named '{name}'; take 3 to 255 letters, digits, '_', '-' or '.'.")
        keys = [_keys(name, part, table.get(part), attributes, mistakes) for part in ("partition", "sort")]
        indexes[name] = Index(*keys)
        mistakes.extend(
            f"[indexes.{name}] names '{key}' twice; take one of them out."
            for key, times in Counter((*indexes[name].partition, *indexes[name].sort)).items()
            if times > 1
        )
    return indexes


def _keys(
    index: str, part: str, names: Any, attributes: Mapping[str, Attribute], mistakes: list[str]
) -> tuple[str, ...]:
    where = f"[indexes.{index}]"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = []
    if not 1 <= len(names) <= _MOST_KEY_ATTRIBUTES:
        mistakes.append(f"{where} needs {part} = [...] with one to {_MOST_KEY_ATTRIBUTES} attributes.")
    for name in names:
        attribute = attributes.get(name)
        if attribute is None and name not in OWN_KEYS:
            mistakes.append(f"{where} names '{name}', which is not selected{_what_to_do(name, attributes)}")
        elif attribute is not None and (attribute.multiple or attribute.level is Level.INSTANCE):
            why = "holds several values" if attribute.multiple else "is summed up over the instances"
            mistakes.append(f"{where} cannot have '{name}' as a key, since it {why}; take it out of the index.")
    return tuple(names)


def _what_to_do(key: str, attributes: Mapping[str, Attribute]) -> str:
    """The end of a message about a key that is neither selected nor the index's own."""
    if dictionary.lookup(key.split(".", 1)[0]):
        return "; add it to `attributes`."
    meant = difflib.get_close_matches(key, [*OWN_KEYS, *attributes], n=1)
    return f". Did you mean '{meant[0]}'?" if meant else f"; select it, or take one of {', '.join(OWN_KEYS)}."


def _hash(attributes: list[Attribute], indexes: Mapping[str, Index]) -> str:
    # Keys count, since an attribute that is one is never cut.
    keys = [[sorted(index.partition), sorted(index.sort)] for index in indexes.values()]
    content = json.dumps([[[*attribute.path, attribute.vr] for attribute in attributes], sorted(keys)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
