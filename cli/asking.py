"""Asks before a command does what cannot be taken back, or takes long."""

import sys

import typer

from cli.output import Misuse


def ask(question: str, whether: str) -> None:
    """Ask a question that is answered by yes or no.

    Args:
        question: such as `Begin?`.
        whether: what is asked, such as `to begin`.

    Raises:
        Misuse: nobody can be asked.
        Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise Misuse(f"Nobody can be asked whether {whether}, as this is no terminal: add --yes.")
    typer.confirm(question, abort=True, err=True)
