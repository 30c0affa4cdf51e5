"""The table of alarms: is the index right, is it fresh, is it healthy.

docs/monitoring.md lists the alarms, and docs/runbook.md says what to do about each. Constructs declare theirs from
here, and infra/monitoring.py makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

from imaging_index import metric_names
from imaging_index.profile import index_names
from imaging_index.profile.profile import Profile
from imaging_index.reconciling.counts import Difference
from infra.config import FUNCTION_SECONDS
from infra.metrics import (
    DAY,
    HOUR,
    ApiNames,
    EventNames,
    Metric,
    Names,
    of_api,
    of_function,
    of_queue,
    of_rule,
    of_table,
    own,
)

# The objective: this percentage of image sets is searchable within this many seconds of the event.
OBJECTIVE_PERCENT: Final = 99.9
OBJECTIVE_SECONDS: Final = 60

# People wait for these answers, and API Gateway for at most 29 seconds.
DICOMWEB_SECONDS: Final = 10

# Seconds for which the index may go without a comparison with HealthImaging.
LONGEST_WITHOUT_PASS: Final = 3600
# A study or a job that waits is looked at once an hour at least: 70 minutes.
_BETWEEN_LOOKS: Final = 14

# The table's stream keeps changes for a day: there is time to act.
EVENTS_BEHIND_SECONDS: Final = HOUR

# A failed message may wait half an hour for its next try. Alarms on what only a try can show look at the last 35
# minutes; otherwise they would end between two tries.
_BETWEEN_TRIES: Final = 7


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row of the table of alarms.

    Attributes:
        name: the alarm's name is the stack's and this one.
        runbook: the heading's anchor in the runbook.
        says: what has happened, for the person whom it wakes.
        metric: what it looks at.
        bad: when a period is bad: the comparison and its threshold.
        rings: how many of how many latest periods are bad when it rings.
        missing: how a period without data counts; `ignore` leaves the alarm as it is.
        pages: whether it wakes a person.
    """

    name: str
    runbook: str
    says: str
    metric: Metric
    bad: tuple[Literal[">=", ">", "<"], float]
    rings: tuple[int, int]
    missing: Literal["notBreaching", "breaching", "ignore"] = "notBreaching"
    pages: bool = False


