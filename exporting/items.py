"""Items on their way to rows: lines of DynamoDB's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

from imaging_index.entry.entry import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from imaging_index.profile.profile import Profile

# What is parsed together: more does not fit a processor's cache.
_PARSED: Final = 8 * 2**20
_FORMAT_AT: Final = (18, 22)


def moment() -> str:
    """Now, as an export states it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def pieces(items: Iterable[bytes]) -> Iterable[bytes]:
    """Lines, as many together as are parsed together."""
    held: list[bytes] = []
    size = 0
    for lines in items:
        held.append(lines)
        size += len(lines)
        if size >= _PARSED:
            yield b"\n".join(held)
            held, size = [], 0
    yield b"\n".join(held)


def outdated(rows: pa.Table, profile: Profile) -> int:
    """How many entries are of another profile or an older format, whose columns may be empty."""
    if not len(rows):
        return 0
    # As `generation.make` has it: a version, a revision, a format.
    formats = pc.utf8_slice_codeunits(rows["Generation"], *_FORMAT_AT)
    hashes = pc.fill_null(rows["ProfileHash"], "")
    current = pc.and_(pc.equal(hashes, profile.hash), pc.equal(formats, f"{FORMAT:04}"))
    return int(pc.sum(pc.invert(current)).as_py() or 0)
