"""The order of rows, where it is not the order of the index that they were read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.searching.planner import NO_DATE
from imaging_index.searching.question import Order
from imaging_index.searching.rows import digest_of, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging_index.searching.question import Question
    from imaging_index.searching.rows import Row

# What entries have of each order.
SORTED_BY: Final = {
    Order.DATE: STUDY_MOMENT.name,
    Order.ARRIVED: "FirstIndexedAt",
    Order.NAME: PATIENT_NAME_KEY.name,
}


class Rank(msgspec.Struct, frozen=True, array_like=True):
    """What a row is sorted by: whether it lacks what the order is of, this value, and the digest of its key."""

    missing: bool
    value: str
    digest: str


def descends(question: Question) -> bool:
    """Whether a question's order is from last to first: dates and arrivals come newest first, names from A to Z."""
    return (question.order is not Order.NAME) is not question.reverse


def ranked(rows: Iterable[Row], question: Question, after: Rank | None) -> list[tuple[Rank, Row]]:
    """The rows in the order of a question, with their ranks; those without what it is by come last.

    Args:
        rows: any.
        question: theirs.
        after: the rank of a row; only what comes after it is wanted. None for everything.
    """
    backwards = descends(question)
    found = [(_rank(row, question), row) for row in rows]
    found.sort(key=lambda each: each[0].digest)
    found.sort(key=lambda each: each[0].value, reverse=backwards)
    found.sort(key=lambda each: each[0].missing)
    return [each for each in found if after is None or _comes_after(each[0], after, backwards=backwards)]


def _rank(row: Row, question: Question) -> Rank:
    name = SORTED_BY[question.order]
    values = [item[name]["S"] for item in row.entries if name in item]
    values = [value for value in values if not value.startswith(NO_DATE)]
    best = (max if descends(question) else min)(values, default="")
    return Rank(not values, best, digest_of(key_of(row.entries[0], question.level)))


def _comes_after(rank: Rank, other: Rank, *, backwards: bool) -> bool:
    if rank.missing != other.missing:
        return rank.missing
    if rank.value != other.value:
        return (rank.value < other.value) is backwards
    return rank.digest > other.digest
