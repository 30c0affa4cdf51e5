"""A test of the stack in an AWS account, for the CDK's integ-runner. It has never run on AWS: README.md.

It deploys a stack that leaves nothing behind, sends a hint of an image set of yours by EventBridge, and expects its
entry in the table.
"""

# mypy: allow-subclassing-any

from collections.abc import Mapping
from typing import Any

import infra  # noqa: F401  chooses the Node that aws_cdk starts when it is imported

# isort: split
import os

from aws_cdk import App, CfnOutput, Duration, Fn
from aws_cdk.cloud_assembly_schema import CdkCommands, DestroyCommand, DestroyOptions
from aws_cdk.integ_tests_alpha import ExpectedResult, IntegTest

from imaging_index.profile import toml_file
from imaging_index.queue.hint import Cause, Hint, Kind
from infra.config import ROOT, Settings
from infra.stack import ImagingIndex

# The functions of the assertions call AWS by names of the SDK for JavaScript.
_EVENTBRIDGE, _DYNAMODB = "EventBridge", "DynamoDB"


def make_app(datastore: str, image_set: str, region: str, context: Mapping[str, Any], outdir: str | None = None) -> App:
    """The app with the stack and its assertions.

    Args:
        datastore: the id of a data store of the account and region.
        image_set: the id of an active image set in it.
        region: the region.
        context: the CDK's.
        outdir: the folder for the assembly; by default a temporary one.
    """
    app = App(context=dict(context), outdir=outdir, analytics_reporting=False)
    settings = Settings.from_context(
        {**context, "stackName": "ImagingIndexTest", "region": region, "removalPolicy": "destroy"}
        | {"dataStores": [{"id": datastore}]},
        {},
    )
    stack = ImagingIndex(app, settings, toml_file.load(settings.profile))
    (table,) = (each for each in stack.node.find_all() if isinstance(each, CfnOutput) and each.node.id == "TableName")
    # The assertions are a stack of their own, whose account is not known before.
    table.export_name = f"{settings.stack_name}-TableName"
    test = IntegTest(
        app,
        "Integration",
        test_cases=[stack],
        diff_assets=False,
        cdk_command_options=CdkCommands(destroy=DestroyCommand(args=DestroyOptions(force=True))),
    )
    hint = Hint(Kind.UPDATED, Cause.REINDEX, datastore, image_set)
    sent = test.assertions.aws_api_call(_EVENTBRIDGE, "putEvents", {"Entries": [hint.event()]})
    sent.expect(ExpectedResult.object_like({"FailedEntryCount": 0}))
    key = {"ImageSet": {"S": f"{datastore}/{image_set}"}, "Part": {"S": "entry"}}
    asked = {"TableName": Fn.import_value(table.export_name), "Key": key, "ProjectionExpression": "ImageSetId, Cause"}
    seen = test.assertions.aws_api_call(_DYNAMODB, "getItem", asked)
    expected = {"Item": {"ImageSetId": {"S": image_set}, "Cause": {"S": Cause.REINDEX.value}}}
    seen.expect(ExpectedResult.object_like(expected))
    seen.wait_for_assertions(total_timeout=Duration.minutes(5), interval=Duration.seconds(10))
    sent.next(seen)
    # The table is encrypted, and whoever reads it needs its key.
    for call, actions in ((sent, ["events:PutEvents"]), (seen, ["dynamodb:GetItem", "kms:Decrypt"])):
        call.provider.add_to_role_policy({"Effect": "Allow", "Action": actions, "Resource": ["*"]})
    return app


if __name__ == "__main__":
    import json

    make_app(
        os.environ["DATASTORE"],
        os.environ["IMAGE_SET"],
        os.environ.get("CDK_INTEG_REGION") or os.environ["AWS_REGION"],
        json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"],
        os.environ.get("CDK_OUTDIR"),
    ).synth()
