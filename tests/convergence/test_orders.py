"""Whatever the order of the events, and whichever came twice or never, the table ends the same."""

from collections.abc import Callable

import pytest

from proof.campaigns import orders
from proof.campaigns.orders import World

LISTS = 500
LOSSES = 200


@pytest.mark.parametrize("deleted", [False, True])
def test_five_events_in_any_order_and_any_of_them_twice_make_one_table(
    deleted: bool, record_property: Callable[[str, object], None]
) -> None:
    world = World()
    key = world.make(updates=2 if deleted else 3, failed=True, deleted=deleted)
    assert len(world.events) == 5
    lists = orders.every_order(world, key)
    record_property("orders and duplicates of five events", lists)
    assert lists == 120 * 2**5


def test_six_events_of_which_any_are_lost_are_made_up_for_by_one_reconcile_without_a_needless_read(
    record_property: Callable[[str, object], None],
) -> None:
    world = World()
    world.make(updates=1)
    world.make(deleted=True)
    world.make()
    world.make(copied=True)
    assert len(world.events) == 6
    losses = orders.every_loss(world)
    record_property("subsets of six events lost", losses)
    assert losses == 2**6


def test_any_list_of_true_false_and_strange_hints_makes_what_healthimaging_says(
    record_property: Callable[[str, object], None],
) -> None:
    record_property("random lists of hints", orders.random_lists(LISTS))


def test_random_losses_are_made_up_for_by_one_reconcile(record_property: Callable[[str, object], None]) -> None:
    record_property("random losses", orders.random_losses(LOSSES))
