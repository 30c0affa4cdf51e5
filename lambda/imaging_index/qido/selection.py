"""The attributes that an answer's objects have, as far as the profile selects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.dicom.dictionary import Level as Place
from imaging_index.profile.privacy import Policy
from imaging_index.qido import private, required
from imaging_index.qido.elements import MISSING_IN, has_values
from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile
    from imaging_index.qido.wanted import Wanted

# What names an object in an address.
UIDS: Final = {
    Level.STUDY: ("StudyInstanceUID",),
    Level.SERIES: ("StudyInstanceUID", "SeriesInstanceUID"),
    Level.IMAGE_SET: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
# The levels of DICOM whose attributes an object may have, and those that are its own. "Series or Instance Level
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


def is_always_read(attribute: Attribute, wanted: Wanted) -> bool:
    """Whether entries are read for an attribute, if an index does not hold it.

    None is for a study's time zone, which no index of work lists holds, unless it is asked for.
    """
    of_instances = wanted.level is Level.STUDY and attribute.level is Place.INSTANCE
    return not of_instances or wanted.everything or attribute.name in wanted.names


def needed(wanted: Wanted, profile: Profile) -> tuple[str, ...] | None:
    """The attributes that rows must have for such an answer (`Search`'s `shown`); None for all.

    Of instances there are none: `of_instances` reads the entries with the pages.
    """
    if wanted.level is Level.IMAGE_SET:
        return ()
    read = [each for each in attributes(wanted, profile) if is_always_read(each, wanted)]
    missing = [MISSING_IN] if any(each.level is Place.INSTANCE for each in read) else []
    return (*(each.name for each in read), *missing, *private.needed(wanted))


def is_addressed(wanted: Wanted, profile: Profile) -> bool:
    """Whether objects have a RetrieveURL: their UIDs are those that HealthImaging knows."""
    return bool(wanted.retrieve_root) and all(profile.policy(name) is Policy.KEEP for name in UIDS[wanted.level])
