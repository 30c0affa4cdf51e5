"""However many forged hints come, the index is right, the live hints are served at once, and nothing is told."""

from collections.abc import Callable
from typing import Any

import pytest

from imaging_index.faults import Configuration, Fault
from imaging_index.table.layout import Head, Key
from imaging_index.table.reading import TableReader
from imaging_index.table.writing import TableWriter
from proof.campaigns import flood
from proof.simulation import mutants
from proof.simulation.environments import DATASTORE, NEW, environments

_FORGED = 3_000


@pytest.fixture
def module() -> Any:
    """The handler's, as the waves use it first."""
    return environments()[NEW][0].module


def test_a_wave_of_forged_hints_neither_hides_nor_hinders_nor_is_told(
    record_property: Callable[[str, object], None],
) -> None:
    report = flood.run(0, _FORGED)
    assert report.harms == []
    assert report.forged == _FORGED
    assert report.live > _FORGED // 50
    # What is not ready came back and waited for all of its tries.
    assert report.deliveries > report.forged + report.live + 50
    record_property("forged hints", f"{report.forged:,} among {report.live:,} live, {report.deliveries:,} deliveries")


@pytest.mark.parametrize(
    "name",
    [
        "a Deleted event is believed without asking",
        "404 on the metadata means deleted",
        "the latest document, labelled with the version of the event",
    ],
)
def test_a_fault_that_forgeries_would_use_is_found(name: str) -> None:
    (mutant,) = (each for each in mutants.MUTANTS if each.name == name)
    with mutant.planted():
        assert flood.run(0, _FORGED).harms


def test_a_breaker_that_forgeries_can_open_is_found(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    note = type(module._breaker).note

    def every(breaker: Any, fault: Fault | None) -> None:
        note(breaker, fault and Configuration(fault.reason))

    monkeypatch.setattr(type(module._breaker), "note", every)
    assert any("came back" in harm for harm in flood.run(0, _FORGED).harms)


def test_a_log_that_quotes_a_forgery_is_found(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    park = type(module._queue).park

    def loud(queue: Any, delivery: Any, fault: Fault, request_id: str) -> None:
        module.observability.logger.error("parked", body=delivery.body)
        park(queue, delivery, fault, request_id)

    monkeypatch.setattr(type(module._queue), "park", loud)
    assert any("quote" in harm for harm in flood.run(0, _FORGED).harms)


def test_an_entry_that_is_made_up_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    head = TableReader.head

    def making(table: TableWriter, key: Key) -> Head | None:
        if key.datastore_id == DATASTORE and key.image_set_id.startswith("9"):
            table.put_entry(key, {"Generation": {"S": "1"}, "Attempt": {"S": "1"}})
        return head(table, key)

    monkeypatch.setattr(TableWriter, "head", making)
    assert any("made up" in harm for harm in flood.run(0, _FORGED).harms)
