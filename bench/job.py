"""The whole job on one image set, measured in this process: `python -m bench.job ours|usual`.

Both get the document from HealthImaging and write to DynamoDB; the environment says where these are (`bench.stub`).
`ours` is the function's handler with one message. `usual` is the code that one finds: the document as a whole, and a
row an instance written by boto3's resource. Version 1 is a small document that is done before the measurement begins,
version 2 the one that is measured.
"""

import gzip
import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import urllib3

from bench import DATASTORE_ID, IMAGE_SET_ID
from bench.fresh import Figures, peak, tell

# What every row is found by.
_IDS: Final = ("PatientID", "StudyInstanceUID", "StudyDate", "SeriesInstanceUID", "Modality")


def main() -> None:
    """Tell of version 2 the CPU time in seconds, the calls and the write units; of this process its peak in bytes."""
    job = {"ours": ours, "usual": usual}[sys.argv[1]]()
    job(1)
    totals()
    begun = time.process_time()
    job(2)
    tell(cpu=time.process_time() - begun, peak=peak(), **totals())


def totals() -> Figures:
    """The stub's `calls` and `write_units` since this was last asked."""
    figures: Figures = urllib3.request("GET", os.environ["AWS_ENDPOINT_URL"]).json()
    return figures


def ours() -> Callable[[int], None]:
    """The handler, as a function of the version that a message of it is about."""
    handle = handler()
    return lambda version: handle([version])


def handler() -> Callable[[list[int]], None]:
    """The function's handler, fed with a message for each version of a batch."""
    from imaging_index.handlers import index

    context: Any = SimpleNamespace(
        aws_request_id="request",
        function_name="index",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:index",
        get_remaining_time_in_millis=lambda: 60_000,
    )

    def handle(versions: list[int]) -> None:
        answer = index.handler({"Records": [_record(version) for version in versions]}, context)
        if answer["batchItemFailures"]:
            raise RuntimeError("the function handed messages back; its log is on standard output")

    return handle


def _record(version: int) -> dict[str, Any]:
    """A record of Lambda's SQS event about a version that was created just now."""
    event = {
        "source": "aws.medical-imaging",
        "detail-type": "Image Set Created",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "detail": {
            "datastoreId": DATASTORE_ID,
            "imagesetId": IMAGE_SET_ID,
            "imageSetVersion": str(version),
            "isPrimary": True,
            "imageSetState": "ACTIVE",
            "imageSetWorkflowStatus": "CREATED",
        },
    }
    return {
        "messageId": f"message-{version}",
        "receiptHandle": "receipt",
        "body": json.dumps(event),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
        "awsRegion": "us-east-1",
    }


def usual() -> Callable[[int], None]:
    """The usual code, with the profile's attributes of an instance in its row, and what rows are found by."""
    import boto3

    from imaging_index.dicom.dictionary import Level
    from imaging_index.profile import toml_file

    keywords = toml_file.load(Path(os.environ["PROFILE"])).keywords(Level.INSTANCE)
    healthimaging = boto3.client("medical-imaging")
    table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])

    def index(version: int) -> None:
        answer = healthimaging.get_image_set_metadata(
            datastoreId=DATASTORE_ID, imageSetId=IMAGE_SET_ID, versionId=str(version)
        )
        body = answer["imageSetMetadataBlob"].read()
        document = json.loads(gzip.decompress(body), parse_float=Decimal)
        with table.batch_writer() as batch:
            for series in document["Study"]["Series"].values():
                values = document["Patient"]["DICOM"] | document["Study"]["DICOM"] | series["DICOM"]
                ids = {keyword: values[keyword] for keyword in _IDS}
                for uid, instance in series["Instances"].items():
                    told = {key: value for key, value in instance["DICOM"].items() if key in keywords and value}
                    frames = [frame["ID"] for frame in instance["ImageFrames"]]
                    number = instance["DICOM"]["InstanceNumber"]
                    keys = {"ImageSet": f"{DATASTORE_ID}/{IMAGE_SET_ID}", "Part": uid}
                    batch.put_item(Item=keys | ids | told | {"InstanceNumber": number, "Frames": frames})

    return index


if __name__ == "__main__":
    main()
