"""The script `imaging-index`, which is also `python -m cli`."""

import sys

from cli import extras


def main() -> None:
    """Run the command that was typed, or say what to install first."""
    if not extras.installed("cli"):
        sys.exit(extras.advice("cli", "imaging-index"))
    try:
        from cli.main import main as run

        run()
    except KeyboardInterrupt:  # while modules are imported
        sys.exit("Stopped.")


if __name__ == "__main__":
    main()
