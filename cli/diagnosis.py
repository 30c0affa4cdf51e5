"""What there is to say of a deployed stack's parts, each asked with the caller's own rights.

Of AWS's errors only the code is told, and of what is indexed nothing but counts: no finding holds a DICOM value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imaging_index.table.layout import Key
from imaging_index.table.reading import TableReader
from infra import indexes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Older hints than this are waiting for something: one that is handled at once waits for seconds.
_LATE: Final = timedelta(minutes=15)
_EVENTS: Final = "Look for the first failure in the stack's events, and deploy again."
_QUEUE_POLICY: Final = "AWS::SQS::QueuePolicy"
_DATASTORE: Final = re.compile(r"\b[0-9a-z]{32}\b")


class Status(StrEnum):
    """How bad it is: a warning may be as it should be, a failure never is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, and what to do about it; nothing when it is as it should be."""

    part: str
    status: Status
    found: str
    next: str = ""


class Stack:
    """A deployed stack, and the parts that CloudFormation made of it.

    Args:
        name: the stack's name.
        outputs: the stack's outputs, by name.
    """

    def __init__(self, name: str, outputs: dict[str, str]) -> None:
        self.name = name
        self.outputs = outputs

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template that is deployed."""
        template: Any = boto3.client("cloudformation").get_template(StackName=self.name)["TemplateBody"]
        return dict(template)

    @cached_property
    def about(self) -> Any:
        """What CloudFormation tells of the stack (AWS CloudFormation API Reference, "Stack")."""
        return boto3.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]

    def ids(self, kind: str) -> list[str]:
        """The physical ids of the resources of a CloudFormation type."""
        return [each["PhysicalResourceId"] for each in self._resources.values() if each["ResourceType"] == kind]

    def arn(self, service: str, resource: str) -> str:
        """The ARN of what is in the stack's account and region."""
        _, partition, _, region, account, _ = self.about["StackId"].split(":", 5)
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    def resolved(self, value: Any) -> Any:
        """A part of the template as CloudFormation has made it, where it refers to queues, keys and the account."""
        match value:
            case {"Fn::Join": [str(between), list(parts)]}:
                return between.join(map(self.resolved, parts))
            case {"Ref": "AWS::AccountId"}:
                return self.arn("", "").split(":")[4]
            case {"Ref": str(name)}:
                return self._resources[name]["PhysicalResourceId"]
            case {"Fn::GetAtt": [str(name), "Arn"]}:
                made = self._resources[name]
                physical = made["PhysicalResourceId"]
                is_key = made["ResourceType"] == "AWS::KMS::Key"
                return self.arn("kms", f"key/{physical}") if is_key else self.arn("sqs", _name(physical))
            case dict():
                return {name: self.resolved(each) for name, each in value.items()}
            case list():
                return [self.resolved(each) for each in value]
        return value

    @cached_property
    def _resources(self) -> dict[str, Any]:
        pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {each["LogicalResourceId"]: each for page in pages for each in page["StackResourceSummaries"]}


def examine(stack: Stack) -> Iterator[Finding]:
    """The findings of all parts, in the order of an event's way; one that cannot be asked is a warning of its own."""
    for part, check in _CHECKS.items():
        try:
            for status, found, next_step in check(stack):
                yield Finding(part, status, found, next_step)
        except ClientError as error:
            denied = f"Give your credentials the permission for {error.operation_name}." if _denied(error) else ""
            yield Finding(part, Status.WARNING, f"{error.operation_name} answers {_code(error)}.", denied)
        except BotoCoreError as error:
            yield Finding(part, Status.WARNING, f"AWS cannot be asked: {type(error).__name__}.")


# Status, what was found, what to do.
_Said = tuple[Status, str, str]
_Given = ParamSpec("_Given")


def _of_one_thing(check: Callable[_Given, Iterator[_Said]]) -> Callable[_Given, Iterator[_Said]]:
    """A check that says nothing good of what it has said something bad of."""

    @wraps(check)
    def checked(*given: _Given.args, **named: _Given.kwargs) -> Iterator[_Said]:
        bad = False
        for said in check(*given, **named):
            bad = bad or said[0] is not Status.OK
            if said[0] is not Status.OK or not bad:
                yield said

    return checked


def _ok(found: str) -> _Said:
    return Status.OK, found, ""


def _warning(found: str, next_step: str) -> _Said:
    return Status.WARNING, found, next_step


