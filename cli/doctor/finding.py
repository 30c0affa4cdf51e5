"""What a check reports of a part: how bad it is, what was found, and what to do about it.

Of AWS's errors a finding has the code only, and of what is indexed only counts: it never contains a DICOM value.
"""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad a finding is. A warning may be intended, a failure never is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding; `next` says what to do, and is empty when all is well."""

    status: Status
    found: str
    next: str = ""


def ok(found: str) -> Finding:
    """A finding that all is well."""
    return Finding(Status.OK, found)


def warning(found: str, next_step: str) -> Finding:
    """A finding of what may be wrong."""
    return Finding(Status.WARNING, found, next_step)


def failure(found: str, next_step: str) -> Finding:
    """A finding of what is wrong."""
    return Finding(Status.FAILURE, found, next_step)
