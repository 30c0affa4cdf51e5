"""DICOMweb's row of the dashboard."""

from imaging_index.qido import metric_names
from infra.dashboard import Rows
from infra.dicomweb_function import SECONDS
from infra.graphs import graph, limit, series
from infra.metrics import ApiNames, of_api, of_function, own


def rows(names: ApiNames) -> Rows:
    """The widgets of its row, by the heading."""
    return {
        "Does DICOMweb answer?": [
            graph(
                "DICOMweb requests",
                series(of_api(names.api, "Count", "SampleCount"), "requests"),
                series(of_api(names.api, "4XXError", "Sum"), "refused"),
                series(of_api(names.api, "5XXError", "Sum"), "failed"),
            ),
            graph(
                "Time for an answer, ms",
                *(series(of_api(names.api, "Latency", each), each) for each in ("p50", "p99")),
                limit=limit(1000 * SECONDS, "time-out"),
            ),
            graph(
                "DICOMweb function",
                series(of_function(names.function, "Errors", "Sum"), "failed as a whole"),
                series(of_function(names.function, "Throttles", "Sum"), "throttled by Lambda"),
            ),
            graph(
                "DynamoDB read request units",
                series(own(names.service, metric_names.READ_UNITS, "Sum"), "by DICOMweb"),
            ),
        ]
    }
