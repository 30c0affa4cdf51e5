"""Builds an entry from a document: the searchable attributes, and the instances packed into pages.

Values are in DynamoDB's own form, `{"S": "CT"}`. An attribute's stored type depends on the profile alone:

- text `S`, numbers `N`, dates `YYYYMMDD`, times `HHMMSS[.ffffff]`, and a list of these for a VM other than 1 or a
  nested attribute;
- of the instances: numbers, dates and times as a map `Min`, `Max`, with `Values` when 2 to 16 differ and `Missing` when
  some have none; anything else as the sorted list of its distinct values. With a VM other than 1 a value stays whole:
  numbers as a list, texts behind backslashes. Several attributes of one sequence are columns of its distinct rows.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from imaging_index.dicom.dictionary import Level
from imaging_index.document.reader import Reader
from imaging_index.document.texts import series_uid
from imaging_index.document.types import Values
from imaging_index.entry.columns import Instances
from imaging_index.entry.conversion import LONGEST_PARTITION, Conversion, Flaws
from imaging_index.entry.deriving import derived, geometry
from imaging_index.entry.item import Item, fitting, folded, size, stored, stored_list
from imaging_index.profile.attributes import Attribute
from imaging_index.profile.derived import PATIENT_NAME_KEY, SEVERAL
from imaging_index.profile.privacy import Privacy
from imaging_index.profile.profile import Profile
from imaging_index.profile.schema import LONGEST_LIST, LONGEST_SEVERAL

# Raised whenever the same document would become another entry: entries of an older format are then written anew.
FORMAT: Final = 3


class Content(msgspec.Struct, frozen=True):
    """What one document says, without who wrote it when.

    `datastore_id` and `image_set_id` are the document's own words, whatever they are: compare them with what was asked
    for. `attributes` go into the entry; `pages` are the packed instances in order, `checksum` is of their plain
    content; `invalid` and `truncated` count the attributes that were left out and cut. `mended` says that the document
    was not quite JSON.
    """

    datastore_id: Any
    image_set_id: Any
    attributes: Item
    pages: list[bytes]
    checksum: str
    several_series: bool
    invalid: int
    truncated: int
    mended: bool


def build(reader: Reader, pieces: Iterable[bytes], secret: bytes = b"") -> Content:
    """What the document in `pieces` becomes under the reader's profile; `secret` is the key of its policies.

    Raises:
        Poison: the document cannot be read.
    """
    profile = reader.profile
    if profile.keyed and not secret:
        raise ValueError("a profile with such policies needs a key")
    privacy, flaws = Privacy(secret), Flaws()
    conversion = Conversion(profile, privacy, flaws)
    instances = Instances(conversion)
    document = reader.read(pieces, instances.take)
    uids = {key: series_uid(values, key) for key, values in document.series.items()}
    # One without a UID comes last: nobody could look for it.
    series = sorted(document.series, key=lambda key: (not uids[key], uids[key], key))
    attributes: Item = {}
    for attribute in profile.at(Level.PATIENT):
        attributes |= _single(attribute, document.patient, conversion)
    for attribute in profile.at(Level.STUDY):
        attributes |= _single(attribute, document.study, conversion)
    for attribute in profile.at(Level.SERIES) if series else ():
        # Of several series, the lowest UID's stand in the entry: that does not hang on the order of a map.
        attributes |= _single(attribute, _Series(document.series[series[0]], uids[series[0]]), conversion)
    summed, pages = instances.finish(uids)
    attributes |= summed
    if profile.shifts or profile.caps:
        # Most profiles do neither, and begin without it.
        from imaging_index.entry.pseudonyms import applied

        attributes = applied(attributes, document, conversion)
    attributes |= derived(attributes, document.patient, document.study, profile, flaws)
    if instances.slices:
        # A series' own values are no source of the instances: what is private is not compared here either.
        compared = any(each.name == "FrameOfReferenceUID" for each in profile.volume)
        found = geometry(instances.slices.slices, document.series.values() if compared else (), profile.angle, flaws)
        attributes |= {name: value for name, value in found.items() if profile.find(name)}
    attributes["InstanceCount"] = {"N": str(instances.count)}
    attributes["FrameCount"] = {"N": str(instances.frames)}
    attributes["FrameBytes"] = {"N": str(instances.frame_bytes)}
    if len(series) > 1:
        policy = profile.policy("SeriesInstanceUID")
        protected = [privacy.apply(policy, uids[key]) for key in series if uids[key]]
        if None not in protected:
            attributes["SeriesInstanceUIDs"] = stored_list("SeriesInstanceUIDs", protected, flaws)
    attributes |= _several(conversion)
    _leave_out_unusable_keys(attributes, profile, flaws)
    for noted, names in (("InvalidAttributes", flaws.invalid), ("TruncatedAttributes", flaws.truncated)):
        if names:
            attributes[noted] = {"L": [{"S": each} for each in sorted(names)]}
    return Content(
        datastore_id=document.datastore_id,
        image_set_id=document.image_set_id,
        attributes=attributes,
        pages=pages.packed,
        checksum=pages.checksum,
        several_series=len(series) > 1,
        invalid=len(flaws.invalid),
        truncated=len(flaws.truncated),
        mended=document.mended,
    )


class _Series:
    """A series' values, with its UID also where only the key of the map tells it."""

    def __init__(self, values: Values, uid: str) -> None:
        self._values = values
        if uid:
            self.SeriesInstanceUID = msgspec.Raw(msgspec.json.encode(uid))

    def __getattr__(self, keyword: str) -> Any:
        return getattr(self._values, keyword, None)


def _single(attribute: Attribute, values: Values, conversion: Conversion) -> Item:
    """The attribute of the patient, the study or a series: one value, or the list of them with "" for an empty one."""
    found = conversion.found(attribute, [getattr(values, source.path[0], None) for source in attribute.sources])
    if all(value is None for value in found):
        return {}
    several = attribute.form.arrangement == "list"
    item = stored_list(attribute.name, found, conversion.flaws) if several else stored(found[0])
    return {attribute.name: item} | folded(attribute, found, conversion.flaws)


def _several(conversion: Conversion) -> Item:
    """The attributes that have several values where DICOM allows one, each with all of them."""
    room = LONGEST_SEVERAL
    item: Item = {}
    for name, found in sorted(conversion.several.items()):
        attribute = conversion.profile.find(name)
        if attribute is None:
            continue  # it is kept with the instances alone
        values = [*found] if attribute.level is not Level.INSTANCE else sorted(found)
        kept = values[: fitting(values, min(room, LONGEST_LIST))]
        if len(kept) < len(values):
            conversion.flaws.truncated.add(name)
        if kept:
            item[f"{name}{SEVERAL}"] = {"L": [stored(value) for value in kept]}
            room -= size(item[f"{name}{SEVERAL}"])
    return item


def _leave_out_unusable_keys(attributes: Item, profile: Profile, flaws: Flaws) -> None:
    """DynamoDB refuses an item whose index keys are too long: take the longest out, so that the rest is found.

    Sort keys are the index's own, and short.
    """
    for index in profile.indexes.values():
        selected = [name for name in index.partition if profile.find(name) and name in attributes]
        # What the index itself adds to a key: ids and moments of at most 32 bytes, a name key of 256.
        own = sum(256 if name == PATIENT_NAME_KEY.name else 32 for name in index.partition if name not in selected)
        while own + sum(size(attributes[name]) for name in selected) > LONGEST_PARTITION:
            longest = max(selected, key=lambda name: size(attributes[name]))
            selected.remove(longest)
            del attributes[longest]
            flaws.invalid.add(longest)
