"""Writes the two dictionaries of lambda/imaging_index from pydicom's. Run it when pydicom was upgraded.

Two columns of dictionary.tsv stay as they are. `level` was read from AWS HealthImaging's developer guide, "Metadata
normalization". `newer` marks what HealthImaging's dictionary, PS3.6 2022b, may not have: the keywords that came after
pydicom 2.3, the last release before June 2022 (some of them may be of 2022a or b; looking for one in two places does
no harm). A keyword that pydicom adds is newer.

private_dictionary.tsv has the VR of each private element that is searchable, by creator.
"""

from pathlib import Path

from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries

from imaging_index.dicom import MOMENTS, NUMBERS, TEXTS
from imaging_index.selection import PRIVATE

FOLDER = Path(__file__).parent.parent / "lambda" / "imaging_index"
HEADER = "keyword\ttag\tvr\tvm\tlevel\tretired\tnewer"
HEADER_PRIVATE = "creator\telement\tvr"


def main() -> None:
    """Rewrite the files, a line for each element, in the order of tags."""
    _write("dictionary.tsv", HEADER, public())
    _write("private_dictionary.tsv", HEADER_PRIVATE, private())


def public() -> list[str]:
    """The lines of DICOM's own elements."""
    rows = [line.split("\t") for line in (FOLDER / "dictionary.tsv").read_text("utf-8").splitlines()[1:]]
    kept = {row[0]: (row[4], row[6]) for row in rows}
    lines = []
    for tag, (vr, vm, _, retired, keyword) in sorted(DicomDictionary.items()):
        if keyword:
            level, newer = kept.get(keyword, ("Instance", "newer"))
            lines.append(f"{keyword}\t{tag:08X}\t{vr}\t{vm}\t{level}\t{'retired' if retired else ''}\t{newer}")
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


def _write(name: str, header: str, lines: list[str]) -> None:
    (FOLDER / name).write_text("\n".join((header, *lines)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
