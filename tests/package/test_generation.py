"""Which of two descriptions of an image set is the newer."""

from hypothesis import given
from hypothesis import strategies as st

from imaging_index.table import generation

VERSIONS = st.integers(1, 9_999_999_999)
REVISIONS = st.integers(1, 999_999)
FORMATS = st.integers(1, 9_999)
REPAIRS = st.integers(0, 9_999) | st.integers(9_990, 10_010) | st.integers(99_990, 100_010) | st.integers(0, 10**20)
PARTS = st.tuples(VERSIONS, REVISIONS, FORMATS, REPAIRS)


@given(PARTS, PARTS)
def test_the_order_of_text_is_the_order_of_the_numbers(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    first, second = generation.make(*one), generation.make(*other)
    assert (first < second, first == second) == (one < other, one == other)


@given(PARTS)
def test_a_tombstone_is_newer_than_everything(parts: tuple[int, int, int, int]) -> None:
    assert generation.make(*parts) < generation.TOMBSTONE


@given(PARTS, PARTS)
def test_a_repair_is_newer_than_what_it_repairs_and_older_than_the_next_version(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    broken, second = generation.make(*one), generation.make(*other)
    repaired = generation.repaired(broken)
    assert broken < repaired
    assert generation.same_but_for_repair(broken, repaired)
    if other[:3] > one[:3]:
        assert repaired < second


def test_repairs_do_not_run_out() -> None:
    last = generation.make(1, 1, 3, 9_999)
    assert last.endswith(".9999")
    for number in range(10_000, 10_003):
        following = generation.repaired(last)
        assert last < following == generation.make(1, 1, 3, number)
        last = following


@given(PARTS, PARTS)
def test_only_the_repair_number_does_not_tell_generations_apart(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    same = generation.same_but_for_repair(generation.make(*one), generation.make(*other))
    assert same == (one[:3] == other[:3])
    assert not generation.same_but_for_repair(generation.make(*one), generation.TOMBSTONE)
