"""The difference of two sets of image sets, in memory of the size of the difference and not of the sets.

An invertible Bloom lookup table (Goodrich and Mitzenmacher, "Invertible Bloom Lookup Tables", 2011), with sums in place
of exclusive-ors: what was added twice by mistake is then one more on that side, and does not vanish.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Three cells for each image set, one in each third. This many cells decode at least 3,000 differences.
CELLS: Final = 4_608
_THIRDS: Final = 3

# A cell is a sum modulo 2^256 of image sets' numbers. The number of one is, from the lowest bit on: its id, which is 32
# characters of 36 (166 bits); a check of 58 bits; and a one.
_BITS: Final = 256
_MODULUS: Final = 1 << _BITS
_ID_BITS: Final = 166
_CHECK_BITS: Final = 58
_ONE: Final = 1 << (_ID_BITS + _CHECK_BITS)
_CELL_BYTES: Final = _BITS // 8
_ID_LENGTH: Final = 32
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

# How often one image set may be on one side more than on the other and still be decoded.
_MOST_OFTEN: Final = 4


class Digest:
    """What was added more often than it was taken off, and the other way round."""

    def __init__(self, cells: int = CELLS) -> None:
        """An empty one. `cells` is a multiple of 3: 1.5 for each difference are enough."""
        self._third = cells // _THIRDS
        self._cells = [0] * cells

    @classmethod
    def unpacked(cls, packed: bytes) -> Digest:
        """The digest that `packed` made these bytes of."""
        digest = cls(0)
        digest._cells = [
            int.from_bytes(packed[start : start + _CELL_BYTES], "big") for start in range(0, len(packed), _CELL_BYTES)
        ]
        digest._third = len(digest._cells) // _THIRDS
        return digest

    def packed(self) -> bytes:
        """32 bytes a cell."""
        return b"".join((cell % _MODULUS).to_bytes(_CELL_BYTES, "big") for cell in self._cells)

    def __len__(self) -> int:
        """How many cells it has."""
        return len(self._cells)

    def add(self, image_set_ids: Iterable[str]) -> None:
        """Add image sets."""
        self._sum(image_set_ids, 1)

    def take_off(self, image_set_ids: Iterable[str]) -> None:
        """Take image sets off, whether they were added or not."""
        self._sum(image_set_ids, -1)

    def taken_off(self) -> list[str] | None:
        """The image sets that were taken off more often than added, sorted; None for too many differences."""
        cells = [cell % _MODULUS for cell in self._cells]
        left = [place for place, cell in enumerate(cells) if cell]
        found = []
        while left:
            if (pure := _pure(cells[left.pop()])) is None:
                continue
            number, times = pure
            for place in self._places(number):
                cells[place] = (cells[place] - times * number) % _MODULUS
                if cells[place]:
                    left.append(place)
            if times < 0:
                found.append(_id(number))
        return None if any(cells) else sorted(found)

    def _sum(self, image_set_ids: Iterable[str], times: int) -> None:
        cells, third = self._cells, self._third
        for image_set_id in image_set_ids:
            check = _hash(image_set_id)
            number = int(image_set_id, 36) | ((check & _CHECKS) << _ID_BITS) | _ONE
            signed = number * times
            first, second, last = _thirds(check, third)
            cells[first] += signed
            cells[third + second] += signed
            cells[third + third + last] += signed

    def _places(self, number: int) -> Iterator[int]:
        for nth, place in enumerate(_thirds(_hash(_id(number)), self._third)):
            yield nth * self._third + place


_CHECKS: Final = (1 << _CHECK_BITS) - 1
_PLACE_BITS: Final = 32
_PLACES: Final = (1 << _PLACE_BITS) - 1


def _hash(image_set_id: str) -> int:
    """Random bits of an id: 58 for its check, and 32 for each of its places."""
    return int.from_bytes(hashlib.blake2b(image_set_id.encode(), digest_size=20).digest(), "big")


def _thirds(bits: int, third: int) -> tuple[int, int, int]:
    """The place in each third."""
    bits >>= _CHECK_BITS
    return (
        (bits & _PLACES) % third,
        (bits >> _PLACE_BITS & _PLACES) % third,
        (bits >> 2 * _PLACE_BITS & _PLACES) % third,
    )


def _pure(cell: int) -> tuple[int, int] | None:
    """The number of the only image set in a cell, and how often it was added; negative if taken off."""
    signed = cell - _MODULUS if cell > _MODULUS // 2 else cell
    for times in range(1, _MOST_OFTEN + 1):
        number, rest = divmod(abs(signed), times)
        # One bit at the top, and a check that is the id's: a sum of several has both once in 10^17.
        if not rest and number >> (_ID_BITS + _CHECK_BITS) == 1:
            ours = number & ((1 << _ID_BITS) - 1)
            if ours < _IDS and (_hash(_id(number)) & _CHECKS) == (number >> _ID_BITS & _CHECKS):
                return number, times if signed > 0 else -times
    return None


_IDS: Final = len(_DIGITS) ** _ID_LENGTH


def _id(number: int) -> str:
    """The id in an image set's number."""
    rest = number & ((1 << _ID_BITS) - 1)
    digits = []
    for _ in range(_ID_LENGTH):
        rest, digit = divmod(rest, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
