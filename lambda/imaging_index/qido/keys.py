"""The attributes that the keys of a query name: by keyword, by tag, or by a path of both through sequences."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom import dictionary
from imaging_index.entry.pages import COLUMNS
from imaging_index.profile.attributes import select
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import OWN_NAMES
from imaging_index.qido.private import PRIVATE
from imaging_index.qido.refusal import Refusal, bad_request
from imaging_index.searching import names
from imaging_index.searching.errors import SearchError
from imaging_index.searching.names import OF_STUDY, Named
from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from imaging_index.profile.profile import Profile

_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
# Slim asks for the name of a patient by the name of this VR, which is the keyword of an attribute of documents.
_ALIASES: Final = {"PersonName": "PatientName"}
# What an answer has of its own (PS3.18, section 10.6.3.3), and cannot be searched by.
_OF_ANSWERS: Final = frozenset(
    {
        "RetrieveURL",
        "InstanceAvailability",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
    }
)
# An answer that ignored one of these, or a UID, would show the studies of others as those that were asked for.
_OF_IDENTITY: Final = (
    *("PatientName", "PersonName", "PatientID", "OtherPatientIDs", "OtherPatientIDsSequence", "IssuerOfPatientID"),
    *("PatientBirthDate", "AccessionNumber"),
)


def spelled(written: str) -> str:
    """A key with the keywords of the tags in it; what is not in the dictionary is left as it is."""
    return ".".join(map(_keyword, written.split(".")))


def _keyword(part: str) -> str:
    match = _TAG.fullmatch(part)
    return (match and dictionary.keyword_of((match[1] + match[2]).upper())) or part


class Keys:
    """What can be searched by under a profile."""

    def __init__(self, profile: Profile) -> None:
        kept = [select(name) for name in COLUMNS if dictionary.lookup(name)]
        kept = [msgspec.structs.replace(each, policy=profile.policy(each.name)) for each in kept]
        # What the pages have of each instance, by name.
        self._of_instances = {
            each.name: Named(each.name, each.vr, each)
            for each in (*kept, *profile.instances.keep)
            if each.policy is not Policy.DROP
        }
        self._selected = [attribute.name for attribute in profile.attributes]
        # By a path in lower-case letters, the attributes at it or in it.
        self._within: dict[str, list[str]] = {}
        for name in self._selected:
            parts = name.lower().split(".")
            for end in range(len(parts)):
                self._within.setdefault(".".join(parts[: end + 1]), []).append(name)
        for each in PRIVATE:
            self._within |= {key.lower(): [each.name] for key in (each.name, each.tag)}
        self._entries: dict[str, Named] = {}
        for name in (*sorted(OWN_NAMES), OF_STUDY, *self._selected):
            try:
                self._entries[name.lower()] = names.find(name, profile)
            except SearchError:
                continue

    def find(self, key: str, level: Level) -> Named:
        """The attribute of a key, as `spelled` returns it, that objects of a level are searched by.

        Raises:
            Refusal: there is none; the sentence says why, and names the attribute that was most likely meant.
        """
        name = self._known(key)
        if named := self._entries.get(name.lower()):
            return named
        if level is Level.IMAGE_SET and (named := self._of_instances.get(name)):
            return named
        raise self._refusal(name)

    def is_of_entries(self, name: str) -> bool:
        """Whether entries have an attribute."""
        return name.lower() in self._entries

    def is_of_instances(self, name: str) -> bool:
        """Whether the pages have an attribute of each instance."""
        return name in self._of_instances

    def selected(self, key: str) -> tuple[str, ...]:
        """The attributes that a key names for an answer: a selected one, all in a sequence, one of the index's own."""
        return tuple(self._within.get(self._known(key).lower(), ()))

    def may_be_ignored(self, key: str) -> bool:
        """Whether an answer without regard to a key is not taken for what it is not: it is none of identity."""
        parts = self._known(key).split(".")
        return not any(part.lower().endswith(("uid", "uids")) or _is_of_identity(part) for part in parts)

    def _known(self, key: str) -> str:
        return key if key in self._selected else _ALIASES.get(key, key)

    def _refusal(self, name: str) -> Refusal:
        """Why a key names nothing to search by. What is not in the dictionary is not repeated: it may be a value."""
        path = name.split(".")
        if name in _OF_ANSWERS:
            return bad_request(f"{name} is made for each answer, and cannot be searched by.")
        if name in self._of_instances:
            return bad_request(
                f"{name} is of single instances: search for it in /studies/{{study}}/instances or /instances."
            )
        if self.selected(name):
            return bad_request(f"{name} is a sequence: search by an attribute in it, like {self.selected(name)[0]}.")
        if all(map(dictionary.lookup, path)):
            near = dictionary.nearest(name, self._selected)
            meant = f" Did you mean {near}?" if near else ""
            return bad_request(f"The profile does not select {name}, so that it cannot be searched by.{meant}")
        near = dictionary.nearest(name, self._selected) or dictionary.nearest(name)
        meant = f" Did you mean {near}?" if near else " Write keywords like StudyDate, or tags like 00080020."
        return bad_request(f"A key of the query is not a DICOM keyword or tag.{meant}")


def _is_of_identity(part: str) -> bool:
    """Whether a keyword is one of identity, or a word that was surely meant as such a one."""
    if dictionary.lookup(part):
        return part in _OF_IDENTITY
    known = [each.lower() for each in _OF_IDENTITY]
    return bool(difflib.get_close_matches(part.lower(), known, n=1, cutoff=0.8))
