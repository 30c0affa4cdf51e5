"""Policies of a local cloud that evaluates them, of which single grants can be taken away."""

import contextlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import boto3

from infra.config import ROOT

# An action, and in words what it is granted on.
Grant = tuple[str, str]

STORE_KEY: Final = "arn:aws:kms:us-east-1:100000000001:key/8a1c0d3e-1111-2222-3333-444455556666"

# What a policy's resource is, by the first of these that it contains.
RESOURCES: Final = {
    "/documents/*": "kept documents",
    ":s3:::": "the bucket of documents",
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
# A policy has at least one statement.
_HARMLESS: Final = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}


class Policies:
    """Some managed policies of an account.

    Args:
        aws: the SDK, as the account's owner.
        of: which policies: all whose names contain this.
        resources: what a resource is in words, by the first of these texts that it contains.
    """

    def __init__(self, aws: boto3.Session, of: str = "", resources: Mapping[str, str] = RESOURCES) -> None:
        self._iam, self._resources = aws.client("iam"), resources
        self._statements: dict[str, list[Any]] = {}
        for policy in self._iam.list_policies(Scope="Local")["Policies"]:
            if of in policy["PolicyName"]:
                version = self._iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
                self._statements[policy["Arn"]] = version["PolicyVersion"]["Document"]["Statement"]
        # The local cloud's CloudFormation makes of a reference to a secret its name, and AWS's its ARN.
        secrets = {each["Name"]: each["ARN"] for each in aws.client("secretsmanager").list_secrets()["SecretList"]}
        for statement in itertools.chain(*self._statements.values()):
            if isinstance(statement["Resource"], str):
                statement["Resource"] = secrets.get(statement["Resource"], statement["Resource"])
        self._put(self._statements)

    @property
    def grants(self) -> set[Grant]:
        """What they grant."""
        return {
            (action, self._in_words(resource))
            for statement in itertools.chain(*self._statements.values())
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
        }

    @contextlib.contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """Take one grant away for a while."""
        self._put(
            {
                policy: [
                    {**statement, "Action": action, "Resource": resource}
                    for statement in statements
                    for action in _listed(statement["Action"])
                    for resource in _listed(statement["Resource"])
                    if (action, self._in_words(resource)) != grant
                ]
                for policy, statements in self._statements.items()
            }
        )
        try:
            yield
        finally:
            self._put(self._statements)

    def _in_words(self, resource: str) -> str:
        return next(words for part, words in self._resources.items() if part in resource)

    def _put(self, policies: Mapping[str, list[Any]]) -> None:
        """Make these the policies' statements, by their ARNs."""
        for policy, statements in policies.items():
            # A policy has at most five versions.
            for old in self._iam.list_policy_versions(PolicyArn=policy)["Versions"]:
                if not old["IsDefaultVersion"]:
                    self._iam.delete_policy_version(PolicyArn=policy, VersionId=old["VersionId"])
            document = json.dumps({"Version": "2012-10-17", "Statement": statements or [_HARMLESS]})
            self._iam.create_policy_version(PolicyArn=policy, PolicyDocument=document, SetAsDefault=True)


def documented(heading: str, end: str) -> list[tuple[str, ...]]:
    """The table of grants in a section of docs/security.md, to its `end`: the action, on what, and how it is shown."""
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    section = page.partition(f"\n{heading}\n")[2].partition(end)[0]
    return re.findall(r"^\| `(\S+)` \| (.+) \| (proven|pinned) \|$", section, re.MULTILINE)


def rows(proven: Iterable[Grant], pinned: Iterable[Grant]) -> list[tuple[str, ...]]:
    """The table of grants as it has to be documented."""
    return [(*grant, how) for how, grants in (("proven", proven), ("pinned", pinned)) for grant in sorted(grants)]


def _listed(value: Any) -> list[str]:
    """A policy's way with one and several."""
    return value if isinstance(value, list) else [value]
