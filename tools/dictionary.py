"""Writes the two dictionaries of lambda/imaging_index/dicom from pydicom's. Run it when pydicom was upgraded.

dictionary.tsv takes two columns from files beside this one, which are kept by hand:

- levels.tsv has the `level` of each attribute that does not stay with the instances, as AWS HealthImaging's developer
  guide has it, "Metadata normalization".
- newer.txt lists what HealthImaging's dictionary, PS3.6 2022b, may not have: the keywords that came after pydicom 2.3,
  the last release from before June 2022 (some of them may be of 2022a or b; to look for one in two places does no
  harm). A keyword that pydicom adds belongs there.

private_dictionary.tsv has the VR of each private element that is searchable, by creator.
"""

import sys
from pathlib import Path
from typing import Final

from pydicom._private_dict import private_dictionaries
from pydicom.datadict import get_entry, keyword_dict

from imaging_index.dicom.vrs import MOMENTS, NUMBERS, TEXTS
from imaging_index.profile.attributes import PRIVATE

FOLDER = Path(__file__).parent.parent / "lambda" / "imaging_index" / "dicom"
HEADER = "keyword\ttag\tvr\tvm\tlevel\tretired\tnewer"
HEADER_PRIVATE = "creator\telement\tvr"

# How many keywords are not newer. They stay in the dictionary when they are retired.
_OF_2022B: Final = 4898


def main() -> None:
    """Rewrite the files, a line for each element, in the order of tags."""
    _write("dictionary.tsv", HEADER, public())
    _write("private_dictionary.tsv", HEADER_PRIVATE, private())


def public() -> list[str]:
    """The lines of DICOM's own elements.

    Raises:
        SystemExit: a file that is kept by hand does not fit pydicom's dictionary.
    """
    levels = dict(line.split("\t") for line in _kept("levels.tsv"))
    newer = set(_kept("newer.txt"))
    tags = {keyword: tag for keyword, tag in keyword_dict.items() if keyword}
    if gone := (levels.keys() | newer) - tags.keys():
        sys.exit(f"pydicom has no keyword {', '.join(sorted(gone))}: mend tools/levels.tsv and tools/newer.txt.")
    if added := len(tags) - len(newer) - _OF_2022B:
        sys.exit(
            f"pydicom's keywords are {added} more than those of PS3.6 2022b and of tools/newer.txt: list them there."
        )
    lines = []
    for keyword, tag in sorted(tags.items(), key=lambda each: each[1]):
        vr, vm, _, retired, _ = get_entry(tag)
        # An empty level is Instance: the word itself would be in the function's package 4,945 times.
        marks = f"{levels.get(keyword, '')}\t{'retired' if retired else ''}\t{'newer' if keyword in newer else ''}"
        lines.append(f"{keyword}\t{tag:08X}\t{vr}\t{vm}\t{marks}")
    return lines


def private() -> list[str]:
    """The lines of private elements that are in a block of their creator and have one VR that can be searched."""
    found: dict[tuple[str, str], set[str]] = {}
    for creator, elements in private_dictionaries.items():
        for element, (vr, *_) in elements.items():
            if PRIVATE.fullmatch(element) and creator.isascii():
                key = creator.strip().upper(), f"{element[:4].upper()}xx{element[6:].upper()}"
                found.setdefault(key, set()).add(vr)
    searchable = NUMBERS | MOMENTS | TEXTS
    # Creators that differ only in case are one. If they disagree, the VR is unknown.
    return [
        "\t".join((*key, *vrs)) for key, vrs in sorted(found.items()) if len(vrs) == 1 and vrs <= searchable and key[0]
    ]


def _kept(name: str) -> list[str]:
    """The lines of a file that is kept by hand."""
    return Path(__file__).with_name(name).read_text("utf-8").splitlines()


def _write(name: str, header: str, lines: list[str]) -> None:
    (FOLDER / name).write_text("\n".join((header, *lines)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
