"""The `imaging-index` command and its subcommands. Exit status: 0 done, 1 failed, 2 wrong usage."""

import errno
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Annotated, Final

import typer

from cli import examples, extras
from cli.dead_letters.commands import dead_letters
from cli.doctor.command import doctor
from cli.events.replaying import events
from cli.events.watching import watch
from cli.inspecting import inspect
from cli.output import Failure, errors
from cli.profiles import profiles
from cli.pseudonyms import pseudonym
from cli.reconcile.command import reconcile
from cli.search.command import search
from cli.showing import show
from imaging_index import APPLICATION, __version__
from imaging_index.searching.memory import collect_less_garbage
from infra.places import PLACES

application = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples.epilog(""),
)

_INTERRUPTED: Final = 128 + signal.SIGINT

# A disk without room, or a quota that is used up.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@application.callback()
def _imaging_index(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """A searchable index of AWS HealthImaging."""


def _say_what_is_missing(extra: str) -> Callable[[typer.Context], None]:
    def say(context: typer.Context) -> None:
        raise Failure(extras.advice(extra, f"imaging-index {context.info_name}"))

    return say


def _add_as_missing(extra: str, *names: str) -> None:
    for name in names:
        application.command(
            name,
            help=rf"Not installed: pip install 'imaging-index\[{extra}]'",
            # Whatever else was typed, the answer is the same.
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        )(_say_what_is_missing(extra))


if extras.installed("local"):
    from cli.cost.command import cost
    from cli.demo.command import demo
    from cli.local.command import local

    application.command()(demo)
    application.add_typer(local, name="local")
    application.command()(cost)
else:
    _add_as_missing("local", "demo", "local", "cost")

application.command()(inspect)
application.add_typer(profiles, name="profile")
application.command()(search)
application.command()(show)
application.command()(pseudonym)
application.command()(doctor)
application.command()(reconcile)
application.add_typer(dead_letters, name="dlq")
application.command()(watch)
application.add_typer(events, name="events")

if extras.installed("research"):
    from cli.research.commands import export, report, sql

    application.command()(export)
    application.command()(sql)
    application.command()(report)
else:
    _add_as_missing("research", "export", "sql", "report")
examples.add(application)


def main() -> None:
    """Run the command line."""
    # The AWS CLI and the CDK read the first name, Python's SDK only the second.
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    os.environ.setdefault("AWS_SDK_UA_APP_ID", APPLICATION)
    collect_less_garbage()
    try:
        application()
    except SystemExit as ended:
        # Typer's, for Ctrl-C where no command has said more: while it begins, or when it has ended.
        if ended.code == _INTERRUPTED:
            errors.print("Stopped.", style="red")
        raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        errors.print(
            f"There is no room left on a disk ({os.strerror(error.errno)}). Temporary files are in "
            f"{tempfile.gettempdir()}, and what is kept is in {PLACES.build}. Make room, or set TMPDIR to another "
            "folder, and repeat the command.",
            style="red",
            soft_wrap=True,
        )
        sys.exit(Failure.status)
