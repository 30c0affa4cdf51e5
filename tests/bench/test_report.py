import io
from pathlib import Path
from xml.etree import ElementTree

import msgspec
from rich.console import Console

from bench import bounds, plot, report, results
from bench.results import METHODS, Document, Events, Export, Geometry, Imports, Job, Reading, Results, Search
from infra.config import ROOT

MIB = 2**20
CPU = {"json": 1.0, "orjson": 0.5, "ijson": 1.0, "gunzip": 0.02, "passing": 0.03}


def of_run() -> Results:
    """A run that keeps every bound, exactly."""
    names = ["mr_1", "mr_10000", "mr_50000"]
    readings = [Reading(name, method, "", cpu, 600 * MIB) for name in names for method, cpu in CPU.items()]
    readings += [
        Reading(name, "ours", profile, 0.105, 8 * MIB) for name in names for profile in ("prototype", "radiology")
    ]
    jobs = [
        Job("mr_10000", "usual", 12, 600 * MIB, 400, 10_000),
        Job("mr_10000", "ours", 1, 60 * MIB, 5, 600),
        Job("mr_50000", "ours", 5, 80 * MIB, 9, 3_000),
    ]
    documents = {name: Document(int(name[3:]) * 3000, 100) for name in names}
    events = [Events("mr_1", 0.005, 30, 0.006, 0.004, 5, 15), Events("mr_100", 0.005, 20, 0.009, 0.004, 5, 15)]
    searches = [Search("botocore", 600, 300e-6, 0.003), Search("ours", 600, 40e-6, 0.002)]
    return Results("2026-01-01", "2 cores", 5, documents, readings, jobs, events, searches, Imports(0.09, 0.2, 0.45))


def test_a_run_that_keeps_every_bound_is_said_to() -> None:
    held = bounds.held(of_run())
    assert len(held) == 13
    assert all(bound.kept for bound in held)


def changed(run: Results, document: str, **figures: float) -> Results:
    """The run with other figures of our own reading of one document."""
    readings = [
        msgspec.structs.replace(each, **figures) if (each.document, each.method) == (document, "ours") else each
        for each in run.readings
    ]
    return msgspec.structs.replace(run, readings=readings)


def missed(run: Results) -> set[str]:
    return {bound.promise for bound in bounds.held(run) if not bound.kept}


def test_a_bound_that_the_reader_misses_on_one_document_is_told() -> None:
    less = "10,000 instances and more: times less CPU than json"
    fewer = "1,000 instances and more: times less CPU than json"
    limit = "1,000 instances and more: times the CPU of gunzip and msgspec alone"
    growth, flat = "growth of memory, MiB", "growth of memory from 12 to 151 MB, MiB"
    assert missed(changed(of_run(), "mr_10000", cpu=0.106)) == {limit}
    assert missed(changed(of_run(), "mr_10000", cpu=0.118)) == {less, limit}
    assert missed(changed(of_run(), "mr_10000", cpu=0.223)) == {less, limit, fewer}
    assert missed(changed(of_run(), "mr_10000", growth=9 * MIB)) == {growth}
    assert missed(changed(of_run(), "mr_10000", growth=5 * MIB)) == {flat}
    assert missed(changed(of_run(), "mr_1", cpu=1.1)) == {"one instance: times less CPU than json"}


def test_a_dear_job_and_dear_imports_are_told() -> None:
    run = of_run()
    usual, ours, largest = run.jobs
    dear = msgspec.structs.replace(ours, cpu=1.1, write_units=601)
    fat = msgspec.structs.replace(largest, peak=81 * MIB)
    assert missed(msgspec.structs.replace(run, jobs=[usual, dear, fat], imports=Imports(0.1, 0.2, 0.5))) == {
        "whole job, mr_10000: times less CPU than usual",
        "whole job, mr_10000: write units, % of the usual",
        "whole process, 50,000 instances, MiB",
        "imports and clients: share of the usual set",
    }


def test_a_dear_geometry_of_volumes_is_told() -> None:
    promise = "the geometry of volumes: times the reader's CPU without"
    for reader, kept in ((1.1, set()), (1.11, {promise})):
        geometry = [Geometry("mr_10000", 1, 1.3), Geometry("mf_20000", reader, 3)]
        assert missed(msgspec.structs.replace(of_run(), geometry=geometry)) == kept


def test_an_export_that_is_slow_or_large_is_told() -> None:
    kept = Export(200_000, 19e-6, 32e-6, 120, 256 * MIB, 0.2)
    missing: dict[str, dict[str, float]] = {
        "export to Parquet: image sets a second and core": {"cpu": 21e-6},
        "export to Parquet: times less CPU than msgspec's decoding": {"decoding": 28e-6},
        "export to Parquet: bytes of an image set": {"size": 121},
        "export to Parquet: the whole process, MiB": {"peak": 257 * MIB},
        "a cohort question over it, ms": {"question": 0.21},
    }
    assert missed(msgspec.structs.replace(of_run(), export=kept)) == set()
    for promise, figures in missing.items():
        export = msgspec.structs.replace(kept, **figures)
        assert missed(msgspec.structs.replace(of_run(), export=export)) == {promise}


def test_dear_events_and_searches_are_told() -> None:
    run = of_run()
    events = [msgspec.structs.replace(each, cpu=0.0061) for each in run.events]
    searches = [msgspec.structs.replace(each, entry=41e-6, call=0.0021) for each in run.searches]
    assert missed(msgspec.structs.replace(run, events=events, searches=searches)) == {
        "an event, mr_1: times the CPU of its calls by botocore alone",
        "searching, from call to output: CPU of an entry, us",
        "searching: CPU of a call that finds five entries, ms",
    }


def test_the_screen_shows_ratios_and_bounds() -> None:
    screen = Console(file=io.StringIO(), width=100)
    report.show(of_run(), screen)
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "x9.5" in shown
    assert "6.0%" in shown
    assert "whole process, 50,000 instances, MiB" in shown


def test_the_tables_are_put_into_their_place_and_nothing_else_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text("before\n<!-- bench -->\nof another run\n<!-- /bench -->\nafter\n")
    report.write(of_run(), path)
    before, tables, after = path.read_text().replace("<!-- /bench -->", "<!-- bench -->").split("<!-- bench -->")
    assert (before, after) == ("before\n", "\nafter\n")
    assert "of another run" not in tables
    assert "| mr_10000 ours | 1,000.0 | x12.0 | 60 | 5 | 600 | 6.0% |" in tables


def test_the_plot_is_a_picture_with_every_method_and_document_of_size() -> None:
    root = ElementTree.fromstring(plot.svg(of_run()))  # noqa: S314  what we wrote ourselves
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {*METHODS.values(), "mr_10000", "mr_50000"} <= {*texts}
    assert "mr_1" not in texts


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    results.save(of_run(), tmp_path / "run.json")
    assert results.load(tmp_path / "run.json") == of_run()


def test_the_tables_and_the_plot_in_docs_are_of_the_recorded_run() -> None:
    docs = ROOT / "docs"
    recorded = results.load(docs / "performance.json")
    assert report.markdown(recorded) in (docs / "performance.md").read_text("utf-8")
    assert plot.svg(recorded) == (docs / "performance.svg").read_text("utf-8")
