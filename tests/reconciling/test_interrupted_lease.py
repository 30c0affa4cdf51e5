"""Ctrl-C while a command takes the lease of a checkpoint."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from imaging_index.reconciling.keeping import InTable
from imaging_index.table.checkpoints import Checkpoints


class Client:
    """DynamoDB with one checkpoint. Ctrl-C comes while the digest is read, when the lease is taken."""

    def __init__(self) -> None:
        self.item: dict[str, Any] = {}

    def update_item(self, **call: Any) -> Any:
        values = call["ExpressionAttributeValues"]
        if call["UpdateExpression"].startswith("SET"):
            self.item = {"Holder": values[":me"], "LeaseUntil": values[":until"], "Version": {"N": "1"}}
        else:
            assert (call["UpdateExpression"], call["ConditionExpression"]) == (
                "REMOVE Holder, LeaseUntil",
                "Holder = :held",
            )
            assert values[":held"] == self.item["Holder"]
            del self.item["Holder"], self.item["LeaseUntil"]
        return {"Attributes": self.item}

    def get_paginator(self, _: str) -> Any:
        raise KeyboardInterrupt


def test_who_is_interrupted_while_the_lease_is_taken_gives_it_back() -> None:
    client: Any = Client()
    clock: Any = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    keeper = InTable(Checkpoints(client, "table"), "d" * 32, "me", clock)
    with pytest.raises(KeyboardInterrupt):
        keeper.take()
    assert client.item == {"Version": {"N": "1"}}
