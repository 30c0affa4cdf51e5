"""The stack: one index, in one region of one account."""

# mypy: allow-subclassing-any

from aws_cdk import CfnOutput, Environment, Stack, Tags
from constructs import Construct

from imaging_index.entry import entry
from imaging_index.profile.profile import Profile
from infra import datastores
from infra.config import Settings
from infra.dicomweb import Dicomweb
from infra.documents import Documents
from infra.monitoring import Monitoring
from infra.pipeline import Pipeline
from infra.publishing import Publishing
from infra.reconciling import Reconciling
from infra.storage import Storage
from infra.tokens import TokenSecret


class ImagingIndex(Stack):
    """Imaging Index as a CloudFormation stack. Operators and the command find its parts by its outputs.

    Attributes:
        storage: the table and its key.
        pipeline: the rule, the queues and the index function.
        reconciling: the schedule and the reconcile function.
        monitoring: the alarms and the dashboard.
    """

    def __init__(self, scope: Construct, settings: Settings, selected: Profile) -> None:
        # No account: one template serves all of them, and a synth needs no credentials. The region is needed: a table
        # with a customer-managed key names it.
        super().__init__(
            scope,
            settings.stack_name,
            description="Imaging Index: a queryable index of AWS HealthImaging",
            env=Environment(region=settings.region),
            tags=settings.tags,
            termination_protection=settings.termination_protection == settings.protected == "on",
        )
        # In the template too: CloudFormation does not pass the stack's tags on to every resource.
        for key, value in settings.tags.items():
            Tags.of(self).add(key, value)
        # A later deployment compares its profile and settings with these.
        self.template_options.metadata = {
            "Profile": settings.profile.read_text("utf-8-sig"),
            "Settings": settings.in_words(),
        }
        self.storage = Storage(self, "Storage", settings=settings, profile=selected)
        tokens = TokenSecret(self, "Tokens", settings=settings, storage=self.storage) if selected.keyed else None
        documents = (
            None
            if settings.documents == "off"
            else Documents(self, "Documents", settings=settings, storage=self.storage)
        )
        self.pipeline = Pipeline(
            self,
            "Pipeline",
            settings=settings,
            profile=selected,
            storage=self.storage,
            tokens=tokens,
            documents=documents,
        )
        # What is current is what is deployed, whatever checkout asks.
        generation = f"{selected.revision}.{entry.FORMAT}"
        self.reconciling = Reconciling(
            self,
            "Reconciling",
            settings=settings,
            generation=generation,
            storage=self.storage,
            documents=documents,
            queue=self.pipeline.queue,
        )
        dicomweb = (
            None
            if settings.dicomweb == "off"
            else Dicomweb(self, "Dicomweb", settings=settings, storage=self.storage, tokens=tokens)
        )
        publishing = (
            None
            if settings.events == "off"
            else Publishing(self, "Publishing", settings=settings, storage=self.storage)
        )
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            settings=settings,
            key=self.storage.key,
            alarms=[
                *self.pipeline.alarms,
                *self.reconciling.alarms,
                *self.storage.alarms,
                *(documents.alarms if documents else ()),
                *(dicomweb.alarms if dicomweb else ()),
                *(publishing.alarms if publishing else ()),
            ],
            log_groups=[part.function.function.log_group.log_group_name for part in (self.pipeline, self.reconciling)],
            objective=self.pipeline.objective,
            rows={
                "Is it complete?": self.reconciling.row,
                **self.pipeline.rows,
                **(dicomweb.rows if dicomweb else {}),
                **(publishing.rows if publishing else {}),
            },
        )
        self._output("TableName", self.storage.table.table_name, "The index")
        self._output("QueueUrl", self.pipeline.queue.queue_url, "Changes that are not yet indexed")
        self._output(
            "DeadLetterQueueUrl", self.pipeline.dead_letter_queue.queue_url, "Changes that could not be indexed"
        )
        self._output(
            "RuleDeadLetterQueueUrl",
            self.pipeline.rule_dead_letter_queue.queue_url,
            "Events that did not reach the queue",
        )
        self._output("FunctionName", self.pipeline.function.function.function_name, "The index function")
        self._output(
            "ReconcileFunctionName",
            self.reconciling.function.function.function_name,
            "The function that compares the index with HealthImaging",
        )
        self._output("Generation", generation, "The profile's revision and the format of entries, as 1.4")
        # As this version understands the profile: a later one may read more from the same text.
        self._output("ProfileHash", selected.hash, "What entries say of the profile that they are made by")
        self._output("AlarmTopicArn", self.monitoring.topic.topic_arn, "Where alarms are published")
        self._output("DashboardUrl", self.monitoring.dashboard.url, "The dashboard")
        self._output("DataStores", settings.data_stores_in_words, "What is indexed")
        if dicomweb:
            self._output("DicomwebUrl", dicomweb.url, "Where DICOMweb answers, below /studies and other paths")
        if documents:
            self._output("DocumentsBucketName", documents.bucket.bucket_name, "Where documents are kept")
        if publishing:
            self._output("EventBusName", publishing.bus.event_bus_name, "Where the index announces its changes")
            self._output("EventFunctionName", publishing.function.function.function_name, "The function that announces")
            self._output(
                "EventQueueUrl", publishing.queue.queue_url, "Studies and import jobs that are not yet announced"
            )
            self._output(
                "EventDeadLetterQueueUrl",
                publishing.dead_letter_queue.queue_url,
                "Studies and import jobs that could not be checked",
            )
            self._output(
                "EventFailureQueueUrl", publishing.failure_queue.queue_url, "Changes that could not be announced"
            )
        readers = [
            self.pipeline.function.role,
            self.reconciling.function.role,
            *([publishing.function.role] if publishing else []),
        ]
        statement = datastores.key_policy_statement(settings, readers)
        if statement is not None:
            self._output(
                "DataStoreKeyPolicyStatement",
                self.to_json_string(statement.to_statement_json()),
                "What the policy of each data store's own key needs",
            )

    def _output(self, name: str, value: str, description: str) -> None:
        CfnOutput(self, name, value=value, description=description)
