"""What it costs to index everything again after a changed profile, and how to begin with it."""

from collections.abc import Mapping
from typing import Any, Final

from deploy.profile_change import kept_values
from deploy.template import Template
from infra import write_units
from infra.prices import Prices

_PRICES: Final = Prices()
# HealthImaging charges an image set for at least this much (pricing page).
_SMALLEST_IMAGE_SET_GB: Final = 5 / 1024
# What a hint costs besides: Lambda, SQS and logs (docs/cost.md).
_A_HINT: Final = 4e-6


def advice(stack: str, deployed: Template, wanted: Template, table: Mapping[str, Any]) -> str:
    """What to know before a profile is deployed that entries were not made by.

    Args:
        stack: the stack's name.
        deployed: its template.
        wanted: the template to deploy.
        table: the deployed table, as DescribeTable describes it.
    """
    entries = _entries(table)
    units = write_units.again(wanted.profile)
    making = entries * (_PRICES.healthimaging_call + units * _PRICES.write_unit + _A_HINT)
    storing = entries * _SMALLEST_IMAGE_SET_GB * (_PRICES.frequent_gb_month - _PRICES.archive_gb_month)
    values = kept_values(deployed.profile, wanted.profile)
    if values:
        kept = ", and kept documents have them until you delete their bucket" if deployed.keeps_documents else ""
        values += f" Point-in-time recovery keeps them for 35 days more{kept}.\n"
    documents = (
        " What the stack keeps documents of takes neither calls nor storage."
        if deployed.keeps_documents and wanted.keeps_documents
        else ""
    )
    return (
        "\nEntries stay as they are until their image sets are indexed again "
        f"(generation {deployed.generation or 'unknown'} -> {wanted.generation}).\n"
        f"{values}"
        f"For about {entries:,} entries that takes ${making:,.2f} of calls and writes and, if HealthImaging has "
        f"archived them all, at least ${storing:,.2f} of storage.{documents}\n"
        f"After the deployment:\n{commands(stack)}"
    )


def commands(stack: str) -> str:
    """The commands that index everything again, a line each."""
    named = "" if stack == "ImagingIndex" else f" --stack {stack}"
    return (
        f"  imaging-index reconcile --full --plan{named}     # what it takes exactly\n"
        f"  imaging-index reconcile --full --apply{named}    # begin with it"
    )


def _entries(table: Mapping[str, Any]) -> int:
    """About how many entries the table has: DynamoDB counts every six hours, and indexes contain no pages."""
    indexes = table.get("GlobalSecondaryIndexes", ())
    counts: list[int] = [each.get("ItemCount", 0) for each in indexes or (table,)]
    return max(counts)
