"""The profile: which DICOM attributes the index holds, the indexes over them, and what is not stored.

The stack makes the table's indexes from it, and the function the entries. `toml_file` reads it from its TOML file.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

import msgspec

from imaging_index.dicom import dictionary
from imaging_index.dicom.dictionary import Level
from imaging_index.dicom.functional_groups import PER_FRAME
from imaging_index.profile.attributes import Attribute, Source
from imaging_index.profile.derived import PATIENT_AGE
from imaging_index.profile.privacy import KEYED, Policy
from imaging_index.profile.schema import OWN_KEYS

_ZONE: Final = Source(("TimezoneOffsetFromUTC",))
# What names a patient, whose dates are all shifted alike; without an id, the study.
IDENTITY: Final = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")
# With another hash all entries would be written anew.
_IN_HASH: Final = {Policy.KEEP: False, Policy.HASH: True}


# Degrees.
ANGLE: Final = 10


class ProfileError(ValueError):
    """A profile that cannot be used. Its text has one line for each mistake, and says what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))


class Index(msgspec.Struct, frozen=True):
    """The key attributes of one global secondary index, and what else it holds of an entry.

    `holds` has the names of the other attributes; None means all of them. An index also holds its own key attributes
    and those of the table (Amazon DynamoDB API Reference, "Projection").
    """

    partition: tuple[str, ...]
    sort: tuple[str, ...]
    holds: tuple[str, ...] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its key attributes."""
        return (*self.partition, *self.sort)

    @property
    def by_study(self) -> bool:
        """Whether the index answers which image sets a study has."""
        return "StudyInstanceUID" in self.partition and set(self.partition) <= {"StudyInstanceUID", "DatastoreId"}


class Instances(msgspec.Struct, frozen=True, array_like=True):
    """What the pages keep of each instance, besides what they always keep: nothing at all when not `on`."""

    on: bool = True
    frames: bool = True
    keep: tuple[Attribute, ...] = ()
    geometry: tuple[Attribute, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """What was selected. `private` has the policies of what is not kept; `warnings` is for the author.

    `events` has the names of the attributes that the index's own events have. `pseudonymous` says that whatever may
    identify somebody has a policy, and `retained` the options of de-identification under which some of it is kept. All
    three leave entries as they are.

    `volume` has what the geometry of a volume is derived from, if any of that is selected and nothing private is in
    the way; `angle` is within how many degrees of a plane slices have its name.
    """

    revision: int
    attributes: tuple[Attribute, ...]
    indexes: Mapping[str, Index]
    private: Mapping[str, Policy]
    instances: Instances
    warnings: tuple[str, ...]
    events: tuple[str, ...] = ()
    pseudonymous: bool = False
    retained: tuple[str, ...] = ()
    volume: tuple[Attribute, ...] = ()
    angle: float = ANGLE

    @property
    def hash(self) -> str:
        """Stands for all that decides what an entry holds, in 16 hexadecimal digits."""
        # Keys count, since an attribute that is one is never cut. What else an index holds leaves entries as they are.
        keys = sorted([sorted(index.partition), sorted(index.sort)] for index in self.indexes.values())
        instances = [self.instances.on, self.instances.frames]
        content = [_contents(self.attributes), keys, sorted(self.private.items())]
        content.append([[*instances, _contents(self.instances.keep), _contents(self.instances.geometry)]])
        if self.volume:
            content.append([_contents(self.volume), self.angle])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def keys(self) -> frozenset[str]:
        """The names of all attributes that are a key of some index."""
        return frozenset(key for index in self.indexes.values() for key in index.keys)

    @property
    def hashes(self) -> bool:
        """Whether some attribute is hashed."""
        return Policy.HASH in self.private.values()

    @property
    def keyed(self) -> bool:
        """Whether some policy needs a key, which the function has from the stack."""
        return not KEYED.isdisjoint(self.private.values())

    @property
    def shifts(self) -> bool:
        """Whether some dates of an entry are shifted, so that it has no moments of its own."""
        return any(each.policy is Policy.SHIFT for each in self.attributes)

    @property
    def caps(self) -> bool:
        """Whether an entry tells no age over 89."""
        return any(each.policy is Policy.CAP for each in self.attributes)

    @property
    def why_no_stable_studies(self) -> str | None:
        """Why no study can be announced as stable under this profile, and what to do; None if that is possible.

        HealthImaging is asked for a study by its UID, which only entries have, and the index by study finds these.
        """
        uid = "StudyInstanceUID"
        attribute = self.find(uid)
        if self.policy(uid) is not Policy.KEEP or (attribute and attribute.policy is not Policy.KEEP):
            return f"[privacy] does not keep {uid}, by which HealthImaging is asked for a study. Keep it."
        if attribute is None:
            return f"The profile does not select {uid}. Add it to `attributes`."
        if not any(index.by_study for index in self.indexes.values()):
            return f'No index finds the image sets of a study. Declare one with partition = ["{uid}"].'
        return None

    @property
    def why_no_events(self) -> str | None:
        """Why no event may say of an image set that it was indexed, and what to do; None if that is possible."""
        if self.shifts:
            return "[privacy] shifts dates, and the time of an event would tell by how many days. Leave events off."
        return None

    @property
    def why_no_dicomweb(self) -> str | None:
        """Why viewers cannot search under this profile, and what to do; None if that is possible.

        A viewer asks HealthImaging for what it found, by UIDs that only HealthImaging's own are.
        """
        if self.shifts or Policy.UID in self.private.values():
            return "[privacy] maps UIDs or shifts dates, which no viewer knows. Search with imaging-index search."
        return None

    def policy(self, keyword: str) -> Policy:
        """What becomes of a keyword's values."""
        return self.private.get(keyword, Policy.KEEP)

    def at(self, level: Level) -> tuple[Attribute, ...]:
        """The attributes of one level, in the order of the profile."""
        return tuple(attribute for attribute in self.attributes if attribute.level is level)

    @property
    def read(self) -> tuple[Attribute, ...]:
        """The attributes that a document is read for: those of the entry, and those that the pages have."""
        return (*self.attributes, *self.instances.keep, *self.instances.geometry, *self.volume)

    def keywords(self, level: Level) -> frozenset[str]:
        """The top keywords that a document is read for at one level."""
        read = [attribute for attribute in self.read if attribute.level is level]
        sources = chain.from_iterable((*attribute.sources, *self.zone(attribute)) for attribute in read)
        public = (source for source in sources if source.vr is None)
        keywords = {keyword for source in public for keyword in (source.path[0], *source.unless)}
        more = [*(PATIENT_AGE.made_of if self.caps or self.find(PATIENT_AGE.name) else ())]
        more += IDENTITY if self.shifts else ()
        elements = map(dictionary.lookup, more)
        return frozenset(keywords | {element.keyword for element in elements if element and element.level is level})

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
        """The attributes of the instances, those together whose values are in the same rows."""
        groups: dict[str, list[Attribute]] = {}
        for each in self.at(Level.INSTANCE):
            groups.setdefault(each.sequence if each.column else each.name, []).append(each)
        return [*groups.values()]

    def zone(self, attribute: Attribute) -> tuple[Source, ...]:
        """The source of what orders a DT of the instances that has no offset; none where that is private."""
        return (_ZONE,) if attribute.by_instant and _ZONE.path[0] not in self.private else ()

    def in_order(self) -> frozenset[str]:
        """The sequences in an item of PerFrameFunctionalGroupsSequence whose values are kept frame by frame."""
        placed = (*self.instances.geometry, *self.volume)
        paths = (source.path for attribute in placed for source in attribute.sources)
        return frozenset(path[1] for path in paths if path[0] == PER_FRAME)

    def find(self, name: str) -> Attribute | None:
        """The selected attribute of a name, or None."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def key_type(self, name: str) -> str:
        """The DynamoDB type, `S` or `N`, of an attribute that an index names."""
        attribute = self.find(name)
        if attribute is None:
            return OWN_KEYS[name]
        return attribute.form.type


def _contents(attributes: Iterable[Attribute]) -> list[Any]:
    """Attributes as the hash has them: with whether they are hashed, as before there were policies."""
    place = Attribute.__struct_fields__.index("policy")
    contents = [msgspec.to_builtins(each) for each in attributes]
    for content in contents:
        content[place] = _IN_HASH.get(content[place], content[place])
    return contents