def of_pipeline(names: Names, profile: Profile) -> tuple[Alarm, ...]:
    """The alarms of the way from the event to the table."""
    visible = "ApproximateNumberOfMessagesVisible"
    # By default CloudWatch evaluates percentiles of few samples too. Otherwise p99 would never ring at a site with
    # fewer than a thousand image sets in five minutes.
    return (
        # A queue without requests sends no metrics after six hours, even while it holds messages.
        Alarm("DeadLetters", "dead-letters", "Changes could not be indexed and were parked.",
              of_queue(names.dead_letter_queue, visible, "Maximum"),
              (">=", 1), (1, 1), "ignore", pages=True),
        Alarm("RuleDeadLetters", "events-not-delivered", "EventBridge could not deliver events to the queue.",
              of_queue(names.rule_dead_letter_queue, visible, "Maximum"),
              (">=", 1), (1, 1), "ignore", pages=True),
        # The two above ring for as long as an old one waits. These ring for each that comes meanwhile.
        Alarm("NewDeadLetters", "dead-letters", "A further change could not be indexed and was parked.",
              own(names.service, metric_names.PARKED, "Sum"),
              (">=", 1), (1, 1)),
        Alarm("NewRuleDeadLetters", "events-not-delivered", "EventBridge could not deliver a further event.",
              of_rule(names.rule, "InvocationsSentToDlq"),
              (">=", 1), (1, 1)),
        Alarm("RuleFailures", "events-not-delivered", "EventBridge gave up on delivering events.",
              of_rule(names.rule, "FailedInvocations"),
              (">=", 1), (1, 1)),
        Alarm("EventsLost", "events-lost",
              "Events are lost: they reached neither the queue nor the rule's dead-letter queue.",
              of_rule(names.rule, "InvocationsFailedToBeSentToDlq"),
              (">=", 1), (1, 1), pages=True),
        # Each document adds one value, so the average is per image set.
        Alarm("InvalidAttributes", "invalid-attributes",
              f"On average, more than 5 % of an image set's {len(profile.attributes)} selected attributes are invalid.",
              own(names.service, metric_names.INVALID_ATTRIBUTES, "Average", HOUR),
              (">", len(profile.attributes) / 20), (1, 1)),
        Alarm("IndexLag", "index-lag", f"The 99th percentile of the index lag is above {OBJECTIVE_SECONDS} s.",
              own(names.service, metric_names.INDEX_LAG, "p99"),
              (">", OBJECTIVE_SECONDS), (3, 3), pages=True),
        Alarm("Objective", "index-lag",
              f"Less than {OBJECTIVE_PERCENT} % of a day's image sets were searchable within {OBJECTIVE_SECONDS} s.",
              own(names.service, metric_names.INDEX_LAG, f"PR(:{OBJECTIVE_SECONDS})", DAY),
              ("<", OBJECTIVE_PERCENT), (1, 1)),
        # A deletion takes up to 32 minutes when HealthImaging answers 404.
        Alarm("OldestHint", "waiting-hints", "A change has been waiting for more than an hour.",
              own(names.service, metric_names.HINT_AGE, "Maximum"),
              (">", 3600), (1, _BETWEEN_TRIES), pages=True),
        Alarm("OldestMessage", "waiting-hints", "Messages wait more than 15 minutes for their first try.",
              of_queue(names.queue, "ApproximateAgeOfOldestMessage", "Maximum"),
              (">", 900), (3, 3), pages=True),
        Alarm("Configuration", "configuration",
              "AWS rejects the function's calls: access, a key or the table is missing.",
              own(names.service, metric_names.CONFIGURATION_FAULTS, "Sum"),
              (">=", 1), (1, _BETWEEN_TRIES), pages=True),
        Alarm("BreakerOpen", "breaker-open", "More than half of the batches end with the breaker open.",
              own(names.service, metric_names.BREAKER_OPEN, "Average"),
              (">", 0.5), (3, _BETWEEN_TRIES)),
        Alarm("HealthImagingThrottles", "healthimaging-throttles", "HealthImaging keeps throttling the function.",
              own(names.service, metric_names.HEALTHIMAGING_THROTTLES, "Sum"),
              (">=", 10), (3, _BETWEEN_TRIES)),
        Alarm("Errors", "function-errors", "Whole invocations failed: they were killed, or ran out of time or memory.",
              of_function(names.function, "Errors", "Sum"),
              (">=", 1), (2, _BETWEEN_TRIES)),
        Alarm("Throttles", "function-throttles", "Lambda has no concurrency left for the function.",
              of_function(names.function, "Throttles", "Sum"),
              (">=", 1), (3, _BETWEEN_TRIES)),
        Alarm("Duration", "duration", "Invocations take 80 % of their time-out or more.",
              of_function(names.function, "Duration", "Maximum"),
              (">=", 800 * FUNCTION_SECONDS), (2, _BETWEEN_TRIES)),
    )  # fmt: skip


def of_reconciling(service: str, *, scheduled: bool) -> tuple[Alarm, ...]:
    """The alarms of the comparison with HealthImaging; without a schedule, no pass is missed."""
    of_schedule = (
        Alarm("NoPass", "no-pass", "For an hour, no comparison of the index with HealthImaging has ended.",
              own(service, metric_names.SINCE_PASS, "Maximum", HOUR),
              (">", LONGEST_WITHOUT_PASS), (1, 1), "breaching", pages=True),
    )  # fmt: skip
    return (
        *(of_schedule if scheduled else ()),
        Alarm("Drift", "drift", "Image sets for which a comparison sent hints still differ in a later one.",
              own(service, metric_names.STILL_DIFFERENT, "Maximum", HOUR),
              (">=", 1), (1, 1)),
        Alarm("FalseTombstone", "false-tombstone", "An image set that exists is marked as deleted in the index.",
              own(service, metric_names.of_difference(Difference.FALSE_TOMBSTONE), "Maximum", HOUR),
              (">=", 1), (1, 1), pages=True),
        Alarm("MoneyRefused", "money-refused",
              "Image sets are not indexed, since reading them would cost more than the setting reconcileDollars.",
              own(service, metric_names.TIER_DOLLARS_REFUSED, "Maximum", HOUR),
              (">", 0), (1, 1)),
        Alarm("GhostsRefused", "ghosts-refused", "So many entries have no image set that none of them is touched.",
              own(service, metric_names.GHOSTS_REFUSED, "Maximum", HOUR),
              (">=", 1), (1, 1)),
    )  # fmt: skip


