"""What a document becomes: the entry's searchable attributes, and its instances packed into pages.

Values are in DynamoDB's own form, `{"S": "CT"}`. An attribute's stored type depends on the profile alone:

- text `S`, numbers `N`, dates `YYYYMMDD`, times `HHMMSS[.ffffff]`, and a list of these for a VM other than 1 or a
  nested attribute;
- of the instances: numbers, dates and times as a map `Min`, `Max`, with `Values` when 2 to 16 differ and `Missing` when
  some have none; anything else as the sorted list of its distinct values.
"""

import gzip
import hashlib
import hmac
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, Final

import msgspec

from imaging_index import dicom
from imaging_index.dictionary import Level
from imaging_index.metadata import KEPT, AnyDocument, Instance, Series
from imaging_index.profile import (
    LONGEST_LIST,
    LONGEST_TEXT,
    MOST_LISTED,
    MOST_VALUES,
    Privacy,
    Profile,
)
from imaging_index.selection import AGE_IN_YEARS, Attribute, Source

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

# Raised whenever the same document would become another entry: entries of an older format are then written anew.
FORMAT: Final = 1

# DynamoDB Developer Guide, "Quotas": the size of all partition values of an index.
_LONGEST_PARTITION: Final = 2048

# A page stays below DynamoDB's 400 kB an item even when it does not compress at all.
_ROWS_A_PAGE: Final = 1000
_PLAIN_A_PAGE: Final = 390_000  # bytes

# Enough digits for the quotient of any two numbers that DynamoDB keeps: without them a remainder is an error.
_EXACT: Final = Context(prec=300)

_NO_VALUE: Final = object()  # what no parser takes

_KEPT_TEXT: Final = ("SOPInstanceUID", "SOPClassUID")
_KEPT_NUMBERS: Final = tuple(keyword for keyword in KEPT if keyword not in _KEPT_TEXT)
COLUMNS: Final = ("SeriesInstanceUID", *KEPT, "Frames")
_json: Final = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Content:
    """What one document says, without who wrote it when.

    `attributes` go into the entry; `pages` are the packed instances in order, `checksum` is of their plain content;
    `invalid` and `truncated` count the attributes that were left out and cut.
    """

    attributes: Item
    pages: list[bytes]
    checksum: str
    several_series: bool
    invalid: int
    truncated: int


@dataclass(slots=True)
class _Making:
    """One entry in the making: its profile, the key of its tokens, and what could not be stored as it is."""

    profile: Profile
    secret: bytes
    invalid: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)

    def token(self, value: object) -> str:
        """What stands for a hashed value: equal values have equal tokens, under one key."""
        return hmac.digest(self.secret, str(value).encode(), "sha256").hex()

    def protected(self, keyword: str, value: Any) -> Any:
        """A value that is kept with the instances, as privacy allows."""
        privacy = self.profile.private.get(keyword)
        if privacy is None or value is None:
            return value
        return None if privacy is Privacy.DROP else self.token(value)


def build(document: AnyDocument, profile: Profile, secret: bytes = b"") -> Content:
    """What `document` becomes under `profile`; `secret` is the key of the tokens when the profile hashes attributes."""
    if profile.hashes and not secret:
        raise ValueError("a profile that hashes needs the key of its tokens")
    making = _Making(profile, secret)
    series = _series(document)
    attributes: Item = {}
    first = series[0][1] if series else None
    patient, study = document.patient and document.patient.dicom, document.study and document.study.dicom
    for level, values in ((Level.PATIENT, patient), (Level.STUDY, study), (Level.SERIES, first and first.dicom)):
        for attribute in profile.at(level):
            by_key = attribute.name == "SeriesInstanceUID" and series and series[0][0]
            attributes |= _single(attribute, _SeriesUID(series[0][0]) if by_key else values, making)
    rows = _rows(series, making) if profile.instances.on else []
    instances = [instance for _, one in series for instance in (one.instances or {}).values()]
    for attribute in profile.at(Level.INSTANCE):
        attributes |= _summed(attribute, [instance.dicom for instance in instances], making)
    attributes["StudyMoment"] = {"S": _study_moment(attributes, profile)}
    name = profile.find("PatientName")
    if name and not name.hashed and "PatientName" in attributes:
        key = dicom.name_key(attributes["PatientName"]["S"])
        attributes |= {"PatientNameKey": {"S": key}} if key else {}
    if profile.find(AGE_IN_YEARS) and (age := _age_in_years(patient, study, profile)) is not None:
        attributes[AGE_IN_YEARS] = _stored(age)
    attributes["InstanceCount"] = {"N": str(len(instances))}
    attributes["FrameCount"] = {"N": str(sum(len(_frames(instance)) for instance in instances))}
    if len(series) > 1:
        uids = [making.protected("SeriesInstanceUID", uid) for uid, _ in series]
        if None not in uids:
            attributes["SeriesInstanceUIDs"] = _list("SeriesInstanceUIDs", uids, making)
    _leave_out_unusable_keys(attributes, making)
    for noted, names in (("InvalidAttributes", making.invalid), ("TruncatedAttributes", making.truncated)):
        if names:
            attributes[noted] = {"L": [{"S": each} for each in sorted(names)]}
    pages, checksum = _pack(rows)
    return Content(attributes, pages, checksum, len(series) > 1, len(making.invalid), len(making.truncated))


