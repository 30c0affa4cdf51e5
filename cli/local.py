"""`imaging-index local`: the whole index on this machine."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import boto3
import typer

from cli.output import Failure, counted, screen
from cli.waiting import until_interrupted
from cli.web import ohif, ohif_build, worklist
from local.stack import PROFILES, StackError, existing, import_folder, make_datastore, running

local = typer.Typer(no_args_is_help=True, help="The whole index on this machine.")


@local.command()
def up(
    dicom: Annotated[Path | None, typer.Option(help="A folder of DICOM files to import at the start.")] = None,
    port: Annotated[int, typer.Option(help="The port to listen on at 127.0.0.1; 0 takes a free one.")] = 0,
    viewer: Annotated[
        bool, typer.Option("--ohif", help="Show the images in OHIF, a viewer. npm fetches it once: 50 MB.")
    ] = False,
) -> None:
    """Start the local cloud with the index in it, and keep it running until Ctrl-C."""
    try:
        _up(dicom, port, viewer=viewer)
    except StackError as error:
        raise Failure(str(error)) from None


def _build() -> Path:
    with screen.status("Fetching OHIF, which is done once"):
        return ohif_build.build()


def _up(dicom: Path | None, port: int, *, viewer: bool) -> None:
    folder = existing(dicom) if dicom else None
    build = _build() if viewer else None
    profiles = [name for name in PROFILES if name in os.environ]
    with (
        until_interrupted(),
        running(port, screen.status, events="on") as (cloud, _),
        worklist.of_local_cloud() as server,
    ):
        datastore = make_datastore(boto3.client("medical-imaging"), "local")
        screen.print("The local cloud is up. To use it with any AWS client, run in another terminal:\n")
        for name, value in cloud.environment().items():
            screen.print(f"export {name}={shlex.quote(value)}", soft_wrap=True)
        if profiles:
            screen.print(f"unset {' '.join(profiles)}")
        ours = " ".join(name for name in cloud.environment() if name.startswith("AWS_"))
        screen.print("\nThat terminal then uses the local cloud only, until it is closed, or until you run")
        screen.print(f"unset {ours}", soft_wrap=True)
        screen.print(f"\nIts data store is {datastore}.", soft_wrap=True)
        if folder:
            done = import_folder(boto3.client("medical-imaging"), datastore, folder)
            screen.print(
                f"{counted(done.files, 'file')} imported into {counted(done.image_sets, 'image set')}, "
                f"{len(done.refused)} refused."
            )
        screen.print(f"\nIts work list, in a browser on this machine:\n{server.address}", soft_wrap=True)
        if build:
            address = ohif.add(server, build, boto3.Session(), datastore, cloud.endpoint)
            screen.print(f"\nThe same in OHIF, with the images:\n{address}", soft_wrap=True)
        screen.print("\nTry: imaging-index search\nCtrl-C stops it and leaves nothing behind.")
        cloud.wait()
