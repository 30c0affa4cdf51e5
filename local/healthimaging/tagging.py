"""TagResource, UntagResource, ListTagsForResource."""

from typing import Any

from local.healthimaging.errors import Invalid, NotFound
from local.healthimaging.service import Call

# Developer guide, "Tagging resources".
_MOST = 50


async def tag_resource(call: Call) -> dict[str, Any]:
    """Add tags to a data store or an image set. [U] No event is documented, so there is none."""
    tags = _tags(call)
    if len(tags | call["tags"]) > _MOST:
        raise Invalid(f"A resource has at most {_MOST} tags: remove some first.")
    tags |= call["tags"]
    return {}


async def untag_resource(call: Call) -> dict[str, Any]:
    """Remove tags by their keys. Missing keys are not an error."""
    tags = _tags(call)
    for key in call["tagKeys"]:
        tags.pop(key, None)
    return {}


async def list_tags_for_resource(call: Call) -> dict[str, Any]:
    """The tags of a resource."""
    return {"tags": _tags(call)}


def _tags(call: Call) -> dict[str, str]:
    arn: str = call["resourceArn"]
    resources = (arn.split(":", 5)[5]).split("/")
    data_store = call.account.active(resources[1])
    image_set = data_store.image_set(resources[3]) if len(resources) == 4 else None
    if arn != (image_set or data_store).arn or (image_set and image_set.deleted_at is not None):
        raise NotFound("There is no such resource in this account.")
    return call.account.tags.setdefault(arn, {})
