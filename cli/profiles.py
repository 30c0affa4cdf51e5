"""The profile that a command is told to use."""

from pathlib import Path
from typing import Final

from imaging_index import profile
from imaging_index.profile import Profile

DEFAULT: Final = "radiology"

_FOLDER: Final = Path(__file__).parents[1] / "profiles"


def load(name: str) -> Profile:
    """The profile of a name in `profiles/`, or of a path that ends in `.toml`.

    Raises:
        ProfileError: naming every mistake in it.
    """
    return profile.load(Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml")
