"""The `imaging-index` command and its subcommands. Exit status: 0 done, 1 failed, 2 wrong usage."""

import os
from importlib.metadata import version
from typing import Annotated

import typer

from cli.cost.command import cost
from cli.dead_letters.commands import dead_letters
from cli.demo import demo
from cli.doctor.command import doctor
from cli.inspecting import inspect
from cli.local import local
from cli.profiles import profiles
from cli.searching import search

application = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("imaging-index"))
        raise typer.Exit


@application.callback()
def _imaging_index(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """A searchable index of AWS HealthImaging."""


application.command()(demo)
application.add_typer(local, name="local")
application.command()(inspect)
application.add_typer(profiles, name="profile")
application.command()(search)
application.command()(doctor)
application.add_typer(dead_letters, name="dlq")
application.command()(cost)


def main() -> None:
    """Run the command line."""
    # The AWS CLI and the CDK read the first name, Python's SDK only the second.
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    application()
