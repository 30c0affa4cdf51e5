"""What the project promises of its speed and size, held against a run's results."""

from collections.abc import Iterator
from typing import NamedTuple

from bench.results import Results, instances

_MIB = 2**20
_MANY = 1_000
_LARGEST = "mr_50000"
# Growth is flat when it differs by no more than this: a page of memory more or less is the allocator's.
_FLAT = 2 * _MIB


class Bound(NamedTuple):
    """A promise, the run's figure, and whether it is kept."""

    promise: str
    figure: str
    kept: bool


def held(results: Results) -> list[Bound]:
    """Every bound that the run has figures for."""
    return [*_of_reading(results), *_of_the_job(results), *_of_imports(results)]


def _of_reading(results: Results) -> Iterator[Bound]:
    many = [each for each in results.compared() if instances(each) >= _MANY]
    if many:
        less = min(results.times_less(each, "ours") for each in many)
        limit = max(results.reading(each, "ours").cpu / results.reading(each, "gunzip").cpu for each in many)
        yield Bound("reader, 1,000 instances and more: 8 times less CPU than json + gzip", f"{less:.1f}", less >= 8)
        yield Bound("reader, 1,000 instances and more: at most 3.5 times gunzip", f"{limit:.1f}", limit <= 3.5)
    for each in (each for each in results.compared() if instances(each) == 1 and not each.startswith("mf")):
        less = results.times_less(each, "ours")
        yield Bound(f"reader, {each}: no slower than json + gzip", f"{less:.2f}", less >= 1)
    growth = {each.document: each.growth for each in results.readings if each.method == "ours"}
    most = max(growth.values())
    yield Bound("reader: memory grows by at most 8 MiB", f"{most / _MIB:.1f} MiB", most <= 8 * _MIB)
    series = [size for name, size in growth.items() if name.startswith("mr") and instances(name) > _MANY]
    if len(series) > 1:
        spread = max(series) - min(series)
        yield Bound("reader: flat from 12 to 151 MB, within 2 MiB", f"{spread / _MIB:.1f} MiB", spread <= _FLAT)


def _of_the_job(results: Results) -> Iterator[Bound]:
    for name in (each for each in results.both() if instances(each) >= 10 * _MANY):
        ours, usual = results.job(name, "ours"), results.job(name, "usual")
        less, share = usual.cpu / ours.cpu, ours.write_units / usual.write_units
        yield Bound(f"whole job, {name}: 12 times less CPU than the usual code", f"{less:.1f}", less >= 12)
        yield Bound(f"whole job, {name}: at most 6 % of its write units", f"{share:.1%}", share <= 0.06)
    for job in results.jobs:
        if job.document == _LARGEST:
            yield Bound(
                "whole process at 50,000 instances: at most 80 MiB", f"{job.peak / _MIB:.0f} MiB", job.peak <= 80 * _MIB
            )


def _of_imports(results: Results) -> Iterator[Bound]:
    if results.imports:
        ratio = results.imports.ratio
        yield Bound("imports + clients: at most 0.45 of the usual set", f"{ratio:.2f}", ratio <= 0.45)
