"""The state of one account: data stores, image sets with all their versions, import jobs, tags. It lives in memory."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from local.healthimaging.document import Document, Grouping, pack, search_tags
from local.healthimaging.errors import Conflict, NotFound

UNGROUPED = Grouping("", "", (), ())
ACTIVE, LOCKED, DELETED = "ACTIVE", "LOCKED", "DELETED"


def new_id() -> str:
    """A new identifier as the service makes them: 32 characters of [0-9a-f]."""
    return uuid.uuid4().hex


@dataclass(slots=True)
class Version:
    """One version of an image set. `document` is gzip, and None while the version is being made or once it is deleted.

    `state` is an ImageSetState and `status` an ImageSetWorkflowStatus of the service's model; times are epoch seconds.
    """

    number: int
    state: str
    status: str
    updated_at: float
    document: bytes | None = None
    message: str | None = None
    forced: bool = False


@dataclass(slots=True)
class ImageSet:
    """An image set: its versions, oldest first, and what it is found by, which is always of the latest content."""

    id: str
    arn: str
    is_primary: bool
    created_at: float
    accessed_at: float
    versions: list[Version] = field(default_factory=list)
    tags: dict[str, Any] = field(default_factory=dict)
    grouping: Grouping = UNGROUPED
    deleted_at: float | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def latest(self) -> Version:
        """The newest version, whatever its state."""
        return self.versions[-1]

    @property
    def content(self) -> bytes:
        """The newest content. While a version is being made, this is that of the version before."""
        return next(version.document for version in reversed(self.versions) if version.document is not None)

    def version(self, version_id: str | None) -> Version:
        """The version of a number, or the latest.

        Raises:
            NotFound: there is no version of that number.
        """
        if version_id is None:
            return self.latest
        for version in self.versions:
            if version.number == int(version_id):
                return version
        raise NotFound("The image set has no such version: ListImageSetVersions lists them.")

    def lock(self, status: str) -> Version:
        """Begin the next version, which has no content until `finish`."""
        number = self.latest.number + 1 if self.versions else 1
        self.versions.append(Version(number, LOCKED, status, time.time()))
        self.idle.clear()
        return self.latest

    def finish(self, status: str, document: bytes, message: str | None = None, *, forced: bool = False) -> Version:
        """Complete the latest version. A failed one keeps its number, and has the content of the version before."""
        version = self.latest
        version.state, version.status, version.document = ACTIVE, status, document
        version.message, version.forced, version.updated_at = message, forced, time.time()
        self.idle.set()
        return version

    def delete(self) -> None:
        """Delete the contents; the properties stay."""
        self.deleted_at = time.time()
        for version in self.versions:
            version.state, version.status, version.document = DELETED, "DELETED", None
        self.latest.updated_at = self.deleted_at
        self.idle.set()


@dataclass(slots=True)
class ImportJob:
    """A job of StartDICOMImportJob; times are epoch seconds."""

    id: str
    name: str
    role: str
    input_uri: str
    output_uri: str
    submitted_at: float
    status: str = "SUBMITTED"
    message: str | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class DataStore:
    """A data store: its image sets and jobs, and its primary image sets by study and series.

    `files` are the URIs of imported files by what `frames.file_key` makes of their instances.
    """

    id: str
    name: str
    arn: str
    account: str
    region: str
    status: str
    created_at: float
    updated_at: float
    lossless: str
    kms_key_arn: str | None = None
    lambda_authorizer_arn: str | None = None
    image_sets: dict[str, ImageSet] = field(default_factory=dict)
    jobs: dict[str, ImportJob] = field(default_factory=dict)
    primaries: dict[str, dict[str, ImageSet]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    # Two imports that write at once could both make a primary image set of one series.
    importing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def new_image_set(self, *, is_primary: bool) -> ImageSet:
        """An image set without versions, which is not in the data store until `add`."""
        now, identifier = time.time(), new_id()
        return ImageSet(identifier, f"{self.arn}/imageset/{identifier}", is_primary, now, now)

    def add(self, image_set: ImageSet, content: Document) -> None:
        """Add an image set under its present content, or note that its content changed."""
        self.image_sets[image_set.id] = image_set
        self._forget_primary(image_set)
        image_set.tags, image_set.grouping = search_tags(content), content.grouping
        if image_set.is_primary:
            series = self.primaries.setdefault(image_set.grouping.study_uid, {})
            series.setdefault(image_set.grouping.series_uid, image_set)

    def remove(self, image_set: ImageSet) -> None:
        """Delete an image set; its properties stay readable."""
        self._forget_primary(image_set)
        image_set.delete()

    def _forget_primary(self, image_set: ImageSet) -> None:
        study = self.primaries.get(image_set.grouping.study_uid, {})
        if study.get(image_set.grouping.series_uid) is image_set:
            del study[image_set.grouping.series_uid]
            if not study:
                del self.primaries[image_set.grouping.study_uid]

    def primary(self, grouping: Grouping) -> ImageSet | None:
        """The primary image set of a series."""
        return self.primaries.get(grouping.study_uid, {}).get(grouping.series_uid)

    def fits(self, grouping: Grouping) -> bool:
        """Whether data of these grouping values agree with the existing primary image sets.

        [U] Data without a study or series instance UID never agree: they have no place in the hierarchy.
        """
        study = self.primaries.get(grouping.study_uid, {})
        series = study.get(grouping.series_uid)
        if not grouping.study_uid or not grouping.series_uid:
            return False
        if series:
            return series.grouping == grouping
        return not study or any(other.grouping.study == grouping.study for other in study.values())

    def image_set(self, image_set_id: str) -> ImageSet:
        """The image set of an id, also if it is deleted.

        Raises:
            NotFound: the data store never had it.
        """
        if image_set_id not in self.image_sets:
            raise NotFound("The data store has no such image set.")
        return self.image_sets[image_set_id]

    def unlocked(self, image_set_id: str) -> ImageSet:
        """The image set of an id, which can be changed now.

        Raises:
            NotFound: there is none, or it is deleted.
            Conflict: it is locked by another action.
        """
        image_set = self.image_set(image_set_id)
        if image_set.deleted_at is not None:
            raise NotFound("The image set is deleted.")
        if image_set.latest.state == LOCKED:
            raise Conflict("The image set is locked by another action: repeat the call when it is ACTIVE.")
        return image_set


@dataclass(slots=True)
class Account:
    """The state of one account. `tags` are by ARN; `tokens` map a client token to what it made."""

    id: str
    data_stores: dict[str, DataStore] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def data_store(self, datastore_id: str) -> DataStore:
        """The data store of an id, also if it is deleted.

        Raises:
            NotFound: the account never had it.
        """
        if datastore_id not in self.data_stores:
            raise NotFound("There is no such data store in this account.")
        return self.data_stores[datastore_id]

    def active(self, datastore_id: str) -> DataStore:
        """The data store of an id, which is active.

        Raises:
            NotFound: there is none, or it is deleted.
            Conflict: it is being made or deleted.
        """
        data_store = self.data_store(datastore_id)
        if data_store.status == "DELETED":
            raise NotFound("The data store is deleted.")
        if data_store.status != ACTIVE:
            raise Conflict("The data store is not ACTIVE.")
        return data_store


def packed(image_set: ImageSet, content: Document) -> bytes:
    """The content packed under the image set's own id."""
    content.image_set_id = image_set.id
    return pack(content)
