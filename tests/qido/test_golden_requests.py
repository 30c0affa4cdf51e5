"""What viewers and libraries send is answered, and as looking at every document answers it."""

import re
from collections import Counter

import pytest

from tests.qido import oracle
from tests.qido.asking import get, message, objects
from tests.qido.golden import GOLDEN, Golden
from tests.qido.hospital import service

_LEVEL = re.compile(r"/(studies|series|instances)(?:\?|$)")


def level_of(address: str) -> str:
    found = _LEVEL.search(address)
    assert found
    return found[1]


def test_there_are_so_many_golden_requests_as_clients_were_looked_at_for() -> None:
    assert len({each.address for each in GOLDEN}) >= 45


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda each: each.client)
def test_a_golden_request_is_answered_as_looking_at_every_document_answers_it(golden: Golden) -> None:
    response = get(service(), golden.address, golden.accept)
    assert response.status == golden.status
    if golden.status != 200:
        assert message(response)
        return
    assert response.headers["Content-Type"] == "application/dicom+json"
    level = level_of(golden.address)
    everything = oracle.expected(golden.address)
    found = Counter(oracle.ids(objects(response), level))
    limit, offset = (
        int(match[1]) if (match := re.search(f"{name}=([0-9]+)", golden.address)) else default
        for name, default in (("limit", 100), ("offset", 0))
    )
    assert found <= everything
    assert found.total() == max(min(limit, everything.total() - offset), 0)


def test_golden_requests_find_something_unless_they_are_behind_the_end() -> None:
    empty = [each.client for each in GOLDEN if not oracle.expected(each.address)]
    assert empty == []


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda each: each.client)
def test_a_golden_request_that_its_budget_ends_is_no_empty_list(golden: Golden) -> None:
    """Whatever the budget is: rows are right ones, and an empty list is the whole truth."""
    everything = oracle.expected(golden.address)
    for budget in (1, 7, 40):
        response = get(service(budget=budget), golden.address, golden.accept)
        assert response.status in {golden.status, 413}
        if response.status == 200:
            found = Counter(oracle.ids(objects(response), level_of(golden.address)))
            assert found <= everything
            assert found or not everything or "offset=5" in golden.address
