"""The TOML file of a profile, like `profiles/radiology.toml` -> the profile, or all mistakes in the file."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from imaging_index.dicom import dictionary, functional_groups
from imaging_index.dicom.dictionary import Level
from imaging_index.dicom.functional_groups import CONVERTED, PER_FRAME
from imaging_index.profile import declared_indexes, declared_privacy, event_attributes
from imaging_index.profile.attributes import Attribute, SelectionError, select, select_named
from imaging_index.profile.derived import BY_NAME, OF_SLICES, VOLUME
from imaging_index.profile.mistakes import TOO_DEEP, Mistakes, one_line
from imaging_index.profile.privacy import Policy
from imaging_index.profile.profile import ANGLE, Instances, Profile, ProfileError
from imaging_index.profile.schema import (
    LARGEST_ENTRY,
    LONGEST_LIST,
    LONGEST_NAMES_KEPT,
    LONGEST_SEVERAL,
    LONGEST_TEXT,
    MOST_LISTED,
    MOST_VALUES,
    OWN_NAMES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Where an instance lies, and what distinguishes those that lie at one place (PS3.3, sections C.7.6.2 and C.8.3.1).
_GEOMETRY: Final = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "EchoNumbers",
)
# Slices at a larger angle are nearer to another plane.
_WIDEST: Final = 45


def load(path: Path, *, checked: bool = False) -> Profile:
    """The profile of a file; `checked` as `parse` has it.

    Raises:
        ProfileError: naming every mistake in it.
    """
    try:
        text = path.read_text("utf-8-sig")  # some editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(
            [f"The profile {path} cannot be read ({type(error).__name__}). Name a TOML file in UTF-8."]
        ) from None
    return parse(text, checked=checked)


def parse(text: str, *, checked: bool = False) -> Profile:
    """The profile written in `text`; `checked` says that a stack was made from it, which checks pseudonymity.

    Raises:
        ProfileError: naming every mistake in it.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError([one_line(f"The profile is not TOML: {error}.")]) from None
    except (RecursionError, ValueError):
        # Python's own bounds: of nested calls, and of the digits of a number.
        raise ProfileError([TOO_DEEP]) from None
    mistakes = Mistakes(text)
    fields = (
        "revision",
        "attributes",
        "named",
        "privacy",
        "instances",
        "geometry",
        "indexes",
        "events",
        "pseudonymous",
        "retain",
    )
    for field in document:
        if field not in fields:
            mistakes.add(f"Unknown field '{field}'. Allowed fields: {', '.join(fields)}.", field)
    revision = document.get("revision")
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision <= 999_999:
        mistakes.add(
            "The profile needs `revision = 1`, a whole number up to 999999. Raise it with every change.", "revision"
        )
        revision = 1
    selected = _attributes(document, mistakes)
    instances = _instances(document.get("instances", True), mistakes)
    if not checked:
        _check_pseudonymous(document, selected, instances, mistakes)
    private = declared_privacy.read(document.get("privacy", {}), selected, instances.keep, mistakes)
    attributes = _in_columns(declared_privacy.protected(selected, private))
    instances = structs.replace(
        instances,
        keep=tuple(declared_privacy.protected({each.name: each for each in instances.keep}, private).values()),
        geometry=tuple(each for each in instances.geometry if declared_privacy.is_kept(each, private)),
    )
    declared_privacy.check(attributes, instances, private, mistakes)
    angle = _angle(document.get("geometry", {}), mistakes)
    volume = _volume(private) if any(each.name in attributes for each in VOLUME) else ()
    indexes = declared_indexes.read(document.get("indexes", {}), attributes, selected, mistakes)
    events = event_attributes.read(document.get("events"), attributes, selected, mistakes)
    if (size := LONGEST_SEVERAL + sum(map(largest, attributes.values()))) > LARGEST_ENTRY:
        mistakes.add(
            f"An entry of these attributes could have {size} bytes, and DynamoDB takes {LARGEST_ENTRY}; select "
            "fewer lists and attributes of the instances.",
            "attributes",
        )
    mistakes.raise_any()
    warnings = [*_warnings(selected), *declared_indexes.warnings(indexes, attributes)]
    return Profile(
        revision,
        tuple(attributes.values()),
        indexes,
        private,
        instances,
        tuple(warnings),
        events,
        pseudonymous=document.get("pseudonymous", False),
        retained=tuple(document.get("retain", ())),
        volume=volume,
        angle=angle,
    )


def _check_pseudonymous(
    document: Mapping[str, Any], selected: Mapping[str, Attribute], instances: Instances, mistakes: Mistakes
) -> None:
    """Note what a profile that calls itself pseudonymous would still tell of somebody."""
    if not document.keys() & {"pseudonymous", "retain"}:
        return
    # The functions have neither this nor its table: the stack was made from their profile before.
    from imaging_index.profile import pseudonymity

    pseudonymity.check(document, (*selected.values(), *instances.keep), instances, mistakes)


