"""The classes of failure of a hint. No text here ever holds a DICOM value."""


class Fault(Exception):  # noqa: N818  "error" is what AWS answers; a fault is what it means for a hint
    """A hint that could not be handled now. `reason` is a short text without any value of a document."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def name(self) -> str:
        """The class's name, as it appears in logs, metrics and dead letters."""
        return type(self).__name__


class Permanent(Fault):
    """Will never succeed: a malformed event. Parked at once."""


class Poison(Fault):
    """A document that cannot be read or is over the bounds. Parked after a few tries."""


class NotReady(Fault):
    """HealthImaging is not there yet: locked, or not readable so soon after a write. Comes back later and later."""


class Overload(Fault):
    """AWS throttles. Comes back after a while, and is never parked."""


class Configuration(Fault):
    """Access, a key or the table is missing. Comes back after a while, and is never parked."""


class Unknown(Fault):
    """A server's failure, a time-out, a cut connection. Comes back; every write may be repeated."""


class HandedBack(Fault):
    """Not begun: no time is left, or AWS refuses everything at the moment, for `cause`."""

    def __init__(self, reason: str, cause: Fault | None = None) -> None:
        super().__init__(reason)
        self.cause = cause


class Yielded(HandedBack):
    """Not read from HealthImaging, which throttles: others cannot wait. Comes back after a minute or so."""


class Unusable(Exception):  # noqa: N818
    """A kept document that cannot be used, which is no fault of a hint: HealthImaging is asked instead.

    `why` is missing, damaged or another's.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
