"""The digest names what is in the table and not in the lists, in memory of the size of the difference."""

import random

import pytest

from imaging_index.reconciling.digest import CELLS, Digest

CHANCE = random.Random(15)
MANY = 1_000_000
DIFFERENCES = 3_000


def image_sets(count: int, alphabet: str = "0123456789abcdef") -> list[str]:
    return ["".join(CHANCE.choices(alphabet, k=32)) for _ in range(count)]


@pytest.mark.long
def test_three_thousand_differences_among_a_million_are_named_exactly() -> None:
    ids = [f"{CHANCE.getrandbits(128):032x}" for _ in range(MANY)]
    only_listed, both, only_in_table = ids[:1_000], ids[1_000:-2_000], ids[-2_000:]
    assert len(only_listed) + len(only_in_table) == DIFFERENCES
    digest = Digest()
    digest.add(only_listed + both)
    digest.take_off(both + only_in_table)
    packed = digest.packed()
    assert len(packed) == 147_456  # as docs/reconcile.md, docs/scale.md and the bill have it
    assert Digest.unpacked(packed).taken_off() == sorted(only_in_table)


def test_three_thousand_differences_are_decoded_whatever_they_are() -> None:
    for _ in range(10):
        ids = image_sets(DIFFERENCES)
        digest = Digest()
        digest.take_off(ids)
        assert digest.taken_off() == sorted(ids)


def test_more_differences_than_it_decodes_are_reported_and_not_guessed() -> None:
    digest = Digest()
    digest.take_off(image_sets(CELLS))
    assert digest.taken_off() is None
    twice = Digest(2 * CELLS)
    twice.take_off(ids := image_sets(CELLS))
    assert twice.taken_off() == sorted(ids)


def test_what_was_added_twice_by_mistake_hides_nothing_and_accuses_nobody() -> None:
    listed, ghosts = image_sets(1_000), image_sets(100)
    digest = Digest()
    digest.add(listed + listed[:300])
    digest.take_off(listed + ghosts + ghosts[:30])
    assert digest.taken_off() == sorted(ghosts)


def test_an_image_set_that_was_dealt_with_is_added_and_gone() -> None:
    ghosts = image_sets(50)
    digest = Digest()
    digest.take_off(ghosts)
    digest.add(ghosts[:20])
    assert digest.taken_off() == sorted(ghosts[20:])


def test_every_id_that_healthimaging_may_give_comes_back_as_it_was() -> None:
    every = "0123456789abcdefghijklmnopqrstuvwxyz"
    ids = ["0" * 32, "z" * 32, "0" * 31 + "1", *image_sets(500, every)]
    digest = Digest()
    digest.take_off(ids)
    assert digest.taken_off() == sorted(ids)


def test_packed_and_unpacked_it_goes_on_where_it_was() -> None:
    ids = image_sets(400)
    digest = Digest()
    for start in range(0, 400, 40):
        digest.take_off(ids[start : start + 40])
        digest = Digest.unpacked(digest.packed())
        digest.add(ids[start : start + 20])
    assert digest.taken_off() == sorted(each for place, each in enumerate(ids) if place % 40 >= 20)


def test_one_without_cells_is_nothing() -> None:
    assert not len(Digest.unpacked(b""))
    assert Digest(0).packed() == b""
