"""Announces the changes of entries on the bus: an event exists if and only if an entry changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imaging_index.aws_errors import classify
from imaging_index.publishing import event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.faults import Fault
    from imaging_index.publishing.bus import Bus
    from imaging_index.publishing.change import Change
    from imaging_index.publishing.event import Event


class Published(msgspec.Struct, frozen=True):
    """What became of some changes: the first `done` are through, with so many `events`.

    `refused` are those of them that cannot be announced, however often it is tried, each with the reason; `fault` is
    why the next one is not through.
    """

    done: int
    events: int
    refused: tuple[tuple[Change, str], ...] = ()
    fault: Fault | None = None


class Publisher:
    """Announces changes.

    It needs from its environment the bus and the profile; from IAM events:PutEvents on the bus.
    """

    def __init__(self, bus: Bus, attributes: Sequence[str]) -> None:
        """`attributes` are those that events have: `Profile.events`."""
        self._bus = bus
        self._attributes = attributes

    def publish(self, changes: Sequence[Change]) -> Published:
        """Announce changes in the order of the stream, until one fails. Raises nothing of AWS."""
        events: list[Event] = []
        of: list[int] = []
        refused: list[tuple[int, str]] = []
        for place, change in enumerate(changes):
            try:
                made = event.of_change(change, self._attributes)
            except Exception as error:
                # Another try would fail as well, and hold up all that follow.
                refused.append((place, classify(error).reason))
                continue
            if made is not None:
                events.append(made)
                of.append(place)
        put = self._bus.put(events)
        done = len(changes) if put.done == len(events) else of[put.done]
        refused += [(of[each], "EventBridge refuses the event") for each in put.refused]
        given_up = tuple((changes[place], reason) for place, reason in refused if place < done)
        return Published(done, put.done - len(put.refused), given_up, put.fault)