@dataclass(frozen=True, slots=True)
class _SeriesUID:
    """Stands in for a series' values where only the UID of the map's key is there."""

    SeriesInstanceUID: str


def _series(document: AnyDocument) -> list[tuple[str, Series[Any, Any]]]:
    """The series with their UIDs, lowest first: which one stands in the entry must not hang on the order of a map."""
    every = (document.study and document.study.series) or {}
    named = [
        (_uid(getattr(one.dicom, "SeriesInstanceUID", None)) or _uid(key) or "", key, one) for key, one in every.items()
    ]
    return [(uid, one) for uid, _, one in sorted(named, key=lambda each: each[:2])]


def _uid(value: object) -> str | None:
    try:
        uid = dicom.text_both_ends(value)
    except dicom.Unusable:
        return None
    return uid if uid and len(uid.encode()) <= LONGEST_TEXT else None


def _single(attribute: Attribute, values: object, making: _Making) -> Item:
    """The attribute of the patient, the study or a series: one value, or the list of them with "" for an empty one."""
    found = _found(attribute, [_raw(source, values) for source in attribute.sources], making)
    if all(value is None for value in found):
        return {}
    if attribute.multiple:
        stored = _list(attribute.name, ["" if value is None else value for value in found], making)
    elif len(found) == 1:
        stored = _stored(found[0])
    else:
        # Several values of an attribute that DICOM gives one: none of them is the right one to keep.
        making.invalid.add(attribute.name)
        return {}
    return {attribute.name: stored} | _folded(attribute, found, making)


def _summed(attribute: Attribute, instances: Sequence[object], making: _Making) -> Item:
    """The attribute of all instances together."""
    distinct: set[str | Decimal] = set()
    missing = 0
    raws = [[_raw(source, values) for source in attribute.sources] for values in instances]
    # Most instances say the same: each different value is typed once. Its repr tells 1 from True, and can be hashed.
    written = [repr(raw) for raw in raws]
    times = Counter(written)
    for text, raw in dict(zip(written, raws, strict=True)).items():
        found = _found(attribute, raw, making)
        if all(value is None for value in found):
            missing += times[text]
        else:
            distinct.update("" if value is None else value for value in found)
    if not attribute.ordered:
        if not distinct - {""}:
            return {}
        listed = sorted(distinct, key=str)
        return {attribute.name: _list(attribute.name, listed, making)} | _folded(attribute, listed, making)
    ordered = sorted(distinct - {""})
    if not ordered:
        return {}
    summary: Item = {"Min": _stored(ordered[0]), "Max": _stored(ordered[-1])}
    if 2 <= len(ordered) <= MOST_LISTED:
        summary["Values"] = {"L": [_stored(value) for value in ordered]}
    if missing:
        summary["Missing"] = {"N": str(missing)}
    return {attribute.name: {"M": summary}}


def _raw(source: Source, values: object) -> object:
    """The document's JSON at a source's top: what its first keyword, or its private element, has."""
    if source.creator is None:
        return getattr(values, source.path[0], None)
    return (getattr(values, "private_elements", None) or {}).get(source)


def _found(attribute: Attribute, raws: Sequence[object], making: _Making) -> list[str | Decimal | None]:
    """The typed values of the first source that has one, or of all of them; `raws` has the JSON of each source."""
    everything: list[str | Decimal | None] = []
    for source, raw in zip(attribute.sources, raws, strict=True):
        values = [_typed(attribute, source, each, making) for each in _components(source, raw)]
        if any(value is not None for value in values):
            kept = [value for value in values if value is not None or source.gaps]
            if not attribute.union:
                return kept
            everything += kept
    return [*dict.fromkeys(everything)]


def _components(source: Source, raw: object) -> list[object]:
    """The single values in the JSON of a source; of a nested one, exactly one an item, so that siblings match."""
    if raw is None:
        return []
    if len(source.path) == 1:
        values = list(raw) if isinstance(raw, list) else [raw]
        return values if source.component is None else values[source.component - 1 : source.component]
    values = [raw]
    for keyword in source.path[1:]:
        values = [_in_item(item, keyword) for value in values for item in _items(value)]
    if source.component is not None:
        return [
            component
            for value in values
            for component in (value if isinstance(value, list) else [value])[source.component - 1 : source.component]
        ]
    if source.gaps:
        return [_joined(value) for value in values]
    return [each for value in values for each in (value if isinstance(value, list) else [value])]


