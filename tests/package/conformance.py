"""How each kind of matching is answered for each VR: the cases, and the table that docs/searching.md has of them."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from imaging_index.profile import toml_file
from imaging_index.searching.matching import Match

NO, POSSIBLE, YES = Match.NO, Match.POSSIBLE, Match.YES
# The condition is refused.
REFUSED: Final = None


class Kind(StrEnum):
    """The kinds of matching, each with its section of PS3.4."""

    SINGLE = "single value C.2.2.2.1"
    LIST = "list of UIDs C.2.2.2.2"
    UNIVERSAL = "universal C.2.2.2.3"
    WILD = "wild card C.2.2.2.4"
    RANGE = "range C.2.2.2.5"
    SEQUENCE = "sequence C.2.2.2.6"
    EMPTY = "empty value C.2.2.2.7"
    MULTIPLE = "multiple values C.2.2.2.8"
    FUZZY = "names by words C.2.2.2.1.1"
    # What an entry holds of the instances, for which the standard has no kind.
    INSTANCES = "instances"


SINGLE, LIST, UNIVERSAL, WILD, RANGE = Kind.SINGLE, Kind.LIST, Kind.UNIVERSAL, Kind.WILD, Kind.RANGE
SEQUENCE, EMPTY, MULTIPLE, FUZZY, INSTANCES = Kind.SEQUENCE, Kind.EMPTY, Kind.MULTIPLE, Kind.FUZZY, Kind.INSTANCES

VRS: Final = (
    *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "SV"),
    *("TM", "UC", "UI", "UL", "UR", "US", "UT", "UV"),
)
TEXTS: Final = ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT")
NUMBERS: Final = ("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV")
TEXT_BUT_CS: Final = tuple(vr for vr in TEXTS if vr != "CS")
# Of each VR two values: what is written for one, and what is stored.
SAMPLES: Final[dict[str, tuple[str, Any]]] = {
    **dict.fromkeys(TEXTS, ("ABC", "ABC")),
    **dict.fromkeys(NUMBERS, ("7", 7)),
    "AS": ("45Y", "045Y"),
    "AT": ("0018A001", "0018A001"),
    "DA": ("2024-01-31", "20240131"),
    "DT": ("20240131120000", "20240131120000"),
    "PN": ("doe^john", "Doe^John"),
    "TM": ("1200", "120000"),
    "UI": ("1.2.3", "1.2.3"),
}
OTHERS: Final[dict[str, tuple[str, Any]]] = {
    **dict.fromkeys(TEXTS, ("DEF", "DEF")),
    **dict.fromkeys(NUMBERS, ("8", 8)),
    "AS": ("46Y", "046Y"),
    "AT": ("0018A002", "0018A002"),
    "DA": ("2024-02-01", "20240201"),
    "DT": ("20240201", "20240201"),
    "PN": ("roe^jane", "Roe^Jane"),
    "TM": ("1300", "130000"),
    "UI": ("1.2.4", "1.2.4"),
}
# An attribute of each VR, `OfAE` and so on: a private element may have any.
PROFILE: Final = toml_file.parse(
    'revision = 1\nattributes = ["StudyInstanceUID"]\n'
    + "".join(
        f'[named.Of{vr}]\nfrom = [{{ creator = "ACME", element = "0101xx{number:02X}", vr = "{vr}" }}]\n'
        for number, vr in enumerate(VRS)
    )
)


# The kind, the VRs, what is written, what is stored, and how it matches.
CASES: Final[list[tuple[Kind, tuple[str, ...], str, Any, Match | None]]] = [
    # Single value matching.
    (SINGLE, TEXTS, "ABC", "ABC", YES),
    (SINGLE, TEXTS, "abc", "ABC", YES),
    (SINGLE, TEXTS, "ABC", "ABCD", NO),
    (SINGLE, TEXTS, "ABC ", "ABC", YES),
    (SINGLE, TEXTS, "AB", ["AB", "CD"], YES),
    (SINGLE, TEXTS, "EF", ["AB", "CD"], NO),
    (SINGLE, TEXTS, "AB", None, NO),
    (SINGLE, ("AE", "CS", "LO", "SH"), " ABC", "ABC", YES),
    (SINGLE, ("LT", "ST", "UC", "UR", "UT"), " ABC", "ABC", NO),
    (SINGLE, ("LO", "PN", "SH"), "A,B", "A,B", YES),
    (SINGLE, ("CS", "LO", "SH"), "B", ["A\\B\\C", "D"], YES),
    (SINGLE, ("LO", "SH"), "A\\B\\C", ["A\\B\\C", "D"], YES),
    (SINGLE, ("LO", "SH"), "A\\B", ["A\\B\\C", "D"], NO),
    # A backslash is a character of these (PS3.5, section 6.2).
    (SINGLE, ("LT", "ST", "UR", "UT"), "B", ["A\\B"], NO),
    (SINGLE, ("LT", "ST", "UR", "UT"), "A\\B", ["A\\B"], YES),
    (SINGLE, NUMBERS, "7", 7, YES),
    (SINGLE, NUMBERS, "007", 7, YES),
    (SINGLE, NUMBERS, "+7", 7, YES),
    (SINGLE, NUMBERS, "7.0", 7, YES),
    (SINGLE, NUMBERS, "-7", 7, NO),
    (SINGLE, NUMBERS, "7", [6, 7], YES),
    (SINGLE, NUMBERS, "7", None, NO),
    (SINGLE, ("AS",), "45Y", "045Y", YES),
    (SINGLE, ("AS",), "045Y", "045Y", YES),
    (SINGLE, ("AS",), "045M", "045Y", NO),
    (SINGLE, ("AT",), "0018A001", "0018A001", YES),
    (SINGLE, ("AT",), "0018a001", "0018A001", YES),
    (SINGLE, ("UI",), "1.2.3", "1.2.3", YES),
    (SINGLE, ("UI",), "1.2.3", "1.2.34", NO),
    (SINGLE, ("DA",), "20240131", "20240131", YES),
    (SINGLE, ("DA",), "2024.01.31", "20240131", YES),
    (SINGLE, ("DA",), "2024-01-31", "20240131", YES),
    (SINGLE, ("DA",), "today", "20240131", YES),
    (SINGLE, ("DA",), "yesterday", "20240130", YES),
    (SINGLE, ("DA",), "20240131", "20240130", NO),
    (SINGLE, ("TM",), "2230", "223000", YES),
    (SINGLE, ("TM",), "22:30", "223000", YES),
    (SINGLE, ("TM",), "223000.0", "223000", YES),
    (SINGLE, ("TM",), "223000.5", "223000.5", YES),
    (SINGLE, ("TM",), "223000", "223000.000001", NO),
    (SINGLE, ("DT",), "20240101120000+0100", "20240101110000+0000", YES),
    (SINGLE, ("DT",), "20240101120000", "20240101120000+0000", YES),
    (SINGLE, ("DT",), "20240101120000", "20240101120000.5", NO),
    # Names: case, accents and how they are separated do not matter; the whole or one of its groups.
    (SINGLE, ("PN",), "Doe^John", "DOE^John", YES),
    (SINGLE, ("PN",), "doe^john", "Doe^John^^^", YES),
    (SINGLE, ("PN",), "doe john", "Doe^John", YES),
    (SINGLE, ("PN",), "doe", "Doe^John", NO),
    (SINGLE, ("PN",), "muller", "Müller", YES),
    (SINGLE, ("PN",), "Yamada^Tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    (SINGLE, ("PN",), "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    (SINGLE, ("PN",), "やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    (SINGLE, ("PN",), "山田", "Yamada^Tarou=山田^太郎=やまだ^たろう", NO),
    (SINGLE, ("AT",), "(0018,A001)", "0018A001", YES),
    (SINGLE, ("AT",), "0018A001", "0018A002", NO),
    (SINGLE, ("TM",), "2230", "223001", NO),
    (SINGLE, ("DT",), "2024-01-31", "20240131120000", YES),
    (SINGLE, ("DT",), "202401", "20240131", YES),
    (SINGLE, ("DT",), "today", "20240201", NO),
    (SINGLE, ("DT",), "2024-01-31T12:00", "20240131120000", YES),
    (SINGLE, ("DT",), "2024-01-31T12:00", "20240131120001", NO),
    # The standard allows a name's words in another order: without ^ the given names may come first.
    (SINGLE, ("PN",), "John Doe", "Doe^John", YES),
    (SINGLE, ("PN",), "Anna de la Cruz", "de la Cruz^Anna", YES),
    (SINGLE, ("PN",), "Doe, John", "Doe^John", YES),
    (SINGLE, ("PN",), "John^Doe", "Doe^John", NO),
    (SINGLE, ("PN",), "John, Doe", "Doe^John", NO),
    # List of UID matching; several values of CS as viewers write them (PS3.18, section 8.3.4.1).
    (LIST, ("UI",), "1.2,1.3", "1.3", YES),
    (LIST, ("UI",), "1.2\\1.3", "1.3", YES),
    (LIST, ("UI",), "1.2,1.3", "1.4", NO),
    (LIST, ("UI",), "1.2,1.3", ["1.4", "1.2"], YES),
    (LIST, ("CS",), "CT,MR", "MR", YES),
    (LIST, ("CS",), "CT,MR", "US", NO),
    (LIST, (*TEXT_BUT_CS, "PN"), "A,B", "A,B", YES),
    (LIST, (*TEXT_BUT_CS, "PN"), "A,B", "A", NO),
    (LIST, ("AS", "AT", "DA", "DT", "TM", *NUMBERS), "1,2", None, REFUSED),
    # Universal matching is no condition; `*` alone asks for any value.
    (UNIVERSAL, TEXTS, "*", "ABC", YES),
    (UNIVERSAL, TEXTS, "*", None, NO),
    (UNIVERSAL, NUMBERS, "*", 0, YES),
    (UNIVERSAL, NUMBERS, "*", None, NO),
    (UNIVERSAL, ("AS", "AT", "DA", "DT", "PN", "TM", "UI"), "*", None, NO),
    *((UNIVERSAL, (vr,), "*", kept, YES) for vr, (_, kept) in SAMPLES.items()),
    # Wild card matching.
    (WILD, TEXTS, "A*", "ABC", YES),
    (WILD, TEXTS, "*C", "ABC", YES),
    (WILD, TEXTS, "*B*", "ABC", YES),
    (WILD, TEXTS, "A?C", "ABC", YES),
    (WILD, TEXTS, "A?", "ABC", NO),
    (WILD, TEXTS, "A*", "BAC", NO),
    (WILD, TEXTS, "[A]*", "[A]BC", YES),
    (WILD, TEXTS, "[A]*", "ABC", NO),
    (WILD, TEXTS, "a*", ["BC", "ABC"], YES),
    (WILD, TEXTS, "a*", None, NO),
    (WILD, ("PN",), "doe*", "Doe^John", YES),
    (WILD, ("PN",), "doe*", "Doering^John", YES),
    (WILD, ("PN",), "doe^*", "Doe^John", YES),
    (WILD, ("PN",), "doe^*", "Doering^John", NO),
    (WILD, ("PN",), "*john", "Doe^John", YES),
    (WILD, ("PN",), "*JOHN*", "Doe^Johnny", YES),
    (WILD, ("PN",), "d?e^john", "Doe^John", YES),
    (WILD, ("PN",), "山*", "Yamada^Tarou=山田^太郎", YES),
    (WILD, ("AS", "AT", "DA", "DT", "TM", "UI", *NUMBERS), "1*", None, REFUSED),
    (WILD, ("AS", "AT", "DA", "DT", "TM", "UI", *NUMBERS), "?", None, REFUSED),
    # Range matching.
    (RANGE, ("DA",), "20240101-20240131", "20240131", YES),
    (RANGE, ("DA",), "20240101-20240131", "20240201", NO),
    (RANGE, ("DA",), "20240101-", "20991231", YES),
    (RANGE, ("DA",), "-20240101", "20240101", YES),
    (RANGE, ("DA",), "-20240101", "20240102", NO),
    (RANGE, ("DA",), "2024-01-01-2024-01-31", "20240115", YES),
    (RANGE, ("DA",), "202401", "20240131", YES),
    (RANGE, ("DA",), "202401", "20240201", NO),
    (RANGE, ("DA",), "2024", "20241231", YES),
    (RANGE, ("DA",), "2023-2024", "20241231", YES),
    (RANGE, ("DA",), "2023-2024", "20221231", NO),
    (RANGE, ("DA",), "20240101-20240131", None, NO),
    (RANGE, ("TM",), "0800-0835", "083559.999999", YES),
    (RANGE, ("TM",), "0800-0835", "083600", NO),
    (RANGE, ("TM",), "08-", "235959", YES),
    (RANGE, ("TM",), "-08", "085959", YES),
    (RANGE, ("TM",), "-08", "090000", NO),
    (RANGE, ("DT",), "2024-2025", "20251231235959", YES),
    (RANGE, ("DT",), "20240101-20240102", "20240102235959.999999", YES),
    (RANGE, ("DT",), "20240101-20240102", "20240103", NO),
    (RANGE, ("DT",), "-20240101", "20240101235959", YES),
    (RANGE, ("DT",), "20240101-0500", "20240101050000+0000", YES),
    (RANGE, ("DT",), "20240101000000-0500-20240101010000-0500", "20240101053000+0000", YES),
    (RANGE, ("DA",), "2024-01-01..2024-01-31", "20240115", YES),
    (RANGE, ("DA",), "..20240101", "20240102", NO),
    (RANGE, ("DA",), "yesterday-", "20240131", YES),
    (RANGE, ("DA",), "2023-12..2024-01", "20240201", NO),
    (RANGE, ("TM",), "08:00-08:35", "083559.999999", YES),
    (RANGE, ("TM",), "08..09", "095959", YES),
    (RANGE, ("TM",), "0835..", "083459", NO),
    (RANGE, ("DT",), "2024-01-01-2024-01-02", "20240102235959", YES),
    (RANGE, ("DT",), "2024-01-01..today", "20240201", NO),
    # A hyphen is a character of these.
    (RANGE, (*TEXTS, "PN", "UI"), "1-2", "1-2", YES),
    (RANGE, (*TEXTS, "PN", "UI"), "1-3", "2", NO),
    (RANGE, ("AT",), "00180001-00180003", None, REFUSED),
    (RANGE, (*TEXTS, "UI"), "1..3", None, REFUSED),
    (RANGE, ("TM",), "2200-0600", None, REFUSED),
    # Ranges of ages are ours, by years.
    (RANGE, ("AS",), "60Y..80Y", "060Y", YES),
    (RANGE, ("AS",), "60Y..80Y", "081Y", NO),
    (RANGE, ("AS",), "18M..", "002Y", YES),
    (RANGE, ("AS",), "..18M", "002Y", NO),
    (RANGE, ("AS",), "20D..4W", ["", "003W"], YES),
    # Ranges of numbers are ours.
    (RANGE, NUMBERS, "5..7", 7, YES),
    (RANGE, NUMBERS, "5..7", 8, NO),
    (RANGE, NUMBERS, "5..", 8, YES),
    (RANGE, NUMBERS, "..5", 8, NO),
    (RANGE, NUMBERS, "5..7", [8, 6], YES),
    (RANGE, ("DS", "FD", "FL"), "0.5..0.75", Decimal("0.75"), YES),
    # Empty value matching.
    (EMPTY, VRS, "", None, YES),
    (EMPTY, TEXTS, "", "ABC", NO),
    (EMPTY, NUMBERS, "", 0, NO),
    *((EMPTY, (vr,), "", kept, NO) for vr, (_, kept) in SAMPLES.items()),
    # Fuzzy semantic matching: words begin words of the name, in any order.
    (FUZZY, ("PN",), "~jo", "Doe^John=山田", YES),
    (FUZZY, ("PN",), "~john doe", "Doe^John=山田", YES),
    (FUZZY, ("PN",), "~doe jane", "Doe^John=山田", NO),
    (FUZZY, ("PN",), "~ohn", "Doe^John=山田", NO),
    (FUZZY, ("PN",), "~山", "Doe^John=山田", YES),
    (FUZZY, tuple(vr for vr in VRS if vr != "PN"), "~1", None, REFUSED),
    # What an entry holds of the instances.
    (INSTANCES, NUMBERS, "3", {"Min": 1, "Max": 5}, POSSIBLE),
    (INSTANCES, NUMBERS, "1", {"Min": 1, "Max": 5}, YES),
    (INSTANCES, NUMBERS, "5", {"Min": 1, "Max": 5}, YES),
    (INSTANCES, NUMBERS, "6", {"Min": 1, "Max": 5}, NO),
    (INSTANCES, NUMBERS, "3", {"Min": 1, "Max": 5, "Values": [1, 2, 5]}, NO),
    (INSTANCES, NUMBERS, "2", {"Min": 1, "Max": 5, "Values": [1, 2, 5]}, YES),
    (INSTANCES, NUMBERS, "3", {"Min": 3, "Max": 3}, YES),
    (INSTANCES, NUMBERS, "2..3", {"Min": 1, "Max": 5}, POSSIBLE),
    (INSTANCES, NUMBERS, "0..1", {"Min": 1, "Max": 5}, YES),
    (INSTANCES, NUMBERS, "4..9", {"Min": 1, "Max": 5}, YES),
    (INSTANCES, NUMBERS, "0..9", {"Min": 1, "Max": 5}, YES),
    (INSTANCES, NUMBERS, "6..", {"Min": 1, "Max": 5}, NO),
    (INSTANCES, NUMBERS, "2", {"Min": [1, 2], "Max": [1, 2]}, YES),
    (INSTANCES, NUMBERS, "3", {"Min": [1, 2], "Max": [1, 4]}, POSSIBLE),
    (INSTANCES, NUMBERS, "3", {"Min": [1, 2], "Max": [1, 4], "Values": [[1, 2], [1, 4]]}, NO),
    (INSTANCES, ("DA",), "20240115", {"Min": "20240101", "Max": "20240131"}, POSSIBLE),
    (INSTANCES, ("DA",), "20240101-20240105", {"Min": "20240101", "Max": "20240131"}, YES),
    (INSTANCES, ("DA",), "20240105-20240110", {"Min": "20240101", "Max": "20240131"}, POSSIBLE),
    (INSTANCES, ("TM",), "1200", {"Min": "113000", "Max": "123000.5"}, POSSIBLE),
    (INSTANCES, ("DT",), "20240101113000+0000", {"Min": "20240101120000+0100", "Max": "20240101120000+0000"}, POSSIBLE),
]

# How each kind is answered, by VR: as the standard has it; `ours` where it has no such matching; as `text`, where what
# is written is no sign but a character; or it is `refused`.
CELLS: Final[dict[Kind, dict[str, tuple[str, ...]]]] = {
    SINGLE: {"yes": VRS},
    LIST: {
        "yes": ("UI",),
        "ours": ("CS",),
        "text": (*TEXT_BUT_CS, "PN"),
        "refused": ("AS", "AT", "DA", "DT", "TM", *NUMBERS),
    },
    UNIVERSAL: {"yes": VRS},
    WILD: {"yes": (*TEXTS, "PN"), "refused": ("AS", "AT", "DA", "DT", "TM", "UI", *NUMBERS)},
    RANGE: {
        "yes": ("DA", "DT", "TM"),
        "ours": ("AS", *NUMBERS),
        "text": (*TEXTS, "PN", "UI"),
        "refused": ("AT",),
    },
    SEQUENCE: {"yes": VRS},
    EMPTY: {"yes": VRS},
    MULTIPLE: {
        "yes": ("AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"),
        "ours": ("DA", "DT", "TM", "UI", *NUMBERS),
        # These have one value (PS3.5, section 6.2).
        "refused": ("LT", "ST", "UR", "UT"),
    },
    FUZZY: {"yes": ("PN",), "refused": tuple(vr for vr in VRS if vr != "PN")},
}


def how(kind: Kind, vr: str) -> str:
    """How a kind of matching is answered for a VR."""
    (answer,) = (answer for answer, vrs in CELLS[kind].items() if vr in vrs)
    return answer


def table() -> str:
    """The table of all kinds and VRs in Markdown, with the VRs together that are answered alike."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for vr in sorted(VRS):
        groups.setdefault(tuple(how(kind, vr) for kind in CELLS), []).append(vr)
    titles = [kind.rpartition(" ")[::2] for kind in CELLS]
    lines = ["VR | " + " | ".join(f"{title}, {section}" for title, section in titles), "--- | " * len(titles) + "---"]
    lines += [" | ".join((", ".join(vrs), *answers)) for answers, vrs in groups.items()]
    return "".join(f"| {line} |\n" for line in lines)
