"""The moment that an option `--since` names."""

from datetime import datetime

from cli.output import Misuse
from imaging_index.searching import moments
from imaging_index.searching.errors import SearchError


def since(text: str, now: datetime) -> datetime:
    """The moment at which a span before now, a day or a moment begins. What has no offset is of now's time zone.

    Raises:
        Misuse: it is neither a span, a day nor a moment, or it is not over yet.
    """
    try:
        moment = datetime.fromisoformat(moments.since(text, now))
    except SearchError:
        raise Misuse(
            "Write --since as a span like 90m, 12h or 7d, or as the day or moment since when, like 2024-01-31, "
            "today or 2024-01-31T18:00."
        ) from None
    if moment > now:
        raise Misuse("--since is in the future. Name a moment that is over.")
    return moment
