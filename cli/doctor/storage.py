"""Whether what holds data is as the stack made it: the table, its indexes, its key, and the secret."""

from collections.abc import Iterator

from cli.aws_cli import aws
from cli.deployed import Stack
from cli.doctor import repairs
from cli.doctor.finding import Finding, failure, ok, warning
from imaging_index.table.layout import Key
from infra import indexes as typed_indexes


def table(stack: Stack) -> list[Finding]:
    """The table itself."""
    client = stack.session.client("dynamodb")
    name = stack.outputs["TableName"]
    try:
        described = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        return [failure(f"The table {name} is gone.", "Restore it from a backup or to a point in time.")]
    if described["TableStatus"] not in ("ACTIVE", "UPDATING"):
        return [
            failure(
                f"{name} is {described['TableStatus']}.",
                "Make sure that its key is enabled, and that the key's policy lets DynamoDB use it.",
            )
        ]
    stack.table.head(Key("doctor", "doctor"))
    return [ok(f"{name} can be read with your credentials, and has about {described.get('ItemCount', 0)} items.")]


def indexes(stack: Stack) -> list[Finding]:
    """The table's indexes, compared with those of the template."""
    name = stack.outputs["TableName"]
    described = stack.session.client("dynamodb").describe_table(TableName=name)["Table"]
    resources = stack.template["Resources"].values()
    (declared,) = (each["Properties"] for each in resources if each["Type"] == "AWS::DynamoDB::GlobalTable")
    wanted, present = typed_indexes.of_table(declared), typed_indexes.of_table(described)
    problems = [
        failure(f"{index} is gone: searches by it fail.", repairs.make_index(name, declared, index))
        for index in wanted.keys() - present.keys()
    ]
    problems += [
        failure(f"{index} differs from the template's.", f"Drop it. {repairs.make_index(name, declared, index)}")
        for index in wanted.keys() & present.keys()
        if wanted[index] != present[index]
    ]
    problems += [
        warning(f"{index} is not the stack's, and makes each write dearer.", "Drop it, if nobody needs it.")
        for index in present.keys() - wanted.keys()
    ]
    problems += [
        warning(f"{each['IndexName']} is {each['IndexStatus']}.", "Wait: it cannot be searched meanwhile.")
        for each in described.get("GlobalSecondaryIndexes", [])
        if each.get("IndexStatus") in ("CREATING", "DELETING")
    ]
    return problems or [ok(f"{', '.join(wanted) or 'None'}: as the profile declares them.")]


def key(stack: Stack) -> list[Finding]:
    """The stack's key."""
    (identifier,) = stack.ids("AWS::KMS::Key")
    client = stack.session.client("kms")
    enable = aws(f"kms enable-key --key-id {identifier}")
    try:
        state = client.describe_key(KeyId=identifier)["KeyMetadata"]["KeyState"]
    except client.exceptions.NotFoundException:
        return [
            failure(
                f"{identifier} is gone, and with it all that it encrypted: the table, the queues and the logs.",
                "It cannot be restored. Deploy a stack with another stackName, and index the data stores again, as "
                "docs/upgrades.md says.",
            )
        ]
    if state == "Enabled":
        return [ok(f"{identifier} is enabled.")]
    if state == "PendingDeletion":
        return [
            failure(
                f"{identifier} will be deleted, and the table with it.",
                aws(f"kms cancel-key-deletion --key-id {identifier}; {enable}"),
            )
        ]
    return [failure(f"{identifier} is {state}: nothing can be read or written.", enable)]


def secret(stack: Stack) -> Iterator[Finding]:
    """The key of tokens, mapped UIDs and shifts, if the profile has such a policy."""
    client = stack.session.client("secretsmanager")
    for identifier in stack.ids("AWS::SecretsManager::Secret"):
        try:
            scheduled = "DeletedDate" in client.describe_secret(SecretId=identifier)
        except client.exceptions.ResourceNotFoundException:
            yield failure(
                f"{identifier} is gone: its tokens, UIDs and shifts can never be made again.", repairs.find_drift(stack)
            )
            return
        if scheduled:
            yield failure(
                f"{identifier} is being deleted: what is hashed, mapped or shifted cannot be indexed.",
                aws(f"secretsmanager restore-secret --secret-id {identifier}"),
            )
        else:
            yield ok(f"{identifier} exists.")
