"""The conformance statement says what QIDO-RS does: its tables are those of the code."""

from tools import conformance


def test_the_tables_of_the_conformance_statement_are_those_of_the_code() -> None:
    page = conformance.FILE.read_text("utf-8")
    assert conformance.written(page) == page, "run `python -m tools.conformance`"
    assert all(f"<!-- {name}: by" in page for name in conformance.tables())
