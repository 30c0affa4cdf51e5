"""What the policies of a function's role grant, in a local cloud that evaluates them; and each grant taken away."""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3

# An action, and in words what it is granted on.
Grant = tuple[str, str]

STORE_KEY: Final = "arn:aws:kms:us-east-1:100000000001:key/8a1c0d3e-1111-2222-3333-444455556666"

# What a policy's resource is, by the first of these that it contains.
RESOURCES: Final = {
    ":table/": "the table",
    "DeadLetterQueue": "the dead-letter queue",
    "PipelineQueue": "the queue",
    "/imageset/*": "the image sets of the data stores to index",
    ":datastore/": "the data stores to index",
    STORE_KEY: "the data stores' own keys",
    ":key/": "the stack's key",
    ":secret:": "the secret of the tokens",
    ":log-group:": "the function's log group",
    "*": "everything",
}


_HARMLESS: Final = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}


class Policies:
    """The managed policies of a function's role."""

    def __init__(self, aws: boto3.Session, function: str) -> None:
        """Read them, as the account's owner."""
        self._iam = aws.client("iam")
        role = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
        self._policies: dict[str, list[Any]] = {}
        for policy in self._iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document: Any = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            self._policies[arn] = document["Statement"]

    def replace_resource(self, before: str, after: str) -> None:
        """Grant on another resource what was granted on one."""
        for statement in itertools.chain(*self._policies.values()):
            if statement["Resource"] == before:
                statement["Resource"] = after
        self._put(self._policies)

    @property
    def grants(self) -> set[Grant]:
        """What they grant."""
        return {
            (action, in_words(resource))
            for statement in itertools.chain(*self._policies.values())
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }

    @contextlib.contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """Take one grant out of them for a while."""
        self._put(
            {
                policy: [
                    {**statement, "Action": action, "Resource": resource}
                    for statement in statements
                    for action in listed(statement["Action"])
                    for resource in listed(statement["Resource"])
                    if (action, in_words(resource)) != grant
                ]
                for policy, statements in self._policies.items()
            }
        )
        try:
            yield
        finally:
            self._put(self._policies)

    def _put(self, policies: Mapping[str, list[Any]]) -> None:
        """Make these the policies' statements, by their ARNs."""
        for policy, statements in policies.items():
            # A policy has at most five versions.
            for old in self._iam.list_policy_versions(PolicyArn=policy)["Versions"]:
                if not old["IsDefaultVersion"]:
                    self._iam.delete_policy_version(PolicyArn=policy, VersionId=old["VersionId"])
            # A policy has at least one statement.
            document = json.dumps({"Version": "2012-10-17", "Statement": statements or [_HARMLESS]})
            self._iam.create_policy_version(PolicyArn=policy, PolicyDocument=document, SetAsDefault=True)


def listed(value: Any) -> list[str]:
    """A policy's way with one and several."""
    return value if isinstance(value, list) else [value]


def in_words(resource: str) -> str:
    """What a policy's resource is."""
    return next(words for part, words in RESOURCES.items() if part in resource)
