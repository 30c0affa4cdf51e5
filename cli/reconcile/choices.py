"""What a run of `imaging-index reconcile` is to do, checked: the options, and the data stores that they mean."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cli import deployed
from cli.moments import since
from cli.output import Failure, Misuse
from imaging_index.reconciling.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cli.deployed import Stack
    from imaging_index.reconciling.checkpoint import Checkpoint

# AWS HealthImaging API Reference, "GetDatastore".
_DATASTORE: Final = re.compile(r"[0-9a-z]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options as they were typed.

    Attributes:
        full: whether everything is compared.
        since: a span or a moment, from which on changes are compared.
        plan: whether nothing is to be sent.
        apply: whether hints are sent.
        status: whether only the state is printed.
        most_dollars: what hints may add to HealthImaging's bill; None if nothing was said of it.
        mean_size: MB of an image set; None if nothing was said of it.
        ghosts: whether any number of deleted image sets may be removed.
    """

    full: bool
    since: str | None
    plan: bool
    apply: bool
    status: bool
    most_dollars: float | None
    mean_size: float | None
    ghosts: bool

    def check(self) -> None:
        """Refuse options that make no sense.

        Raises:
            Misuse: two contradict each other, or one is no number.
        """
        for name, number in (("--most-dollars", self.most_dollars), ("--mean-size", self.mean_size)):
            if number is not None and not math.isfinite(number):
                raise Misuse(f"Write {name} as a number, such as 20.")
        if self.plan and self.apply:
            raise Misuse("--plan sends nothing, and --apply sends hints. Leave one of them out.")
        if self.status and (self.full or self.since or self.plan or self.apply):
            raise Misuse("--status only shows how far reconciling has come. Leave out the other options.")
        if self.full and self.since:
            raise Misuse("--full compares everything. Leave out --since, or leave out --full.")
        if self.most_dollars is not None and not self.apply:
            raise Misuse("--most-dollars limits what --apply may cost, and a plan costs nothing. Add --apply.")
        if self.ghosts and not self.apply:
            raise Misuse("--ghosts says that many entries may be removed, which only --apply does. Add --apply.")

    def moment(self, now: datetime) -> datetime | None:
        """From when on changes are compared; None without --since.

        Raises:
            Misuse: it is neither a span nor a moment, or it is not over yet.
        """
        return None if self.since is None else since(self.since, now)

    def scope(self, checkpoint: Checkpoint, moment: datetime | None) -> dict[str, Any]:
        """What to compare, as fields of `Settings`: everything, until it was once compared and as long as it is."""
        if moment is not None:
            return {"scope": Scope.SINCE, "since": moment}
        if self.full or checkpoint.full or Scope.FULL not in checkpoint.last:
            return {"scope": Scope.FULL}
        return {"scope": Scope.INCREMENTAL}


def data_stores(stack: Stack, named: Sequence[str] | None) -> list[str]:
    """The ids of the data stores to compare: the named ones, or all that the stack indexes.

    Raises:
        Misuse: a named one is no id, or the stack does not index it.
        Failure: HealthImaging did not answer, or has no data stores.
    """
    indexed = _DATASTORE.findall(stack.outputs["DataStores"])
    for each in named or ():
        if not _DATASTORE.fullmatch(each):
            raise Misuse(f"{each!r} is not the id of a data store, which has 32 lower-case letters and digits.")
        if indexed and each not in indexed:
            raise Misuse(f"The stack {stack.name} does not index {each}. It indexes {', '.join(indexed)}.")
    chosen = list(dict.fromkeys(named or indexed)) or deployed.datastores(stack.session)
    if not chosen:
        raise Failure("There are no data stores in this account and region. Check AWS_PROFILE and AWS_REGION.")
    return chosen
