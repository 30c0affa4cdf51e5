"""AWS HealthImaging, a DynamoDB table and SQS queues in memory: the calls that the function makes, and no others.

The answers are those of boto3's clients; errors are real `ClientError`s. `test_memory.py` holds them against the local
cloud, call by call.
"""
# ruff: noqa: N803  the arguments are boto3's

import io
import itertools
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from proof.simulation import expressions

Answer = dict[str, Any]
Item = Mapping[str, Any]
Partition = Mapping[str, Item]

_EMPTY: Final[Partition] = {}
# DynamoDB API Reference, "BatchWriteItem" and "BatchGetItem".
_MOST_REQUESTS: Final = 25
_MOST_KEYS: Final = 100

_PREFIX: Final = re.compile(r"ImageSet = (:\w+) AND begins_with\(Part, (:\w+)\)")
_RANGE: Final = re.compile(r"ImageSet = (:\w+) AND Part BETWEEN (:\w+) AND (:\w+)")
_ALL: Final = re.compile(r"ImageSet = (:\w+)")


def refusal(operation: str, code: str, status: int = 400) -> ClientError:
    """The error that boto3 raises when `operation` answers with `code`."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


@dataclass(slots=True)
class ImageSet:
    """One image set. `documents` are gzip, by version from 1; the last is None while that version is being made."""

    documents: list[bytes | None]
    state: str
    workflow: str
    is_primary: bool
    hidden: bool = False  # not readable yet, or no more
    before_copying: str = ""  # the workflow status that it returns to
    lag: int = 0  # how many answers of GetImageSet still tell what was before the last change

    @property
    def version(self) -> int:
        """The number of the latest version."""
        return len(self.documents)


class HealthImaging:
    """The client `medical-imaging` of one data store, and what happens to the image sets in it.

    Args:
        datastore_id: of the data store.
        lag: called when an update or a deletion is through: how many answers of GetImageSet do not know of it yet.
    """

    def __init__(self, datastore_id: str, lag: Callable[[], int] = lambda: 0) -> None:
        self.datastore_id = datastore_id
        self.image_sets: dict[str, ImageSet] = {}
        self._lag = lag

    def get_image_set(self, *, datastoreId: str, imageSetId: str) -> Answer:
        """GetImageSet without a version."""
        image_set = self._find("GetImageSet", datastoreId, imageSetId)
        version, state, workflow = image_set.version, image_set.state, image_set.workflow
        if image_set.lag:
            image_set.lag -= 1
            version, state, workflow = version if state == "DELETED" else version - 1, "ACTIVE", "UPDATED"
        return {
            "datastoreId": datastoreId,
            "imageSetId": imageSetId,
            "versionId": str(version),
            "imageSetState": state,
            "imageSetWorkflowStatus": workflow,
            "isPrimary": image_set.is_primary,
        }

    def get_image_set_metadata(self, *, datastoreId: str, imageSetId: str, versionId: str | None = None) -> Answer:
        """GetImageSetMetadata: of the latest version without a number."""
        image_set = self._find("GetImageSetMetadata", datastoreId, imageSetId)
        number = image_set.version if versionId is None else int(versionId)
        if image_set.state == "DELETED" or not 1 <= number <= image_set.version:
            raise refusal("GetImageSetMetadata", "ResourceNotFoundException", 404)
        document = image_set.documents[number - 1]
        if document is None or (image_set.workflow == "DELETING" and number == image_set.version):
            raise refusal("GetImageSetMetadata", "ConflictException", 409)
        return {"imageSetMetadataBlob": body(document)}

    def _find(self, operation: str, datastore_id: str, image_set_id: str) -> ImageSet:
        image_set = self.image_sets.get(image_set_id)
        if image_set is None or image_set.hidden or datastore_id != self.datastore_id:
            raise refusal(operation, "ResourceNotFoundException", 404)
        return image_set

    def create(self, image_set_id: str, document: bytes, *, is_primary: bool = True) -> ImageSet:
        """An import made an image set."""
        self.image_sets[image_set_id] = ImageSet([document], "ACTIVE", "CREATED", is_primary)
        return self.image_sets[image_set_id]

    def begin_update(self, image_set_id: str) -> None:
        """UpdateImageSetMetadata: the next version is locked until `finish_update`."""
        image_set = self.image_sets[image_set_id]
        image_set.documents.append(None)
        image_set.state, image_set.workflow, image_set.lag = "LOCKED", "UPDATING", 0

    def finish_update(self, image_set_id: str, document: bytes | None) -> None:
        """The new version's content; None when the update failed, which keeps the content and the new number."""
        image_set = self.image_sets[image_set_id]
        image_set.documents[-1] = document or image_set.documents[-2]
        image_set.state, image_set.workflow = "ACTIVE", "UPDATED" if document else "UPDATE_FAILED"
        image_set.lag = self._lag()

    def begin_copy(self, source_id: str, destination_id: str) -> None:
        """CopyImageSet to a new image set; both are locked until `finish_copy`, and the source can be read."""
        source = self.image_sets[source_id]
        source.before_copying = source.workflow
        source.state, source.workflow, source.lag = "LOCKED", "COPYING_WITH_READ_ONLY_ACCESS", 0
        self.image_sets[destination_id] = ImageSet([None], "LOCKED", "COPYING", is_primary=False)

    def finish_copy(self, source_id: str, destination_id: str, document: bytes) -> None:
        """The copy's content, which bears its own id."""
        source, destination = self.image_sets[source_id], self.image_sets[destination_id]
        source.state, source.workflow = "ACTIVE", source.before_copying
        destination.documents[-1] = document
        destination.state, destination.workflow = "ACTIVE", "COPIED"

    def begin_delete(self, image_set_id: str) -> None:
        """DeleteImageSet: locked until `finish_delete`."""
        image_set = self.image_sets[image_set_id]
        image_set.state, image_set.workflow, image_set.lag = "LOCKED", "DELETING", 0

    def finish_delete(self, image_set_id: str) -> None:
        """The contents are gone; the properties stay readable."""
        image_set = self.image_sets[image_set_id]
        image_set.state, image_set.workflow = "DELETED", "DELETED"
        image_set.lag = self._lag()


