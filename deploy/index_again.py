"""What it costs to index everything again after a changed profile, and how to begin with it."""

from collections.abc import Mapping
from typing import Any, Final

from imaging_index.profile.profile import Profile
from infra import write_units
from infra.prices import Prices

_PRICES: Final = Prices()
# HealthImaging charges an image set for at least this much (pricing page).
_SMALLEST_IMAGE_SET_GB: Final = 5 / 1024
# What a hint costs besides: Lambda, SQS and logs (docs/cost.md).
_A_HINT: Final = 4e-6


def advice(
    stack: str, profile: Profile, table: Mapping[str, Any], before: str | None, after: str, *, keeps_documents: bool
) -> str:
    """What to know before a profile is deployed that entries were not made by.

    Args:
        stack: the stack's name.
        profile: the new profile.
        table: the deployed table, as DescribeTable describes it.
        before: the deployed generation, as `1.3`; None for a stack without reconcile.
        after: the new one.
        keeps_documents: whether the deployed stack keeps documents, of which HealthImaging is not asked.
    """
    entries = _entries(table)
    making = entries * (_PRICES.healthimaging_call + write_units.again(profile) * _PRICES.write_unit + _A_HINT)
    storing = entries * _SMALLEST_IMAGE_SET_GB * (_PRICES.frequent_gb_month - _PRICES.archive_gb_month)
    kept = "" if not keeps_documents else " What the stack keeps documents of takes neither calls nor storage."
    named = "" if stack == "ImagingIndex" else f" --stack {stack}"
    return (
        "\nEntries stay as they are until their image sets are indexed again "
        f"(generation {before or 'unknown'} -> {after}).\n"
        f"For about {entries:,} entries that takes ${making:,.2f} of calls and writes and, if HealthImaging has "
        f"archived them all, at least ${storing:,.2f} of storage.{kept}\n"
        "After the deployment, this says exactly what it takes, and begins it with --apply instead of --plan:\n"
        f"  imaging-index reconcile --full --plan{named}"
    )


def _entries(table: Mapping[str, Any]) -> int:
    """About how many entries the table has: DynamoDB counts every six hours, and indexes contain no pages."""
    indexes = table.get("GlobalSecondaryIndexes", ())
    counts: list[int] = [each.get("ItemCount", 0) for each in indexes or (table,)]
    return max(counts)
