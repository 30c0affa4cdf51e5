"""The order of image sets by their latest change."""

import random
from itertools import islice

import pytest

from local.healthimaging.update_order import UpdateOrder


@pytest.mark.parametrize("descending", [False, True])
def test_every_page_is_what_sorting_all_image_sets_would_give(descending: bool) -> None:
    chance = random.Random(5)
    order, times = UpdateOrder(), dict[str, float]()
    for _ in range(500):
        # Few ids and few times, so that image sets move, and many share their time.
        name, time = f"{chance.randrange(60):032x}", float(chance.randrange(20))
        if chance.random() < 0.2:
            order.leave(name)
            times.pop(name, None)
        else:
            order.enter(name, time)
            times[name] = time
        low, high = sorted((float(chance.randrange(20)), float(chance.randrange(20))))
        every = sorted(((at, one) for one, at in times.items() if low <= at <= high), reverse=descending)
        after = chance.choice(every) if every and chance.random() < 0.5 else None
        wanted = every[every.index(after) + 1 :] if after else every
        found = list(islice(order.walk(low, high, after, descending=descending), 7))
        assert found == [one for _, one in wanted[:7]]


def test_what_was_not_entered_does_not_move_into_the_order() -> None:
    order = UpdateOrder()
    order.move("1" * 32, 1.0)
    assert list(order.walk(0, 2, None, descending=True)) == []