def of_storage(table: str, indexes: Mapping[str, str]) -> tuple[Alarm, ...]:
    """The alarms of the table, by its name, and of each of its indexes.

    Args:
        table: the table's name.
        indexes: the indexes' names in DynamoDB, by their names in the profile, which the alarms have.
    """
    return tuple(
        Alarm(
            f"{way}Throttles-{index}" if index else f"{way}Throttles",
            "dynamodb-throttles",
            f"DynamoDB throttles {way.lower()}s of {f'the index {index}' if index else 'the table'}.",
            of_table(table, f"{way}ThrottleEvents", name),
            (">=", 1),
            (3, _BETWEEN_TRIES),
        )
        for index, name in ((None, None), *indexes.items())
        for way in ("Write", "Read")
    )


def of_documents(service: str) -> tuple[Alarm, ...]:
    """The alarms of kept documents."""
    return (
        Alarm("DocumentsNotKept", "documents", "Documents are not kept: indexing them again will ask HealthImaging.",
              own(service, metric_names.DOCUMENT_NOT_KEPT, "Sum"),
              (">=", 1), (1, _BETWEEN_TRIES)),
        Alarm("DocumentsUnusable", "documents",
              "Kept documents were missing or damaged, and HealthImaging was asked for them.",
              own(service, metric_names.KEPT_DOCUMENT_UNUSABLE, "Sum"),
              (">=", 1), (1, 1)),
    )  # fmt: skip


def of_dicomweb(names: ApiNames) -> tuple[Alarm, ...]:
    """The alarms of the DICOMweb API."""
    return (
        Alarm("DicomwebFailures", "dicomweb", "DICOMweb requests fail.",
              of_api(names.api, "5XXError", "Sum"),
              (">=", 1), (2, _BETWEEN_TRIES)),
        Alarm("DicomwebLatency", "dicomweb",
              f"The 99th percentile of DICOMweb answers takes more than {DICOMWEB_SECONDS} s.",
              of_api(names.api, "Latency", "p99"),
              (">", 1000 * DICOMWEB_SECONDS), (3, 3)),
        Alarm("DicomwebThrottles", "dicomweb", "Lambda has no concurrency left for DICOMweb.",
              of_function(names.function, "Throttles", "Sum"),
              (">=", 1), (3, _BETWEEN_TRIES)),
    )  # fmt: skip


def of_events(names: EventNames) -> tuple[Alarm, ...]:
    """The alarms of the events that the index sends."""
    visible = "ApproximateNumberOfMessagesVisible"
    return (
        Alarm("EventsBehind", "events-out", "Events are sent more than an hour after the table changed.",
              of_function(names.function, "IteratorAge", "Maximum"),
              (">", 1000 * EVENTS_BEHIND_SECONDS), (1, 1), pages=True),
        Alarm("EventsGivenUp", "events-out", "Changes of the table were not announced, and are given up.",
              of_queue(names.failure_queue, visible, "Maximum"),
              (">=", 1), (1, 1), "ignore", pages=True),
        Alarm("EventFailures", "events-out", "Events keep failing.",
              own(names.service, metric_names.PUBLISH_FAILURES, "Sum"),
              (">=", 1), (3, _BETWEEN_TRIES)),
        Alarm("EventFunctionErrors", "events-out", "Whole invocations of the function that announces failed.",
              of_function(names.function, "Errors", "Sum"),
              (">=", 1), (2, _BETWEEN_TRIES)),
        Alarm("EventFunctionThrottles", "function-throttles",
              "Lambda has no concurrency left for the function that announces.",
              of_function(names.function, "Throttles", "Sum"),
              (">=", 1), (3, _BETWEEN_TRIES)),
        Alarm("StudyWaiting", "studies-and-jobs-that-wait",
              "For an hour, the index has not agreed with HealthImaging on a study.",
              own(names.service, metric_names.STUDY_WAITING, "Sum"),
              (">=", 1), (1, _BETWEEN_LOOKS)),
        Alarm("JobsWaiting", "studies-and-jobs-that-wait",
              "An import job completed an hour ago, and not all of its image sets are indexed.",
              own(names.service, metric_names.JOBS_WAITING, "Sum"),
              (">=", 1), (1, _BETWEEN_LOOKS)),
        Alarm("EventDeadLetters", "studies-and-jobs-that-wait",
              "Messages of studies or import jobs could not be handled and were parked.",
              of_queue(names.dead_letter_queue, visible, "Maximum"),
              (">=", 1), (1, 1), "ignore"),
    )  # fmt: skip


def number(profile: Profile) -> int:
    """How many alarms a stack with this profile has, without DICOMweb's and those of events."""
    names = Names(*("" for _ in fields(Names)))
    of_parts = (
        of_pipeline(names, profile),
        of_reconciling("", scheduled=True),
        of_storage(names.table, index_names.of_all(profile.indexes)),
    )
    return sum(map(len, of_parts))
