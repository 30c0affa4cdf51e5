"""Whether a change set may be executed: it must change something, and must not cost data."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from deploy.errors import DeployError

# How the reason of a change set begins that failed for want of changes; the CDK's command line looks for the same.
_NO_CHANGES: Final = ("The submitted information didn't contain changes.", "No updates are to be performed.")

# Resources that hold data, and the properties that make CloudFormation replace them (AWS CloudFormation Template
# Reference). A change set is not always sure, and says "Conditional" then.
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    "AWS::DynamoDB::GlobalTable": frozenset({"KeySchema", "LocalSecondaryIndexes", "TableName"}),
    "AWS::KMS::Key": frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}


def may_be_executed(pages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a change set would change anything. One that changes only the stack's outputs lists no changes.

    Args:
        pages: the answers of DescribeChangeSet.

    Raises:
        DeployError: CloudFormation could not make it, or it would cost data.
    """
    if pages[0]["Status"] == "FAILED":
        reason: str = pages[0].get("StatusReason", "no reason was given")
        if reason.startswith(_NO_CHANGES):
            return False
        raise DeployError(f"CloudFormation cannot make the change set: {reason}\nThe deployed stack is unchanged.")
    changes = [change["ResourceChange"] for page in pages for change in page["Changes"] if "ResourceChange" in change]
    if lost := sorted({change["LogicalResourceId"] for change in changes if costs_data(change)}):
        raise DeployError(
            f"This would replace {', '.join(lost)} and lose all data in it, so nothing was deployed. To have another "
            "stack beside this one, set a new stackName."
        )
    return True


def costs_data(change: Mapping[str, Any]) -> bool:
    """Whether a change would lose the data that a resource holds, or might.

    Args:
        change: a `ResourceChange` (AWS CloudFormation API Reference).
    """
    kind: str = change["ResourceType"]
    if kind not in _KEPT:
        return False
    if change["Action"] == "Remove":
        # The key of the tokens goes with the last attribute that is hashed.
        return kind != "AWS::SecretsManager::Secret"
    targets = [detail["Target"] for detail in change.get("Details", [])]
    may_be = any(target["RequiresRecreation"] != "Never" and target.get("Name") in _KEPT[kind] for target in targets)
    replacement: str = change.get("Replacement", "False")
    return may_be or replacement == "True"