def _items(value: object) -> list[object]:
    """The items of a sequence; an absent or empty one counts as one empty item."""
    return value or [None] if isinstance(value, list) else [value]


def _in_item(item: object, keyword: str) -> object:
    if item is None:
        return None
    return item.get(keyword) if isinstance(item, dict) else _NO_VALUE


def _joined(value: object) -> object:
    """Several values in one item as DICOM writes them, behind backslashes (PS3.5, section 6.4)."""
    if not isinstance(value, list):
        return value
    if len(value) <= 1:
        return value[0] if value else None
    return "\\".join(value) if all(isinstance(each, str) for each in value) else _NO_VALUE


def _typed(attribute: Attribute, source: Source, raw: object, making: _Making) -> str | Decimal | None:
    try:
        value = dicom.parser(attribute.vr)(raw)
    except dicom.Unusable:
        making.invalid.add(attribute.name)
        return None
    if value is None:
        return None
    if isinstance(value, Decimal):
        for modulo in source.modulo:
            value = _EXACT.remainder(value, Decimal(modulo)) if value >= modulo else value
    if attribute.hashed:
        return making.token(value)
    if not isinstance(value, str) or len(value) * 4 <= LONGEST_TEXT:
        return value
    key = attribute.name in making.profile.keys
    longest = _LONGEST_PARTITION if key else LONGEST_TEXT
    short = dicom.cut(value, longest)
    if short == value:
        return value
    if key or attribute.identifier:
        making.invalid.add(attribute.name)
        return None
    making.truncated.add(attribute.name)
    return short


def _stored(value: str | Decimal | None) -> AttributeValue:
    return {"N": f"{value:f}"} if isinstance(value, Decimal) else {"S": value or ""}


def _list(name: str, values: Sequence[str | Decimal], making: _Making) -> AttributeValue:
    stored = [_stored(value) for value in values[:MOST_VALUES]]
    fitting = sum(total <= LONGEST_LIST for total in itertools.accumulate(map(_size, stored)))
    if fitting < len(values):
        making.truncated.add(name)
    return {"L": stored[:fitting]}


def _folded(attribute: Attribute, values: Iterable[str | Decimal | None], making: _Making) -> Item:
    """A person's name as search compares it."""
    if attribute.vr != "PN" or attribute.hashed:
        return {}
    words = dicom.name_folded([value for value in values if isinstance(value, str)])
    short = dicom.cut(words, LONGEST_TEXT)
    if short != words:
        making.truncated.add(attribute.name)
    return {f"{attribute.name}Folded": {"S": short}} if short else {}


def _study_moment(attributes: Item, profile: Profile) -> str:
    """Study date and time as `YYYYMMDDHHMMSS`, zeros for what is not there: a sort key that always stands."""
    parts = []
    for name, zeros in (("StudyDate", "0" * 8), ("StudyTime", "0" * 6)):
        attribute = profile.find(name)
        told = attribute is not None and not attribute.hashed and name in attributes
        parts.append(attributes[name]["S"][: len(zeros)] if told else zeros)
    return "".join(parts)


def _age_in_years(patient: object, study: object, profile: Profile) -> Decimal | None:
    """The patient's age at the study: PatientAge, or the time from the birth date, unless these must not be told."""

    def told(keyword: str, values: object) -> str | None:
        if keyword in profile.private:
            return None
        try:
            return str(dicom.parser("AS" if keyword == "PatientAge" else "DA")(getattr(values, keyword, None)) or "")
        except dicom.Unusable:
            return None

    age = told("PatientAge", study)
    if age:
        return dicom.years(age)
    born, day = told("PatientBirthDate", patient), told("StudyDate", study)
    return dicom.years_between(born, day) if born and day else None


def _leave_out_unusable_keys(attributes: Item, making: _Making) -> None:
    """DynamoDB refuses an item whose index keys are too long: take the longest out, so that the rest is found.

    Sort keys are the index's own, and short.
    """
    for index in making.profile.indexes.values():
        selected = [name for name in index.partition if making.profile.find(name) and name in attributes]
        # What the index itself adds to a key: ids and moments of at most 32 bytes, a name key of 256.
        own = sum(256 if name == "PatientNameKey" else 32 for name in index.partition if name not in selected)
        while own + sum(_size(attributes[name]) for name in selected) > _LONGEST_PARTITION:
            longest = max(selected, key=lambda name: _size(attributes[name]))
            selected.remove(longest)
            del attributes[longest]
            making.invalid.add(longest)


def _size(value: AttributeValue) -> int:
    return len(str(value.get("S", value.get("N", ""))).encode())


