"""What `imaging-index reconcile` prints: what differs and what that takes, what was done, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cli.output import counted, screen
from cli.search.costs import duration
from imaging_index.queue.sender import MOST_BESIDE_QUOTA, SHARE
from imaging_index.reconciling.checkpoint import End, Stage
from imaging_index.reconciling.counts import Counts, Difference, Tier
from imaging_index.reconciling.plan import Plan, plan
from infra import write_units
from infra.prices import AS_OF, REGION, Prices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from cli.reconcile.mean_size import MeanSize
    from imaging_index.profile.profile import Profile
    from imaging_index.reconciling.checkpoint import Finished, Pass
    from imaging_index.reconciling.keeping import Status
    from imaging_index.reconciling.settings import Settings

_GB: Final = 2**30
_MB: Final = 2**20
# AWS HealthImaging Developer Guide, "Throttling limits": GetImageSetMetadata calls a second, by default.
_HINTS_A_SECOND: Final = 50 * SHARE

_WORDS: Final[Mapping[Difference, str]] = {
    Difference.MISSING: "have no entry",
    Difference.STALE: "have an entry of an older version",
    Difference.OUTDATED: "have an entry of an older profile or format",
    Difference.PRIMARY: "have an entry that is wrong about being primary",
    Difference.GHOST: "are deleted and have an entry",
    Difference.LEFTOVER: "have pages that no entry names",
    Difference.DAMAGED: "have an entry whose pages are incomplete",
    Difference.ORPHAN: "are kept documents that no entry needs",
    Difference.FALSE_TOMBSTONE: "exist, and the index has them as deleted",
}
_DOING: Final[Mapping[Stage, str]] = {
    Stage.COMPARING: "comparing image sets",
    Stage.SCANNING: "reading the table",
    Stage.DOCUMENTS: "looking at kept documents",
    Stage.LOOKING_AGAIN: "listing what changed meanwhile",
    Stage.ASKING: "asking about absent image sets",
    Stage.BURYING: "removing entries of deleted image sets",
}
_TIERS: Final[Mapping[Tier, str]] = {Tier.FREQUENT: "Frequent", Tier.ARCHIVE: "Archived", Tier.UNKNOWN: "Other"}


@dataclass(frozen=True, slots=True)
class Compared:
    """The passes over a data store that ended: what they were to do, and the mean size of its image sets."""

    settings: Settings
    size: MeanSize
    passes: Sequence[Finished]

    @property
    def counts(self) -> Counts:
        """What they found and did together."""
        counts = Counts()
        for each in self.passes:
            counts.add(each.counts)
        return counts

    @property
    def plan(self) -> Plan:
        """What mending it takes."""
        return plan(
            self.counts,
            mean_bytes=self.size.bytes,
            hints_a_second=_HINTS_A_SECOND,
            kept_a_second=MOST_BESIDE_QUOTA,
        )

    @property
    def spent(self) -> float:
        """What their hints add to HealthImaging's bill for storage."""
        return sum(each.dollars for each in self.passes)


def dollars(every: Sequence[Compared]) -> float:
    """What all of it adds to HealthImaging's bill for storage."""
    return sum(each.plan.dollars for each in every)


def hints(every: Sequence[Compared]) -> int:
    """How many hints mending all of it takes."""
    return sum(each.plan.hints for each in every)


def as_json(every: Sequence[Compared], profile: Profile) -> dict[str, Any]:
    """The passes for programs."""
    return {
        "datastores": [
            {
                "datastore": each.settings.datastore_id,
                "passes": msgspec.to_builtins(each.passes),
                "takes": msgspec.to_builtins(each.plan) | {"write_units": _write_units(each.counts, profile)},
                "mean_size": {"bytes": each.size.bytes, "source": each.size.source},
            }
            for each in every
        ],
        "dollars": dollars(every),
        "spent": sum(each.spent for each in every),
    }


def print_plan(every: Sequence[Compared], profile: Profile, *, on: Console) -> None:
    """What differs, by kind and storage tier, and what mending it takes."""
    counts = _together(every)
    _print_differences(counts, on)
    _print_undecoded(every, on)
    plans = [each.plan for each in every]
    documents, kept, asked = (sum(getattr(each, name) for each in plans) for name in ("documents", "kept", "asked"))
    if not hints(every):
        return
    units, prices = _write_units(counts, profile), Prices()
    calls = (documents + asked) * prices.healthimaging_call
    on.print(
        f"Mending this takes {counted(hints(every), 'hint')}, {documents:,} calls of GetImageSetMetadata and {asked:,} "
        f"of GetImageSet (${calls:,.2f}), about {units:,} write units (${units * prices.write_unit:,.2f}) and "
        f"{duration(sum(each.hours for each in plans) * 3600)}.",
        soft_wrap=True,
    )
    if kept:
        on.print(
            f"Besides, {counted(kept, 'document')} that the stack keeps are read from its bucket "
            f"(${kept * prices.s3_get:,.2f}), which costs nothing in HealthImaging.",
            soft_wrap=True,
        )
    moved, sizes = sum(each.bytes for each in plans) / _GB, sorted({_size(each) for each in every})
    on.print(
        f"Reading adds ${dollars(every):,.2f} to HealthImaging's bill for storage: {moved:,.2f} GB move to the "
        f"frequent tier, or stay there for longer. An image set has {', '.join(sizes)}.",
        soft_wrap=True,
    )
    on.print(f"List prices of {REGION} in {AS_OF}.")


