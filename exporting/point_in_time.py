"""Exports that DynamoDB itself has made of a table, at one moment and without read units: their manifests and files.

The layout is that of the Amazon DynamoDB Developer Guide, "DynamoDB table export output format".
"""

from __future__ import annotations

import gzip
import io
import re
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exporting.rows import Wrapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_ADDRESS: Final = re.compile(r"s3://([^/]+)/(.*AWSDynamoDB/[^/]+)/?")
_PIECE: Final = 2**20
_POLL: Final = 10.0  # seconds
_SHORTEST: Final = timedelta(minutes=15)
_LONGEST: Final = timedelta(hours=24)


class NoExport(ValueError):  # noqa: N818
    """There is no export of DynamoDB's that can be read. The text says why."""


class _Summary(msgspec.Struct, rename="camel"):
    """`manifest-summary.json`."""

    table_arn: str
    output_format: str
    item_count: int
    manifest_files_s3_key: str = msgspec.field(name="manifestFilesS3Key")
    export_type: str = "FULL_EXPORT"
    export_time: str | None = None
    export_from_time: str | None = None
    export_to_time: str | None = None
    output_view: str | None = None


class _File(msgspec.Struct):
    """A line of `manifest-files.json`."""

    key: str = msgspec.field(name="dataFileS3Key")


class PointInTimeExport:
    """One that is in S3.

    Attributes:
        table: the ARN of the table.
        items: how many items it has.
        wrapping: what an item is in, of a line.
        as_of: the moment of the table's state.
        since: the moment from which on it has what changed; None for one that has everything.
    """

    def __init__(self, client: S3Client, address: str) -> None:
        """Read the manifests of `s3://BUCKET/PREFIX/AWSDynamoDB/ID`. Errors of botocore pass through.

        Raises:
            NoExport: there is none, or not one that can be read.
        """
        match = _ADDRESS.fullmatch(address)
        if not match:
            raise NoExport(
                "Name DynamoDB's export by its folder in S3, such as s3://bucket/prefix/AWSDynamoDB/01234-abc."
            )
        self._client, self._bucket = client, match[1]
        try:
            summary = msgspec.json.decode(self._content(f"{match[2]}/manifest-summary.json"), type=_Summary)
            files = self._content(summary.manifest_files_s3_key)
            self._keys = [each.key for each in msgspec.json.Decoder(_File).decode_lines(files)]
        except client.exceptions.NoSuchKey:
            raise NoExport(
                f"{address} has no manifest: DynamoDB has not finished the export, or it is not there."
            ) from None
        except msgspec.MsgspecError:
            raise NoExport(f"{address} has a manifest that cannot be read. Export the table again.") from None
        if summary.output_format != "DYNAMODB_JSON":
            raise NoExport(f"{address} is in Amazon Ion. Export the table again as DynamoDB JSON.")
        incremental = summary.export_type == "INCREMENTAL_EXPORT"
        as_of = summary.export_to_time if incremental else summary.export_time
        if as_of is None:
            raise NoExport(f"{address} does not say of which moment it is. Export the table again.")
        self.table = summary.table_arn
        self.items = summary.item_count
        self.wrapping = Wrapping.INCREMENTAL if incremental else Wrapping.FULL
        self.as_of = as_of
        self.since = summary.export_from_time if incremental else None

    def lines(self) -> Iterator[bytes]:
        """The items, some lines at a time."""
        for key in self._keys:
            body: Any = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            with gzip.GzipFile(fileobj=io.BufferedReader(_Raw(body), _PIECE)) as file:
                while lines := file.readlines(_PIECE):
                    yield b"".join(lines)

    def _content(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()


def windows(since: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """The spans from `since` to now that DynamoDB exports the changes of, one after the other.

    Each is 15 minutes to 24 hours long (Amazon DynamoDB API Reference, "IncrementalExportSpecification"). What is
    shorter at the end is left to the next export.
    """
    found = []
    while now - since >= _SHORTEST:
        until = min(since + _LONGEST, now)
        found.append((since, until))
        since = until
    return found


def requested(client: DynamoDBClient, table: str, bucket: str, window: tuple[datetime, datetime] | None = None) -> str:
    """The address of an export that DynamoDB makes now, once it is there. Errors of botocore pass through.

    Args:
        client: of DynamoDB.
        table: the table's ARN; it has point-in-time recovery.
        bucket: `BUCKET` or `BUCKET/PREFIX`.
        window: from when to when it has the changes; None for an export of everything.

    Raises:
        NoExport: DynamoDB could not make it.
    """
    name, _, prefix = bucket.strip("/").partition("/")
    options: Any = {"S3Prefix": prefix} if prefix else {}
    if window:
        first, last = window
        span = {"ExportFromTime": first, "ExportToTime": last, "ExportViewType": "NEW_IMAGE"}
        options |= {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": span}
    description: Any = client.export_table_to_point_in_time(TableArn=table, S3Bucket=name, **options)
    while (description := description["ExportDescription"])["ExportStatus"] == "IN_PROGRESS":
        time.sleep(_POLL)
        description = client.describe_export(ExportArn=description["ExportArn"])
    if description["ExportStatus"] != "COMPLETED":
        why = description.get("FailureCode", "for an unknown reason")
        raise NoExport(f"DynamoDB could not export the table ({why}). Check that it may write to the bucket {name}.")
    return f"s3://{name}/{description['ExportManifest'].rpartition('/')[0]}"


class _Raw(io.RawIOBase):
    """A body of S3 as Python's own files are read."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._body.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
