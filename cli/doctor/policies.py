"""What the policies of resources allow (IAM User Guide, "Grammar of the IAM JSON policy language")."""

import json
from typing import Any


def lets_role_decrypt(policy: Any, role: str) -> bool:
    """Whether a key's policy allows a role to decrypt, directly or by leaving that to the account's IAM policies."""
    account = f"{role.rsplit(':', 1)[0]}:root"
    return any(
        statement["Effect"] == "Allow"
        and {role, account, "*"} & set(_listed(statement.get("Principal", {}), "AWS"))
        and {"kms:Decrypt", "kms:*", "*"} & set(_listed(statement, "Action"))
        for statement in _listed(policy, "Statement")
    )


def lets_rule_send(policy: Any, rule: str) -> bool:
    """Whether a queue's policy allows the rule with this ARN to send."""
    return any(
        statement["Effect"] == "Allow"
        and "events.amazonaws.com" in _listed(statement.get("Principal", {}), "Service")
        and {"sqs:sendmessage", "sqs:*"} & {action.lower() for action in _listed(statement, "Action")}
        and names(statement.get("Condition", rule), rule)
        for statement in _listed(policy, "Statement")
    )


def names(document: Any, arn: str) -> bool:
    """Whether a document contains the whole ARN as a value."""
    return json.dumps(arn) in json.dumps(document)


def _listed(document: Any, name: str) -> list[Any]:
    """A member of a policy as a list, also if the policy has one value there."""
    return listed(document.get(name, []) if isinstance(document, dict) else document)


def listed(value: Any) -> list[Any]:
    """A policy's way with one value and several."""
    return value if isinstance(value, list) else [value]