def _size(compared: Compared) -> str:
    return f"{compared.size.bytes / _MB:,.1f} MB ({compared.size.source})"


def print_done(every: Sequence[Compared]) -> None:
    """What was found and done."""
    counts = _together(every)
    _print_differences(counts, screen)
    _print_undecoded(every, screen)
    spent = sum(each.spent for each in every)
    screen.print(
        f"Sent {counted(counts.hints, 'hint')}, which add ${spent:,.2f} to HealthImaging's bill for storage. The "
        "function handles them beside the live ones: `imaging-index doctor` says how many are waiting.",
        soft_wrap=True,
    )
    if counts.refused.count:
        screen.print(
            f"Not sent: {counted(counts.refused.count, 'hint')} that would cost ${counts.refused.dollars:,.2f} more. "
            "Repeat the command with a greater --most-dollars.",
            style="yellow",
            soft_wrap=True,
        )


def progress(one: Pass) -> str:
    """What a pass does and has found, in a line that leaves room for a bar on 80 columns."""
    doing, different = _DOING[one.stage], sum(map(one.counts.of, one.counts.differences))
    if one.stage is Stage.COMPARING:
        return f"Comparing: {one.counts.compared:,} image sets, {different:,} differ"
    return f"{doing[0].upper()}{doing[1:]} ({different:,} differ)"


def print_status(datastore: str, status: Status) -> None:
    """How far reconciling of a data store has come."""
    checkpoint = status.checkpoint
    screen.print(f"Data store {datastore}", style="bold")
    if not checkpoint.last and not checkpoint.full and not checkpoint.short:
        screen.print("  It was never compared.")
    for finished in checkpoint.last.values():
        screen.print(
            f"  The last {finished.scope.value} pass ended at {finished.ended:%Y-%m-%d %H:%M} UTC "
            f"({finished.end.value}): {finished.counts.compared:,} image sets, {_found(finished.counts)}.",
            soft_wrap=True,
        )
    for one in filter(None, (checkpoint.short, checkpoint.full)):
        screen.print(f"  Under way: {_under_way(one)}", soft_wrap=True)
    if status.holder and status.until:
        screen.print(f"  {status.holder} is at it; the lease ends at {status.until:%H:%M:%S} UTC unless renewed.")


def _under_way(one: Pass) -> str:
    budget = "" if one.most_dollars is None else f" of ${one.most_dollars:,.2f}"
    return (
        f"the {one.scope.value} pass that began at {one.began:%Y-%m-%d %H:%M} UTC is {_DOING[one.stage]}; so far "
        f"{one.counts.compared:,} image sets, {_found(one.counts)}, ${one.dollars:,.2f}{budget}."
    )


def _together(every: Sequence[Compared]) -> Counts:
    counts = Counts()
    for each in every:
        counts.add(each.counts)
    return counts


def _found(counts: Counts) -> str:
    return ", ".join(f"{counts.of(each):,} {each.value}" for each in counts.differences) or "nothing differs"


def _print_differences(counts: Counts, on: Console) -> None:
    listed = f"{counts.compared:,} image sets were compared, by {counted(counts.searches, 'call')} of SearchImageSets."
    if not counts.differences:
        on.print(f"{listed} Nothing differs.", soft_wrap=True)
        return
    on.print(listed, soft_wrap=True)
    tiers = [tier for tier in Tier if any(tier in found for found in counts.differences.values())]
    table = Table(
        "Kind", Column("Image sets", justify="right"), "that",
        *(Column(_TIERS[tier], justify="right") for tier in tiers),
        box=SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for difference in Difference:
        if found := counts.differences.get(difference):
            by_tier = (f"{found[tier].count:,}" if tier in found else "" for tier in tiers)
            table.add_row(difference.value, f"{counts.of(difference):,}", _WORDS[difference], *by_tier)
    on.print(table)
    if counts.false_tombstones:
        ids = ", ".join(counts.false_tombstones)
        on.print(f"Marked as deleted, though they exist: {ids}. docs/runbook.md says what to do.", style="yellow")


def _print_undecoded(every: Sequence[Compared], on: Console) -> None:
    """Name the data stores whose ghosts nobody has looked for."""
    for each in every:
        if any(one.end is End.TOO_MANY_DIFFERENCES for one in each.passes):
            on.print(
                f"Of {each.settings.datastore_id}, entries of deleted image sets were not looked for: too much has "
                "changed. The pass after one with --full --apply can find twice as many.",
                style="yellow",
                soft_wrap=True,
            )


def _write_units(counts: Counts, profile: Profile) -> int:
    anew = sum(counts.of(each) for each in (Difference.OUTDATED, Difference.DAMAGED))
    changed = sum(counts.of(each) for each in (Difference.MISSING, Difference.STALE, Difference.GHOST))
    return changed * write_units.new(profile) + anew * write_units.again(profile) + counts.of(Difference.PRIMARY)
