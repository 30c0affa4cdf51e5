"""Announces the changes of entries on the bus: an event exists if and only if an entry changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imaging_index.publishing import event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.faults import Fault
    from imaging_index.publishing.bus import Bus
    from imaging_index.publishing.change import Change
    from imaging_index.publishing.event import Event


class Published(msgspec.Struct, frozen=True):
    """What became of some changes: the first `done` are through, with so many `events`.

    `refused` are those of them that EventBridge takes in no form; `fault` is why the next one is not through.
    """

    done: int
    events: int
    refused: tuple[Change, ...] = ()
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
        for place, change in enumerate(changes):
            made = event.of_change(change, self._attributes)
            if made is not None:
                events.append(made)
                of.append(place)
        put = self._bus.put(events)
        done = len(changes) if put.done == len(events) else of[put.done]
        return Published(done, put.done - len(put.refused), tuple(changes[of[each]] for each in put.refused), put.fault)
