"""What a document becomes: the entry's searchable attributes, and its instances packed into pages.

Values are in DynamoDB's own form, `{"S": "CT"}`. An attribute's stored type depends on the profile alone:

- text `S`, numbers `N`, dates `YYYYMMDD`, times `HHMMSS[.ffffff]`, and a list of these for a VM other than 1 or a
  nested attribute;
- of the instances: numbers, dates and times as a map `Min`, `Max`, with `Values` when 2 to 16 differ and `Missing` when
  some have none; anything else as the sorted list of its distinct values.
"""

import gzip
import hashlib
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from imaging_index import dicom
from imaging_index.dictionary import Level
from imaging_index.metadata import KEPT, AnyDocument, Series
from imaging_index.profile import Attribute, Profile

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

# Raised whenever the same document would become another entry: entries of an older format are then written anew.
FORMAT: Final = 1

_MOST_VALUES: Final = 100  # of a list
_LONGEST_LIST: Final = 8192  # bytes: all lists of an entry together stay within DynamoDB's 400 kB an item
_MOST_LISTED: Final = 16  # of the numbers or dates of the instances
_LONGEST_TEXT: Final = 1024  # bytes

# DynamoDB Developer Guide, "Quotas": the sizes of all partition and of all sort values of an index.
_LONGEST_PARTITION: Final = 2048
_LONGEST_SORT: Final = 1024

# A page stays below DynamoDB's 400 kB an item even when it does not compress at all.
_ROWS_A_PAGE: Final = 1000
_PLAIN_A_PAGE: Final = 390_000  # bytes

_NO_VALUE: Final = object()  # what no parser takes

_KEPT_TEXT: Final = ("SOPInstanceUID", "SOPClassUID")
_KEPT_NUMBERS: Final = tuple(keyword for keyword in KEPT if keyword not in _KEPT_TEXT)
COLUMNS: Final = ("SeriesInstanceUID", *KEPT, "Frames")


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
class _Notes:
    """The names of attributes that could not be stored as they are."""

    invalid: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)


def build(document: AnyDocument, profile: Profile) -> Content:
    """What `document` becomes under `profile`."""
    notes = _Notes()
    series = _series(document)
    attributes: Item = {}
    first = series[0][1] if series else None
    for level, values in (
        (Level.PATIENT, document.patient and document.patient.dicom),
        (Level.STUDY, document.study and document.study.dicom),
        (Level.SERIES, first and first.dicom),
    ):
        for attribute in profile.at(level):
            raw = getattr(values, attribute.path[0], None)
            if attribute.name == "SeriesInstanceUID" and series:
                raw = series[0][0] or raw
            attributes |= _single(attribute, raw, profile, notes)
    rows = _rows(series)
    instances = [instance.dicom for _, one in series for instance in (one.instances or {}).values()]
    for attribute in profile.at(Level.INSTANCE):
        attributes |= _summed(attribute, instances, profile, notes)
    attributes["StudyMoment"] = {"S": _study_moment(attributes)}
    if "PatientName" in attributes and (key := dicom.name_key(attributes["PatientName"]["S"])):
        attributes["PatientNameKey"] = {"S": key}
    attributes["InstanceCount"] = {"N": str(len(rows))}
    attributes["FrameCount"] = {"N": str(sum(len(row["Frames"]) for row in rows))}
    if len(series) > 1:
        attributes["SeriesInstanceUIDs"] = _list("SeriesInstanceUIDs", [uid for uid, _ in series], notes)
    _leave_out_unusable_keys(attributes, profile, notes)
    for name, names in (("InvalidAttributes", notes.invalid), ("TruncatedAttributes", notes.truncated)):
        if names:
            attributes[name] = {"L": [{"S": each} for each in sorted(names)]}
    pages, checksum = _pack(rows)
    return Content(attributes, pages, checksum, len(series) > 1, len(notes.invalid), len(notes.truncated))


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
    return uid if uid and len(uid.encode()) <= _LONGEST_TEXT else None


def _single(attribute: Attribute, raw: object, profile: Profile, notes: _Notes) -> Item:
    """The attribute of the patient, the study or a series: one value, or the list of them with "" for an empty one."""
    values = [_typed(attribute, each, profile, notes) for each in _components(attribute, raw)]
    if all(value is None for value in values):
        return {}
    if attribute.multiple:
        stored = _list(attribute.name, ["" if value is None else value for value in values], notes)
    elif len(values) == 1:
        stored = _stored(values[0])
    else:
        # Several values of an attribute that DICOM gives one: none of them is the right one to keep.
        notes.invalid.add(attribute.name)
        return {}
    return {attribute.name: stored} | _folded(attribute, values, notes)


def _summed(attribute: Attribute, instances: Sequence[object], profile: Profile, notes: _Notes) -> Item:
    """The attribute of all instances together."""
    distinct: set[str | Decimal] = set()
    missing = 0
    raws = [getattr(values, attribute.path[0], None) for values in instances]
    # Most instances say the same: each different value is typed once. Its repr tells 1 from True, and can be hashed.
    written = [repr(raw) for raw in raws]
    times = Counter(written)
    for text, raw in dict(zip(written, raws, strict=True)).items():
        found = [_typed(attribute, each, profile, notes) for each in _components(attribute, raw)]
        if all(value is None for value in found):
            missing += times[text]
        else:
            distinct.update("" if value is None else value for value in found)
    if attribute.vr not in dicom.NUMBERS | dicom.MOMENTS:
        if not distinct - {""}:
            return {}
        listed = sorted(distinct, key=str)
        return {attribute.name: _list(attribute.name, listed, notes)} | _folded(attribute, listed, notes)
    ordered = sorted(distinct - {""})
    if not ordered:
        return {}
    summary: Item = {"Min": _stored(ordered[0]), "Max": _stored(ordered[-1])}
    if 2 <= len(ordered) <= _MOST_LISTED:
        summary["Values"] = {"L": [_stored(value) for value in ordered]}
    if missing:
        summary["Missing"] = {"N": str(missing)}
    return {attribute.name: {"M": summary}}


