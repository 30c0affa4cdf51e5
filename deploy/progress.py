"""How far a deployment has come."""

from dataclasses import dataclass
from typing import Final

NOTHING: Final = "Nothing was deployed."


@dataclass
class Progress:
    """What to say to an operator who interrupts a deployment.

    Attributes:
        said: a sentence or two, true at any moment: what has been done, and what to run for the rest.
    """

    said: str = NOTHING
