"""The policies that a profile's file declares in its table [privacy], and which of them go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from imaging_index.dicom import dictionary
from imaging_index.profile.derived import PATIENT_AGE, SELECTED
from imaging_index.profile.privacy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.mistakes import Mistakes
    from imaging_index.profile.profile import Instances

_WORDS: Final = ", ".join(f'"{policy}"' for policy in Policy)
# What these say is what a reader of the object must know, and the same in all of them.
_OF_KINDS: Final = ("SOPClass", "TransferSyntax")
# What the pages have of each instance whatever is selected, and of a set of several series the entry.
OF_PAGES: Final = ("SeriesInstanceUID", "SOPInstanceUID")


def read(
    table: Any, selected: Mapping[str, Attribute], kept: Iterable[Attribute], mistakes: Mistakes
) -> dict[str, Policy]:
    """What is not stored as it is, by the attribute's name or a keyword that it is read from.

    Whatever else reads the same keyword, at any depth, needs a word of its own.
    """
    if not isinstance(table, dict):
        mistakes.add('Privacy is a table: [privacy] with lines like PatientName = "drop".', "privacy")
        return {}
    private = {}
    every = {each.name: each for each in kept} | dict(selected)
    for name, word in table.items():
        where = ("privacy", name)
        if word not in list(Policy):
            mistakes.add(f"[privacy] needs one of {_WORDS} for {name}.", *where)
        elif name not in every and not dictionary.lookup(name):
            meant = dictionary.nearest(name, [*every, *dictionary.keywords()])
            hint = f" Did you mean '{meant}'?" if meant else ""
            mistakes.add(f"[privacy] names '{name}', which is neither selected nor a DICOM keyword.{hint}", *where)
        elif wrong := _wrong_policy(Policy(word), name, every.get(name)):
            mistakes.add(f"[privacy] cannot {word} {name}, {wrong}", *where)
        elif word != Policy.KEEP:
            private[name] = Policy(word)
    for name, attribute in every.items():
        named = not dictionary.lookup(name.partition(".")[0])
        # A part of a DT is not read where that is private.
        sources = [source for source in attribute.sources if source.part is None]
        whole = {".".join(source.path) for source in sources} - {name}
        for read in sorted(whole & private.keys()):
            if private.get(name) not in (private[read], Policy.DROP):
                mistakes.add(
                    f"{f'[named.{name}]' if named else name} reads {read}, whose plain value [privacy] does "
                    f'not allow; add `{name} = "{private[read]}"` to [privacy].',
                    *(("named", name) if named else ("privacy", read)),
                )
        parts = {keyword for source in sources for keyword in source.path} - whole - {name}
        for part in sorted(parts & private.keys()) if name not in table else ():
            mistakes.add(
                f"[privacy] has {part}, and '{name}' may contain the same value; "
                f'add "{name}" with a policy of its own.',
                "privacy",
                part,
            )
    if private.get("PatientAge") is Policy.CAP and PATIENT_AGE.name not in table:
        private[PATIENT_AGE.name] = Policy.CAP
    return private


def protected(selected: Mapping[str, Attribute], private: Mapping[str, Policy]) -> dict[str, Attribute]:
    """The attributes that are not dropped, each with its policy, and without parts of a private DT as sources."""
    return {
        name: structs.replace(
            attribute,
            policy=private.get(name, Policy.KEEP),
            sources=tuple(
                each
                for each in attribute.sources
                if each.part is None or private.get(each.path[0], Policy.SHIFT) is Policy.SHIFT
            ),
        )
        for name, attribute in selected.items()
        if private.get(name) is not Policy.DROP
    }


def is_kept(attribute: Attribute, private: Mapping[str, Policy]) -> bool:
    """Whether nothing that an attribute is read from is private."""
    return private.keys().isdisjoint(keyword for source in attribute.sources for keyword in source.path)


def check(
    attributes: Mapping[str, Attribute], instances: Instances, private: Mapping[str, Policy], mistakes: Mistakes
) -> None:
    """Note where some policies undo others: `attributes` and those of `instances` are those that are not dropped."""
    shifts = any(each.policy is Policy.SHIFT for each in attributes.values())
    caps = any(each.policy is Policy.CAP for each in attributes.values())
    for at, each in enumerate(instances.keep):
        if each.policy is Policy.SHIFT or ((shifts or caps) and each.policy is Policy.KEEP and each.is_date):
            mistakes.add(
                f"[instances] cannot keep '{each.name}', since pages are written before the patient is known, and so "
                "the days of its shift and the age; take it out.",
                *("instances", "keep", at),
            )
    stored = (*attributes.values(), *instances.keep)
    for each in stored if shifts else ():
        # Equal tokens of two patients' days would tell by how much the shifts of both differ.
        if each.policy in (Policy.KEEP, Policy.HASH) and each.is_date:
            mistakes.add(
                f"[privacy] shifts other dates than {each.name}, whose days would tell by how much; add "
                f'`"{each.name}" = "shift"`.',
                "privacy",
            )
    kept = [each for each in stored if each.policy is Policy.KEEP]
    for each in kept if shifts else ():
        if each.vr == "UI" and not _names_a_kind(each.name, each):
            mistakes.add(_of_uid(each.name), "privacy")
    for name in OF_PAGES if shifts and instances.on else ():
        if name not in private and name not in attributes:
            mistakes.add(_of_uid(name), "privacy")
    for each in kept if caps else ():
        if each.vr == "AS" or each.name == PATIENT_AGE.name:
            mistakes.add(f'[privacy] caps other ages than {each.name}; add `"{each.name}" = "cap"`.', "privacy")


def _of_uid(name: str) -> str:
    return (
        f"[privacy] shifts dates, and a UID like {name} often has the moment in it when it was made; add "
        f'`"{name}" = "uid"`.'
    )


def _wrong_policy(policy: Policy, name: str, attribute: Attribute | None) -> str | None:
    """Why an attribute cannot have a policy, and what to do; None when it can."""
    element = dictionary.lookup(name)
    vr = attribute.vr if attribute else element.vr if element else ""
    of_age = name == PATIENT_AGE.name
    if of_age and policy not in (Policy.KEEP, Policy.DROP, Policy.CAP):
        return "which is a number of its own; cap or drop it."
    if name in SELECTED and not of_age and policy not in (Policy.KEEP, Policy.DROP):
        return "which is derived; drop it."
    if policy is Policy.UID and vr != "UI":
        return f"which holds {vr or 'no value'} and no UIDs; hash or drop it."
    if policy is Policy.UID and _names_a_kind(name, attribute):
        return "which says of what kind an object is, and identifies nobody; keep it."
    if policy is Policy.SHIFT and vr not in ("DA", "DT"):
        return f"which holds {vr or 'no value'} and no dates; keep, hash or drop it."
    if policy is Policy.CAP and vr != "AS" and not of_age:
        return f"which holds {vr or 'no value'} and no ages; keep, hash or drop it."
    return None


def _names_a_kind(name: str, attribute: Attribute | None) -> bool:
    """Whether any of the UIDs that an attribute is read from names a kind of objects and no object."""
    sources = attribute.sources if attribute else ()
    return any(map(is_of_a_kind, {name, *(source.path[-1] for source in sources)}))


def is_of_a_kind(keyword: str) -> bool:
    """Whether the UIDs of a keyword name a kind of objects and no object."""
    return any(kind in keyword for kind in _OF_KINDS)
