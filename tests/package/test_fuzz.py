"""Thousands of documents and events that somebody has tampered with."""

from collections.abc import Callable

import pytest

from imaging_index.dicom import vrs
from imaging_index.entry import entry
from imaging_index.faults import Poison
from proof.campaigns import fuzz
from proof.harness.canary import MARKER, PACKED_MARKER

CASES = 10_000  # make prove: 600,000


@pytest.mark.long
def test_what_was_tampered_with_is_taken_or_refused_and_never_quoted(
    record_property: Callable[[str, object], None],
) -> None:
    report = fuzz.run(0, CASES)
    assert report.harms == []
    # Neither is all of it refused at the door, nor all of it harmless.
    assert CASES / 5 < report.refused < CASES / 2
    record_property("documents and events tampered with", f"{report.tried:,}, {report.refused:,} refused")


def test_half_of_the_documents_have_the_marker_in_every_text() -> None:
    documents = fuzz.corpus()
    for document in documents[len(documents) // 2 :]:
        assert all(text.endswith((MARKER, PACKED_MARKER)) for text in fuzz.texts(document))
    assert len(documents) > 40


def test_a_case_is_the_same_in_every_run() -> None:
    reports = [fuzz.run(1_000, 300) for _ in range(2)]
    assert reports[0].refused == reports[1].refused > 0


@pytest.mark.parametrize("fault", [ValueError, Poison])
def test_an_error_that_quotes_a_value_is_found(fault: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(value: object) -> str:
        raise fault(f"no text: {value}")

    monkeypatch.setattr(vrs, "parser", lambda _: parse)
    assert any("quotes what it met" in harm for harm in fuzz.run(0, 100).harms)


def test_an_error_that_quotes_nothing_but_is_none_of_ours_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(entry, "_single")
    harms = fuzz.run(0, 100).harms
    assert harms
    assert not any("quotes" in harm for harm in harms)
