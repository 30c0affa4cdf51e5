"""The mean size of an image set, which decides what reading it costs. HealthImaging's API reports no sizes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from imaging_index.reconciling.settings import LEAST_BYTES

if TYPE_CHECKING:
    from cli.deployed import Stack

_MEGABYTE: Final = 2**20
# The metrics are sent once a day.
_SPAN: Final = timedelta(days=3)
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class MeanSize:
    """The mean size in bytes, and in words where it is from."""

    bytes: int
    source: str


def find(stack: Stack, datastore: str, megabytes: float | None) -> MeanSize:
    """The mean size of a data store's image sets: as given, as CloudWatch knows it, or the least that is billed."""
    if megabytes is not None:
        return MeanSize(max(int(megabytes * _MEGABYTE), LEAST_BYTES), "--mean-size")
    measured = _measured(stack, datastore)
    if measured is not None:
        return MeanSize(max(measured, LEAST_BYTES), "CloudWatch")
    return MeanSize(LEAST_BYTES, "the least that HealthImaging bills; set --mean-size to yours")


def _measured(stack: Stack, datastore: str) -> int | None:
    """Bytes stored by number of image sets, of the archive tier (developer guide, "Monitoring with CloudWatch").

    Returns:
        None for a data store that has no such metrics, or if CloudWatch does not answer.
    """
    dimensions = [
        {"Name": "AccountId", "Value": stack.account},
        {"Name": "DatastoreId", "Value": datastore},
        {"Name": "StorageTier", "Value": "ARCHIVE_INSTANT_ACCESS"},
    ]
    queries: Any = [
        {
            "Id": name.lower(),
            "MetricStat": {
                "Metric": {"Namespace": "AWS/HealthImaging", "MetricName": name, "Dimensions": dimensions},
                "Period": _DAY,
                "Stat": "Average",
            },
        }
        for name in ("StorageBytes", "ImageSetCount")
    ]
    now = datetime.now(UTC)
    try:
        answer = stack.session.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=now - _SPAN, EndTime=now, ScanBy="TimestampDescending"
        )
    except (ClientError, BotoCoreError):
        return None
    values = {each["Id"]: each["Values"] for each in answer["MetricDataResults"]}
    size, count = values.get("storagebytes"), values.get("imagesetcount")
    return int(size[0] / count[0]) if size and count and count[0] else None
