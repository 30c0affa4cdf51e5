"""How fast a flood of hints drains: the real handler, as many functions as there may be, under HealthImaging's quota.

In virtual time, over services in memory. What is assumed, besides what `proof/simulation/functions.py` says:

- all hints are there at once, Created events of as many image sets, so that each needs one GetImageSetMetadata;
- Lambda gives an idle function the ten messages that were visible first, at once, while there are any.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass

from imaging_index.queue.hint import Kind
from proof.simulation import environments, memory
from proof.simulation.environments import DATASTORE, TABLE
from proof.simulation.functions import BATCH, Functions, Message, possible
from proof.simulation.happenings import document


@dataclass(frozen=True, slots=True)
class Report:
    """What a flood came to.

    Attributes:
        hints: how many there were.
        seconds: until the last one was settled.
        share: hints settled a second while most of them waited (until nine tenths were through), as a share of what is
            possible: the quota, or what the functions can do when calls take long.
        deliveries: how often hints were delivered.
        parked: how many were given up.
    """

    hints: int
    seconds: float
    share: float
    deliveries: int
    parked: int


def run(hints: int, call_seconds: float, seed: int = 0) -> Report:
    """Let so many hints drain."""
    world = _World(call_seconds, seed)
    with environments.plugged(world, most_tries={}, observed=False):
        return world.run(hints)


class _World(Functions[Message]):
    """One flood."""

    def __init__(self, call_seconds: float, seed: int) -> None:
        self._service = memory.HealthImaging(DATASTORE)
        super().__init__(call_seconds, seed, {"medical-imaging": self._service, "dynamodb": memory.Table(TABLE)})
        self._most = possible(call_seconds)
        self._waiting: list[tuple[float, int, Message]] = []  # when each is visible
        self._settled: list[float] = []
        self._deliveries = 0

    def run(self, hints: int) -> Report:
        """All of it."""
        for number in range(hints):
            image_set = f"{number:032d}"
            self._service.create(image_set, document(image_set, 0))
            detail = {"datastoreId": DATASTORE, "imagesetId": image_set, "imageSetVersion": "1", "isPrimary": True}
            event = {"source": "aws.medical-imaging", "detail-type": Kind.CREATED.value, "detail": detail}
            self.put_off(Message(number, json.dumps(event), environments.moment()), 0.0)
        self.poll()
        while self.go_on():
            pass
        nearly = self._settled[len(self._settled) * 9 // 10 - 1]
        return Report(hints, self.now, hints * 0.9 / nearly / self._most, self._deliveries, self.parked)

    def poll(self) -> None:
        """Give idle functions what was visible first."""
        while self.idle and self._waiting and self._waiting[0][0] <= self.now:
            batch: list[Message] = []
            while self._waiting and self._waiting[0][0] <= self.now and len(batch) < BATCH:
                batch.append(heapq.heappop(self._waiting)[2])
            self._deliveries += len(batch)
            self.invoke(batch)
        if self.idle and self._waiting:
            self.after(self._waiting[0][0] - self.now, self.poll)

    def put_off(self, message: Message, until: float) -> None:
        """A message is visible from then on."""
        heapq.heappush(self._waiting, (until, message.number, message))

    def settled(self, _: Message) -> None:
        """A hint is through."""
        self._settled.append(self.now)
