"""What the watches keep in the table, a marker for each study and import job, and what they read of its entries.

A marker's partition key is `study/<digest>` or `job/<data store>/<job>`. No index holds it, and it has no value of a
document; of the patients of a study it has a digest (`publishing/patients.py`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from imaging_index.aws_errors import condition_failed
from imaging_index.faults import Configuration, Overload
from imaging_index.table.layout import ENTRY, Key, item_key
from imaging_index.table.reading import TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imaging_index.entry.item import Item

STUDY_PART: Final = "stable"
JOB_PART: Final = "indexed"
STUDY_UID: Final = "StudyInstanceUID"

# Amazon DynamoDB API Reference, "BatchGetItem".
MOST_KEYS: Final = 100
_ROUNDS: Final = 6
_PAUSE: Final = 0.05  # seconds, doubled from try to try

_NOT_NEWER: Final = "attribute_not_exists(LastChange) OR LastChange <= :moment"


class StudyMarker(msgspec.Struct, frozen=True):
    """When a study changed last, in seconds since 1970; an image set in it then; and the content last announced.

    `patients` is the digest of the PatientIDs that it had when it was announced; None where that is not known.
    """

    last_change: float
    witness: str
    announced: str | None
    patients: str | None = None


class Watched(TableReader):
    """The table, as the watches use it.

    From IAM it needs dynamodb:BatchGetItem, GetItem and DescribeTable on the table, UpdateItem on its items whose
    partition key begins with `study/` or `job/`, and Query on the index of studies.
    """

    _index: tuple[str, tuple[str, ...]] | None = None

    def mark_study(self, study: str, moment: float, witness: str) -> None:
        """Note a study's change at `moment`, unless a later one is noted."""
        try:
            self._client.update_item(
                TableName=self._name,
                Key=_study_key(study),
                UpdateExpression="SET LastChange = :moment, Witness = :witness",
                ConditionExpression=_NOT_NEWER,
                ExpressionAttributeValues={":moment": {"N": f"{moment:.3f}"}, ":witness": {"S": witness}},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    def study_marker(self, study: str) -> StudyMarker | None:
        """What is noted of a study."""
        item: Any = self._client.get_item(TableName=self._name, Key=_study_key(study), ConsistentRead=True).get("Item")
        if item is None:
            return None
        changed, witness, announced = item.get("LastChange", {}), item.get("Witness", {}), item.get("Announced", {})
        patients = item.get("Patients", {}).get("S")
        return StudyMarker(float(changed.get("N", 0)), witness.get("S", ""), announced.get("S"), patients or None)

    def note_study_announced(self, study: str, content: str, patients: str | None) -> None:
        """Note the content of a study that was announced, and the digest of its PatientIDs, if it is known."""
        self._client.update_item(
            TableName=self._name,
            Key=_study_key(study),
            UpdateExpression="SET Announced = :content, Patients = :patients",
            ExpressionAttributeValues={":content": {"S": content}, ":patients": {"S": patients or ""}},
        )

    def is_job_announced(self, datastore_id: str, job_id: str) -> bool:
        """Whether an import job was announced."""
        return "Item" in self._client.get_item(
            TableName=self._name, Key=_job_key(datastore_id, job_id), ConsistentRead=True
        )

    def note_job_announced(self, datastore_id: str, job_id: str, now: float) -> None:
        """Note that an import job was announced."""
        self._client.update_item(
            TableName=self._name,
            Key=_job_key(datastore_id, job_id),
            UpdateExpression="SET AnnouncedAt = :now",
            ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}},
        )

    def parts_of(self, keys: Sequence[Key], names: Sequence[str]) -> dict[Key, Item]:
        """Some attributes of image sets' entries and tombstones as of now, without those that have neither.

        Raises:
            Overload: DynamoDB does not answer for all of them.
        """
        found: dict[Key, Item] = {}
        aliases = {f"#{number}": name for number, name in enumerate(("ImageSet", "Generation", *names))}
        for start in range(0, len(keys), MOST_KEYS):
            wanted: Any = {
                "Keys": [item_key(key, ENTRY) for key in keys[start : start + MOST_KEYS]],
                "ConsistentRead": True,
                "ProjectionExpression": ", ".join(aliases),
                "ExpressionAttributeNames": aliases,
            }
            for round_ in range(_ROUNDS):
                answer: Any = self._client.batch_get_item(RequestItems={self._name: wanted})
                for item in answer["Responses"].get(self._name, []):
                    found[_key_of(item)] = item
                wanted = answer.get("UnprocessedKeys", {}).get(self._name)
                if not wanted:
                    break
                time.sleep(_PAUSE * 2**round_)
            else:
                raise Overload("BatchGetItem: UnprocessedKeys")
        return found

    def in_study(self, datastore_id: str, study_uid: str) -> Iterator[list[Key]]:
        """The image sets that the index by study has under a UID, page by page.

        The index may lag behind the table: it may lack one, and have one that has left the study. It may also have some
        of other data stores.
        """
        name, partition = self._study_index()
        values = {STUDY_UID: study_uid, "DatastoreId": datastore_id}
        conditions = {each: values[each] for each in partition}
        start = None
        while True:
            try:
                page = self.page(name, conditions, dict.fromkeys(conditions, "S"), start=start)
            except ClientError:
                # An upgrade may have replaced the index by another.
                self._index = None
                raise
            yield [_key_of(item) for item in page.items]
            start = page.next
            if start is None:
                return

    def _study_index(self) -> tuple[str, tuple[str, ...]]:
        """The name and the partition key of an index by study, asked for once as long as the index can be read."""
        if self._index is None:
            indexes = self.describe().indexes
            self._index = next(((name, each.partition) for name, each in indexes.items() if each.by_study), None)
        if self._index is None:
            raise Configuration("the table has no index whose partition key is StudyInstanceUID")
        return self._index


def _study_key(study: str) -> Item:
    return {"ImageSet": {"S": f"study/{study}"}, "Part": {"S": STUDY_PART}}


def _job_key(datastore_id: str, job_id: str) -> Item:
    return {"ImageSet": {"S": f"job/{datastore_id}/{job_id}"}, "Part": {"S": JOB_PART}}


def _key_of(item: Mapping[str, Any]) -> Key:
    datastore_id, _, image_set_id = item["ImageSet"]["S"].partition("/")
    return Key(datastore_id, image_set_id)
