"""A run's results as tables, for the screen and for `docs/performance.md`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column
from rich.table import Table as ScreenTable

from bench import bounds
from bench.results import RADIOLOGY, Results

_MIB: Final = 2**20
# The tables stand between these; what is around them is written by hand.
_TABLES: Final = re.compile(r"(?<=<!-- bench -->\n).*(?=<!-- /bench -->)", re.DOTALL)
_OTHERS: Final = ("orjson", "ijson")


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the first column is of names, the others of figures."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def tables(results: Results) -> list[Table]:
    """All tables of a run, the bounds last."""
    made = [_cpu(results), _memory(results), _jobs(results), _events(results)]
    made += [_searches(results), _geometry(results), _export(results), _others(results), _bounds(results)]
    return [table for table in made if table.rows]


def show(results: Results, screen: Console) -> None:
    """Print the tables."""
    screen.print(f"{results.machine}, {results.date}; medians of {results.rounds} fresh processes.")
    for table in tables(results):
        first, *others = table.columns
        shown = ScreenTable(
            Column(first, no_wrap=True),
            *(Column(each, justify="right") for each in others),
            title=table.title,
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for row in table.rows:
            shown.add_row(*row)
        screen.print(shown)


def markdown(results: Results) -> str:
    """The tables in Markdown."""
    lines = [f"{results.machine}, {results.date}; medians of {results.rounds} fresh processes.", ""]
    for table in tables(results):
        lines += [f"**{table.title}**", "", _line(table.columns), _line(["---", *["--:"] * (len(table.columns) - 1)])]
        lines += [*map(_line, table.rows), ""]
    return "\n".join(lines)


def write(results: Results, path: Path) -> None:
    """Put the tables into the place that `path` has for them."""
    path.write_text(_TABLES.sub(lambda _: markdown(results), path.read_text("utf-8")), "utf-8")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu(results: Results) -> Table:
    rows = []
    for name in results.compared():
        row = [name, f"{results.documents[name].megabytes:,.2f}", _milliseconds(results.reading(name, "json").cpu)]
        row += [f"x{results.times_less(name, method):.1f}" for method in _OTHERS]
        row += [f"x{results.times_less(name, 'ours', profile):.1f}" for profile in ("", RADIOLOGY)]
        row += [f"x{results.times_less(name, method):.1f}" for method in ("gunzip", "passing")]
        row += [f"{results.times_the_limit(name):.2f}"]
        rows.append(row)
    columns = ["document", "MB", "json ms", *_OTHERS, "ours", "radiology", "gunzip", "passing", "/both"]
    return Table("Reading: how many times less CPU than json + gzip", columns, rows)


def _memory(results: Results) -> Table:
    rows = []
    for name, document in results.documents.items():
        growth = {(each.method, each.profile): each.growth for each in results.readings if each.document == name}
        if growth:
            cells = [
                growth.get((method, profile))
                for method, profile in (("json", ""), *((each, "") for each in _OTHERS), ("ours", "prototype"))
            ]
            cells += [growth.get(("ours", RADIOLOGY)), growth.get(("gunzip", ""))]
            rows.append(
                [name, f"{document.megabytes:,.2f}", *("" if cell is None else f"{cell / _MIB:,.1f}" for cell in cells)]
            )
    columns = ["document", "MB", "json", *_OTHERS, "ours", "radiology", "gunzip"]
    return Table("Reading: growth of the peak of memory, MiB", columns, rows)


def _jobs(results: Results) -> Table:
    rows = []
    for job in results.jobs:
        usual = results.job(job.document, "usual") if job.document in results.both() else None
        rows.append(
            [
                f"{job.document} {job.way}",
                _milliseconds(job.cpu),
                f"x{usual.cpu / job.cpu:.1f}" if usual else "",
                f"{job.peak / _MIB:,.0f}",
                f"{job.calls:,.0f}",
                f"{job.write_units:,.0f}",
                f"{job.write_units / usual.write_units:.1%}" if usual else "",
            ]
        )
    columns = ["document", "CPU, ms", "less", "peak, MiB", "calls", "write units", "share"]
    return Table("The whole job with the profile radiology; the whole process's peak of memory", columns, rows)


def _events(results: Results) -> Table:
    rows = [
        [
            each.document,
            f"{each.latency * 1e3:.0f}",
            f"{each.a_second:.1f}",
            f"{each.cpu * 1e3:.2f}",
            f"{each.bare * 1e3:.2f}",
            f"x{each.cpu / each.bare:.2f}",
            f"{each.calls:.1f}",
            f"{each.write_units:.1f}",
        ]
        for each in results.events
    ]
    columns = ["image set", "call takes, ms", "events/s", "CPU ms", "calls alone", "ratio", "calls", "write units"]
    return Table("Events through one handler, one after the other", columns, rows)


def _geometry(results: Results) -> Table:
    rows = [[each.document, f"x{each.reader:.2f}", f"x{each.entry:.2f}"] for each in results.geometry]
    return Table(
        "The geometry of volumes: CPU with it, by CPU without", ["document", "reader", "making an entry"], rows
    )


def _export(results: Results) -> Table:
    rows = [
        [
            f"{each.image_sets:,.0f}",
            f"{each.cpu * 1e6:.1f}",
            f"{each.decoding * 1e6:.1f}",
            f"x{each.decoding / each.cpu:.1f}",
            f"{each.size:.1f}",
            f"{each.peak / _MIB:,.0f}",
            f"{each.question * 1e3:.0f}",
        ]
        for each in ([results.export] if results.export else [])
    ]
    columns = ["image sets", "CPU, us", "decoding alone", "less", "bytes", "peak, MiB", "cohort, ms"]
    return Table("The export to Parquet: of an image set, and a question", columns, rows)


def _searches(results: Results) -> Table:
    rows = [
        [each.way, f"{each.entries:,.0f}", f"{each.entry * 1e6:.1f}", f"{each.call * 1e3:.2f}"]
        for each in results.searches
    ]
    columns = ["searching", "entries of a page", "CPU of an entry, us", "CPU of a small call, ms"]
    return Table("Searching: a full page, and a call that finds five entries", columns, rows)


def _others(results: Results) -> Table:
    rows = []
    for name, imports in (("imports and clients", results.imports), ("DICOMweb's", results.dicomweb)):
        if imports:
            rows.append([f"{name}, CPU ms: ours", _milliseconds(imports.ours)])
            rows.append([f"{name}, CPU ms: usual", _milliseconds(imports.usual)])
    if results.work_list is not None:
        rows.append(["DICOMweb's work list of 101 studies, CPU ms", _milliseconds(results.work_list)])
    if pipeline := results.pipeline:
        rows.append(["image sets through the whole local cloud", f"{pipeline.image_sets:,}"])
        rows.append(["of these a second", f"{pipeline.a_second:.0f}"])
        rows.append(["write units each", f"{pipeline.write_units:.1f}"])
    return Table("Cold start, and the local cloud", ["", ""], rows)


def _bounds(results: Results) -> Table:
    rows = [[promise, figure, bound, "yes" if kept else "NO"] for promise, figure, bound, kept in bounds.held(results)]
    return Table("Bounds", ["", "figure", "bound", "kept"], rows)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.{3 if seconds < 0.001 else 1}f}"
