"""The conformance statement says what QIDO-RS does: its tables are those of the code."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from imaging_index import qido
from imaging_index.qido.parameters import ONCE
from tools import conformance

PAGE = conformance.FILE.read_text("utf-8")
PACKAGE = Path(next(iter(qido.__path__)))
FILES = [*PACKAGE.glob("*.py"), PACKAGE.parent / "handlers" / "dicomweb.py"]
SOURCES = "".join(file.read_text("utf-8") for file in FILES)
# API Gateway answers these without the service.
OF_THE_GATEWAY = {
    *(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.GATEWAY_TIMEOUT),
}


def first_column(section: str) -> Iterable[str]:
    """What the tables of a section have in their first columns."""
    _, _, rest = PAGE.partition(f"\n## {section}\n")
    return re.findall(r"^\| (.+?) \|", rest.partition("\n## ")[0], re.MULTILINE)


def test_the_tables_of_the_conformance_statement_are_those_of_the_code() -> None:
    assert conformance.written(PAGE) == PAGE, "run `python -m tools.conformance`"
    assert all(f"<!-- {name}: by" in PAGE for name in conformance.tables())


def test_it_has_every_parameter() -> None:
    assert {*re.findall(r"`(\w+)`", " ".join(first_column("Query parameters")))} == {*ONCE, "includefield"}


def test_it_has_every_status_that_is_answered() -> None:
    said = {int(each) for each in re.findall(r"\b\d{3}\b", " ".join(first_column("Status codes")))}
    used = {HTTPStatus[name] for name in re.findall(r"HTTPStatus\.([A-Z_]+)", SOURCES)}
    assert said == used | OF_THE_GATEWAY


def test_it_has_every_header_that_is_answered() -> None:
    used = {*re.findall(r"\"(X-(?!Amz)[A-Za-z-]+|Warning|Retry-After|Allow)\"", SOURCES)}
    assert all(f"`{name}`" in PAGE for name in used)
    assert used > {"Warning", "X-Total-Count"}
