"""An export as one object in S3, `s3://BUCKET/KEY.parquet`: it is written and read whole."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import Failure
from exporting.about import NotOurs
from exporting.export import export
from exporting.rows import Wrapping
from imaging_index.searching.refusals import code, why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from boto3 import Session

    from exporting.about import About
    from imaging_index.profile.profile import Profile

ADDRESS: Final = re.compile(r"s3://([^/]+)/(.+\.parquet)")
# The mark of an object that an export has written, and another one may replace.
_MARK: Final = {"imaging-index": "export"}
_NOT_FOUND: Final = "404"
# What S3's codes mean here. An answer to HeadObject has no text, so that its code is the status.
_MEANINGS: Final = {
    "NoSuchBucket": "There is no bucket {bucket} in S3. Check the name.",
    _NOT_FOUND: "There is no such object in the bucket {bucket}, or no such bucket. Check the address.",
    "403": "S3 refuses the object. You need s3:GetObject on it, s3:PutObject to export to it, and s3:ListBucket on the "
    "bucket {bucket}.",
}


class Object:
    """One object in S3."""

    def __init__(self, session: Session, bucket: str, key: str) -> None:
        self._client: Any = session.client("s3")
        self._bucket, self._key = bucket, key

    def write(
        self,
        items: Iterable[bytes],
        profile: Profile,
        wrapping: Wrapping = Wrapping.NONE,
        *,
        as_of: str | None = None,
        since: str | None = None,  # noqa: ARG002  a file has all items, never changes alone
    ) -> About:
        """Write all items. S3 shows the object that was there before until the new one is whole.

        Raises:
            NotOurs: something else is there.
            Failure: S3 did not take it.
        """
        with _failing(self._bucket):
            self._check_replaceable()
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "all.parquet"
                about = export(items, profile, file, wrapping, as_of=as_of)
                self._client.upload_file(str(file), self._bucket, self._key, ExtraArgs={"Metadata": _MARK})
        return about

    @contextlib.contextmanager
    def local(self) -> Iterator[Path]:
        """A copy of it, for a while.

        Raises:
            Failure: S3 did not give it.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "all.parquet"
            with _failing(self._bucket):
                self._client.download_file(self._bucket, self._key, str(file))
            yield file

    def _check_replaceable(self) -> None:
        try:
            there = self._client.head_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if code(error) != _NOT_FOUND:
                raise
        else:
            if there["Metadata"] != _MARK:
                raise NotOurs(
                    f"s3://{self._bucket}/{self._key} is not an export of Imaging Index. Name another object."
                )


@contextlib.contextmanager
def _failing(bucket: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, S3UploadFailedError) as error:
        # An upload's error hides S3's own.
        cause: Any = error.__context__ if isinstance(error, S3UploadFailedError) else error
        if isinstance(cause, ClientError) and code(cause) in _MEANINGS:
            raise Failure(_MEANINGS[code(cause)].format(bucket=bucket)) from None
        raise Failure(why("S3", cause, f"on the bucket {bucket}")) from None
