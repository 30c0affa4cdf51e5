"""What happened in a soak, and which promises it broke."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """What happened. `broken` must be empty.

    Attributes:
        operations: what was done to image sets, and what HealthImaging refused.
        kills: killed functions, by their names.
        reads: whole entries that were read meanwhile.
        searches: answers of the command and of DICOMweb, by how they ended.
        passes: invocations of the reconcile function, by how they ended.
        throttled: how often HealthImaging's quotas were switched on.
        changes: changes of entries in the table's stream.
        events: events that reached the consumer, doubles counted.
        image_sets: those that HealthImaging has in the end.
        tombstones: of deleted ones.
        waiting: hints that wait for a version that does not come.
        broken: each broken promise, without a value of a document.
        memory: minute, MiB of the local cloud, and of its largest function.
    """

    operations: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    searches: Counter[str] = field(default_factory=Counter)
    passes: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    changes: int = 0
    events: int = 0
    image_sets: int = 0
    tombstones: int = 0
    waiting: int = 0
    broken: list[str] = field(default_factory=list)
    memory: list[tuple[float, int, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def breaks(self, promise: str) -> None:
        """Note that a promise is broken."""
        with self._lock:
            self.broken.append(promise)

    def __str__(self) -> str:
        marks = self.memory[:: max(1, len(self.memory) // 6)]
        memory = ", ".join(f"{minute:.0f} min: {cloud} / {function}" for minute, cloud, function in marks)
        return "\n".join(
            (
                f"image sets   {dict(self.operations)}",
                f"kills        {dict(self.kills)}; HealthImaging's quotas were switched on {self.throttled} times",
                f"reads        {self.reads} of whole entries; searches: {dict(self.searches)}",
                f"passes       {dict(self.passes)}",
                f"events       {self.events} heard, of {self.changes} changes of entries",
                f"in the end   {self.image_sets} image sets, {self.tombstones} tombstones, {self.waiting} hints wait",
                f"memory       in MiB, local cloud / largest function: {memory}",
                f"broken       {len(self.broken)} {self.broken[:5]}",
            )
        )
