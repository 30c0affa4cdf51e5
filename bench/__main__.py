"""All measurements in one run: `make bench`.

    python -m bench              # ten minutes on two cores: the tables, and docs/performance.{json,svg,md}
    python -m bench --quick      # one round of small documents, in a minute; docs/ stays as it is
    python -m bench --recorded   # measures nothing: the tables and the plot of docs/performance.json anew
    python -m bench --check      # with either, exit status 1 when a bound is missed

Methods take turns, each in a process of its own, and a figure is the median of all rounds: trust the ratios, not the
milliseconds.
"""

import argparse
import gzip
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import Progress

from bench import bounds, imports, pipeline, plot, report, stub
from bench.documents import packed
from bench.fresh import Figures, measured, medians
from bench.results import (
    METHODS,
    PROTOTYPE,
    RADIOLOGY,
    Document,
    Events,
    Export,
    Geometry,
    Imports,
    Job,
    Reading,
    Results,
    Search,
    instances,
    load,
    save,
)

_ROOT: Final = Path(__file__).parents[1]
_PROFILES: Final = {
    PROTOTYPE: _ROOT / "bench" / "prototype.toml",
    RADIOLOGY: _ROOT / "profiles" / "radiology.toml",
}
_FILE: Final = "performance.json"
_SMALL: Final = "mr_1"
_LATENCY: Final = 0.005  # seconds
_PIECE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run measures: `compared` by all methods, `read` by ours only, `both` the whole job both ways."""

    rounds: int
    compared: tuple[str, ...]
    read: tuple[str, ...]
    both: tuple[str, ...]
    done: tuple[str, ...]
    events: int
    image_sets: int
    volumes: tuple[str, ...]
    exported: int


_FULL: Final = Plan(
    rounds=5,
    compared=("mr_1", "mr_100", "mr_1000", "mr_10000", "mr_50000", "ct_1", "ct_100", "ct_1000", "ct_10000", "mf_20000"),
    read=("mr_4000", "mr_25000"),
    both=("mr_10000", "ct_10000"),
    done=("mr_50000",),
    events=200,
    image_sets=1000,
    volumes=("mr_1000", "ct_1000", "mr_10000", "ct_10000", "mf_20000"),
    exported=200_000,
)
_QUICK: Final = Plan(
    rounds=1,
    compared=("mr_1", "mr_1000", "ct_1", "ct_1000", "mf_1000"),
    read=(),
    both=("ct_1000",),
    done=(),
    events=100,
    image_sets=100,
    volumes=("mr_1000", "ct_1000", "mf_1000"),
    exported=20_000,
)


def main() -> int:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="one round of small documents; docs/ stays as it is")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a bound is missed")
    parser.add_argument("--recorded", action="store_true", help="measure nothing: show docs/performance.json anew")
    chosen = parser.parse_args()
    screen = Console(highlight=False)
    folder = _ROOT / "build" / "bench" if chosen.quick else _ROOT / "docs"
    if not chosen.recorded:
        save(run(_QUICK if chosen.quick else _FULL, screen), folder / _FILE)
    results = load(folder / _FILE)
    report.show(results, screen)
    (folder / "performance.svg").write_text(plot.svg(results), "utf-8")
    if not chosen.quick:
        report.write(results, folder / "performance.md")
    screen.print(f"Written: {(folder / _FILE).relative_to(_ROOT)}, and performance.svg beside it.")
    missed = [bound.promise for bound in bounds.held(results) if not bound.kept]
    if missed:
        screen.print(f"Missed: {'; '.join(missed)}", style="red")
    return 1 if chosen.check and missed else 0


def run(plan: Plan, screen: Console) -> Results:
    """Everything in `plan`."""
    # First, for what comes after leaves the machine's caches full of itself.
    with screen.status("Imports"):
        imported = msgspec.convert(imports.measure("index"), Imports)
        dicomweb = msgspec.convert(imports.measure("dicomweb"), Imports)
    with screen.status("Making the documents"):
        every = (*plan.compared, *plan.read, *plan.both, *plan.done, *plan.volumes)
        sizes = {name: _sizes(packed(name)) for name in every}
    readings = _readings(plan, screen)
    jobs = _jobs(plan, screen)
    events = _events(plan, screen)
    searches = _searches(plan, screen)
    work_list = _work_list(plan, screen)
    volumes = _volumes(plan, screen)
    with screen.status(f"The export of {plan.exported:,} image sets"):
        # Once: it is long enough to be a mean by itself.
        exported = msgspec.convert(measured("bench.export", str(plan.exported)), Export)
    with screen.status(f"{plan.image_sets:,} image sets through the local cloud"):
        piped = pipeline.measure(plan.image_sets)
    return Results(
        date=time.strftime("%Y-%m-%d"),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        rounds=plan.rounds,
        documents=sizes,
        readings=readings,
        jobs=jobs,
        events=events,
        searches=searches,
        imports=imported,
        dicomweb=dicomweb,
        work_list=work_list,
        pipeline=piped,
        geometry=volumes,
        export=exported,
    )


def _sizes(document: Path) -> Document:
    with gzip.open(document) as plain:
        size = sum(len(piece) for piece in iter(lambda: plain.read(_PIECE), b""))
    return Document(size, document.stat().st_size)


def _turns(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(document, method, profile) of each reading, in turns of the methods."""
    for document in plan.compared:
        for method in METHODS:
            if method != "ours":
                yield document, method, ""
        for profile in _PROFILES:
            yield document, "ours", profile
    for document in plan.read:
        yield document, "ours", PROTOTYPE


