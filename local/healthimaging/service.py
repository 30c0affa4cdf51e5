"""What the operations share: accounts, settings, events, and work that continues after an answer."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from local.healthimaging.events import Bus
from local.healthimaging.settings import Settings
from local.healthimaging.store import Account

# (account, s3:// URI of a prefix) -> (key, content) of each object below it; called in a thread.
ReadS3 = Callable[[str, str], Iterable[tuple[str, bytes]]]
# (account, s3:// URI of an object, content) -> None; called in a thread.
WriteS3 = Callable[[str, str, bytes], None]


@dataclass(slots=True)
class Service:
    """The whole service on this machine."""

    bus: Bus
    settings: Settings
    read_s3: ReadS3 | None
    write_s3: WriteS3 | None
    accounts: dict[str, Account] = field(default_factory=dict)
    calls: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    throttled: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def account(self, account_id: str) -> Account:
        """An account, which is made by its first call."""
        return self.accounts.setdefault(account_id, Account(account_id))

    def configure(self, settings: Settings) -> None:
        """Use new settings from now on, also for work in progress."""
        self.settings = settings
        self.bus.configure(settings)
        self._changed.set()
        self._changed = asyncio.Event()

    async def job_time(self) -> None:
        """Wait for the time that an action takes: `job_seconds`, which may change meanwhile."""
        begun = time.monotonic()
        while (left := begun + self.settings.job_seconds - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that continues after the answer."""
        task = asyncio.create_task(work)
        # The loop itself holds tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End all work in progress."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is not an object of the service's model: the body, and the headers that say what it is."""

    body: bytes
    content_type: str
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the caller, the region, and the members (`wire.Request`)."""

    service: Service
    account: Account
    region: str
    members: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A member that the model requires."""
        return self.members[name]

    def get(self, name: str) -> Any:
        """A member, or None if it was not given."""
        return self.members.get(name)
