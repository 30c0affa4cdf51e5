"""What a year of events uses: of EventBridge, Lambda, SQS, DynamoDB, S3 and HealthImaging. docs/cost.md explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from local.capacity import READ_UNIT, units

if TYPE_CHECKING:
    from cli.cost.sizes import Sizes
    from cli.cost.volume import Volume

# AWS HealthImaging API Reference, "SearchImageSets": what a page has at most.
_A_SEARCH: Final = 50
# A message is sent, received and deleted. One that comes again is put off and received once more.
_SQS_REQUESTS: Final = 3
_SQS_AGAIN: Final = 2
# How often an import job is looked at: first when its image sets are not all there, and a tenth of its age later.
_LOOKS: Final = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be announced: image sets always, and with settings of their own stable studies and import jobs."""

    studies: bool
    jobs: int


@dataclass(frozen=True, slots=True)
class Announced:
    """What a year of events uses.

    `messages` are those of studies and jobs, and `chunks` the events, each counted once for every 64 kB begun.
    """

    chunks: float
    invocations: float
    messages: float
    sqs_requests: float
    write_units: float
    read_units: float
    searches: float
    manifests: float


def announced(volume: Volume, measured: Sizes, wanted: Wanted) -> Announced:
    """What events of a year use, when each change arrives by itself."""
    changes = volume.series + volume.updates + volume.deletions
    each = volume.series / volume.studies
    # A study that is changed or loses an image set is stable once more.
    stable = volume.studies + volume.updates + volume.deletions if wanted.studies else 0
    # Each change is noted in its study's marker, and sends a message. All but a study's last are dropped.
    noted = changes if wanted.studies else 0
    in_job = volume.series / wanted.jobs if wanted.jobs else 0
    entry = units(measured.entry_bytes, READ_UNIT)
    return Announced(
        chunks=changes * measured.event_chunks + stable + wanted.jobs,
        invocations=changes + noted + wanted.jobs * _LOOKS,
        messages=noted + wanted.jobs,
        sqs_requests=noted * _SQS_REQUESTS + wanted.jobs * (_SQS_REQUESTS + _SQS_AGAIN * (_LOOKS - 1)),
        # A marker is an item of less than a kB, in no index.
        write_units=noted + stable + wanted.jobs,
        # Each message reads the marker. That of a study's last change reads the index by study and the entries, one of
        # them twice; a job's reads the entries of its image sets.
        read_units=noted + stable * (0.5 + entry * (1 + each)) + wanted.jobs * _LOOKS * (1 + entry * in_job),
        searches=stable * -(-each // _A_SEARCH),
        manifests=wanted.jobs * _LOOKS,
    )
