"""The exports that DynamoDB has written into a bucket and finished, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

_FOLDER: Final = "AWSDynamoDB/"
_NOT_FOUND: Final = "404"


class Finished(NamedTuple):
    """One export: its address, and when DynamoDB finished it."""

    address: str
    at: datetime


def finished(client: S3Client, bucket: str) -> Iterator[Finished]:
    """The finished exports of a bucket. Errors of botocore pass through.

    The name of an export's folder begins with its moment in milliseconds, and its summary is written at the end
    (Amazon DynamoDB Developer Guide, "DynamoDB table export output format").
    """
    listed = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_FOLDER, Delimiter="/")
    folders = [each["Prefix"] for page in listed for each in page.get("CommonPrefixes", [])]
    for folder in sorted(folders, reverse=True):
        try:
            summary = client.head_object(Bucket=bucket, Key=f"{folder}manifest-summary.json")
        except ClientError as error:
            if error.response["Error"]["Code"] != _NOT_FOUND:
                raise
        else:
            yield Finished(f"s3://{bucket}/{folder.rstrip('/')}", summary["LastModified"])
