"""The whole stack on this machine, DICOM files imported into it, and what its function has counted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

import boto3

from local.cloud import LocalCloud, LocalCloudError, listen
from local.deployment import DeploymentError, deploy, synth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mypy_boto3_medical_imaging import HealthImagingClient
    from mypy_boto3_medical_imaging.type_defs import DICOMImportJobPropertiesTypeDef

# The SDKs and the AWS CLI prefer a profile's credentials to those of the environment.
PROFILES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")

# More functions than processors only wait for each other to start.
_CONTEXT: Final = {"maximumConcurrency": "2"}
_POLL: Final = 0.1  # seconds


class StackError(RuntimeError):
    """The stack could not be started, or a folder could not be imported. The message says why, and what to do."""


@contextlib.contextmanager
def running(
    port: int = 0,
    step: Callable[[str], AbstractContextManager[object]] = contextlib.nullcontext,
    *,
    profile: Path | None = None,
    events: Literal["off", "on"] = "off",
) -> Iterator[tuple[LocalCloud, Mapping[str, str]]]:
    """A local cloud with the stack deployed into it, and the stack's outputs; this process's AWS clients reach it.

    Args:
        port: the port of 127.0.0.1; 0 takes a free one.
        step: shows what is being done while the context that it returns is open.
        profile: the profile's file, beside which nothing is written; None for that of cdk.json.
        events: the setting of that name.

    Raises:
        StackError: it could not be started.
    """
    before = dict(os.environ)
    for name in PROFILES:
        os.environ.pop(name, None)
    try:
        with contextlib.ExitStack() as stack:
            # Before anything that takes time: a port that is taken is an error at once.
            listener = stack.enter_context(listen(port))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imaging-index-")))
            # Synthesized first: its errors come from the user's own settings, and need no cloud.
            with step("Making the stack's template and the function's bundle"):
                # A copy has no lock beside it: nothing has been indexed by this profile here.
                chosen = {"profile": str(shutil.copy(profile, folder))} if profile else {}
                assembly = synth(folder / "assembly", context=_CONTEXT | {"events": events} | chosen)
            with step("Starting the local cloud"):
                cloud = stack.enter_context(LocalCloud(listener))
                os.environ.update(cloud.environment())
            with step("Deploying the stack into it"):
                outputs = deploy(assembly, cloud.environment())
            yield cloud, outputs
    except (LocalCloudError, DeploymentError) as error:
        raise StackError(str(error)) from None
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a folder: the import job's counts, and the refused files, each with the reason."""

    datastore_id: str
    image_sets: int
    files: int
    refused: list[tuple[str, str]]


def make_datastore(client: HealthImagingClient, name: str) -> str:
    """The id of a new data store, once it is active."""
    datastore = client.create_datastore(datastoreName=name, clientToken=uuid4().hex)["datastoreId"]
    while client.get_datastore(datastoreId=datastore)["datastoreProperties"]["datastoreStatus"] != "ACTIVE":
        time.sleep(_POLL)
    return datastore


def existing(folder: Path) -> Path:
    """The folder, with `~` expanded: not every shell does that after a `=`.

    Raises:
        StackError: it does not exist.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise StackError(f"There is no folder {folder}. Name one that holds DICOM files.")
    return folder


def with_dicom(folder: Path) -> Path:
    """The folder as `existing` returns it, if there is a DICOM file below it: looked at before anything is started.

    Raises:
        StackError: it does not exist, or no file is one of PS3.10.
    """
    folder = existing(folder)
    examined = 0
    for file in folder.rglob("*"):
        if file.is_file():
            examined += 1
            if _is_dicom(file):
                return folder
    raise _nothing_in(folder, examined)


def _is_dicom(file: Path) -> bool:
    """Whether a file begins as PS3.10, section 7.1, says."""
    try:
        with file.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _nothing_in(folder: Path, files: int) -> StackError:
    return StackError(f"{folder} holds no DICOM file that could be imported. Files examined: {files}.")


def import_folder(
    client: HealthImagingClient, datastore_id: str, folder: Path, progress: Callable[[str], object] | None = None
) -> Imported:
    """Import all DICOM files below `folder`, as HealthImaging's import job does, and wait for it.

    Args:
        client: of HealthImaging.
        datastore_id: the data store to import into.
        folder: has the files.
        progress: gets how far the job is, in words, whenever that has changed.

    Raises:
        StackError: the folder does not exist, or nothing in it could be imported.
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
        properties = _finished(client, datastore_id, job, progress)
        manifest = next(Path(output).rglob("job-output-manifest.json"), None)
        if manifest is None:
            raise StackError(f"{folder} could not be imported: {properties.get('message', 'no reason was given')}")
        summary = json.loads(manifest.read_text("utf-8"))["jobSummary"]
        failures = [json.loads(line) for file in manifest.parent.rglob("failure.ndjson") for line in file.open()]
    imported = Imported(
        datastore_id=datastore_id,
        image_sets=summary["numberOfGeneratedImageSets"],
        files=summary["numberOfImportedFiles"],
        refused=[(failure["inputFile"], failure["exception"]["message"]) for failure in failures],
    )
    if not imported.files:
        raise _nothing_in(folder, sum(each.is_file() for each in folder.rglob("*")))
    return imported


def _finished(
    client: HealthImagingClient, datastore_id: str, job: str, progress: Callable[[str], object] | None
) -> DICOMImportJobPropertiesTypeDef:
    last = None
    while True:
        properties = client.get_dicom_import_job(datastoreId=datastore_id, jobId=job)["jobProperties"]
        if properties["jobStatus"] in ("COMPLETED", "FAILED"):
            return properties
        message = properties.get("message")
        if progress and message and message != last:
            progress(last := message)
        time.sleep(_POLL)


def metrics(function: str) -> Counter[str]:
    """The sums of the function's metrics by name, read from its log."""
    group = boto3.client("lambda").get_function_configuration(FunctionName=function)["LoggingConfig"]["LogGroup"]
    sums: Counter[str] = Counter()
    for page in boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            if event["message"].startswith('{"_aws"'):
                record = json.loads(event["message"])
                for metric in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                    sums[metric["Name"]] += sum(record[metric["Name"]])
    return sums
