"""A CDK app of its own: each chest CT of more than 40 images reaches a queue, once, however often it grows.

The state machine notes each image set in a table of its own. It ends when the image set is there already.
"""

# mypy: allow-subclassing-any

from aws_cdk import App, CfnOutput, Environment, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct
from on_image_set import OnImageSet


class ChestCts(Stack):
    """The rule, the state machine, its table, and the queue of what is to be done."""

    def __init__(self, scope: Construct, construct_id: str, *, bus_name: str, region: str) -> None:
        super().__init__(scope, construct_id, env=Environment(region=region))
        done = dynamodb.Table(
            self,
            "Done",
            partition_key=dynamodb.Attribute(name="ImageSet", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.DESTROY,
        )
        queue = sqs.Queue(self, "Queue", enforce_ssl=True)
        image_set = sfn.JsonPath.string_at("$.detail.imageSetId")
        note = tasks.DynamoPutItem(
            self,
            "Note the image set",
            table=done,
            item={"ImageSet": tasks.DynamoAttributeValue.from_string(image_set)},
            condition_expression="attribute_not_exists(ImageSet)",
            result_path=sfn.JsonPath.DISCARD,
        )
        send = tasks.SqsSendMessage(
            self, "Send it to the queue", queue=queue, message_body=sfn.TaskInput.from_json_path_at("$.detail")
        )
        note.add_catch(sfn.Succeed(self, "It was sent before"), errors=["DynamoDB.ConditionalCheckFailedException"])
        machine = sfn.StateMachine(self, "Machine", definition_body=sfn.DefinitionBody.from_chainable(note.next(send)))
        OnImageSet(
            self,
            "ChestCt",
            bus_name=bus_name,
            target=targets.SfnStateMachine(machine),
            attributes={"Modality": ["CT"], "BodyPartExamined": ["CHEST"]},
            more_images_than=40,
        )
        CfnOutput(self, "QueueUrl", value=queue.queue_url, description="Chest CTs to look at")


def make(outdir: str | None = None) -> App:
    """The app, ready to be synthesized. The context may name another bus and region."""
    app = App(outdir=outdir, analytics_reporting=False)
    bus_name = app.node.try_get_context("busName") or "ImagingIndex"
    ChestCts(app, "ChestCts", bus_name=bus_name, region=app.node.try_get_context("region") or "us-east-1")
    return app


if __name__ == "__main__":
    make().synth()
