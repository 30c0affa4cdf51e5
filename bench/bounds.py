"""What the project promises of its speed and size, held against a run's results."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from bench.results import PROTOTYPE, Results, instances

_MIB: Final = 2**20
_MANY: Final = 1_000
# Of smaller figures two decimals are shown.
_SMALL: Final = 1.2
_LARGEST: Final = "mr_50000"


class Bound(NamedTuple):
    """A promise, the run's figure, its bound, and whether it is kept."""

    promise: str
    figure: str
    bound: str
    kept: bool


def held(results: Results) -> list[Bound]:
    """Every promise that the run has figures for."""
    every = (_of_reading, _of_the_job, _of_calls, _of_imports, _of_the_export)
    return [bound for part in every for bound in part(results)]


def _at_least(promise: str, figure: float, bound: float) -> Bound:
    return Bound(promise, f"{figure:,.1f}", f"≥ {bound:,g}", figure >= bound)


def _at_most(promise: str, figure: float, bound: float) -> Bound:
    return Bound(promise, f"{figure:.2f}" if figure < _SMALL else f"{figure:.1f}", f"≤ {bound:g}", figure <= bound)


def _of_reading(results: Results) -> Iterator[Bound]:
    # The more objects json makes, the less of them is in a processor's cache, and the longer a byte takes it.
    for least, bound in ((_MANY, 4.5), (10 * _MANY, 8.5)):
        if many := [each for each in results.compared() if instances(each) >= least]:
            less = min(results.times_less(each, "ours") for each in many)
            yield _at_least(f"{least:,} instances and more: times less CPU than json", less, bound)
    if many := [each for each in results.compared() if instances(each) >= _MANY]:
        limit = max(map(results.times_the_limit, many))
        yield _at_most("1,000 instances and more: times the CPU of gunzip and msgspec alone", limit, 2.1)
    one = [each for each in results.compared() if each in ("mr_1", "ct_1")]
    if one:
        less = min(results.times_less(each, "ours") for each in one)
        yield _at_least("one instance: times less CPU than json", less, 1)
    if results.geometry:
        more = max(each.reader for each in results.geometry)
        yield _at_most("the geometry of volumes: times the reader's CPU without", more, 1.1)
    ours = [each for each in results.readings if each.method == "ours"]
    yield _at_most("growth of memory, MiB", max(each.growth for each in ours) / _MIB, 8)
    flat = [each.growth / _MIB for each in ours if each.profile == PROTOTYPE and _is_large(each.document)]
    if len(flat) > 1:
        # A document ten times the size may find memory in other pieces: that much is the allocator's.
        yield _at_most("growth of memory from 12 to 151 MB, MiB", max(flat) - min(flat), 2)


def _is_large(document: str) -> bool:
    return document.startswith("mr") and instances(document) > _MANY


def _of_the_job(results: Results) -> Iterator[Bound]:
    for name in (each for each in results.both() if instances(each) >= 10 * _MANY):
        ours, usual = results.job(name, "ours"), results.job(name, "usual")
        yield _at_least(f"whole job, {name}: times less CPU than usual", usual.cpu / ours.cpu, 12)
        share = 100 * ours.write_units / usual.write_units
        yield _at_most(f"whole job, {name}: write units, % of the usual", share, 6)
    for job in results.jobs:
        if job.document == _LARGEST:
            yield _at_most("whole process, 50,000 instances, MiB", job.peak / _MIB, 80)


def _of_calls(results: Results) -> Iterator[Bound]:
    for events in results.events:
        if instances(events.document) == 1:
            times = events.cpu / events.bare
            yield _at_most(f"an event, {events.document}: times the CPU of its calls by botocore alone", times, 1.5)
    if results.searches:
        ours = results.search("ours")
        yield _at_most("searching, from call to output: CPU of an entry, us", ours.entry * 1e6, 40)
        yield _at_most("searching: CPU of a call that finds five entries, ms", ours.call * 1e3, 2)


def _of_imports(results: Results) -> Iterator[Bound]:
    if results.work_list is not None:
        yield _at_most("DICOMweb: CPU of a work list of 101 studies, ms", results.work_list * 1e3, 60)
    if results.imports:
        yield _at_most("imports and clients: share of the usual set", results.imports.ratio, 0.45)
    if results.dicomweb:
        yield _at_most("imports and clients of DICOMweb: share of the usual set", results.dicomweb.ratio, 0.65)


def _of_the_export(results: Results) -> Iterator[Bound]:
    if export := results.export:
        yield _at_least("export to Parquet: image sets a second and core", 1 / export.cpu, 50_000)
        yield _at_least("export to Parquet: times less CPU than msgspec's decoding", export.decoding / export.cpu, 1.5)
        yield _at_most("export to Parquet: bytes of an image set", export.size, 120)
        yield _at_most("export to Parquet: the whole process, MiB", export.peak / _MIB, 256)
        yield _at_most("a cohort question over it, ms", export.question * 1e3, 200)