def _readings(plan: Plan, screen: Console) -> list[Reading]:
    turns = [*_turns(plan)]
    found: dict[tuple[str, str, str], list[Figures]] = defaultdict(list)
    with Progress(console=screen, transient=True) as progress:
        task = progress.add_task("Reading", total=plan.rounds * len(turns))
        for _ in range(plan.rounds):
            for turn in turns:
                document, method, profile = turn
                arguments = (packed(document), _PROFILES[profile or PROTOTYPE], packed(_SMALL))
                figures = measured("bench.reading", method, *map(str, arguments))
                if figures["instances"] != instances(document) and method not in ("gunzip", "passing"):
                    raise RuntimeError(f"{method} did not read all instances of {document}")
                found[turn].append(figures)
                progress.advance(task)
    return [
        Reading(*turn, cpu=median["cpu"], growth=median["growth"])
        for turn, median in ((turn, medians(results)) for turn, results in found.items())
    ]


def _jobs(plan: Plan, screen: Console) -> list[Job]:
    selected = _PROFILES[RADIOLOGY]
    turns = [*((name, way) for name in plan.both for way in ("usual", "ours")), *((name, "ours") for name in plan.done)]
    found: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    with Progress(console=screen, transient=True) as progress:
        task = progress.add_task("The whole job", total=plan.rounds * len(turns))
        for document in dict.fromkeys(name for name, _ in turns):
            with stub.running(0, selected, [packed(_SMALL), packed(document)]) as running:
                for _ in range(plan.rounds):
                    for way in (way for name, way in turns if name == document):
                        found[document, way].append(measured("bench.job", way, variables=running.variables(selected)))
                        progress.advance(task)
    return [Job(document, way, **medians(results)) for (document, way), results in found.items()]


def _events(plan: Plan, screen: Console) -> list[Events]:
    selected = _PROFILES[RADIOLOGY]
    found = []
    with screen.status("Events through one handler"):
        for document in ("mr_1", "mr_100"):
            with stub.running(_LATENCY, selected, [packed(document)]) as running:
                variables = running.variables(selected)
                runs = [measured("bench.events", str(plan.events), variables=variables) for _ in range(plan.rounds)]
            found.append(Events(document, _LATENCY, **medians(runs)))
    return found


def _searches(plan: Plan, screen: Console) -> list[Search]:
    selected = _PROFILES[RADIOLOGY]
    found: dict[str, list[Figures]] = defaultdict(list)
    with screen.status("Searches"), stub.running(0, selected, map(packed, ("mr_100", "ct_100"))) as running:
        variables = running.variables(selected)
        for _ in range(plan.rounds):
            for way in ("botocore", "ours"):
                found[way].append(measured("bench.search", way, variables=variables))
    return [Search(way, **medians(results)) for way, results in found.items()]


def _volumes(plan: Plan, screen: Console) -> list[Geometry]:
    with screen.status("The geometry of volumes"):
        return [
            Geometry(name, **medians(measured("bench.geometry", str(packed(name))) for _ in range(plan.rounds)))
            for name in plan.volumes
        ]


def _work_list(plan: Plan, screen: Console) -> float:
    selected = _PROFILES[RADIOLOGY]
    with screen.status("DICOMweb"), stub.running(0, selected, map(packed, ("mr_100", "ct_100"))) as running:
        runs = [measured("bench.dicomweb", variables=running.variables(selected)) for _ in range(plan.rounds)]
    return medians(runs)["answer"]


if __name__ == "__main__":
    sys.exit(main())
