"""The names of the functions' own metrics, for what sends them, what looks at them and what counts them.

docs/monitoring.md says of each what it counts.
"""

from typing import Final

from imaging_index.faults import Configuration, Fault, Yielded
from imaging_index.indexing import Outcome

INDEX_LAG: Final = "IndexLag"
HINT_AGE: Final = "HintAge"

UNKNOWN_KIND: Final = "UnknownKind"
OTHER_DATASTORE: Final = "OtherDatastore"
DEFERRED: Final = "Deferred"
PARKED: Final = "Parked"

INVALID_ATTRIBUTES: Final = "InvalidAttributes"
TRUNCATED_ATTRIBUTES: Final = "TruncatedAttributes"
SEVERAL_SERIES: Final = "SeveralSeries"
NOT_QUITE_JSON: Final = "NotQuiteJson"

HEALTHIMAGING_THROTTLES: Final = "HealthImagingThrottles"
BREAKER_OPEN: Final = "BreakerOpen"
WRITE_UNITS: Final = "WriteUnits"

# Of kept documents: those that were read instead of HealthImaging's, those that could not be, and what was not kept.
KEPT_DOCUMENT_READ: Final = "KeptDocumentRead"
KEPT_DOCUMENT_UNUSABLE: Final = "KeptDocumentUnusable"
DOCUMENT_NOT_KEPT: Final = "DocumentNotKept"

# Of reconciling.
SINCE_PASS: Final = "SincePass"  # noqa: S105  no password
OF_PASS: Final = "PassSeconds"  # noqa: S105
STILL_DIFFERENT: Final = "StillDifferent"
GHOSTS_REFUSED: Final = "GhostsRefused"
TIER_DOLLARS: Final = "TierDollars"
TIER_DOLLARS_REFUSED: Final = "TierDollarsRefused"
# Of events: those put on the bus, what could not be announced, the studies announced, and the checks of a study or a
# job that has not agreed with HealthImaging for an hour, of which each has one an hour at least.
PUBLISHED: Final = "Published"
PUBLISH_FAILURES: Final = "PublishFailures"
STUDY_STABLE: Final = "StudyStable"
STUDY_WAITING: Final = "StudyWaiting"
JOBS_WAITING: Final = "JobsWaiting"

# Each hint that was handled adds to one of these.
OUTCOMES: Final = (*(outcome.value for outcome in Outcome), OTHER_DATASTORE)

# The classes of faults, in the order of their declaration.
FAULTS: Final = tuple(fault.__name__ for fault in (*Fault.__subclasses__(), Yielded))


def of_fault(name: str) -> str:
    """The metric that counts hints which met a fault, by the name of its class."""
    return f"{name}Faults"


def of_difference(name: str) -> str:
    """The metric that counts differences that a pass found, by the name of their kind (`reconciling.counts`)."""
    # A stale hint is something else.
    return "StaleEntry" if name == Outcome.STALE else name


CONFIGURATION_FAULTS: Final = of_fault(Configuration.__name__)
