"""Whether each data store that the stack indexes can be read, by the caller and by the function."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.deployed import Stack
from cli.doctor import policies, repairs
from cli.doctor.finding import Finding, failure, ok, warning
from imaging_index.searching.refusals import code, denied

_DATASTORE: Final = re.compile(r"\b[0-9a-z]{32}\b")


def data_stores(stack: Stack) -> Iterator[Finding]:
    """Those that the setting names, or all of the account and region."""
    client = stack.session.client("medical-imaging")
    named = named_or_all(stack)
    if not named:
        yield warning(
            "There are no data stores in this account and region.", "Deploy into the region of your data stores."
        )
    for datastore in named:
        yield from _data_store(stack, client, datastore)


def named_or_all(stack: Stack) -> list[str]:
    """The ids of the data stores that the setting names, or of all in the account and region."""
    if named := _DATASTORE.findall(stack.outputs["DataStores"]):
        return named
    pages = stack.session.client("medical-imaging").get_paginator("list_datastores").paginate(datastoreStatus="ACTIVE")
    return [each["datastoreId"] for page in pages for each in page["datastoreSummaries"]]


def _data_store(stack: Stack, client: Any, datastore: str) -> list[Finding]:
    problems: list[Finding] = []
    try:
        problems += _of_own_key(stack, client.get_datastore(datastoreId=datastore)["datastoreProperties"])
        fine = _read_one_image_set(client, datastore)
    except ClientError as error:
        return [*problems, _unreadable(stack, datastore, error)]
    return problems or [ok(fine)]


def _read_one_image_set(client: Any, datastore: str) -> str:
    """Read an image set as the function does. Returns what can be said of the data store then."""
    found = client.search_image_sets(datastoreId=datastore, maxResults=1)["imageSetsMetadataSummaries"]
    if not found:
        return f"{datastore} contains no image sets."
    ids = {"datastoreId": datastore, "imageSetId": found[0]["imageSetId"]}
    version = client.get_image_set(**ids)["versionId"]
    client.get_image_set_metadata(**ids, versionId=version)["imageSetMetadataBlob"].close()
    return f"{datastore} can be read with your credentials."


def _unreadable(stack: Stack, datastore: str, error: ClientError) -> Finding:
    found = f"{datastore}: {error.operation_name} answers {code(error)}"
    if "kms" in str(error).lower():
        return failure(f"{found} because of the data store's own key.", repairs.add_key_statement(stack))
    if denied(error):
        return failure(f"{found}.", f"Grant your credentials medical-imaging:{error.operation_name} on it.")
    if code(error) == "ResourceNotFoundException":
        return failure(f"{found}.", "Remove it from the setting dataStores, and deploy.")
    return failure(f"{found}.", "Try again. The AWS Health Dashboard shows the state of HealthImaging itself.")


def _of_own_key(stack: Stack, properties: Any) -> list[Finding]:
    """What keeps the function from a data store with a key of its own, which the caller's reading does not show."""
    key, datastore = properties.get("kmsKeyArn"), properties["datastoreId"]
    if not key or not key.startswith("arn:"):
        return []
    if not policies.names(stack.template["Resources"], key):
        return [
            failure(
                f"{datastore} has a key of its own, which the function may not use.",
                f'Add {{"id": "{datastore}", "kmsKeyArn": "{key}"}} to the setting dataStores and deploy; the stack '
                "then prints the statement that the key's policy needs.",
            )
        ]
    try:
        policy = json.loads(stack.session.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    except ClientError as error:
        return [
            warning(
                f"{datastore}: the policy of its key cannot be read ({code(error)}).", repairs.add_key_statement(stack)
            )
        ]
    roles = json.loads(stack.outputs["DataStoreKeyPolicyStatement"])["Principal"]["AWS"]
    if all(policies.lets_role_decrypt(policy, role) for role in policies.listed(roles)):
        return []
    return [
        failure(
            f"{datastore}: the policy of its key does not let the functions decrypt.",
            repairs.add_key_statement(stack),
        )
    ]
