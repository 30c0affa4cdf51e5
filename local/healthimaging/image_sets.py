"""GetImageSet, GetImageSetMetadata, ListImageSetVersions, SearchImageSets, DeleteImageSet."""

import time
from typing import Any

from local.healthimaging.errors import Conflict, NotFound
from local.healthimaging.paging import page
from local.healthimaging.searching import matcher, order
from local.healthimaging.service import Answer, Call, Service
from local.healthimaging.store import DELETED, LOCKED, DataStore, ImageSet, Version


async def get_image_set(call: Call) -> dict[str, Any]:
    """The properties of an image set or of one of its versions, also if it is deleted."""
    image_set = call.account.data_store(call["datastoreId"]).image_set(call["imageSetId"])
    version = image_set.version(call.get("versionId"))
    return {
        "datastoreId": call["datastoreId"],
        **_properties(image_set, version),
        "imageSetWorkflowStatus": version.status,
        "imageSetArn": image_set.arn,
        "lastAccessedAt": image_set.accessed_at,
        "storageTier": _tier(image_set, call.service),
    }


async def get_image_set_metadata(call: Call) -> Answer:
    """The gzip document of a version. It counts as an access (developer guide, "Storage tiers").

    [U] The answer while a version is made or deleted is not documented: here a conflict, and not found once deleted.
    """
    image_set = call.account.active(call["datastoreId"]).image_set(call["imageSetId"])
    version = image_set.version(call.get("versionId"))
    if version.state == DELETED:
        raise NotFound("The image set is deleted.")
    if version.document is None or version.status == "DELETING":
        raise Conflict("The image set is locked by another action: repeat the call when it is ACTIVE.")
    image_set.accessed_at = time.time()
    return Answer(version.document, "application/json", "gzip")


async def list_image_set_versions(call: Call) -> dict[str, Any]:
    """The versions of an image set, newest first."""
    image_set = call.account.data_store(call["datastoreId"]).image_set(call["imageSetId"])
    found, token = page(
        image_set.versions,
        lambda version: (version.number,),
        descending=True,
        size=call.get("maxResults"),
        token=call.get("nextToken"),
    )
    # The capital is the service's own.
    items = [{**_properties(image_set, version), "ImageSetWorkflowStatus": version.status} for version in found]
    return {"imageSetPropertiesList": items, "nextToken": token}


async def search_image_sets(call: Call) -> dict[str, Any]:
    """The image sets that meet the criteria, a page at a time, including locked ones but not deleted ones."""
    data_store = call.account.active(call["datastoreId"])
    criteria = call.get("searchCriteria") or {}
    matches = matcher(criteria)
    sort, key, descending = order(criteria)
    found, token = page(
        (one for one in data_store.image_sets.values() if one.deleted_at is None and matches(one)),
        key,
        descending=descending,
        size=call.get("maxResults"),
        token=call.get("nextToken"),
    )
    summaries = [
        {
            "imageSetId": image_set.id,
            "version": image_set.latest.number,
            "createdAt": image_set.created_at,
            "updatedAt": image_set.latest.updated_at,
            "lastAccessedAt": image_set.accessed_at,
            "storageTier": _tier(image_set, call.service),
            "isPrimary": image_set.is_primary,
            "DICOMTags": image_set.tags,
        }
        for image_set in found
    ]
    return {"imageSetsMetadataSummaries": summaries, "sort": sort, "nextToken": token}


async def delete_image_set(call: Call) -> dict[str, Any]:
    """Delete an image set with all its versions. [U] The version number stays what it was."""
    data_store = call.account.active(call["datastoreId"])
    image_set = data_store.unlocked(call["imageSetId"])
    image_set.latest.state, image_set.latest.status = LOCKED, "DELETING"
    image_set.idle.clear()
    call.service.bus.image_set(data_store, image_set)
    call.service.start(_delete(call.service, data_store, image_set))
    return {
        "datastoreId": data_store.id,
        "imageSetId": image_set.id,
        "imageSetState": LOCKED,
        "imageSetWorkflowStatus": "DELETING",
    }


async def _delete(service: Service, data_store: DataStore, image_set: ImageSet) -> None:
    await service.job_time()
    data_store.remove(image_set)
    service.bus.image_set(data_store, image_set)


def _properties(image_set: ImageSet, version: Version) -> dict[str, Any]:
    return {
        "imageSetId": image_set.id,
        "versionId": str(version.number),
        "imageSetState": version.state,
        "createdAt": image_set.created_at,
        "updatedAt": version.updated_at,
        "deletedAt": image_set.deleted_at,
        "message": version.message,
        "overrides": {"forced": True} if version.forced else None,
        "isPrimary": image_set.is_primary,
    }


def _tier(image_set: ImageSet, service: Service) -> str:
    unused = time.time() - image_set.accessed_at
    return "ARCHIVE_INSTANT_ACCESS" if unused > service.settings.archive_after_seconds else "FREQUENT_ACCESS"
