"""Each mistake in a profile is told with its line, whatever comments and layout the file has."""

import re
import sys
import tomllib
from itertools import accumulate
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.profile.profile import ProfileError
from imaging_index.profile.toml_file import parse
from imaging_index.profile.toml_lines import Lines, Step

_MESSAGE: Final = re.compile(r"(?:line ([0-9]+): )?(.*)")

# Profiles with mistakes in all layouts that TOML has, and of each mistake what its line contains.
USUAL: tuple[str, dict[str, str | None]] = (
    '''\
revision = 0
frames = true
attributes = [
  "PatientID", "PatientName", "StudyDate",  # of the patient and the study
  "Modalty",
  "PatientID",
  "OtherPatientIDsSequence.PatientID",
]
# sort = ["Rows"] is summed up
[named.BValue]
from = [
  "DiffusionBValue",
  { creator = "SIEMENS MR HEADER", element = "0018xx0C" },
]
[named.Dose]
vr = "SQ"
from = ["KVP"]
[named.StudyMoment]
from = ["StudyDate"]
[privacy]
PatientID = "hash"
PatientNme = "drop"
[instances]
keep = [
  "Rows",
  "StudyID",
]
[indexes.patient]
partition = ["PatientID", "Rows"]
sort = [
  "ImageSetId",
  "StudyDate",
]
[indexes.none]
partition = ["DatastoreId"]
projection = """
[indexes.none]
sort = ["ImageSetId"] # not a comment
"""
''',
    {
        "The profile needs `revision": "revision =",
        "Unknown field 'frames'": "frames =",
        "'Modalty' is not": '"Modalty"',
        "'PatientID' is selected twice": '"PatientID", "PatientName"',
        "[named.BValue] has a private element": '"0018xx0C"',
        '[named.Dose] needs vr = "..."': 'vr = "SQ"',
        "[named.StudyMoment] cannot have": "[named.StudyMoment]",
        "[privacy] names 'PatientNme'": "PatientNme =",
        "[privacy] has PatientID": "PatientID =",
        "[instances] cannot keep 'StudyID'": '"StudyID"',
        "[indexes.patient] names 'Rows'": '"Rows"]',
        "[indexes.patient] sorts by 'StudyDate'": '"StudyDate",',
        "[indexes.none] needs sort": "[indexes.none]",
        "[indexes.none] has an unknown field 'projection'": "projection =",
    },
)
UNUSUAL: tuple[str, dict[str, str | None]] = (
    """\
"attributes" = ['Modality', 'Modalty']
indexes.a-b.partition = ['Modality', 'Modality']
indexes . "a-b" . 'sort' = [
  'ImageSetID'
]
indexes."c.d" = { partition = ['PatientId'], sort = ['ImageSetId'] }
privacy = { PatientNme = 'drop', PatientName = 'dropp' }
""",
    {
        "The profile needs `revision": None,
        "'Modalty' is not": "'Modalty'",
        "[indexes.a-b] names 'Modality' twice": "indexes.a-b.partition",
        "[indexes.a-b] names 'ImageSetID'": "'ImageSetID'",
        "[indexes.c.d] names 'PatientId'": '"c.d"',
        "[privacy] names 'PatientNme'": "PatientNme =",
        '"shift", "cap" for PatientName': "PatientName =",
    },
)
ARRAYS_OF_TABLES: tuple[str, dict[str, str | None]] = (
    """\
revision = 1
attributes = ["Modality"]
[[named.A.from]]
path = "KVP"
[named.A.from.component]
a = 1
[[named.A.from]]
path = "Rowz"
[[named.B.from]]
path = "Rows"
[[named.B.from]]
path = "Rowz"
[[indexes.abc]]
partition = ["Modality"]
""",
    {
        "[named.A] needs whole numbers": "[named.A.from.component]",
        "'Rowz' is not": 'path = "Rowz"',
        "Indexes are tables": "[[indexes.abc]]",
    },
)
BROKEN: Final = [USUAL, UNUSUAL, ARRAYS_OF_TABLES]

UNKNOWN: Final = (
    "Unknown field 'a'. Allowed fields: revision, attributes, named, privacy, instances, geometry, indexes, events, "
    "pseudonymous, retain."
)
TOO_DEEP: Final = "The profile has brackets nested by the hundred, or a number of thousands of digits: take them out."

COMMENTS = st.sampled_from(
    [
        "#",
        '# see [indexes.a] below; "PatientSex" too',
        "# frames are kept",
        '# revision = 1, attributes = ["PatientID", "Modalty"]',
        "# '''",
        '# """ [indexes.none] [indexes.patient] [named.Dose] [privacy] sort partition',
        "# \u2028 ] } \\",
    ]
)


def mistakes(text: str) -> list[tuple[int, str]]:
    """The line of each mistake, 0 without one, and what it is."""
    with pytest.raises(ProfileError) as refused:
        parse(text)
    matches = [_MESSAGE.fullmatch(line) for line in str(refused.value).splitlines()]
    return [(int(match[1] or 0), match[2]) for match in matches if match]


