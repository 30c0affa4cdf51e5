"""The parameters of a query: those of the answer, and the keys to match (PS3.18, section 8.3.4)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.qido.keys import spelled
from imaging_index.qido.refusal import Refusal, bad_request
from imaging_index.searching.question import Level, Order

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT: Final = 100
FURTHEST: Final = 10_000
MOST: Final = {Level.STUDY: 1_000, Level.SERIES: 1_000, Level.IMAGE_SET: 5_000}

# API Gateway takes addresses of 10,240 characters; no value is as long.
LONGEST: Final = 16_384
MOST_PARAMETERS: Final = 1_000
_FLAGS: Final = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching", "allcopies")
ONCE: Final = frozenset({*_FLAGS, "limit", "offset", "orderby", "tree", "accept", "charset"})
_INCLUDE: Final = "includefield"
# What rows can be sorted by, and whether the order's own direction is from last to first.
_ORDERS: Final = {
    "StudyDate": (Order.DATE, True),
    "PatientName": (Order.NAME, False),
    "FirstIndexedAt": (Order.ARRIVED, True),
}
_WITH: Final = {"StudyTime": "StudyDate"}


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a query says.

    Attributes:
        limit: how many objects the answer has at most.
        capped: that is fewer than the query asks for, or it does not say how many.
        offset: how many objects come before.
        order: of the objects.
        reverse: that order backwards.
        fuzzy: names match if each word begins one of theirs.
        empty: two quotation marks match what has no value.
        several: values between backslashes must all be there.
        all_copies: image sets that are not primary count like the others.
        accept: media types that are accepted, instead of the header's.
        included: the attributes that objects are asked to have.
        everything: that is all attributes.
        keys: to match, in their order, with their values.
    """

    limit: int
    capped: bool
    offset: int
    order: Order
    reverse: bool
    fuzzy: bool
    empty: bool
    several: bool
    all_copies: bool
    accept: str
    included: tuple[str, ...]
    everything: bool
    keys: tuple[tuple[str, str], ...]


def has_tree(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a query asks for everything of a study."""
    return any(name.lower() == "tree" and value.lower() != "false" for name, value in pairs)


def parse(pairs: Sequence[tuple[str, str]], level: Level) -> Parameters:
    """What a query says, from its names and values.

    Args:
        pairs: the parameters, decoded.
        level: of the objects that are searched for.

    Raises:
        Refusal: it is too long, or a parameter of the answer is invalid or appears twice.
    """
    if len(pairs) > MOST_PARAMETERS or sum(len(name) + len(value) for name, value in pairs) > LONGEST:
        raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "The query is too long: split it into several searches.")
    once: dict[str, str] = {}
    included: list[str] = []
    keys: list[tuple[str, str]] = []
    for name, value in pairs:
        known = name.lower()
        if known in ONCE:
            if value.strip() and known in once:
                raise bad_request(f"The parameter {known} appears twice. Write it once.")
            if value.strip():
                once[known] = value
        elif known == _INCLUDE:
            included += (field for each in value.split(",") if (field := each.strip()))
        elif name:
            keys.append((name, value))
        elif value:
            raise bad_request("A value of the query has no key before it.")
    limit, offset = _whole(once, "limit"), _whole(once, "offset")
    if limit == 0:
        raise bad_request("The limit is at least 1. The number of all is at the same path with /count behind it.")
    if (offset or 0) > FURTHEST:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The offset is {FURTHEST:,} at most. Go on with a narrower search, such as by ranges of StudyDate.",
        )
    order, reverse = _order(once.get("orderby", ""))
    flags = {name: _flag(once, name) for name in _FLAGS}
    return Parameters(
        limit=min(limit or LIMIT, MOST[level]),
        capped=limit is None or limit > MOST[level],
        offset=offset or 0,
        order=order,
        reverse=reverse,
        fuzzy=flags["fuzzymatching"],
        empty=flags["emptyvaluematching"],
        several=flags["multiplevaluematching"],
        all_copies=flags["allcopies"],
        accept=once.get("accept", ""),
        included=tuple(each for each in dict.fromkeys(included) if each.lower() != "all"),
        everything=any(each.lower() == "all" for each in included),
        keys=tuple(keys),
    )


def _whole(once: dict[str, str], name: str) -> int | None:
    """The number of a parameter, None without it."""
    if name not in once:
        return None
    digits = once[name].strip()
    if not re.fullmatch(r"[0-9]+", digits):
        raise bad_request(f"The {name} is a whole number, such as {name}=100.")
    # Python reads so many digits as one likes; no search has as many rows.
    return int(digits[:18]) if len(digits) <= 18 else 10**18


def _flag(once: dict[str, str], name: str) -> bool:
    value = once.get(name, "false").strip().lower()
    if value not in ("true", "false"):
        raise bad_request(f"The parameter {name} is true or false.")
    return value == "true"


def _order(written: str) -> tuple[Order, bool]:
    """The order of a list of attributes, of which those with `-` before them are from last to first."""
    found: dict[tuple[Order, bool], None] = {}
    for each in filter(None, (part.strip() for part in written.split(","))):
        keyword = spelled(each.removeprefix("-"))
        order = _ORDERS.get(_WITH.get(keyword, keyword))
        if order is None:
            raise bad_request(f"Answers are sorted by {', '.join(_ORDERS)}, the last first with - before it.")
        found[order[0], order[1] is not each.startswith("-")] = None
    if len(found) > 1:
        raise bad_request("Answers are sorted by one attribute: write orderby=-StudyDate, for example.")
    return next(iter(found), (Order.DATE, False))
