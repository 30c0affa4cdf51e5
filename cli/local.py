"""`imaging-index local`: the whole index on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import boto3
import typer

from cli.output import Failure, counted, screen
from local.cloud import LocalCloud, LocalCloudError
from local.deployment import DeploymentError, deploy, synth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_medical_imaging import HealthImagingClient
    from mypy_boto3_medical_imaging.type_defs import DICOMImportJobPropertiesTypeDef

local = typer.Typer(no_args_is_help=True, help="The whole index on this machine.")

# More functions than processors only wait for each other to start.
_CONTEXT: Final = {"maximumConcurrency": "2"}
_POLL: Final = 0.1  # seconds
# To the SDKs and the AWS CLI a profile's credentials come before those of the environment.
_PROFILES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


@contextlib.contextmanager
def running(port: int = 0) -> Iterator[tuple[LocalCloud, Mapping[str, str]]]:
    """A local cloud with the stack deployed into it, and the stack's outputs; this process's AWS clients reach it.

    Raises:
        Failure: it could not be started.
    """
    before = dict(os.environ)
    for name in _PROFILES:
        os.environ.pop(name, None)
    try:
        with tempfile.TemporaryDirectory(prefix="imaging-index-") as folder, contextlib.ExitStack() as stack:
            # Synthesized first: its errors are the user's own settings, and need no cloud.
            with screen.status("Making the stack's template and the function's bundle"):
                assembly = synth(Path(folder), context=_CONTEXT)
            with screen.status("Starting the local cloud"):
                cloud = stack.enter_context(LocalCloud(port))
                os.environ.update(cloud.environment())
            with screen.status("Deploying the stack into it"):
                outputs = deploy(assembly, cloud.environment())
            yield cloud, outputs
    except (LocalCloudError, DeploymentError) as error:
        raise Failure(str(error)) from None
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a folder: the import job's counts, and its refused files, each with the reason."""

    datastore_id: str
    image_sets: int
    files: int
    refused: list[tuple[str, str]]


def make_datastore(client: HealthImagingClient, name: str) -> str:
    """A new data store's id, once it is active."""
    datastore = client.create_datastore(datastoreName=name, clientToken=uuid4().hex)["datastoreId"]
    while client.get_datastore(datastoreId=datastore)["datastoreProperties"]["datastoreStatus"] != "ACTIVE":
        time.sleep(_POLL)
    return datastore


def existing(folder: Path) -> Path:
    """The folder, its `~` expanded: not every shell does that behind a `=`.

    Raises:
        Failure: there is none.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise Failure(f"There is no folder {folder}. Name one that holds DICOM files.")
    return folder


def import_folder(client: HealthImagingClient, datastore_id: str, folder: Path) -> Imported:
    """Import all DICOM files below `folder`, as HealthImaging's import job does, and wait for it.

    Raises:
        Failure: there is no such folder, or nothing in it could be imported.
    """
    folder = existing(folder)
    with tempfile.TemporaryDirectory(prefix="imaging-index-") as output:
        job = client.start_dicom_import_job(
            clientToken=uuid4().hex,
            datastoreId=datastore_id,
            dataAccessRoleArn="arn:aws:iam::000000000000:role/import",
            inputS3Uri=folder.resolve().as_uri(),
            outputS3Uri=f"{Path(output).as_uri()}/",
        )["jobId"]
        properties = _finished(client, datastore_id, job)
        manifest = next(Path(output).rglob("job-output-manifest.json"), None)
        if manifest is None:
            raise Failure(f"{folder} could not be imported: {properties.get('message', 'no reason was given')}")
        summary = json.loads(manifest.read_text("utf-8"))["jobSummary"]
        failures = [json.loads(line) for file in manifest.parent.rglob("failure.ndjson") for line in file.open()]
    imported = Imported(
        datastore_id=datastore_id,
        image_sets=summary["numberOfGeneratedImageSets"],
        files=summary["numberOfImportedFiles"],
        refused=[(failure["inputFile"], failure["exception"]["message"]) for failure in failures],
    )
    if not imported.files:
        files = sum(each.is_file() for each in folder.rglob("*"))
        raise Failure(f"{folder} holds no DICOM file that could be imported ({counted(files, 'file')} looked at).")
    return imported


def _finished(client: HealthImagingClient, datastore_id: str, job: str) -> DICOMImportJobPropertiesTypeDef:
    while True:
        properties = client.get_dicom_import_job(datastoreId=datastore_id, jobId=job)["jobProperties"]
        if properties["jobStatus"] in ("COMPLETED", "FAILED"):
            return properties
        time.sleep(_POLL)


@local.command()
def up(
    dicom: Annotated[Path | None, typer.Option(help="A folder whose DICOM files are imported at once.")] = None,
    port: Annotated[int, typer.Option(help="The port of 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Start the local cloud with the index in it, and keep it until Ctrl-C."""
    folder = existing(dicom) if dicom else None
    profiles = [name for name in _PROFILES if name in os.environ]
    # SIGINT too: who starts this in the background of a script has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), running(port) as (cloud, _):
        datastore = make_datastore(boto3.client("medical-imaging"), "local")
        screen.print("The local cloud is up. For any AWS client in another terminal:\n")
        for name, value in cloud.environment().items():
            screen.print(f"export {name}={shlex.quote(value)}", soft_wrap=True)
        if profiles:
            screen.print(f"unset {' '.join(profiles)}")
        ours = " ".join(name for name in cloud.environment() if name.startswith("AWS_"))
        screen.print("\nThat terminal then speaks to the local cloud only, until it is closed, or until")
        screen.print(f"unset {ours}", soft_wrap=True)
        screen.print(f"\nIts data store is {datastore}.", soft_wrap=True)
        if folder:
            done = import_folder(boto3.client("medical-imaging"), datastore, folder)
            screen.print(
                f"{counted(done.files, 'file')} imported into {counted(done.image_sets, 'image set')}, "
                f"{len(done.refused)} refused."
            )
        screen.print("\nTry: imaging-index search --index arrived\nCtrl-C stops it and leaves nothing behind.")
        cloud.wait()
