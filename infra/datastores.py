"""The data stores to index: their ids, permissions of the readers, and the statement for the data stores' own keys."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from infra.compliance import acknowledge
from infra.config import Settings


def variable(settings: Settings) -> str:
    """The functions' variable `DATASTORES`: the ids of the data stores to index, with commas between, or `all`."""
    return ",".join(store.id for store in settings.data_stores) or "all"


def image_set_arns(stack: Stack, settings: Settings, account: str | None = None) -> list[str]:
    """The ARNs, or patterns of ARNs, on which an action on image sets is granted.

    Both the data store and the image set are needed (Service Authorization Reference, "AWS HealthImaging").

    Args:
        stack: the stack, for its partition and region.
        settings: which data stores.
        account: the account that owns them; by default the stack's.
    """
    ids = [store.id for store in settings.data_stores] or ["*"]
    return [
        stack.format_arn(service="medical-imaging", resource="datastore", resource_name=name, account=account)
        for data_store in ids
        for name in (data_store, f"{data_store}/imageset/*")
    ]


def reading(stack: Stack, settings: Settings) -> iam.PolicyStatement:
    """The permission to read the image sets of the data stores to index. With 25 of them it nearly fills a policy."""
    return iam.PolicyStatement(
        actions=["medical-imaging:GetImageSet", "medical-imaging:GetImageSetMetadata"],
        resources=image_set_arns(stack, settings),
    )


def searching(stack: Stack, settings: Settings) -> iam.PolicyStatement:
    """The permission to search for the image sets of the data stores to index."""
    named = [arn for arn in image_set_arns(stack, settings) if not arn.endswith("/imageset/*")]
    return iam.PolicyStatement(actions=["medical-imaging:SearchImageSets"], resources=named)


def finding(settings: Settings) -> list[iam.PolicyStatement]:
    """The permission to find the data stores to index; empty if the setting names them."""
    if settings.data_stores:
        return []
    return [iam.PolicyStatement(actions=["medical-imaging:ListDatastores"], resources=["*"])]


def asking(stack: Stack, settings: Settings) -> iam.PolicyStatement:
    """The permission to ask for the states of image sets, and not for their documents."""
    return iam.PolicyStatement(actions=["medical-imaging:GetImageSet"], resources=image_set_arns(stack, settings))


def accept_patterns(policy: iam.ManagedPolicy, settings: Settings, *, searching_only: bool = False) -> None:
    """Accept the patterns of ARNs in a policy of these permissions; one that only searches has none of image sets."""
    acknowledge(
        policy,
        "An image set comes to be long after the stack: the data store is what can be named, and is where the setting "
        "dataStores lists it.",
        *(
            f"AwsSolutions-IAM5[Resource::{arn}]"
            for arn in image_set_arns(Stack.of(policy), settings, account="<AWS::AccountId>")
            if "*" in arn and not (searching_only and arn.endswith("/imageset/*"))
        ),
    )


def using_keys(settings: Settings) -> list[iam.PolicyStatement]:
    """The permission to use the data stores' own keys; empty if no data store to index has one."""
    keys = _keys(settings)
    return [_use_of_keys(settings, resources=keys)] if keys else []


def key_policy_statement(settings: Settings, readers: Sequence[iam.IRole]) -> iam.PolicyStatement | None:
    """The statement that the policy of each data store's own key needs, so that the readers' permissions take effect.

    Returns:
        None if no data store to index has a key of its own.
    """
    if not _keys(settings):
        return None
    statement = _use_of_keys(settings, resources=["*"])
    for reader in readers:
        statement.add_arn_principal(reader.role_arn)
    return statement


def _keys(settings: Settings) -> list[str]:
    return sorted({store.kms_key_arn for store in settings.data_stores if store.kms_key_arn})


def _use_of_keys(settings: Settings, resources: list[str]) -> iam.PolicyStatement:
    # Only through HealthImaging: the readers never decrypt anything themselves.
    return iam.PolicyStatement(
        actions=["kms:Decrypt", "kms:DescribeKey"],
        resources=resources,
        conditions={"StringEquals": {"kms:ViaService": f"medical-imaging.{settings.region}.amazonaws.com"}},
    )
