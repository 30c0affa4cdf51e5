"""What to do about a finding: where possible the command that mends it, made from the deployed template.

CloudFormation compares templates only, so a deployment does not restore what was deleted outside the stack.
"""

import json
from typing import Any, Final

from cli.aws_cli import aws
from cli.deployed import Stack

_QUEUE: Final = "AWS::SQS::Queue"
_QUEUE_POLICY: Final = "AWS::SQS::QueuePolicy"


def queue_name(url: str) -> str:
    """The name in a queue's URL."""
    return url.rpartition("/")[2]


def find_drift(stack: Stack) -> str:
    """The mend of what has no command of its own."""
    return "Find what was changed outside the stack, and restore it: " + aws(
        f"cloudformation detect-stack-drift --stack-name {stack.name}"
    )


def add_key_statement(stack: Stack) -> str:
    """The mend of a data store's key that does not let the function decrypt."""
    statement = stack.outputs.get("DataStoreKeyPolicyStatement")
    if statement is None:
        return "Name the data store with its kmsKeyArn in the setting dataStores, and deploy."
    return f"Add to the policy of the data store's key: {statement}"


def make_queue(stack: Stack, url: str) -> str:
    """The command that makes a deleted queue again."""
    (declared,) = (
        each["Properties"]
        for name, each in stack.template["Resources"].items()
        if each["Type"] == _QUEUE and _resolved(stack, {"Ref": name}) == url
    )
    declared = {name: value for name, value in declared.items() if name != "Tags"} | {"Policy": _policy(stack, url)}
    attributes = {
        name: json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in _resolved(stack, declared).items()
    }
    return aws(f"sqs create-queue --queue-name {queue_name(url)} --attributes '{json.dumps(attributes)}'")


def set_policy(stack: Stack, url: str) -> str:
    """The command that gives a queue the policy that the stack declares."""
    policy = json.dumps({"Policy": json.dumps(_policy(stack, url))})
    return aws(f"sqs set-queue-attributes --queue-url {url} --attributes '{policy}'")


def make_index(table: str, declared: Any, name: str) -> str:
    """The command that makes a dropped index again.

    Args:
        table: the table's name.
        declared: the table's properties in the template.
        name: the index's name.
    """
    (index,) = (each for each in declared["GlobalSecondaryIndexes"] if each["IndexName"] == name)
    keys = {key["AttributeName"] for key in index["KeySchema"]}
    definitions = [each for each in declared["AttributeDefinitions"] if each["AttributeName"] in keys]
    return aws(
        f"dynamodb update-table --table-name {table} --attribute-definitions '{json.dumps(definitions)}' "
        f"--global-secondary-index-updates '{json.dumps([{'Create': index}])}'"
    )


def _policy(stack: Stack, url: str) -> Any:
    """The policy that the stack declares for a queue."""
    policies = [each["Properties"] for each in stack.template["Resources"].values() if each["Type"] == _QUEUE_POLICY]
    (document,) = (each["PolicyDocument"] for each in policies if url in _resolved(stack, each["Queues"]))
    return _resolved(stack, document)


def _resolved(stack: Stack, value: Any) -> Any:
    """A part of the template with its references to queues, keys and the account resolved."""
    match value:
        case {"Fn::Join": [str(between), list(parts)]}:
            return between.join(_resolved(stack, part) for part in parts)
        case {"Ref": "AWS::AccountId"}:
            return stack.account
        case {"Ref": str(name)}:
            return stack.resources[name]["PhysicalResourceId"]
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            made = stack.resources[name]
            physical = made["PhysicalResourceId"]
            is_key = made["ResourceType"] == "AWS::KMS::Key"
            return stack.arn("kms", f"key/{physical}") if is_key else stack.arn("sqs", queue_name(physical))
        case dict():
            return {name: _resolved(stack, each) for name, each in value.items()}
        case list():
            return [_resolved(stack, each) for each in value]
    return value
