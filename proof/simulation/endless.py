"""Services of any number of image sets, of which nothing is kept: what is looked at is how fast they are indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.entry.entry import FORMAT
from imaging_index.kept_documents import name_of
from imaging_index.table import generation
from proof.simulation import memory
from proof.simulation.environments import BUCKET, OLD
from proof.simulation.happenings import document

if TYPE_CHECKING:
    from proof.simulation.memory import Answer

# Image sets with such numbers and greater ones are those of hints.
FIRST_HINT: Final = 10**9


class Forgetful:
    """A table that keeps nothing: a million entries are not what is looked at here."""

    def get_item(self, **arguments: Any) -> Answer:
        """GetItem of an image set that nobody knows, or of one that was indexed under an older revision."""
        if int(arguments["Key"]["ImageSet"]["S"].rpartition("/")[2]) < FIRST_HINT:
            return {}
        head = {"Generation": generation.make(1, OLD, FORMAT), "Attempt": "a", "DocumentIn": name_of(BUCKET)}
        return {"Item": {name: {"S": value} for name, value in head.items()}}

    def put_item(self, **_: Any) -> Answer:
        """PutItem."""
        return {}

    def batch_write_item(self, **_: Any) -> Answer:
        """BatchWriteItem."""
        return {"UnprocessedItems": {}}

    def query(self, **_: Any) -> Answer:
        """Query."""
        return {"Items": []}


class Documents:
    """HealthImaging, which has any image set."""

    def get_image_set_metadata(self, **arguments: Any) -> Answer:
        """GetImageSetMetadata."""
        return {"imageSetMetadataBlob": memory.body(document(arguments["imageSetId"], 0))}


class Kept:
    """S3, which has any document."""

    def get_object(self, *, Key: str, **_: Any) -> Answer:  # noqa: N803  boto3's own spelling
        """GetObject."""
        return {"Body": memory.body(document(Key.split("/")[2], 0)), "Metadata": {"document": Key}}

    def put_object(self, **_: Any) -> Answer:
        """PutObject."""
        return {}