def _attributes(document: Mapping[str, Any], mistakes: Mistakes) -> dict[str, Attribute]:
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
        if name in named and not dictionary.lookup(name):
            mistakes.add(f"'{name}' is a name of the profile's own, which [named.{name}] selects; take it out.", *place)
            continue
        try:
            selected[name] = select(name)
        except SelectionError as error:
            mistakes.add(str(error), *place)
    for name, table in named.items():
        if name in OWN_NAMES or name in BY_NAME:
            mistakes.add(
                f"[named.{name}] cannot have that name, which the index itself uses; choose another.", "named", name
            )
            continue
        try:
            selected[name] = select_named(name, table)
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


def _in_columns(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """The attributes; those of the instances that share a sequence with others say so."""
    # The items of frames are taken apart, since all but a few of their sequences are passed over.
    sequences = Counter(each.sequence for each in attributes.values() if each.level is Level.INSTANCE)
    del sequences[""], sequences[PER_FRAME]
    return {
        name: structs.replace(each, column=each.level is Level.INSTANCE and sequences[each.sequence] > 1)
        for name, each in attributes.items()
    }


def _instances(table: Any, mistakes: Mistakes) -> Instances:
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
            attribute = select(name)
        except SelectionError as error:
            mistakes.add(str(error), *place)
            continue
        # What differs from frame to frame is not a value of the instance.
        sources = tuple(source for source in attribute.sources if source.path[0] != PER_FRAME)
        if attribute.level is not Level.INSTANCE:
            where = f"HealthImaging keeps it with the {attribute.level}"
            mistakes.add(f"[instances] cannot keep '{name}': {where}.", *place)
        elif not sources:
            mistakes.add(f"[instances] cannot keep '{name}', which each frame has its own of; take it out.", *place)
        kept[name] = structs.replace(attribute, sources=sources)
    if (size := sum(map(len, kept))) > LONGEST_NAMES_KEPT:
        mistakes.add(
            f"[instances] keeps attributes whose names have {size} characters, and a page has room for "
            f"{LONGEST_NAMES_KEPT}; keep fewer.",
            "instances",
            "keep",
        )
    return Instances(frames=frames, keep=tuple(kept.values()), geometry=_geometry() if geometry else ())


def _geometry(names: Iterable[str] = _GEOMETRY) -> tuple[Attribute, ...]:
    """The attributes of where an instance lies, without the sequences of converted frames for what has no macro."""
    converted = set(CONVERTED.values())
    return tuple(
        structs.replace(
            each,
            sources=tuple(
                source for source in each.sources if converted.isdisjoint(source.path) and source.part is None
            ),
        )
        for each in map(select, names)
    )


def _volume(private: Mapping[str, Policy]) -> tuple[Attribute, ...]:
    """The attributes that the geometry of a volume is derived from; none where positions or directions are private."""
    # Frames of reference are only told apart, and mapped UIDs are as different as the others.
    hidden = {name: policy for name, policy in private.items() if policy is not Policy.UID}
    kept = tuple(each for each in _geometry(OF_SLICES) if declared_privacy.is_kept(each, hidden))
    return kept if {"ImagePositionPatient", "ImageOrientationPatient"} <= {each.name for each in kept} else ()


def _angle(table: Any, mistakes: Mistakes) -> float:
    """Within how many degrees of a plane slices have its name."""
    angle = table.get("angle", ANGLE) if isinstance(table, dict) else None
    if (
        not isinstance(angle, int | float)
        or isinstance(angle, bool)
        or not 0 < angle <= _WIDEST
        or table.keys() - {"angle"}
    ):
        mistakes.add(
            f"Geometry is a table: [geometry] with angle = {ANGLE}, the degrees within which slices are axial, coronal "
            f"or sagittal, up to {_WIDEST}.",
            "geometry",
        )
        return ANGLE
    return angle


def largest(attribute: Attribute) -> int:
    """How many bytes of an entry the attribute may take (DynamoDB Developer Guide, "Item sizes and formats").

    Without the list of several values, of which the entry has `LONGEST_SEVERAL` for all attributes.
    """
    form = attribute.form
    if form.arrangement == "one":
        size = 2 * LONGEST_TEXT
    elif form.arrangement != "range":
        size = LONGEST_LIST + MOST_VALUES
    elif form.whole:
        size = 2 * MOST_VALUES * 48 + LONGEST_LIST + MOST_LISTED * MOST_VALUES
    else:
        size = (MOST_LISTED + 3) * 48
    # The attribute's name, that of its several values, and in `MissingIn`.
    names = len(attribute.name) * (1 + (not attribute.multiple) + (attribute.level is Level.INSTANCE)) + 32
    return names + size + (LONGEST_TEXT + 64 if attribute.vr == "PN" else 0)


def _warnings(selected: Mapping[str, Attribute]) -> list[str]:
    inside = ((each.name, functional_groups.instead(tuple(each.name.split(".")))) for each in selected.values())
    return [
        f"'{name}' is in functional groups alone, which are looked into for '{keyword}': select that instead."
        for name, keyword in inside
        if keyword
    ] + [
        f"'{keyword}' is retired from DICOM: newer objects do not have it."
        for name in selected
        for keyword in name.split(".")
        if (element := dictionary.lookup(keyword)) and element.retired
    ]
