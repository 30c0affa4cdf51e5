"""Image sets on the local HealthImaging, hints about them, and tables to index them into."""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pydicom
import urllib3
from botocore.exceptions import ClientError
from msgspec import structs
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.document.reader import Reader
from imaging_index.faults import NotReady
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from local.stack import import_folder, make_datastore

PROFILE_FILE = Path(__file__).parents[2] / "profiles" / "radiology.toml"
PROFILE = toml_file.load(PROFILE_FILE)
PATIENCE = 180.0  # seconds: on a busy machine too, only what is broken takes as long
_names = itertools.count()


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What `condition` gives as soon as it is true, which it is within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return value


@contextmanager
def throttles_off(endpoint: str) -> Iterator[None]:
    """Let the HealthImaging at `endpoint` take more calls than its quotas, such as one deletion in four seconds."""

    def put(on: bool) -> None:
        response = urllib3.request("PUT", f"{endpoint}/_healthimaging/settings", json={"throttles": on})
        assert response.status == HTTPStatus.OK

    put(False)
    try:
        yield
    finally:
        put(True)


def make_image_set(client: Any, folder: Path, instances: int = 1, **attributes: Any) -> Key:
    """A new image set at version 1, in a data store of its own, of files that are written into the empty `folder`."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    for number in range(instances):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number + 1
        dataset.save_as(folder / f"{number}.dcm")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, folder)
    (found,) = client.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    return Key(datastore, found["imageSetId"])


def patiently(call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Mapping[str, Any]:
    """What a call that changes an image set answers, repeated while its quota is used up: one in four seconds.

    The SDK's own repetitions may all come sooner: their pauses are random.
    """

    def answer() -> Mapping[str, Any] | None:
        try:
            return call(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException":
                raise
            return None

    found: Mapping[str, Any] = wait_for(answer)
    return found


def update(client: Any, key: Key, version: int) -> None:
    """Raise the image set from `version` to the next, and wait for it."""
    changes = {"SchemaVersion": 1.1, "Study": {"DICOM": {"StudyDescription": f"after {version}"}}}
    patiently(
        client.update_image_set_metadata,
        datastoreId=key.datastore_id,
        imageSetId=key.image_set_id,
        latestVersionId=str(version),
        updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": json.dumps(changes).encode()}},
    )
    wait_for_state(client, key, "ACTIVE")


def delete(client: Any, key: Key) -> None:
    """Delete the image set, and wait for it."""
    patiently(client.delete_image_set, datastoreId=key.datastore_id, imageSetId=key.image_set_id)
    wait_for_state(client, key, "DELETED")


def wait_for_state(client: Any, key: Key, state: str) -> None:
    """Wait until HealthImaging says that the image set is in this state."""

    def now() -> str:
        answer = client.get_image_set(datastoreId=key.datastore_id, imageSetId=key.image_set_id)
        return str(answer["imageSetState"])

    wait_for(lambda: now() == state)


def make_table(aws: boto3.Session) -> TableWriter:
    """An empty table with the keys of the stack's."""
    client = aws.client("dynamodb")
    name = f"protocol-{next(_names)}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "ImageSet", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("ImageSet", "Part")],
        BillingMode="PAY_PER_REQUEST",
    )
    return TableWriter(client, name)


def indexer(client: Any, table: TableWriter, using: Profile = PROFILE) -> Indexer:
    """The real one."""
    return Indexer(HealthImaging(client), table, using, Reader(using))


def raised() -> Profile:
    """The profile under its next revision."""
    return structs.replace(PROFILE, revision=PROFILE.revision + 1)


def hint(key: Key, kind: Kind, version: int | None = None, cause: Cause = Cause.EVENT) -> Hint:
    """Notice that the image set may have changed."""
    return Hint(kind, cause, key.datastore_id, key.image_set_id, version, None, "2026-01-01T00:00:00Z")


def deliver(indexer: Indexer, hints: Iterable[Hint]) -> None:
    """Deliver hints as the queue does: one that is not ready comes back behind the others."""
    waiting = [(each, 1) for each in hints]
    while waiting:
        each, tries = waiting.pop(0)
        try:
            indexer.converge(each, age=timedelta(minutes=tries), tries=tries)
        except NotReady:
            waiting.append((each, tries + 1))


def parts(table: TableWriter, key: Key) -> list[str]:
    """The sort keys of everything that the table holds of an image set."""
    found = table._client.query(
        TableName=table._name,
        KeyConditionExpression="ImageSet = :key",
        ExpressionAttributeValues={":key": {"S": str(key)}},
        ConsistentRead=True,
    )
    return [item["Part"]["S"] for item in found["Items"]]