def _components(attribute: Attribute, raw: object) -> list[object]:
    """The single values in the JSON of an attribute; of a nested one, exactly one an item, so that siblings match."""
    if not attribute.nested:
        return list(raw) if isinstance(raw, list) else [raw]
    if raw is None:
        return []
    values: list[object] = [raw]
    for keyword in attribute.path[1:]:
        values = [_in_item(item, keyword) for value in values for item in _items(value)]
    return [_joined(value) for value in values]


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


def _typed(attribute: Attribute, raw: object, profile: Profile, notes: _Notes) -> str | Decimal | None:
    try:
        value = dicom.parser(attribute.vr)(raw)
    except dicom.Unusable:
        notes.invalid.add(attribute.name)
        return None
    if not isinstance(value, str) or len(value) * 4 <= _LONGEST_TEXT or attribute.name in profile.keys:
        return value
    short = dicom.cut(value, _LONGEST_TEXT)
    if short == value:
        return value
    if attribute.identifier:
        notes.invalid.add(attribute.name)
        return None
    notes.truncated.add(attribute.name)
    return short


def _stored(value: str | Decimal | None) -> AttributeValue:
    return {"N": f"{value:f}"} if isinstance(value, Decimal) else {"S": value or ""}


def _list(name: str, values: Sequence[str | Decimal], notes: _Notes) -> AttributeValue:
    stored = [_stored(value) for value in values[:_MOST_VALUES]]
    fitting = sum(total <= _LONGEST_LIST for total in itertools.accumulate(map(_size, stored)))
    if fitting < len(values):
        notes.truncated.add(name)
    return {"L": stored[:fitting]}


def _folded(attribute: Attribute, values: Iterable[str | Decimal | None], notes: _Notes) -> Item:
    """A person's name as search compares it."""
    if attribute.vr != "PN":
        return {}
    words = dicom.name_folded([value for value in values if isinstance(value, str)])
    short = dicom.cut(words, _LONGEST_TEXT)
    if short != words:
        notes.truncated.add(attribute.name)
    return {f"{attribute.name}Folded": {"S": short}} if short else {}


def _study_moment(attributes: Item) -> str:
    """Study date and time as `YYYYMMDDHHMMSS`, zeros for what is not there: a sort key that always stands."""
    date = attributes.get("StudyDate", {}).get("S", "0" * 8)
    time = attributes.get("StudyTime", {}).get("S", "0" * 6)
    return f"{date}{time[:6]}"


def _leave_out_unusable_keys(attributes: Item, profile: Profile, notes: _Notes) -> None:
    """DynamoDB refuses an item whose index keys are too long: take the longest out, so that the rest is found."""
    for index in profile.indexes.values():
        for names, most in ((index.partition, _LONGEST_PARTITION), (index.sort, _LONGEST_SORT)):
            selected = [name for name in names if profile.find(name) and name in attributes]
            # What the index itself adds to a key: ids of 32 bytes, moments of 27, a name key of 256.
            own = sum(256 if name == "PatientNameKey" else 32 for name in names if name not in selected)
            while own + sum(_size(attributes[name]) for name in selected) > most:
                longest = max(selected, key=lambda name: _size(attributes[name]))
                selected.remove(longest)
                del attributes[longest]
                notes.invalid.add(longest)


def _size(value: AttributeValue) -> int:
    return len(str(value.get("S") or value.get("N")).encode())


def _rows(series: Iterable[tuple[str, Series[Any, Any]]]) -> list[dict[str, Any]]:
    """The instances as the pages keep them: by series, then by InstanceNumber, then by UID."""
    rows = []
    for series_uid, one in series:
        for key, instance in sorted((one.instances or {}).items()):
            values = instance.dicom
            row: dict[str, Any] = {"SeriesInstanceUID": series_uid}
            row |= {keyword: _uid(getattr(values, keyword, None)) for keyword in _KEPT_TEXT}
            row |= {keyword: _whole_number(getattr(values, keyword, None)) for keyword in _KEPT_NUMBERS}
            row["SOPInstanceUID"] = row["SOPInstanceUID"] or _uid(key)
            row["Frames"] = [uid for frame in instance.frames or () if (uid := _uid(frame.id))]
            rows.append(row)
    last = float("inf")
    rows.sort(
        key=lambda row: (
            row["SeriesInstanceUID"],
            last if row["InstanceNumber"] is None else row["InstanceNumber"],
            row["SOPInstanceUID"] or "",
        )
    )
    return rows


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
        plain = msgspec.json.encode({column: [row.get(column) for row in page] for column in COLUMNS})
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
    size = len(msgspec.json.encode([row.get(column) for column in COLUMNS]))
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
            packed = list(zip(*(columns[column] for column in COLUMNS), strict=True))
        except (OSError, EOFError, zlib.error, KeyError, ValueError):
            raise ValueError("a page is not what was packed") from None
        checksum.update(plain)
        for values in packed:
            row = dict(zip(COLUMNS, values, strict=True))
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
