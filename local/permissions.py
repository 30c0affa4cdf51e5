"""The callers of our HealthImaging, and what ministack's IAM lets them do there."""

from typing import TYPE_CHECKING

from local.healthimaging.errors import AccessDenied

if TYPE_CHECKING:
    from local.healthimaging.wire import Request


def authorize(access_key_id: str, region: str, request: "Request") -> str:
    """The account of a caller who may do what is requested, by the policies that ministack holds.

    An action on an image set is allowed on its data store and on itself (Service Authorization Reference, "AWS
    HealthImaging"); one that names neither, on ``*``.

    Raises:
        AccessDenied: a policy says no, or none says yes.
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