def _rows(series: Iterable[tuple[str, Series[Any, Any]]], making: _Making) -> list[dict[str, Any]]:
    """The instances as the pages keep them: by series, then by InstanceNumber, then by UID."""
    ordered = []
    last = float("inf")
    for series_uid, one in series:
        for key, instance in sorted((one.instances or {}).items()):
            values = instance.dicom
            kept: dict[str, Any] = {keyword: _uid(getattr(values, keyword, None)) for keyword in _KEPT_TEXT}
            kept |= {keyword: _whole_number(getattr(values, keyword, None)) for keyword in _KEPT_NUMBERS}
            kept["SOPInstanceUID"] = kept["SOPInstanceUID"] or _uid(key)
            number = kept["InstanceNumber"]
            place = (series_uid, last if number is None else number, kept["SOPInstanceUID"] or "")
            # An empty text, not None: that marks the rows which go on with an instance's frames.
            row = {"SeriesInstanceUID": making.protected("SeriesInstanceUID", series_uid) or ""}
            row |= {keyword: making.protected(keyword, value) for keyword, value in kept.items()}
            row |= {each.name: _kept(each, values, making) for each in making.profile.instances.keep}
            row["Frames"] = _frames(instance) if making.profile.instances.frames else []
            ordered.append((place, row))
    ordered.sort(key=lambda each: each[0])
    return [row for _, row in ordered]


def _kept(attribute: Attribute, values: object, making: _Making) -> Any:
    """An instance's own value of an attribute that the profile keeps with the instances."""
    found = _found(attribute, [_raw(source, values) for source in attribute.sources], making)
    present = [value for value in found if value is not None]
    if attribute.multiple:
        return ["" if value is None else value for value in found[:MOST_VALUES]] if present else None
    return present[0] if len(present) == 1 else None


def _frames(instance: Instance[Any]) -> list[str]:
    return [uid for frame in instance.frames or () if (uid := _uid(frame.id))]


def _whole_number(value: object) -> int | None:
    try:
        number = dicom.integer(value)
    except dicom.Unusable:
        return None
    return None if number is None else int(number)


def _pack(rows: Iterable[dict[str, Any]]) -> tuple[list[bytes], str]:
    """The pages' compressed content, and the checksum of the plain content (which no compressor changes)."""
    checksum = hashlib.blake2b(digest_size=16)
    pages = []
    for page in _split(rows):
        names = dict.fromkeys(itertools.chain(COLUMNS, *page))
        plain = _json.encode({name: [row.get(name) for row in page] for name in names})
        checksum.update(plain)
        pages.append(gzip.compress(plain, compresslevel=6, mtime=0))
    return pages, checksum.hexdigest()


def _split(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    total = 0
    for row, size in itertools.chain.from_iterable(map(_fitting, rows)):
        if page and (len(page) == _ROWS_A_PAGE or total + size > _PLAIN_A_PAGE):
            yield page
            page, total = [], 0
        page.append(row)
        total += size
    if page:
        yield page


def _fitting(row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """A row that fits into a page, and its size; of very many frames several, all but the first without a series."""
    size = len(_json.encode(list(row.values())))
    frames = row["Frames"]
    if size <= _PLAIN_A_PAGE or len(frames) < 2:
        yield row, size
    else:
        middle = len(frames) // 2
        yield from _fitting(row | {"Frames": frames[:middle]})
        yield from _fitting({"Frames": frames[middle:]})


def unpack(pages: Iterable[bytes]) -> tuple[list[dict[str, Any]], str]:
    """The instances in `pages` (the content of every page, in order), and the checksum of their plain content.

    Raises:
        ValueError: when a page is not what `build` packs.
    """
    checksum = hashlib.blake2b(digest_size=16)
    rows: list[dict[str, Any]] = []
    for page in pages:
        try:
            plain = gzip.decompress(page)
            columns = msgspec.json.decode(plain, type=dict[str, list[Any]])
            packed = list(zip(*columns.values(), strict=True))
        except (OSError, EOFError, zlib.error, ValueError):
            raise ValueError("a page is not what was packed") from None
        if not columns.keys() >= set(COLUMNS):
            raise ValueError("a page is not what was packed")
        checksum.update(plain)
        for values in packed:
            row = dict(zip(columns, values, strict=True))
            if rows and row["SeriesInstanceUID"] is None:
                rows[-1]["Frames"] += row["Frames"]
            else:
                rows.append(row)
    return [{name: value for name, value in row.items() if value is not None} for row in rows], checksum.hexdigest()


def plain(item: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """An item's attributes as plain values: text, `Decimal`, bool, bytes, lists and maps."""
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: AttributeValue) -> Any:
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    if kind == "L":
        return [_plain(each) for each in content]
    return plain(content) if kind == "M" else content
