"""The objects of studies and series, and what all instances of an image set have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import dictionary
from imaging_index.dicom.dictionary import Level as Place
from imaging_index.profile.privacy import Policy
from imaging_index.qido import private, required, retrieving
from imaging_index.qido.elements import MISSING_IN, Elements, add, element, empty, has_values, in_order, values_of
from imaging_index.searching.judging import WHOLE
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level
from imaging_index.searching.rows import modalities_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile
    from imaging_index.qido.required import Required
    from imaging_index.qido.wanted import Wanted
    from imaging_index.searching.rows import Row

# DICOM JSON is UTF-8 (PS3.18, section F.2); HealthImaging serves all that it stores (section C.4.23.1.1 of PS3.3).
_OF_ANY: Final = element("SpecificCharacterSet", ["ISO_IR 192"])
ONLINE: Final = element("InstanceAvailability", ["ONLINE"])
_UIDS: Final = {
    Level.STUDY: ("StudyInstanceUID",),
    Level.SERIES: ("StudyInstanceUID", "SeriesInstanceUID"),
    Level.IMAGE_SET: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
# The levels of DICOM whose attributes are those of an object, beginning with its own: "Series or Instance Level
# Attributes contained in includefield parameters shall not be returned" with studies (PS3.18, section 10.6.3.3.1).
_PLACES: Final = {
    Level.STUDY: (Place.STUDY, Place.PATIENT),
    Level.SERIES: (Place.SERIES, Place.STUDY, Place.PATIENT),
    Level.IMAGE_SET: (Place.INSTANCE, Place.SERIES, Place.STUDY, Place.PATIENT),
}
_OWN_PLACES: Final = {
    Level.STUDY: (Place.STUDY, Place.PATIENT),
    Level.SERIES: (Place.SERIES,),
    Level.IMAGE_SET: (Place.INSTANCE,),
}


def needed(wanted: Wanted, profile: Profile) -> tuple[str, ...] | None:
    """The attributes that rows must have for such an answer (`Search`'s `shown`); None for all.

    Of instances there are none: `of_instances` reads the entries with the pages.
    """
    if wanted.level is Level.IMAGE_SET:
        return ()
    read = [each for each in attributes(wanted, profile) if _is_always_read(each, wanted)]
    missing = [MISSING_IN] if any(each.level is Place.INSTANCE for each in read) else []
    return (*(each.name for each in read), *missing, *private.needed(wanted))


def of_row(row: Row, wanted: Wanted, profile: Profile) -> Elements:
    """The object of a study or a series.

    A required attribute without a value is an element without one. What the profile does not select, or stores no
    values of, is left out; so is what cannot be counted, since the study or series was not read as a whole.
    ModalitiesInStudy is never empty, which viewers cannot read.
    """
    whole = all(item.keys() >= WHOLE for item in row.entries)
    selected = [each for each in attributes(wanted, profile) if whole or _is_always_read(each, wanted)]
    found = common(row.entries, selected) | _computed(row, wanted, profile)
    uids = [row.value(name) for name in _UIDS[wanted.level]]
    if is_addressed(wanted, profile) and all(uids) and retrieving.is_served(row):
        address = retrieving.url(wanted.retrieve_root, row.datastore_id, uids, retrieving.image_set_of(row))
        found |= element("RetrieveURL", [address])
    fill(found, required.of(wanted.level, relational=wanted.relational), selected)
    return in_order(found | private.elements(row, wanted, {each.name for each in selected}))


def attributes(wanted: Wanted, profile: Profile) -> list[Attribute]:
    """The selected attributes that an answer's objects have: required ones first, then what was asked for."""
    instances = profile.instances
    selected = {each.name: each for each in (*profile.attributes, *instances.keep, *instances.geometry)}
    names = [each.keyword for each in required.of(wanted.level, relational=wanted.relational)]
    places = _PLACES[wanted.level]
    names += [name for name in wanted.names if name in selected and selected[name].level in places]
    if wanted.everything:
        places = places if wanted.relational else _OWN_PLACES[wanted.level]
        names += [each.name for each in selected.values() if each.level in places]
    return [selected[name] for name in dict.fromkeys(names) if name in selected and has_values(selected[name])]


def is_addressed(wanted: Wanted, profile: Profile) -> bool:
    """Whether objects have a RetrieveURL: their UIDs are those that HealthImaging knows."""
    return bool(wanted.retrieve_root) and all(profile.policy(name) is Policy.KEEP for name in _UIDS[wanted.level])


def common(entries: Sequence[Item], selected: Iterable[Attribute]) -> Elements:
    """The elements that some entries have together, of those attributes that have values.

    An attribute of the instances is there if all of them have the same value, as far as the entries say.
    """
    found: Elements = dict(_OF_ANY)
    for attribute in selected:
        if attribute.level is Place.INSTANCE:
            add(found, attribute, _shared(entries, attribute))
        else:
            add(found, attribute, values_of(attribute, _first(entries, attribute.name)))
    return found


def fill(found: Elements, wanted: Iterable[Required], selected: Iterable[Attribute]) -> None:
    """Add empty elements for required attributes that have no value, also in the items of sequences."""
    by_name = {each.name: each for each in selected}
    for each in wanted:
        if each.type not in ("U", "R") or each.keyword not in by_name:
            continue
        *path, keyword = each.keyword.split(".")
        nothing = empty(keyword, by_name[each.keyword].vr)
        for place in _items(found, path[0]) if path else [found]:
            place.update(nothing | place)


def _items(found: Elements, sequence: str) -> list[Elements]:
    known = dictionary.lookup(sequence)
    return found[known.tag]["Value"] if known and known.tag in found else []


def _computed(row: Row, wanted: Wanted, profile: Profile) -> Elements:
    """What is made for the answer besides its address: how much there is, and of which modalities."""
    found: Elements = {}
    of_study = wanted.level is Level.STUDY
    if not of_study:
        found |= element("NumberOfSeriesRelatedInstances", [retrieving.instances_of_series(row)])
    if of_study or wanted.relational:
        found |= ONLINE
        study = row.whole if of_study else row.study
        modality = profile.find("Modality")
        if study is not None and modality is not None and has_values(modality):
            found |= element(OF_STUDY, modalities_of(study))
        series, instances = (None, None) if study is None else retrieving.series_and_instances(study)
        found |= element("NumberOfStudyRelatedSeries", [series])
        found |= element("NumberOfStudyRelatedInstances", [instances])
    return found


def _is_always_read(attribute: Attribute, wanted: Wanted) -> bool:
    """Whether entries are read for an attribute, if an index does not hold it.

    None is for a study's time zone, which no index of work lists holds, unless it is asked for.
    """
    of_instances = wanted.level is Level.STUDY and attribute.level is Place.INSTANCE
    return not of_instances or wanted.everything or attribute.name in wanted.names


def _shared(entries: Sequence[Item], attribute: Attribute) -> list[Any]:
    """The values that all instances of some entries have."""
    values = [*_of_instances(entries, attribute)]
    return values[0] if all(each == values[0] for each in values) else []


def _of_instances(entries: Sequence[Item], attribute: Attribute) -> Iterator[list[Any]]:
    for item in entries:
        lacking = attribute.name in (value_of(item, MISSING_IN) or ())
        yield [] if lacking else values_of(attribute, value_of(item, attribute.name))


def _first(entries: Sequence[Item], name: str) -> Any:
    return next((value for item in entries if (value := value_of(item, name)) is not None), None)
