"""Who calls our HealthImaging, and what ministack's IAM allows them to do there."""

from typing import TYPE_CHECKING

from local.healthimaging.errors import AccessDenied

if TYPE_CHECKING:
    from local.healthimaging.wire import Request


def authorize(access_key_id: str, region: str, request: "Request") -> str:
    """The account of the caller, if ministack's policies allow the request.

    An action on an image set must be allowed on its data store and on itself (Service Authorization Reference, "AWS
    HealthImaging"), and an action that names neither on ``*``.

    Raises:
        AccessDenied: a policy denies it, or none allows it.
    """
    from ministack.core import iam_evaluator, responses

    action = f"medical-imaging:{request.operation}"
    account = responses._account_from_sts_session(access_key_id) or access_key_id
    with responses.request_scope(account, region):
        for arn in _resources(account, region, request):
            if iam_evaluator.enforce(access_key_id, action, "medical-imaging", region, arn):
                raise AccessDenied(f"The caller is not authorized to perform {action} on {arn}.")
    return account


def _resources(account: str, region: str, request: "Request") -> list[str]:
    if "datastoreId" not in request.members:
        return ["*"]
    data_store = f"arn:aws:medical-imaging:{region}:{account}:datastore/{request.members['datastoreId']}"
    image_set = request.members.get("imageSetId")
    return [data_store, f"{data_store}/imageset/{image_set}"] if image_set else [data_store]
