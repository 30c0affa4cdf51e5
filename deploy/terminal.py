"""What the operator reads, and the answer to a question."""

import sys

from deploy.errors import DeployError


def say(text: str) -> None:
    """Print a text at once, in its order with what the CDK's command line prints."""
    sys.stdout.write(f"{text}\n" if text else "")
    sys.stdout.flush()


def ask(question: str, *, yes: bool) -> None:
    """Return when the operator agrees; `yes` asks nothing.

    Raises:
        DeployError: they do not agree, or the prompt got no answer.
    """
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        raise DeployError(
            "\nNothing was deployed, because the prompt got no answer. Use `make deploy YES=1` to skip it."
        ) from None
    if answer.strip().lower() not in ("y", "yes"):
        raise DeployError("Nothing was deployed.")
