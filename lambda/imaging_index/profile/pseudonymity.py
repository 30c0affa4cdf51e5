"""What a profile that calls itself pseudonymous must say: a policy for whatever may identify somebody.

That is each attribute of PS3.15, table E.1-1, each person's name, date, private element, free text, address and UID of
an object, whether at the top, in a sequence, or in a sequence that is removed as a whole. The functions do without this
module and its table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import deidentification, dictionary
from imaging_index.profile.declared_privacy import OF_PAGES, is_of_a_kind
from imaging_index.profile.derived import PATIENT_AGE
from imaging_index.profile.privacy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imaging_index.profile.attributes import Attribute, Source
    from imaging_index.profile.mistakes import Mistakes
    from imaging_index.profile.profile import Instances

_FREE_TEXT: Final = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_OF_TIME: Final = frozenset({"DA", "DT", "TM"})
# UIDs of coding schemes and their contexts, beside those of kinds of objects (PS3.3, section 8).
_OF_CODES: Final = frozenset({"CodingSchemeUID", "ContextUID", "ContextGroupExtensionCreatorUID", "MappingResourceUID"})
# Texts that equipment writes, or that a coding scheme has. None of them is in the table.
_NOT_FREE: Final = frozenset(
    {
        *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel", "FilterType"),
        *("SequenceName", "PulseSequenceName", "ReceiveCoilName", "TransmitCoilName", "ReconstructionMethod"),
        *("AttenuationCorrectionMethod", "ScatterCorrectionMethod", "RandomsCorrectionMethod"),
        *("CodeValue", "LongCodeValue", "CodeMeaning", "CodingSchemeDesignator", "CodingSchemeVersion"),
    }
)


def check(
    document: Mapping[str, Any], attributes: Iterable[Attribute], instances: Instances, mistakes: Mistakes
) -> None:
    """Note what is wrong with the fields `pseudonymous` and `retain`, and what the policies let somebody be known by.

    Args:
        document: the profile's file.
        attributes: all that it selects for entries and pages, also those that [privacy] drops.
        instances: what it keeps of them.
        mistakes: where to note.
    """
    if not isinstance(document.get("pseudonymous", False), bool):
        mistakes.add("Write pseudonymous = true or false.", "pseudonymous")
        return
    retained = _retained(document, mistakes)
    table = document.get("privacy", {})
    if not document.get("pseudonymous") or not isinstance(table, dict):
        return
    for attribute in {each.name: each for each in attributes}.values():
        word = table.get(attribute.name)
        for why, options in _reasons(attribute):
            if word is None:
                policy = " or ".join(f'"{each}"' for each in _policies(attribute))
                mistakes.add(f"[privacy] says nothing of {attribute.name}, {why}; add {policy} for it.", "privacy")
                break
            if word == Policy.KEEP and not set(options) & set(retained):
                how = f" retain = [{' or '.join(map(repr, options))}] allows that." if options else ""
                mistakes.add(f"[privacy] keeps {attribute.name}, {why}.{how}", "privacy", attribute.name)
                break
    for name in OF_PAGES:
        word = table.get(name, Policy.KEEP)
        # Of several series, an entry lists the UIDs whether these are selected or not.
        if word == Policy.KEEP and "uids" not in retained and (instances.on or name == OF_PAGES[0]):
            mistakes.add(
                f'[privacy] keeps {name}, which entries or pages have in any case; add `{name} = "uid"`.', "privacy"
            )


def _retained(document: Mapping[str, Any], mistakes: Mistakes) -> list[str]:
    """The options whose names are in `retain`."""
    names = document.get("retain", [])
    known = ", ".join(f'"{name}"' for name in deidentification.OPTIONS)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        mistakes.add(f"Write retain = [...] with names of options: {known}.", "retain")
        return []
    if names and not document.get("pseudonymous"):
        mistakes.add("`retain` is for a profile with pseudonymous = true; add that, or take retain out.", "retain")
    for at, name in enumerate(names):
        if name not in deidentification.OPTIONS:
            meant = dictionary.nearest(name, deidentification.OPTIONS)
            hint = f" Did you mean '{meant}'?" if meant else f" Options that retain something: {known}."
            mistakes.add(f"`retain` names '{name}', which no option is called.{hint}", "retain", at)
    return names


def _reasons(attribute: Attribute) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Why an attribute may identify somebody, each reason with the options that retain such values all the same."""
    if attribute.name == PATIENT_AGE.name:
        line = deidentification.line("PatientAge")
        yield "which is derived from PatientAge", line.retained_by if line else ()
    for source in attribute.sources:
        if source.creator:
            yield "which is read from a private element", ()
            continue
        *_, last = keywords = [*_keywords(source)]
        lines = {keyword: line for keyword in keywords if (line := deidentification.line(keyword))}
        for keyword, line in lines.items():
            yield f"which is read from {keyword} (PS3.15, table E.1-1)", line.retained_by
        element = dictionary.lookup(last)
        vr = element.vr if element else attribute.vr
        if last in lines:
            continue
        if vr == "PN":
            yield "which is a person's name", ()
        elif vr in _OF_TIME:
            yield "which is a date or a time", ()
        elif vr in _FREE_TEXT and last not in _NOT_FREE:
            yield "which is free text", ()
        elif vr == "UI" and last not in _OF_CODES and not is_of_a_kind(last):
            yield "which is the UID of an object", ("uids",)
        elif vr == "UR":
            yield "which is an address", ()


def _keywords(source: Source) -> Iterator[str]:
    """The keywords of a source's path, also where it has tags."""
    for each in source.path:
        yield dictionary.keyword_of(each) or each


def _policies(attribute: Attribute) -> list[Policy]:
    """The policies that an attribute may have, the most useful one first."""
    if attribute.name == PATIENT_AGE.name:
        return [Policy.CAP, Policy.DROP]
    by_vr = {"UI": Policy.UID, "DA": Policy.SHIFT, "DT": Policy.SHIFT, "AS": Policy.CAP}
    return [by_vr.get(attribute.vr, Policy.HASH), Policy.DROP]