def test_a_comment_that_names_a_table_and_a_key_moves_no_mistake_to_its_line() -> None:
    text = (
        '# see [indexes.a] below; "PatientSex" too\nrevision = 1\nattributes = ["PatientID"]\n'
        '[indexes.a]\npartition = ["PatientSex"]\nsort = ["ImageSetId"]\n'
    )
    assert [line for line, _ in mistakes(text)] == [4, 5]


def test_a_comment_that_names_a_table_moves_no_mistake_to_the_attributes() -> None:
    text = (
        "# [indexes.patient] is by date\nrevision = 1\n"
        'attributes = ["PatientID", "StudyDate"]\n\n[indexes.patient]\npartition = ["PatientID"]\n\n'
        'sort = ["StudyDate"]\n'
    )
    assert [line for line, _ in mistakes(text)] == [8]


def test_a_comment_that_has_an_unknown_field_as_a_word_is_not_that_field() -> None:
    text = '# frames are kept\nrevision = 1\nattributes = ["PatientID"]\nframes = true\n'
    assert [line for line, _ in mistakes(text)] == [4]


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=["usual", "unusual", "arrays"])
def test_the_line_of_each_mistake_contains_its_key_or_table(text: str, expected: dict[str, str | None]) -> None:
    found = mistakes(text)
    lines = text.split("\n")
    for fragment, words in expected.items():
        at = [line for line, message in found if fragment in message]
        assert at, fragment
        for line in at:
            assert (words in lines[line - 1]) if words else not line, (fragment, line)
    assert all(any(fragment in message for fragment in expected) for _, message in found), found


@given(st.sampled_from([text for text, _ in BROKEN]), st.data())
def test_comments_anywhere_move_each_mistake_by_the_lines_before_it(text: str, data: st.DataObject) -> None:
    lines = text.removesuffix("\n").split("\n")
    inside = _within_strings(lines)
    before = [data.draw(st.lists(COMMENTS, max_size=0 if inside[at] else 2)) for at in range(len(lines))]
    trailing = [
        data.draw(st.just("") if inside[at + 1] or at + 1 == len(lines) else st.just("") | COMMENTS.map(" {}".format))
        for at in range(len(lines))
    ]
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    commented = [
        row
        for comments, line, behind in zip(before, lines, trailing, strict=True)
        for row in (*comments, line + behind)
    ]
    moved = [0, *accumulate(len(comments) for comments in before)]
    expected = [(line + (moved[line] if line else 0), message) for line, message in mistakes(text)]
    assert mistakes(ending.join(commented) + ending) == expected


def _within_strings(lines: list[str]) -> list[bool]:
    """Of each line and the end, whether it begins within a string, where no comment can be."""
    document = tomllib.loads("\n".join(lines))
    return [tomllib.loads("\n".join([*lines[:at], "#", *lines[at:]])) != document for at in range(len(lines) + 1)]


def test_every_key_and_value_has_the_line_on_which_it_begins() -> None:
    text = (
        r"""
a.b = [ 1, # one
  { c = "\"]}#", 'd e' = ''']
#''''', f = [
]}, [ """
        + '"""\\"""]\n""""" ,\n'
        + r"""1979-05-27 07:32:00, [], ], -1.5e3 ] # ]
"q.\u0041" . g = "'''" # "
[ x . y ] # z
h = true
[[ x.'z' ]]
i = 1
[x.z.k]
[[x.z]]
i = {}
[x]
"""
    )
    expected: dict[tuple[Step, ...], int] = {
        ("a",): 2,
        ("a", "b"): 2,
        ("a", "b", 0): 2,
        ("a", "b", 1): 3,
        ("a", "b", 1, "c"): 3,
        ("a", "b", 1, "d e"): 3,
        ("a", "b", 1, "f"): 4,
        ("a", "b", 2): 5,
        ("a", "b", 2, 0): 5,
        ("a", "b", 2, 1): 7,
        ("a", "b", 2, 2): 7,
        ("a", "b", 3): 7,
        ("q.A",): 8,
        ("q.A", "g"): 8,
        ("x",): 16,
        ("x", "y"): 9,
        ("x", "y", "h"): 10,
        ("x", "z"): 11,
        ("x", "z", 0): 11,
        ("x", "z", 0, "i"): 12,
        ("x", "z", 0, "k"): 13,
        ("x", "z", 1): 14,
        ("x", "z", 1, "i"): 15,
    }
    paths = _paths(tomllib.loads(text))
    assert paths == expected.keys()
    lines = Lines(text)
    assert {path: lines.line(*path) for path in paths} == expected
    assert lines.line("a", "b", 2, 7, "none") == 5
    assert lines.line("none") == 0


def _paths(value: Any) -> set[tuple[Step, ...]]:
    """The paths to all that is in a TOML value."""
    inner: dict[Step, Any] = {}
    inner |= value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
    return {(step, *rest) for step, each in inner.items() for rest in ((), *_paths(each))}


def test_a_mistake_in_toml_at_the_edge_of_pythons_bounds_is_told_all_the_same() -> None:
    told = set()
    for depth in range(sys.getrecursionlimit() // 2 - 60, sys.getrecursionlimit() // 2 + 10):
        found = mistakes(f"a = {'[' * depth}{']' * depth}")
        assert (1, UNKNOWN) in found or [message for _, message in found] == [TOO_DEEP]
        told |= {message for _, message in found}
    assert {UNKNOWN, TOO_DEEP} <= told
