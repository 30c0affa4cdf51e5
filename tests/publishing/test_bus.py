"""PutEvents: what is repeated, what is given up, and which events share a call."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from imaging_index.faults import Configuration, Overload, Unknown
from imaging_index.publishing.bus import Bus
from imaging_index.publishing.event import Event
from proof.simulation.memory import refusal


class Events:
    """A client whose answers are given: for each call the codes of its entries, by their keys, or an error."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[list[str]] = []
        self.entries: list[Any] = []

    def put_events(self, *, Entries: list[Any]) -> Any:  # noqa: N803
        self.entries += Entries
        self.calls.append([entry["Detail"] for entry in Entries])
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        results = [{"ErrorCode": answer[each]} if each in answer else {"EventId": each} for each in self.calls[-1]]
        return {"FailedEntryCount": len(answer), "Entries": results}


def events(*details: str, about: Callable[[str], str] = str) -> list[Event]:
    return [Event("Image Set Indexed", about(each), each, each) for each in details]


def bus(client: Events, pauses: list[float] | None = None) -> Bus:
    there: Any = client
    return Bus(there, "the-bus", ([] if pauses is None else pauses).append)


def test_an_entry_names_the_source_the_kind_and_the_bus() -> None:
    client = Events()
    assert bus(client).put(events("a")).done == 1
    assert client.entries == [
        {"Source": "imaging-index", "DetailType": "Image Set Indexed", "Detail": "a", "EventBusName": "the-bus"}
    ]


def test_only_the_entries_that_failed_are_repeated() -> None:
    client = Events({"b": "ThrottlingException", "d": "InternalFailure"}, {"d": "InternalFailure"})
    pauses: list[float] = []
    put = bus(client, pauses).put(events("a", "b", "c", "d"))
    assert (put.done, put.refused) == (4, ())
    assert client.calls == [["a", "b", "c", "d"], ["b", "d"], ["d"]]
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]


def test_the_first_entry_that_fails_each_time_ends_it_with_its_fault() -> None:
    details = [f"{number:02d}" for number in range(25)]
    always = {"13": "ThrottlingException", "17": "InternalFailure"}
    client = Events({}, *[always] * 9)
    put = bus(client).put(events(*details))
    assert put.done == 13
    assert put.fault
    # Nothing after the call is sent.
    assert not any("20" in call for call in client.calls)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("ThrottlingException", Overload),
        ("LimitExceededException", Overload),
        ("AccessDeniedException", Configuration),
        ("NotAuthorizedForSource", Configuration),
        ("InternalFailure", Unknown),
        ("Doe^Jane", Unknown),
    ],
)
def test_a_code_means_a_fault_and_is_quoted_only_if_it_is_known(code: str, fault: type) -> None:
    put = bus(Events(*[{"a": code}] * 9)).put(events("a"))
    assert put.done == 0
    assert type(put.fault) is fault
    assert "Doe" not in str(put.fault)


@pytest.mark.parametrize("code", ["MalformedDetail", "InvalidArgument", "RedactionFailure"])
def test_an_entry_that_is_refused_for_what_it_is_does_not_hold_up_the_others(code: str) -> None:
    client = Events({"b": code})
    put = bus(client).put(events("a", "b", "c"))
    assert (put.done, put.refused, put.fault) == (3, (1,), None)
    assert len(client.calls) == 1


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (refusal("PutEvents", "ThrottlingException"), Overload),
        (refusal("PutEvents", "AccessDeniedException"), Configuration),
        (ReadTimeoutError(endpoint_url="https://example"), Unknown),
    ],
)
def test_a_call_that_fails_is_not_repeated_since_the_sdk_has_done_so(error: Exception, fault: type) -> None:
    client = Events({}, error)
    put = bus(client).put(events(*map(str, range(15))))
    assert (put.done, type(put.fault)) == (10, fault)
    assert len(client.calls) == 2


def test_a_call_has_ten_entries_and_a_quarter_of_a_megabyte_at_most() -> None:
    client = Events()
    assert bus(client).put(events(*(f"{number}" * 60_000 for number in range(9)))).done == 9
    assert [len(call) for call in client.calls] == [3, 3, 3]
    client = Events()
    assert bus(client).put(events(*map(str, range(21)))).done == 21
    assert [len(call) for call in client.calls] == [10, 10, 1]


def test_a_call_has_one_event_of_an_image_set() -> None:
    client = Events()
    bus(client).put(events("a1", "b1", "a2", "c1", "a3", about=lambda detail: detail[0]))
    assert client.calls == [["a1", "b1"], ["a2", "c1"], ["a3"]]


def test_nothing_to_announce_is_no_call() -> None:
    client = Events()
    assert bus(client).put([]).done == 0
    assert client.calls == []
