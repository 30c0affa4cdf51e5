"""A table in memory with its stream and its index by study: the calls that the function which announces makes."""
# ruff: noqa: N803  the arguments are botocore's

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from proof.simulation.memory import refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from imaging_index.entry.item import Item

_SET: Final = re.compile(r"(\w+) = (:\w+)")
_CONDITION: Final = re.compile(r"attribute_not_exists\((\w+)\) OR \1 (<|<=) (:\w+)")
_UID: Final = "StudyInstanceUID"


class Table:
    """The items by partition and sort key.

    Args:
        random: draws the index's lag.
        now: the time.
        changed: called with the keys of a written item, and what it was before and is now; not if that is the same.
        index_lag: for how many seconds at most the index by study does not know of a change.
    """

    def __init__(
        self,
        random: Random,
        now: Callable[[], float],
        changed: Callable[[str, str, Item | None, Item | None], None],
        index_lag: float,
    ) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self._random, self._now, self._changed, self._index_lag = random, now, changed, index_lag
        # When an entry was written at which generation, and when the index knew what study it is in.
        self.history: dict[str, list[tuple[float, str]]] = {}
        self._known: dict[str, list[tuple[float, str | None]]] = {}

    def write(self, key: str, part: str, item: Item | None) -> None:
        """Write or delete an item."""
        old = self.items.get((key, part))
        if item is None:
            self.items.pop((key, part), None)
        else:
            self.items[key, part] = {"ImageSet": {"S": key}, "Part": {"S": part}} | item
        new = self.items.get((key, part))
        if old == new:
            return  # DynamoDB makes no record of what changes nothing
        if part == "entry":
            self.history.setdefault(key, []).append((self._now(), new["Generation"]["S"] if new else ""))
            known = self._known.setdefault(key, [])
            moment = max(known[-1][0] if known else 0, self._now() + self._random.uniform(0, self._index_lag))
            known.append((moment, (new or {}).get(_UID, {}).get("S")))
        self._changed(key, part, old, new)

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> Any:
        """GetItem."""
        assert TableName
        assert ConsistentRead
        item = self.items.get((Key["ImageSet"]["S"], Key["Part"]["S"]))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, *, RequestItems: Any) -> Any:
        """BatchGetItem with a projection; now and then of a part of it."""
        ((name, wanted),) = RequestItems.items()
        assert wanted["ConsistentRead"]
        names = wanted["ExpressionAttributeNames"].values()
        keys, left = wanted["Keys"], []
        if len(keys) > 1 and self._random.random() < 0.1:
            keys, left = keys[:1], keys[1:]
        items = [self.items.get((key["ImageSet"]["S"], key["Part"]["S"])) for key in keys]
        found = [{each: item[each] for each in names if each in item} for item in items if item is not None]
        unprocessed = {name: wanted | {"Keys": left}} if left else {}
        return {"Responses": {name: found}, "UnprocessedKeys": unprocessed}

    def update_item(
        self,
        *,
        TableName: str,
        Key: Item,
        UpdateExpression: str,
        ExpressionAttributeValues: Item,
        ConditionExpression: str | None = None,
    ) -> Any:
        """UpdateItem that sets attributes, on the condition that a number is not greater."""
        assert TableName
        key = Key["ImageSet"]["S"], Key["Part"]["S"]
        item = self.items.get(key, {})
        if ConditionExpression:
            condition = _CONDITION.fullmatch(ConditionExpression)
            assert condition, ConditionExpression
            if condition[1] in item:
                there, new = float(item[condition[1]]["N"]), float(ExpressionAttributeValues[condition[3]]["N"])
                if there > new or (there == new and condition[2] == "<"):
                    raise refusal("UpdateItem", "ConditionalCheckFailedException")
        values = {name: ExpressionAttributeValues[value] for name, value in _SET.findall(UpdateExpression)}
        self.write(*key, {**item, **values})
        return {}

    def query(
        self,
        *,
        TableName: str,
        IndexName: str,
        ExpressionAttributeNames: dict[str, str],
        ExpressionAttributeValues: Item,
        **_: object,
    ) -> Any:
        """Query of the index by study, as far as it knows."""
        assert TableName
        assert IndexName
        assert list(ExpressionAttributeNames.values()) == [_UID]
        (value,) = ExpressionAttributeValues.values()
        found = []
        for key, known in self._known.items():
            uids = [uid for moment, uid in known if moment <= self._now()]
            if uids and uids[-1] == value["S"]:
                found.append({"ImageSet": {"S": key}, "Part": {"S": "entry"}})
        return {"Items": found, "ConsumedCapacity": {"CapacityUnits": 0.5}}

    def describe_table(self, *, TableName: str) -> Any:
        """DescribeTable: the one index."""
        assert TableName
        schema = [{"AttributeName": _UID, "KeyType": "HASH"}, {"AttributeName": "ImageSetId", "KeyType": "RANGE"}]
        index = {"IndexName": "study", "KeySchema": schema, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        return {"Table": {"GlobalSecondaryIndexes": [index], "AttributeDefinitions": []}}
