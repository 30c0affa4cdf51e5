"""What of a document could not be stored as it is: the entry names the attributes."""

import msgspec


class Flaws(msgspec.Struct):
    """The names of attributes that were left out, because a value is not of its VR, and of those that were cut."""

    invalid: set[str] = msgspec.field(default_factory=set)
    truncated: set[str] = msgspec.field(default_factory=set)
