"""The dashboard's row of events."""

from imaging_index import metric_names
from infra.alarms import EVENTS_BEHIND_SECONDS
from infra.dashboard import Rows
from infra.graphs import graph, limit, series
from infra.metrics import EventNames, of_function, of_queue, own


def rows(names: EventNames) -> Rows:
    """The widgets of its row, by the heading."""
    return {
        "Do events go out?": [
            graph(
                "Events",
                series(own(names.service, metric_names.PUBLISHED, "Sum"), "published"),
                series(own(names.service, metric_names.PUBLISH_FAILURES, "Sum"), "failures"),
                series(of_function(names.function, "Errors", "Sum"), "failed invocations"),
            ),
            graph(
                "Behind the table, ms",
                series(of_function(names.function, "IteratorAge", "Maximum"), "oldest change"),
                limit=limit(1000 * EVENTS_BEHIND_SECONDS, "pages"),
            ),
            graph(
                "Studies and import jobs",
                series(own(names.service, metric_names.STUDY_STABLE, "Sum"), "studies announced"),
                series(own(names.service, metric_names.STUDY_WAITING, "Sum"), "checks of studies late by an hour"),
                series(own(names.service, metric_names.JOBS_WAITING, "Sum"), "checks of jobs late by an hour"),
            ),
            graph(
                "To be checked",
                series(of_queue(names.queue, "ApproximateNumberOfMessagesDelayed", "Maximum"), "delayed"),
                series(of_queue(names.queue, "ApproximateNumberOfMessagesNotVisible", "Maximum"), "put off"),
                series(of_queue(names.queue, "ApproximateNumberOfMessagesVisible", "Maximum"), "due"),
            ),
        ]
    }
