"""The documents that are kept in S3, each as HealthImaging sent it: an image set is indexed again without a call to it.

An object's key has ids only: `documents/<data store>/<image set>/<version>.json.gz`. A version never changes, so its
document is written once, before the entry that is made from it, and deleted when an entry of a newer version or a
tombstone is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from botocore.exceptions import ClientError, FlexibleChecksumError

from imaging_index.faults import Poison, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from typing import Self

    from mypy_boto3_s3 import S3Client

_ROOT: Final = "documents"
_KEY: Final = re.compile(rf"{_ROOT}/[0-9a-z]{{32}}/([0-9a-z]{{32}})/([0-9]{{10}})\.json\.gz")
# The object's own note of what it is: a copy under another key is noticed.
_DOCUMENT: Final = "document"
_PIECE: Final = 256 * 2**10
# Most documents are smaller. A larger one is on the disk meanwhile, of which a function has 512 MB.
_IN_MEMORY: Final = 2**20

_Read = TypeVar("_Read")


class Copy:
    """A copy of a document's bytes, made as they pass by. It is forgotten when its context ends."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  `__exit__` closes it
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces, of which a copy is made anew. If the disk is full, they pass by all the same."""
        self._file.seek(0)
        self._file.truncate()
        self._failed = False
        for piece in pieces:
            if not self._failed:
                try:
                    self._file.write(piece)
                except OSError:
                    self._failed = True
            yield piece

    def whole(self) -> IO[bytes]:
        """The copy, from its beginning.

        Raises:
            OSError: it could not be made.
        """
        if self._failed:
            raise OSError
        self._file.seek(0)
        return self._file


class Kept(msgspec.Struct, frozen=True):
    """A kept document: the object's key, its image set and version, and when it was written."""

    key: str
    image_set_id: str
    version: int
    written: datetime


class KeptDocuments:
    """The documents in one bucket. Errors of botocore pass through; `aws_errors.classify` knows them.

    Attributes:
        name: what an entry calls this bucket. Another bucket, made later, has another name.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self.name = name_of(bucket)
        self._client = client
        self._bucket = bucket

    def copy(self) -> Copy:
        """Makes a copy of a document, to be kept."""
        return Copy()

    def keep(self, datastore_id: str, image_set_id: str, version: int, copy: Copy) -> None:
        """Keep a version's document.

        Raises:
            OSError: there is no copy.
        """
        key = _key(datastore_id, image_set_id, version)
        self._client.put_object(Bucket=self._bucket, Key=key, Body=copy.whole(), Metadata={_DOCUMENT: key})

    def read(
        self, datastore_id: str, image_set_id: str, version: int, read: Callable[[Iterable[bytes]], _Read]
    ) -> _Read:
        """What `read` makes of the pieces of a version's document.

        Raises:
            Unusable: the object is missing, damaged, or the document of something else.
        """
        key = _key(datastore_id, image_set_id, version)
        try:
            answer: Any = self._client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            # Not a bucket that is missing, or forbidden: all documents would be read from HealthImaging.
            if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                raise Unusable("missing") from None
            raise
        with contextlib.closing(answer["Body"]) as body:
            if answer.get("Metadata", {}).get(_DOCUMENT) != key:
                raise Unusable("another's")
            try:
                return read(body.iter_chunks(_PIECE))
            except (Poison, FlexibleChecksumError):
                raise Unusable("damaged") from None

    def sweep(self, datastore_id: str, image_set_id: str, below: int | None) -> None:
        """Delete an image set's documents of versions lower than `below`, or with None all of them."""
        for each in self.older(datastore_id, image_set_id, below):
            self.delete(each)

    def older(self, datastore_id: str, image_set_id: str, below: int | None) -> list[Kept]:
        """An image set's documents of versions lower than `below`, or with None all of them.

        A version 1 has none below, and takes no call.
        """
        if below == 1:
            return []
        found: list[Kept] = []
        after = ""
        while True:
            kept, after = self._page(f"{_ROOT}/{datastore_id}/{image_set_id}/", after)
            found += (each for each in kept if below is None or each.version < below)
            if not after:
                return found

    def page(self, datastore_id: str, after: str) -> tuple[list[Kept], str]:
        """The next thousand documents of a data store after a key, by image set; the last key, empty for no more."""
        return self._page(f"{_ROOT}/{datastore_id}/", after)

    def delete(self, kept: Kept) -> None:
        """Delete a document. That it is not there any more is no error."""
        self._client.delete_object(Bucket=self._bucket, Key=kept.key)

    def _page(self, prefix: str, after: str) -> tuple[list[Kept], str]:
        start: Any = {"StartAfter": after} if after else {}
        answer: Any = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **start)
        listed = answer.get("Contents", [])
        found = ((each, _KEY.fullmatch(each["Key"])) for each in listed)
        kept = [Kept(each["Key"], match[1], int(match[2]), each["LastModified"]) for each, match in found if match]
        return kept, listed[-1]["Key"] if answer["IsTruncated"] else ""


def name_of(bucket: str) -> str:
    """What an entry calls a bucket whose documents include its own."""
    return hashlib.sha256(bucket.encode()).hexdigest()[:8]


def _key(datastore_id: str, image_set_id: str, version: int) -> str:
    return f"{_ROOT}/{datastore_id}/{image_set_id}/{version:010d}.json.gz"
