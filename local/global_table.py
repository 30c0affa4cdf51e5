"""Updates of a table by ministack's CloudFormation, as AWS does them."""

from typing import Any

from imaging_index.profile.schema import MOST_HELD_TOGETHER


def mend_updates() -> None:
    """Make ministack 1.5.33 keep a table that is updated, and refuse what DynamoDB refuses.

    For AWS::DynamoDB::GlobalTable, which the CDK's TableV2 is, it would look for a table by another name than it made
    it with, and replace it. It would also make and drop any number of indexes at once.
    """
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"]
    update = handlers["update"]

    def update_in_place(table: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        before, after = _indexes(old), _indexes(new)
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        # The words of AWS.
        if len(changed) > 1:
            raise ValueError("Cannot perform more than one GSI creation or deletion in a single update")
        if set(changed) & before.keys() & after.keys():
            raise ValueError(
                "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights "
                "Specification. You can create a new GSI with a different name."
            )
        if sum(len(index["Projection"].get("NonKeyAttributes", ())) for index in after.values()) > MOST_HELD_TOGETHER:
            raise ValueError(f"Number of projected attributes in all indexes exceeds {MOST_HELD_TOGETHER}")
        return update(table, {**old, "TableName": table}, {**new, "TableName": table}, stack)

    handlers["update"] = update_in_place


def _indexes(properties: dict[str, Any]) -> dict[str, Any]:
    return {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