def _failure(found: str, next_step: str) -> _Said:
    return Status.FAILURE, found, next_step


def _stack(stack: Stack) -> Iterator[_Said]:
    about = stack.about
    status = about["StackStatus"]
    if status.endswith("_IN_PROGRESS"):
        yield _warning(f"{stack.name} is {status}.", "Look again when the deployment is through.")
    elif status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        since = about.get("LastUpdatedTime", about["CreationTime"])
        yield _ok(f"{stack.name} is {status} since {since:%Y-%m-%d %H:%M}.")
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield _warning(f"The last update of {stack.name} failed and was undone.", _EVENTS)
    else:
        yield _failure(f"{stack.name} is {status}.", _EVENTS)


def _data_stores(stack: Stack) -> Iterator[_Said]:
    client = boto3.client("medical-imaging")
    named = _DATASTORE.findall(stack.outputs["DataStores"])
    if not named:
        pages = client.get_paginator("list_datastores").paginate(datastoreStatus="ACTIVE")
        named = [each["datastoreId"] for page in pages for each in page["datastoreSummaries"]]
    if not named:
        yield _warning("There is none in this account and region.", "Deploy into the region of your data stores.")
    for datastore in named:
        yield from _data_store(stack, client, datastore)


@_of_one_thing
def _data_store(stack: Stack, client: Any, datastore: str) -> Iterator[_Said]:
    try:
        yield from _key_of_data_store(stack, client.get_datastore(datastoreId=datastore)["datastoreProperties"])
        yield _read_one_image_set(client, datastore)
    except ClientError as error:
        yield _unreadable(stack, datastore, error)


def _read_one_image_set(client: Any, datastore: str) -> _Said:
    found = client.search_image_sets(datastoreId=datastore, maxResults=1)["imageSetsMetadataSummaries"]
    if not found:
        return _ok(f"{datastore} holds no image set.")
    ids = {"datastoreId": datastore, "imageSetId": found[0]["imageSetId"]}
    version = client.get_image_set(**ids)["versionId"]
    client.get_image_set_metadata(**ids, versionId=version)["imageSetMetadataBlob"].close()
    return _ok(f"{datastore} can be read by you.")


def _unreadable(stack: Stack, datastore: str, error: ClientError) -> _Said:
    found = f"{datastore}: {error.operation_name} answers {_code(error)}"
    if "kms" in str(error).lower():
        return _failure(f"{found}, for the data store's own key.", _consent(stack))
    if _denied(error):
        return _failure(f"{found}.", f"Give your credentials medical-imaging:{error.operation_name} on it.")
    if _code(error) == "ResourceNotFoundException":
        return _failure(f"{found}.", "Take it out of the setting dataStores, and deploy.")
    return _failure(f"{found}.", "Try again; HealthImaging's own health is in the AWS Health Dashboard.")


