"""Shows that a folder is imported, with a count of what is done."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cli.output import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextlib.contextmanager
def importing(folder: Path) -> Iterator[Callable[[str], None]]:
    """A context that shows that a folder is imported. What is entered takes words on how far that is."""
    said = f"HealthImaging imports {folder}"
    with errors.status(said) as status:
        yield lambda so_far: status.update(f"{said}: {so_far}")