def body(document: bytes, announced: int | None = None) -> StreamingBody:
    """The body of an answer; when more bytes were `announced`, it breaks off."""
    return StreamingBody(io.BytesIO(document), len(document) if announced is None else announced)


class QueryPaginator:
    """boto3's paginator of a `query`."""

    def __init__(self, query: Callable[..., Answer]) -> None:
        self._query = query

    def paginate(self, **arguments: Any) -> Iterator[Answer]:
        """Every page of the answer, each a call of its own."""
        while True:
            answer = self._query(**arguments)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


class Table:
    """The client `dynamodb`, with one table of the keys `ImageSet` and `Part`.

    Args:
        name: of the table.
        page_size: how many items a page of Query holds; DynamoDB goes by size (1 MB).
        lagging: whether a read that is not strongly consistent comes from a replica that lags: it then sees the
            partition as it was before the last write.
        changed: called with a partition's key, and what it held before and after, at every write.
    """

    def __init__(
        self,
        name: str,
        page_size: int = 1_000,
        lagging: Callable[[], bool] = lambda: False,
        changed: Callable[[str, Partition, Partition], None] = lambda *_: None,
    ) -> None:
        self._name = name
        self._page_size = page_size
        self._lagging = lagging
        self._changed = changed
        # Partitions are replaced, never changed: what was read stays as it was.
        self.partitions: dict[str, Partition] = {}
        self._before: dict[str, Partition] = {}

    def get_item(
        self,
        *,
        TableName: str,
        Key: Item,
        ConsistentRead: bool = False,
        ProjectionExpression: str | None = None,
    ) -> Answer:
        """GetItem."""
        self._check("GetItem", TableName)
        item = self._partition(Key["ImageSet"]["S"], consistent=ConsistentRead).get(Key["Part"]["S"])
        return {} if item is None else {"Item": _projected(item, ProjectionExpression)}

    def put_item(
        self,
        *,
        TableName: str,
        Item: Item,
        ConditionExpression: str,
        ExpressionAttributeValues: Item,
        ReturnConsumedCapacity: str = "NONE",  # noqa: ARG002  capacity is not counted here
    ) -> Answer:
        """PutItem under a condition."""
        self._check("PutItem", TableName)
        key, part = Item["ImageSet"]["S"], Item["Part"]["S"]
        present = self.partitions.get(key, _EMPTY).get(part, _EMPTY)
        if not expressions.holds(ConditionExpression, present, ExpressionAttributeValues):
            raise refusal("PutItem", "ConditionalCheckFailedException")
        self._change(key, {part: Item})
        return {}

    def update_item(
        self,
        *,
        TableName: str,
        Key: Item,
        UpdateExpression: str,
        ConditionExpression: str,
        ExpressionAttributeValues: Item,
        ReturnValues: str = "NONE",
        ReturnConsumedCapacity: str = "NONE",  # noqa: ARG002
    ) -> Answer:
        """UpdateItem under a condition."""
        self._check("UpdateItem", TableName)
        key, part = Key["ImageSet"]["S"], Key["Part"]["S"]
        present = self.partitions.get(key, _EMPTY).get(part, _EMPTY)
        if not expressions.holds(ConditionExpression, present, ExpressionAttributeValues):
            raise refusal("UpdateItem", "ConditionalCheckFailedException")
        changed = {**Key, **expressions.updated(UpdateExpression, present, ExpressionAttributeValues)}
        self._change(key, {part: changed})
        return {"Attributes": changed} if ReturnValues == "ALL_NEW" else {}

    def batch_get_item(
        self,
        *,
        RequestItems: Mapping[str, Any],
        ReturnConsumedCapacity: str = "NONE",  # noqa: ARG002
    ) -> Answer:
        """BatchGetItem, not strongly consistent."""
        ((name, wanted),) = RequestItems.items()
        self._check("BatchGetItem", name)
        keys = [(key["ImageSet"]["S"], key["Part"]["S"]) for key in wanted["Keys"]]
        if not 1 <= len(keys) <= _MOST_KEYS or len(set(keys)) < len(keys):
            raise refusal("BatchGetItem", "ValidationException")
        found = (self._partition(key, consistent=False).get(part) for key, part in keys)
        items = [_projected(item, wanted.get("ProjectionExpression")) for item in found if item is not None]
        return {"Responses": {name: items}, "UnprocessedKeys": {}}

    def scan(
        self,
        *,
        TableName: str,
        Segment: int,
        TotalSegments: int,
        ProjectionExpression: str | None = None,
        ExclusiveStartKey: Item | None = None,
        ReturnConsumedCapacity: str = "NONE",  # noqa: ARG002
    ) -> Answer:
        """One page of Scan over a segment, not strongly consistent."""
        self._check("Scan", TableName)
        place = {key: (zlib.crc32(key.encode()), key) for key in self.partitions}
        own = sorted((key for key in place if place[key][0] % TotalSegments == Segment), key=place.__getitem__)
        begin = ("", "")
        if ExclusiveStartKey:
            begin = (ExclusiveStartKey["ImageSet"]["S"], ExclusiveStartKey["Part"]["S"])
        first = (zlib.crc32(begin[0].encode()), begin[0]) if ExclusiveStartKey else (-1, "")
        items: list[Item] = []
        for key in own:
            if place[key] < first:
                continue
            partition = self._partition(key, consistent=False)
            parts = sorted(part for part in partition if place[key] > first or part > begin[1])
            items += (partition[part] for part in parts[: self._page_size - len(items)])
            if len(items) == self._page_size:
                return {
                    "Items": [_projected(item, ProjectionExpression) for item in items],
                    "LastEvaluatedKey": _projected(items[-1], "ImageSet, Part"),
                }
        return {"Items": [_projected(item, ProjectionExpression) for item in items]}

    def batch_write_item(
        self,
        *,
        RequestItems: Mapping[str, Sequence[Any]],
        ReturnConsumedCapacity: str = "NONE",  # noqa: ARG002
    ) -> Answer:
        """BatchWriteItem of puts and deletes."""
        ((name, requests),) = RequestItems.items()
        self._check("BatchWriteItem", name)
        keys = [_key(request) for request in requests]
        if not 1 <= len(keys) <= _MOST_REQUESTS or len(set(keys)) < len(keys):
            raise refusal("BatchWriteItem", "ValidationException")
        for (key, part), request in zip(keys, requests, strict=True):
            self._change(key, {part: request["PutRequest"]["Item"] if "PutRequest" in request else None})
        return {"UnprocessedItems": {}}

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool = False,
        ProjectionExpression: str | None = None,
        ExclusiveStartKey: Item | None = None,
    ) -> Answer:
        """One page of Query over a partition: all parts, those with a prefix, or from one to another."""
        self._check("Query", TableName)
        low, high, prefix = "", "\U0010ffff", ""
        if match := _PREFIX.fullmatch(KeyConditionExpression):
            prefix = ExpressionAttributeValues[match[2]]["S"]
        elif not (match := _ALL.fullmatch(KeyConditionExpression)):
            match = _RANGE.fullmatch(KeyConditionExpression)
            assert match, KeyConditionExpression
            low, high = (ExpressionAttributeValues[match[number]]["S"] for number in (2, 3))
        partition = self._partition(ExpressionAttributeValues[match[1]]["S"], consistent=ConsistentRead)
        after = ExclusiveStartKey["Part"]["S"] if ExclusiveStartKey else ""
        parts = sorted(part for part in partition if low <= part <= high and part.startswith(prefix) and part > after)
        page = parts[: self._page_size]
        answer: Answer = {"Items": [_projected(partition[part], ProjectionExpression) for part in page]}
        if len(parts) > len(page):
            answer["LastEvaluatedKey"] = _projected(partition[page[-1]], "ImageSet, Part")
        return answer

    def get_paginator(self, operation: str) -> QueryPaginator:
        """The paginator of `query`."""
        assert operation == "query"
        return QueryPaginator(self.query)

    def _check(self, operation: str, name: str) -> None:
        if name != self._name:
            raise refusal(operation, "ResourceNotFoundException")

    def _partition(self, key: str, *, consistent: bool) -> Partition:
        partitions = self.partitions if consistent or not self._lagging() else self._before
        return partitions.get(key, _EMPTY)

    def _change(self, key: str, items: Mapping[str, Item | None]) -> None:
        before = self._before[key] = self.partitions.get(key, _EMPTY)
        after = {part: item for part, item in {**before, **items}.items() if item is not None}
        self.partitions[key] = after
        self._changed(key, before, after)


