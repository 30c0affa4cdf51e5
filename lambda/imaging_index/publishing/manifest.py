"""The output manifest of an import job, which lists the image sets that the job wrote, read from S3.

(AWS HealthImaging Developer Guide, "Understanding import jobs".)
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from imaging_index.faults import Configuration, NotReady, Permanent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from imaging_index.publishing.message import Job

_NAME: Final = "job-output-manifest.json"
# A job has 5,000 files by its quota, and its manifest less than 200 bytes for each.
_LARGEST: Final = 64 * 2**20
_ID: Final = re.compile(r"[0-9a-z]{32}")
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_REFUSED: Final = frozenset({"AccessDenied", "403"})


class _ImageSet(msgspec.Struct, rename="camel"):
    image_set_id: str
    image_set_version: int | None = None
    number_of_matched_sop_instances: int = msgspec.field(default=0, name="numberOfMatchedSOPInstances")


class _Summary(msgspec.Struct, rename="camel"):
    job_id: str
    datastore_id: str
    number_of_files_with_customer_error: int = 0
    number_of_files_with_server_error: int = 0
    image_sets_summary: list[_ImageSet] = []


class _File(msgspec.Struct, rename="camel"):
    job_summary: _Summary


class Manifest(msgspec.Struct, frozen=True):
    """What a job wrote: `versions` by image set, None where the manifest has no version; and counts of it."""

    versions: dict[str, int | None]
    instances: int
    refused: int


class Manifests:
    """The manifests in S3, for which it needs s3:GetObject and s3:ListBucket on the buckets of import jobs' output."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self, job: Job) -> Manifest:
        """The manifest of a job.

        Raises:
            NotReady: it is not there.
            Configuration: its bucket may not be read.
            Permanent: it is no manifest of this job, or is too large.
            ClientError: S3 answers with another error.
        """
        prefix = job.prefix if not job.prefix or job.prefix.endswith("/") else f"{job.prefix}/"
        # HealthImaging's events name the job's own folder; the guide's examples name the one above.
        names = (f"{prefix}{_NAME}", f"{prefix}{job.datastore_id}-DicomImport-{job.id}/{_NAME}")
        for name in names:
            content = self._content(job.bucket, name)
            if content is not None:
                return _parsed(content, job)
        raise NotReady("GetObject: the import job's manifest is not there")

    def _content(self, bucket: str, name: str) -> bytes | None:
        try:
            answer: Any = self._client.get_object(Bucket=bucket, Key=name)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code in _MISSING:
                return None
            if code in _REFUSED:
                raise Configuration(
                    "GetObject: the function may not read the import job's manifest; add its bucket to the setting "
                    "importOutputBuckets"
                ) from None
            raise
        with contextlib.closing(answer["Body"]) as body:
            content: bytes = body.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise Permanent("the import job's manifest is too large")
        return content


def _parsed(content: bytes, job: Job) -> Manifest:
    try:
        # A version is a number here, and a text in other answers of HealthImaging.
        summary = msgspec.json.decode(content, type=_File, strict=False).job_summary
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Permanent("the import job's manifest is not JSON of its form") from None
    if (summary.job_id, summary.datastore_id) != (job.id, job.datastore_id):
        raise Permanent("the manifest is of another import job")
    versions: dict[str, int | None] = {}
    for each in summary.image_sets_summary:
        if not _ID.fullmatch(each.image_set_id):
            raise Permanent("the import job's manifest has an invalid image set id")
        before, version = versions.get(each.image_set_id), each.image_set_version
        versions[each.image_set_id] = version if before is None or version is None else max(before, version)
    return Manifest(
        versions,
        sum(each.number_of_matched_sop_instances for each in summary.image_sets_summary),
        summary.number_of_files_with_customer_error + summary.number_of_files_with_server_error,
    )