def _key_of_data_store(stack: Stack, properties: Any) -> Iterator[_Said]:
    """What keeps the function from a data store with a key of its own, which the caller's reading does not show."""
    key, datastore = properties.get("kmsKeyArn"), properties["datastoreId"]
    if not key or not key.startswith("arn:"):
        return
    if not _names(stack.template["Resources"], key):
        yield _failure(
            f"{datastore} has a key of its own, which the function may not use.",
            f'Have {{"id": "{datastore}", "kmsKeyArn": "{key}"}} in the setting dataStores and deploy; the stack then '
            "prints the statement that the key's policy needs.",
        )
        return
    try:
        policy = json.loads(boto3.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    except ClientError as error:
        yield _warning(f"{datastore}: the policy of its key cannot be seen ({_code(error)}).", _consent(stack))
        return
    if not _lets_in(policy, json.loads(stack.outputs["DataStoreKeyPolicyStatement"])["Principal"]["AWS"]):
        yield _failure(f"{datastore}: the policy of its key does not let the function in.", _consent(stack))


def _lets_in(policy: Any, role: str) -> bool:
    """Whether a key's policy allows a role to decrypt, by itself or by leaving that to the account's IAM policies."""
    account = f"{role.rsplit(':', 1)[0]}:root"
    return any(
        statement["Effect"] == "Allow"
        and {role, account, "*"} & set(_listed(statement.get("Principal", {}), "AWS"))
        and {"kms:Decrypt", "kms:*", "*"} & set(_listed(statement, "Action"))
        for statement in _listed(policy, "Statement")
    )


def _listed(document: Any, name: str) -> list[Any]:
    """A member of a policy, which may be one value or a list of them."""
    value = document.get(name, []) if isinstance(document, dict) else document
    return value if isinstance(value, list) else [value]


def _names(document: Any, arn: str) -> bool:
    """Whether an ARN stands somewhere in a document, whole."""
    return json.dumps(arn) in json.dumps(document)


def _consent(stack: Stack) -> str:
    statement = stack.outputs.get("DataStoreKeyPolicyStatement")
    if statement is None:
        return "Name the data store with its kmsKeyArn in the setting dataStores, and deploy."
    return f"Add to the policy of the data store's key: {statement}"


@_of_one_thing
def _rule(stack: Stack) -> Iterator[_Said]:
    client = boto3.client("events")
    (name,) = stack.ids("AWS::Events::Rule")
    name = name.rpartition("/")[2]
    try:
        rule = client.describe_rule(Name=name)
        targets = client.list_targets_by_rule(Rule=name)["Targets"]
    except client.exceptions.ResourceNotFoundException:
        yield _failure(f"The rule {name} is gone: no change reaches the index.", _again(stack))
        return
    if rule["State"] == "DISABLED":
        yield _failure(f"{name} is disabled: no change reaches the index.", f"aws events enable-rule --name {name}")
    if not any(target["Arn"].rpartition(":")[2] == _name(stack.outputs["QueueUrl"]) for target in targets):
        yield _failure(f"{name} does not send to the queue.", _again(stack))
    yield _ok(f"{name} is enabled.")


@_of_one_thing
def _queue(stack: Stack) -> Iterator[_Said]:
    url = stack.outputs["QueueUrl"]
    attributes = _attributes(url)
    if attributes is None:
        yield _failure(f"The queue {_name(url)} is gone: no change reaches the index.", _make_queue(stack, url))
        return
    yield from _lets_the_rule_send(stack, url, attributes)
    waiting, under_way = _counts(attributes)
    found = f"{waiting} hints wait, {under_way} are being handled"
    age = _oldest(_name(url))
    if age is not None:
        found += f", the oldest for {age}"
    if age is not None and age > _LATE:
        yield _warning(f"{found}.", "See the function below and its log: something keeps it from indexing.")
    else:
        yield _ok(f"{found}.")


def _attributes(url: str) -> dict[str, str] | None:
    """What SQS tells of a queue; None when there is no such queue."""
    client = boto3.client("sqs")
    try:
        attributes: Any = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    except client.exceptions.QueueDoesNotExist:
        return None
    return dict(attributes)


def _counts(attributes: dict[str, str]) -> tuple[int, int]:
    return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])


def _lets_the_rule_send(stack: Stack, url: str, attributes: dict[str, str]) -> Iterator[_Said]:
    """What keeps the rule from a queue; CloudFormation's drift detection does not look at the policies of queues."""
    (rule,) = stack.ids("AWS::Events::Rule")
    arn = stack.arn("events", f"rule/{rule.rpartition('/')[2]}")
    statements = _listed(json.loads(attributes.get("Policy", "{}")), "Statement")
    if not any(
        statement["Effect"] == "Allow"
        and "events.amazonaws.com" in _listed(statement.get("Principal", {}), "Service")
        and {"sqs:sendmessage", "sqs:*"} & {action.lower() for action in _listed(statement, "Action")}
        and _names(statement.get("Condition", arn), arn)
        for statement in statements
    ):
        policy = json.dumps({"Policy": json.dumps(_policy(stack, url))})
        yield _failure(
            f"The policy of {_name(url)} does not let the rule send: events are lost.",
            f"aws sqs set-queue-attributes --queue-url {url} --attributes '{policy}'",
        )


def _policy(stack: Stack, url: str) -> Any:
    """The policy that the stack gave to a queue."""
    policies = [each["Properties"] for each in stack.template["Resources"].values() if each["Type"] == _QUEUE_POLICY]
    (document,) = (each["PolicyDocument"] for each in policies if url in stack.resolved(each["Queues"]))
    return stack.resolved(document)


