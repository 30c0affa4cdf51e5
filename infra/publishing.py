"""Events out: the stack's bus, the function that announces on it, and its queue of studies and jobs to be checked."""

# mypy: allow-subclassing-any

from typing import Final

from aws_cdk import Annotations, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_eventschemas as eventschemas
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from constructs import Construct

from imaging_index.profile.profile import Profile
from infra import alarms, publishing_graphs, queues
from infra.config import ROOT, SettingError, Settings
from infra.metrics import EventNames
from infra.publish_function import PublishFunction
from infra.storage import Storage

SCHEMA: Final = ROOT / "docs" / "events.schema.json"

# Amazon EventBridge User Guide, "AWS HealthImaging events". Others about jobs need no answer.
_JOB_COMPLETED: Final = "Import Job Completed"
# The sort key of entries: docs/table.md.
_ENTRY: Final = "entry"

# A rule's name has 64 characters at most.
_LONGEST_STACK_NAME: Final = 64 - len("-jobs")

# The stream keeps records for 24 hours. Those that fail for six are given up, so that their pointers in the queue of
# failures still lead somewhere for eighteen.
_RECORD_AGE: Final = Duration.hours(6)
_RETRIES: Final = 1000
_BATCH: Final = 100


def check(settings: Settings, profile: Profile) -> None:
    """Check that a profile has what the events need.

    Raises:
        SettingError: a setting of events is set while events are off, or the profile's image sets or studies cannot be
            announced.
    """
    for name, given in (
        ("studyStableMinutes", settings.study_stable_minutes > 0),
        ("importOutputBuckets", bool(settings.import_output_buckets)),
        ("eventSchemas", settings.event_schemas == "on"),
    ):
        if given and settings.events == "off":
            raise SettingError(f"The setting {name!r} needs events. Set events to on, or leave {name} out.")
    if settings.events == "on" and (why := profile.why_no_events):
        raise SettingError(f"The setting 'events' needs another profile. {why}")
    if settings.study_stable_minutes and (why := profile.why_no_stable_studies):
        raise SettingError(f"The setting 'studyStableMinutes' needs another profile, or may be 0. {why}")


class Publishing(Construct):
    """Announces what the index holds.

    Attributes:
        bus: where the events are.
        function: announces them.
        queue: messages of studies and import jobs to be checked.
        dead_letter_queue: those of them that could not be checked.
        failure_queue: pointers to changes of the table that could not be announced.
        alarms: its alarms.
        rows: its row of the dashboard.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, storage: Storage) -> None:
        super().__init__(scope, construct_id)
        self.bus = events.EventBus(
            self,
            "Bus",
            event_bus_name=settings.stack_name,
            description="What the index of AWS HealthImaging announces",
        )
        if settings.event_schemas == "on":
            self._register_schema(settings)
        self.failure_queue = queues.kept(self, "FailureQueue", storage)
        queues.accept_no_dead_letters(self.failure_queue, "the table's stream")
        self.dead_letter_queue = queues.kept(self, "DeadLetterQueue", storage)
        self.queue = queues.worked_off(self, "Queue", storage, self.dead_letter_queue)
        self.function = PublishFunction(
            self,
            "Function",
            settings=settings,
            storage=storage,
            bus=self.bus,
            queue=self.queue,
            dead_letter_queue=self.dead_letter_queue,
            failure_queue=self.failure_queue,
        )
        self._read_stream(storage)
        self._receive_messages()
        if settings.import_output_buckets:
            self._hear_of_jobs(settings)
        else:
            Annotations.of(self).add_info(
                "No event is sent of import jobs. Name the buckets of their output in the setting importOutputBuckets, "
                "if you want to be told when a job is indexed."
            )
        names = EventNames(
            service=settings.stack_name,
            function=self.function.function.function_name,
            queue=self.queue.queue_name,
            dead_letter_queue=self.dead_letter_queue.queue_name,
            failure_queue=self.failure_queue.queue_name,
        )
        self.alarms = alarms.of_events(names)
        self.rows = publishing_graphs.rows(names)

    def _read_stream(self, storage: Storage) -> None:
        self.function.function.add_event_source_mapping(
            "Stream",
            event_source_arn=storage.table.table_stream_arn,
            # A mapping that replaces another must not skip what the other had not read; doubles have equal keys.
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[lambda_.FilterCriteria.filter({"dynamodb": {"Keys": {"Part": {"S": [_ENTRY]}}}})],
            batch_size=_BATCH,
            bisect_batch_on_error=True,
            retry_attempts=_RETRIES,
            max_record_age=_RECORD_AGE,
            report_batch_item_failures=True,
            on_failure=event_sources.SqsDlq(self.failure_queue),
        )

    def _receive_messages(self) -> None:
        self.function.function.add_event_source_mapping(
            "Messages",
            event_source_arn=self.queue.queue_arn,
            batch_size=10,
            # Each looks at studies in HealthImaging, whose quota of searches indexing does not use.
            max_concurrency=2,
            report_batch_item_failures=True,
        )

    def _hear_of_jobs(self, settings: Settings) -> None:
        """Have HealthImaging's events of completed import jobs sent to the queue."""
        # The name is fixed, so that the queues' policies can refer to the rule before it exists.
        name = f"{settings.stack_name[:_LONGEST_STACK_NAME]}-jobs"
        stack = Stack.of(self)
        pattern: dict[str, object] = {
            "account": [stack.account],
            "source": ["aws.medical-imaging"],
            "detail-type": [_JOB_COMPLETED],
        }
        if settings.data_stores:
            pattern["detail"] = {"datastoreId": [store.id for store in settings.data_stores]}
        for queue in (self.queue, self.dead_letter_queue):
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={
                        "ArnEquals": {
                            "aws:SourceArn": stack.format_arn(service="events", resource="rule", resource_name=name)
                        }
                    },
                )
            )
        rule = events.CfnRule(
            self,
            "JobRule",
            name=name,
            description="Import jobs that AWS HealthImaging completed, for the index to announce when it has them",
            event_pattern=pattern,
            targets=[
                events.CfnRule.TargetProperty(
                    id="Queue",
                    arn=self.queue.queue_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.dead_letter_queue.queue_arn),
                )
            ],
        )
        rule.node.add_dependency(self.queue, self.dead_letter_queue)  # and on their policies

    def _register_schema(self, settings: Settings) -> None:
        """Have consoles and code generators find what the events are like."""
        registry = eventschemas.CfnRegistry(
            self, "Registry", registry_name=settings.stack_name, description="The events of the index"
        )
        schema = eventschemas.CfnSchema(
            self,
            "Schema",
            registry_name=registry.attr_registry_name,
            schema_name="imaging-index",
            type="JSONSchemaDraft4",
            content=SCHEMA.read_text("utf-8"),
        )
        schema.node.add_dependency(registry)
