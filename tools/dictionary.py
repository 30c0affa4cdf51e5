"""Writes lambda/imaging_index/dictionary.tsv from pydicom's data dictionary, to be run when pydicom was raised.

The levels stay as they stand in the column `level`, which is kept by hand: they were read from AWS HealthImaging's
developer guide, "Metadata normalization".
"""

from pathlib import Path

from pydicom._dicom_dict import DicomDictionary

FILE = Path(__file__).parent.parent / "lambda" / "imaging_index" / "dictionary.tsv"
HEADER = "keyword\ttag\tvr\tvm\tlevel\tretired"


def main() -> None:
    """Rewrite the file, one line an attribute, in the order of tags."""
    rows = [line.split("\t") for line in FILE.read_text("utf-8").splitlines()[1:]]
    levels = {row[0]: row[4] for row in rows}
    lines = [HEADER]
    for tag, (vr, vm, _, retired, keyword) in sorted(DicomDictionary.items()):
        if keyword:
            level = levels.get(keyword, "Instance")
            lines.append(f"{keyword}\t{tag:08X}\t{vr}\t{vm}\t{level}\t{'retired' if retired else ''}")
    FILE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