def _key(request: Any) -> tuple[str, str]:
    key = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return key["ImageSet"]["S"], key["Part"]["S"]


def _projected(item: Item, expression: str | None) -> Answer:
    names = expression.split(", ") if expression else item
    return {name: item[name] for name in names if name in item}


# Amazon SQS API Reference, "SendMessageBatch".
_MOST_ENTRIES: Final = 10


@dataclass(slots=True)
class Message:
    """A message in a queue; `visible` is when it can be received (again), `handle` is of its last receipt."""

    id: str
    body: str
    attributes: Mapping[str, Any]
    sent: float
    visible: float
    received: int = 0
    handle: str | None = None


@dataclass(slots=True)
class Queues:
    """The client `sqs`, with the queues of `urls`.

    Args:
        urls: of the queues.
        now: the time in seconds.
        visibility: for how many seconds a received message is hidden.
    """

    urls: Sequence[str]
    now: Callable[[], float]
    visibility: float = 30.0
    messages: dict[str, list[Message]] = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.messages = {url: [] for url in self.urls}

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Answer:
        """SendMessageBatch, whose messages may be of a message group."""
        if not 1 <= len(Entries) <= _MOST_ENTRIES:
            raise refusal("SendMessageBatch", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
        sent = [self.send_message(QueueUrl=QueueUrl, MessageBody=each["MessageBody"]) for each in Entries]
        return {"Successful": [{"Id": e["Id"], **answer} for e, answer in zip(Entries, sent, strict=True)]}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Sequence[str]) -> Answer:
        """GetQueueAttributes: how many messages can be received, and how many are hidden."""
        messages, now = self._queue("GetQueueAttributes", QueueUrl), self.now()
        hidden = sum(message.visible > now for message in messages)
        known = {
            "ApproximateNumberOfMessages": str(len(messages) - hidden),
            "ApproximateNumberOfMessagesNotVisible": str(hidden),
        }
        return {"Attributes": {name: known[name] for name in AttributeNames}}

    def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        MessageAttributes: Mapping[str, Any] | None = None,
    ) -> Answer:
        """SendMessage."""
        now = self.now()
        message = Message(f"message-{next(self._numbers)}", MessageBody, MessageAttributes or {}, now, now)
        self._queue("SendMessage", QueueUrl).append(message)
        return {"MessageId": message.id}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> Answer:
        """ChangeMessageVisibility."""
        message = self._received("ChangeMessageVisibility", QueueUrl, ReceiptHandle)
        message.visible = self.now() + VisibilityTimeout
        return {}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int = 1) -> Answer:
        """ReceiveMessage, which is Lambda's part: the visible messages that were sent first."""
        now = self.now()
        visible = (message for message in self._queue("ReceiveMessage", QueueUrl) if message.visible <= now)
        found = []
        for message in itertools.islice(visible, MaxNumberOfMessages):
            message.received += 1
            message.visible = now + self.visibility
            message.handle = f"receipt-{next(self._numbers)}"
            attributes = {
                "SentTimestamp": str(round(message.sent * 1000)),
                "ApproximateReceiveCount": str(message.received),
            }
            found.append(
                {
                    "MessageId": message.id,
                    "ReceiptHandle": message.handle,
                    "Body": message.body,
                    "Attributes": attributes,
                    "MessageAttributes": message.attributes,
                }
            )
        return {"Messages": found} if found else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> Answer:
        """DeleteMessage, which is Lambda's part as well."""
        message = self._received("DeleteMessage", QueueUrl, ReceiptHandle)
        self.messages[QueueUrl].remove(message)
        return {}

    def _queue(self, operation: str, url: str) -> list[Message]:
        if url not in self.messages:
            raise refusal(operation, "AWS.SimpleQueueService.NonExistentQueue")
        return self.messages[url]

    def _received(self, operation: str, url: str, handle: str) -> Message:
        for message in self._queue(operation, url):
            if message.handle == handle:
                return message
        raise refusal(operation, "ReceiptHandleIsInvalid")