def _make_queue(stack: Stack, url: str) -> str:
    """How a queue that the stack believes to be there is made again: CloudFormation would not."""
    (declared,) = (
        each["Properties"]
        for name, each in stack.template["Resources"].items()
        if each["Type"] == "AWS::SQS::Queue" and stack.resolved({"Ref": name}) == url
    )
    declared = {name: value for name, value in declared.items() if name != "Tags"} | {"Policy": _policy(stack, url)}
    attributes = {
        name: json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in stack.resolved(declared).items()
    }
    return f"aws sqs create-queue --queue-name {_name(url)} --attributes '{json.dumps(attributes)}'"


def _oldest(queue: str) -> timedelta | None:
    """For how long the oldest message has waited; None where CloudWatch does not know, or may not be asked."""
    now = datetime.now(UTC)
    try:
        points = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": queue}],
            StartTime=now - _LATE,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
    except ClientError:
        return None
    last = max(points, key=lambda point: point["Timestamp"], default=None)
    return timedelta(seconds=int(last["Maximum"])) if last else None


def _dead_letters(stack: Stack) -> Iterator[_Said]:
    yield from _dead_letters_of("the queue", stack, stack.outputs["DeadLetterQueueUrl"])
    yield from _dead_letters_of("the rule", stack, stack.outputs["RuleDeadLetterQueueUrl"])


@_of_one_thing
def _dead_letters_of(sender: str, stack: Stack, url: str) -> Iterator[_Said]:
    attributes = _attributes(url)
    if attributes is None:
        yield _failure(f"The dead-letter queue of {sender}, {_name(url)}, is gone.", _make_queue(stack, url))
        return
    if sender == "the rule":
        yield from _lets_the_rule_send(stack, url, attributes)
    if count := sum(_counts(attributes)):
        name = f" --stack {stack.name}"
        yield _failure(
            f"{count} dead letters of {sender}: as many changes may not be indexed.",
            f"imaging-index dlq list{name} says why; imaging-index dlq redrive{name} sends them again.",
        )
    yield _ok(f"None of {sender}.")


@_of_one_thing
def _function(stack: Stack) -> Iterator[_Said]:
    client = boto3.client("lambda")
    name = stack.outputs["FunctionName"]
    try:
        function = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        yield _failure(f"The function {name} is gone.", _again(stack))
        return
    if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
        yield _failure(
            f"{name} may not run: its reserved concurrency is 0.",
            f"aws lambda delete-function-concurrency --function-name {name}",
        )
    variables = function.get("Environment", {}).get("Variables", {})
    wrong = [
        variable
        for variable, output in (
            ("TABLE_NAME", "TableName"),
            ("QUEUE_URL", "QueueUrl"),
            ("DEAD_LETTER_QUEUE_URL", "DeadLetterQueueUrl"),
        )
        if variables.get(variable) != stack.outputs[output]
    ]
    if wrong:
        yield _failure(f"{name} has other variables than the stack gave it: {', '.join(wrong)}.", _again(stack))
    if function.get("State", "Active") not in ("Active", "Inactive") or function.get("LastUpdateStatus") == "Failed":
        yield _failure(f"{name}: {function.get('StateReason', 'its last update failed')}.", _again(stack))
    yield _ok(f"{name} was last changed {function['LastModified'][:16].replace('T', ' ')}.")


def _mapping(stack: Stack) -> Iterator[_Said]:
    client = boto3.client("lambda")
    (identifier,) = stack.ids("AWS::Lambda::EventSourceMapping")
    try:
        state = client.get_event_source_mapping(UUID=identifier)["State"]
    except client.exceptions.ResourceNotFoundException:
        yield _failure("The function is not fed from the queue: the event source mapping is gone.", _again(stack))
        return
    if state in ("Disabled", "Disabling"):
        yield _failure(
            f"The function is not fed from the queue: the event source mapping is {state}.",
            f"aws lambda update-event-source-mapping --uuid {identifier} --enabled",
        )
    elif state == "Enabled":
        yield _ok("The function is fed from the queue.")
    else:
        yield _warning(f"The event source mapping is {state}.", "Look again in a minute.")


@_of_one_thing
def _table(stack: Stack) -> Iterator[_Said]:
    client = boto3.client("dynamodb")
    name = stack.outputs["TableName"]
    try:
        table = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        yield _failure(f"The table {name} is gone.", "Restore it from a backup or to a point in time.")
        return
    if table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield _failure(f"{name} is {table['TableStatus']}.", "Its key must be enabled, and let DynamoDB in.")
    TableReader(client, name).head(Key("doctor", "doctor"))
    yield _ok(f"{name} can be read by you, and has about {table.get('ItemCount', 0)} items.")


