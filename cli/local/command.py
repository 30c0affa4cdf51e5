"""`imaging-index local up | status | env | down`: the whole index on this machine."""

import contextlib
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import boto3
import msgspec
import typer

from cli import profiles
from cli.importing import importing
from cli.local import detaching, environment, records
from cli.output import Failure, counted, errors, print_json, screen
from cli.waiting import until_interrupted
from cli.web import ohif, ohif_build, worklist
from local.cloud import LocalCloudError, listen
from local.scratch import scratch
from local.stack import Imported, StackError, import_folder, make_datastore, running, with_dicom

# The port of local clouds of other makers too, which clients of theirs have as their default.
PORT: Final = 4566

local = typer.Typer(no_args_is_help=True, help="The whole index on this machine.")

_Port = Annotated[int | None, typer.Option(help="The port of the local cloud, if more than one is up.")]


@local.command()
def up(
    dicom: Annotated[Path | None, typer.Option(help="A folder of DICOM files to import at the start.")] = None,
    profile: profiles.OfStack = None,
    port: Annotated[int, typer.Option(help="The port to listen on at 127.0.0.1; 0 takes a free one.")] = PORT,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go on in the background when it is up: `local down` stops it.")
    ] = False,
    viewer: Annotated[
        bool, typer.Option("--ohif", help="Show the images in OHIF, a viewer. npm fetches it once: 50 MB.")
    ] = False,
) -> None:
    """Start the local cloud with the index in it, and keep it running until Ctrl-C."""
    try:
        # Whatever takes time comes after what may be mistyped.
        folder = with_dicom(dicom) if dicom else None
        chosen = profiles.choose(profile)
        if viewer:
            chosen.check_viewers("--ohif")
        _check_port(port)
        build = _build() if viewer else None
        if detach and not detaching.is_in_background():
            detaching.in_background(sys.argv[1:])
            return
        # The record is the last to go: who waits for that finds nothing left.
        with records.Keeper() as keeper, scratch():
            _up(folder, chosen, port, build, keeper)
    except StackError as error:
        raise Failure(str(error)) from None
    except KeyboardInterrupt:
        raise Failure("Stopped before the local cloud was up. Nothing is left behind.") from None


def _check_port(port: int) -> None:
    """Check that a port can be listened on.

    Raises:
        StackError: it is taken, or cannot be.
    """
    if port and (there := [each for each in records.all_() if each.port == port]):
        raise StackError(
            f"A local cloud is up on port {port} already, with the profile {there[0].profile}. Stop it with "
            "`imaging-index local down`, or choose another port with --port (0 takes a free one)."
        )
    try:
        listen(port).close()
    except LocalCloudError as error:
        raise StackError(str(error)) from None


def _build() -> Path:
    with errors.status("Fetching OHIF, which is done once"):
        return ohif_build.build()


def _up(folder: Path | None, chosen: profiles.Chosen, port: int, build: Path | None, keeper: records.Keeper) -> None:
    screen.print(f"The profile is {chosen.said}.", soft_wrap=True, markup=False)
    with (
        running(port, errors.status, profile=chosen.path, events=chosen.events) as (cloud, _),
        contextlib.nullcontext() if chosen.profile.why_no_dicomweb else worklist.of_local_cloud() as server,
    ):
        client = boto3.client("medical-imaging")
        datastore = make_datastore(client, "local")
        if folder:
            with importing(folder) as progress:
                done = import_folder(client, datastore, folder, progress)
            _say_what_was_imported(done)
        record = records.Record(
            port=int(cloud.endpoint.rpartition(":")[2]),
            process=os.getpid(),
            since=time.time(),
            environment=cloud.environment(),
            profile=chosen.name,
            datastore=datastore,
            worklist=server.address if server else None,
        )
        keeper.keep(record)
        _say_how_to_use(record)
        if build and server:
            address = ohif.add(server, build, boto3.Session(), datastore, cloud.endpoint)
            screen.print(f"\nThe same in OHIF, with the images:\n{address}", soft_wrap=True)
        if detaching.is_in_background():
            screen.print(f"\nIt goes on in the background. {environment.command()} local down stops it.")
            detaching.leave_terminal()
        else:
            screen.print("\nCtrl-C stops it and leaves nothing behind.")
        with until_interrupted():
            cloud.wait()


def _say_what_was_imported(done: Imported) -> None:
    """Print the numbers of an import."""
    screen.print(
        f"{counted(done.files, 'file')} imported into {counted(done.image_sets, 'image set')}, "
        f"{len(done.refused)} refused."
    )


def _say_how_to_use(record: records.Record) -> None:
    command, port = environment.command(), f" --port {record.port}" if record.port != PORT else ""
    for line in (
        f"\nThe local cloud is up at {record.endpoint}. To use it with any AWS client, run in another terminal:\n",
        f'eval "$({command} local env{port})"',
        f"{command} search",
        "\nThat terminal then uses the local cloud only, until it is closed, or until you run\n",
        f'eval "$({command} local env --unset)"',
        "\nThe AWS CLI 1 sends `aws sqs` to AWS all the same, and the AWS CLI before 2.13 everything. Both need the "
        "address:\n",
        f"aws --endpoint-url {record.endpoint} sqs list-queues",
        f"\nIts data store is {record.datastore}.",
        *([f"\nIts work list, in a browser on this machine:\n{record.worklist}"] if record.worklist else []),
    ):
        screen.print(line, soft_wrap=True, markup=False)


@local.command()
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show which local clouds are up. Exit status 1 if none is."""
    found = records.all_()
    if json:
        print_json([msgspec.to_builtins(each) for each in found])
    elif not found:
        screen.print("No local cloud is up.")
    for each in () if json else found:
        since = datetime.fromtimestamp(each.since, UTC).astimezone()
        for line in (
            f"The local cloud on port {each.port} is up since {since:%Y-%m-%d %H:%M}.",
            f"  address     {each.endpoint}",
            f"  profile     {each.profile}",
            f"  data store  {each.datastore}",
            f"  work list   {each.worklist or 'none under this profile'}",
        ):
            screen.print(line, soft_wrap=True, markup=False)
    if not found:
        raise typer.Exit(1)


@local.command()
def env(
    port: _Port = None,
    unset: Annotated[bool, typer.Option("--unset", help="Print what makes the shell use AWS again.")] = False,
    dotenv: Annotated[
        bool, typer.Option("--dotenv", help="Print lines NAME=value, for a file that other programs read.")
    ] = False,
) -> None:
    """Print the variables by which a shell and its AWS clients use the local cloud."""
    if unset:  # also when the cloud is down, which is when a shell needs it most
        typer.echo(environment.unset())
        return
    try:
        variables = records.one(port).environment
    except Failure:
        # For `eval "$(imaging-index local env)" && ...`: an empty text would be a success.
        if not sys.stdout.isatty():
            typer.echo("false")
        raise
    for line in environment.env_file(variables) if dotenv else environment.exports(variables):
        typer.echo(line)


@local.command()
def down(port: _Port = None) -> None:
    """Stop the local cloud. All that is in it is gone then."""
    found = records.one(port)
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.process, signal.SIGTERM)
    with errors.status(f"Stopping the local cloud on port {found.port}"):
        gone = records.wait_until_gone(found)
    if not gone:
        raise Failure(
            f"The local cloud on port {found.port} has not ended within half a minute. Its process is {found.process}: "
            f"end it with `kill -9 {found.process}`."
        )
    screen.print(f"The local cloud on port {found.port} has stopped, and left nothing behind.")
