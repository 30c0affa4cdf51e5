"""The table's indexes with the types of their key attributes, by their names in DynamoDB.

They come from a profile, from a table, or from the setting `indexes`: the indexes that one update of an upgrade leaves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from imaging_index.profile import index_names
from imaging_index.profile.profile import Profile

Keys = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TypedIndex:
    """One index: the names of its key attributes in their order, each with its DynamoDB type, `S` or `N`.

    `holds` has the names of the other attributes that it holds, sorted; None means all.
    """

    partition: Keys
    sort: Keys
    holds: tuple[str, ...] | None = None

    @property
    def types(self) -> dict[str, str]:
        """The type of each key attribute."""
        return dict((*self.partition, *self.sort))


Indexes = Mapping[str, TypedIndex]


def of_profile(profile: Profile) -> dict[str, TypedIndex]:
    """The indexes that a profile declares."""

    def typed(names: tuple[str, ...]) -> Keys:
        return tuple((name, profile.key_type(name)) for name in names)

    return {
        index_names.in_table(name, index): TypedIndex(
            typed(index.partition), typed(index.sort), None if index.holds is None else tuple(sorted(index.holds))
        )
        for name, index in profile.indexes.items()
    }


def of_table(table: Mapping[str, Any]) -> dict[str, TypedIndex]:
    """The indexes of a table.

    Args:
        table: as DescribeTable returns it, or the properties of an AWS::DynamoDB::GlobalTable: both have
            `AttributeDefinitions` and `GlobalSecondaryIndexes` of one form.
    """
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}

    def keys(schema: list[dict[str, str]], kind: str) -> Iterator[tuple[str, str]]:
        return ((key["AttributeName"], types[key["AttributeName"]]) for key in schema if key["KeyType"] == kind)

    def held(projection: Mapping[str, Any]) -> tuple[str, ...] | None:
        whole = projection["ProjectionType"] == "ALL"
        return None if whole else tuple(sorted(projection.get("NonKeyAttributes", ())))

    return {
        index["IndexName"]: TypedIndex(
            tuple(keys(index["KeySchema"], "HASH")),
            tuple(keys(index["KeySchema"], "RANGE")),
            held(index["Projection"]),
        )
        for index in table.get("GlobalSecondaryIndexes", [])
    }


def to_setting(indexes: Indexes) -> str:
    """The value of the setting `indexes`, in JSON."""
    return msgspec.json.encode(indexes).decode()
