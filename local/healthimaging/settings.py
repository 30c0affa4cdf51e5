"""What can be set while the service runs, as JSON under `/_healthimaging/settings`."""

from typing import Annotated, Any, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Faults(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The shares (0 to 1) of events that go wrong. The same seed and events give the same faults."""

    lost: Share = 0
    doubled: Share = 0
    delayed: Share = 0
    delay_seconds: Seconds = 1
    wrong_version: Share = 0
    false_deleted: Share = 0
    seed: int = 0


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The service's behaviour; all times in seconds.

    `job_seconds` is how long data stores and image sets stay in the states between two others. `spelling` is that of
    image-set events: today's documentation (`imagesetId`, with version and primary flag), or what was captured in 2024
    (`imageSetId`, without). `merged` is the workflow status after an import has added to a primary image set, and so
    the kind of event: it is not documented.
    """

    throttles: bool = True
    job_seconds: Seconds = 0.05
    archive_after_seconds: Seconds = 30 * 86400
    spelling: Literal["current", "2024"] = "current"
    merged: Literal["CREATED", "UPDATED", "IMPORTED"] = "CREATED"
    faults: Faults = Faults()

    def changed(self, changes: dict[str, Any]) -> "Settings":
        """These settings with some replaced, `faults` likewise only in the members given.

        Raises:
            msgspec.ValidationError: an unknown name or a value out of bounds; the message names its place.
        """
        present = msgspec.to_builtins(self)
        faults = changes.get("faults", {})
        merged = {**present["faults"], **faults} if isinstance(faults, dict) else faults
        return msgspec.convert({**present, **changes, "faults": merged}, Settings)
