"""Python looks for garbage seldom while a program searches."""

import gc

from imaging_index.searching.memory import collect_less_garbage


def test_a_thousand_entries_are_made_without_a_look_for_garbage() -> None:
    thresholds = gc.get_threshold()
    try:
        collect_less_garbage()
        before = gc.get_stats()[0]["collections"]
        kept = [{f"Attribute{number}": {"S": "x"} for number in range(50)} for _ in range(1_000)]
        assert gc.get_stats()[0]["collections"] == before
        assert len(kept) == 1_000
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