@_of_one_thing
def _indexes(stack: Stack) -> Iterator[_Said]:
    name = stack.outputs["TableName"]
    table = boto3.client("dynamodb").describe_table(TableName=name)["Table"]
    resources = stack.template["Resources"].values()
    (declared,) = (each["Properties"] for each in resources if each["Type"] == "AWS::DynamoDB::GlobalTable")
    wanted, present = indexes.of_table(declared), indexes.of_table(table)
    for index in wanted.keys() - present.keys():
        yield _failure(f"{index} is gone, and searches by it with it.", _make_index(name, declared, index))
    for index in [each for each in wanted.keys() & present.keys() if wanted[each] != present[each]]:
        yield _failure(
            f"{index} has other keys than the stack gave it.", f"Drop it. {_make_index(name, declared, index)}"
        )
    for index in present.keys() - wanted.keys():
        yield _warning(f"{index} is not the stack's, and each write pays for it.", "Drop it, if nobody needs it.")
    for each in table.get("GlobalSecondaryIndexes", []):
        if each.get("IndexStatus") in ("CREATING", "DELETING"):
            yield _warning(f"{each['IndexName']} is {each['IndexStatus']}.", "Wait: it is not searched meanwhile.")
    if wanted == present:
        yield _ok(f"{', '.join(wanted) or 'None'}: as the profile has them.")


def _make_index(table: str, declared: Any, name: str) -> str:
    """How an index that the stack believes to be there is made again: CloudFormation would not."""
    (index,) = (each for each in declared["GlobalSecondaryIndexes"] if each["IndexName"] == name)
    keys = {key["AttributeName"] for key in index["KeySchema"]}
    definitions = [each for each in declared["AttributeDefinitions"] if each["AttributeName"] in keys]
    return (
        f"aws dynamodb update-table --table-name {table} --attribute-definitions '{json.dumps(definitions)}' "
        f"--global-secondary-index-updates '{json.dumps([{'Create': index}])}'"
    )


def _key(stack: Stack) -> Iterator[_Said]:
    (key,) = stack.ids("AWS::KMS::Key")
    client = boto3.client("kms")
    try:
        state = client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except client.exceptions.NotFoundException:
        yield _failure(
            f"{key} is gone, and all that it encrypted with it: the table, the queues and the logs.",
            "Nothing brings it back. Make a stack of another stackName, and index the data stores again, as "
            "docs/upgrades.md says.",
        )
        return
    if state == "Enabled":
        yield _ok(f"{key} is enabled.")
    elif state == "PendingDeletion":
        yield _failure(
            f"{key} will be deleted, and the table with it.",
            f"aws kms cancel-key-deletion --key-id {key}; aws kms enable-key --key-id {key}",
        )
    else:
        yield _failure(f"{key} is {state}: nothing can be read or written.", f"aws kms enable-key --key-id {key}")


def _secret(stack: Stack) -> Iterator[_Said]:
    for secret in stack.ids("AWS::SecretsManager::Secret"):
        client = boto3.client("secretsmanager")
        try:
            gone = "DeletedDate" in client.describe_secret(SecretId=secret)
        except client.exceptions.ResourceNotFoundException:
            yield _failure(f"{secret} is gone, and the tokens of hashed values can never be made again.", _again(stack))
            return
        if gone:
            yield _failure(
                f"{secret} is being deleted: hashed values get no tokens.",
                f"aws secretsmanager restore-secret --secret-id {secret}",
            )
        else:
            yield _ok(f"{secret} is there.")


def _again(stack: Stack) -> str:
    return (
        f"Find what was changed outside of the stack, and bring it back: aws cloudformation detect-stack-drift "
        f"--stack-name {stack.name}"
    )


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "an error")


def _denied(error: ClientError) -> bool:
    return "AccessDenied" in _code(error) or _code(error) == "UnauthorizedOperation"


_CHECKS: Final[dict[str, Callable[[Stack], Iterator[_Said]]]] = {
    "stack": _stack,
    "data stores": _data_stores,
    "rule": _rule,
    "queue": _queue,
    "dead letters": _dead_letters,
    "mapping": _mapping,
    "function": _function,
    "table": _table,
    "indexes": _indexes,
    "key": _key,
    "secret": _secret,
}
