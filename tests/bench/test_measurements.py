import msgspec
import pytest

from bench import entries, fresh, stub
from bench.documents import packed
from bench.reading import METHODS
from bench.results import Export
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from infra.config import ROOT
from local.capacity import item_size

PROTOTYPE = ROOT / "bench" / "prototype.toml"
RADIOLOGY = ROOT / "profiles" / "radiology.toml"


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"gunzip", "passing"}))
def test_a_method_reads_every_instance(method: str) -> None:
    assert METHODS[method](toml_file.load(PROTOTYPE))(packed("ct_30"))[0] == 30


def test_the_profile_of_the_first_comparison_has_its_36_attributes() -> None:
    assert len(toml_file.load(PROTOTYPE).attributes) == 36


def test_a_fresh_process_tells_what_it_measured() -> None:
    figures = fresh.measured("bench.reading", "json", *map(str, (packed("mr_30"), PROTOTYPE, packed("mr_1"))))
    assert figures["instances"] == 30
    assert figures["cpu"] > 0
    assert figures["growth"] >= 0


def test_a_median_is_taken_of_each_figure() -> None:
    assert fresh.medians([{"a": 1, "b": 9}, {"a": 5, "b": 2}, {"a": 3, "b": 4}]) == {"a": 3, "b": 4}


def test_what_the_geometry_of_volumes_costs_is_a_ratio() -> None:
    figures = fresh.measured("bench.geometry", str(packed("mr_30")))
    assert figures.keys() == {"reader", "entry"}
    assert all(figure > 0 for figure in figures.values())


def test_what_an_export_costs_is_that_of_an_image_set() -> None:
    figures = fresh.measured("bench.export", "500")
    assert msgspec.convert(figures, Export).image_sets == 500
    assert all(figure > 0 for figure in figures.values())


def test_an_items_size_is_that_of_its_names_and_values() -> None:
    # DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    assert item_size({"Ä": {"S": "né"}}) == 2 + 3
    assert item_size({"n": {"N": "-12.50"}}) == 1 + 2 + 1 + 1
    assert item_size({"b": {"B": b"ABCD"}}) == 1 + 4
    assert item_size({"y": {"BOOL": True}}) == 1 + 1
    assert item_size({"l": {"L": [{"S": "ab"}]}}) == 1 + 3 + 1 + 2
    assert item_size({"m": {"M": {"k": {"S": "ab"}}}}) == 1 + 3 + 1 + 1 + 2


def test_an_item_is_charged_for_once_more_in_each_index_that_it_is_in() -> None:
    item = {"a": {"S": "x" * 1500}, "b": {"S": ""}}
    assert stub.write_units(item, []) == 2
    assert stub.write_units(item, [Index(("a",), ("b",)), Index(("a",), ("c",))]) == 4


def test_the_whole_job_is_done_both_ways_against_the_stub() -> None:
    with stub.running(0, RADIOLOGY, [packed("mr_1"), packed("mr_30")]) as running:
        ours, usual = (
            fresh.measured("bench.job", way, variables=running.variables(RADIOLOGY)) for way in ("ours", "usual")
        )
    assert usual["write_units"] == 30
    assert 2 <= ours["write_units"] < 30
    assert usual["calls"] == 1 + 2
    assert ours["calls"] >= 4


def test_events_go_through_the_handler_at_the_stubs_latency() -> None:
    with stub.running(0.01, RADIOLOGY, [packed("mr_1")]) as running:
        figures = fresh.measured("bench.events", "20", variables=running.variables(RADIOLOGY))
    assert figures["calls"] >= 4
    assert figures["a_second"] < 1 / (figures["calls"] * 0.01)
    assert figures["bare"] > 0


@pytest.mark.parametrize("way", ["ours", "botocore"])
def test_a_search_finds_every_entry_of_a_page_of_a_mebibyte(way: str) -> None:
    with stub.running(0, RADIOLOGY, [packed("mr_1"), packed("ct_30")]) as running:
        figures = fresh.measured("bench.search", way, variables=running.variables(RADIOLOGY))
    items = entries.page([packed(name).read_bytes() for name in ("mr_1", "ct_30")], toml_file.load(RADIOLOGY))
    assert figures["entries"] == len(items)
    assert 2**20 - max(map(item_size, items)) < sum(map(item_size, items)) <= 2**20
    assert 0 < figures["entry"] < figures["call"]
