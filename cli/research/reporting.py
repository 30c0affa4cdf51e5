"""`imaging-index report`: pictures of an archive."""

from __future__ import annotations

from pathlib import Path

from cli.output import Failure, screen
from cli.research.asking import opened
from exporting.picture import picture
from exporting.report import report as figures


def report(place: str, to: str) -> None:
    """Draw an export into a file.

    Raises:
        Failure: the file cannot be written.
    """
    with opened(place) as database:
        drawn = picture(figures(database))
    try:
        Path(to).write_text(drawn, "utf-8")
    except OSError as error:
        raise Failure(f"{to} cannot be written: {error.strerror}. Name another file with --to.") from None
    screen.print(f"Written: {to}", soft_wrap=True)
