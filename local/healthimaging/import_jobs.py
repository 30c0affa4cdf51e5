"""StartDICOMImportJob, GetDICOMImportJob, ListDICOMImportJobs.

In place of an `s3://` URI, a folder of this machine can be given: `file:///absolute/folder`. The quota of 5,000 files
a job, which is adjustable, is not enforced.
"""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from local.healthimaging.document import Document, Instances, Patient, Series, Study, unpack
from local.healthimaging.errors import Invalid, NotFound
from local.healthimaging.importing import Group, Scan, folder, scan
from local.healthimaging.manifest import Written, output_files
from local.healthimaging.paging import page
from local.healthimaging.service import Call, Service
from local.healthimaging.store import LOCKED, DataStore, ImageSet, ImportJob, new_id, packed


async def start_dicom_import_job(call: Call) -> dict[str, Any]:
    """Begin to import all files below a URI. A repeated client token returns the same job."""
    data_store = call.account.active(call["datastoreId"])
    token = f"job/{data_store.id}/{call['clientToken']}"
    if token in call.account.tokens:
        return _started(data_store, data_store.jobs[call.account.tokens[token]])
    if call.get("importConfiguration"):
        raise Invalid("importConfiguration is not served on this machine: import the DICOM files as they are.")
    _check_uri("inputS3Uri", call["inputS3Uri"], s3=call.service.read_s3 is not None)
    _check_uri("outputS3Uri", call["outputS3Uri"], s3=call.service.write_s3 is not None)
    identifier = new_id()
    job = ImportJob(
        id=identifier,
        name=call.get("jobName") or identifier,
        role=call["dataAccessRoleArn"],
        input_uri=call["inputS3Uri"],
        output_uri=f"{call['outputS3Uri'].rstrip('/')}/{data_store.id}-DicomImport-{identifier}/",
        submitted_at=time.time(),
    )
    data_store.jobs[identifier] = job
    call.account.tokens[token] = identifier
    call.service.bus.import_job(data_store, job)
    call.service.start(_run(call.service, data_store, job))
    return _started(data_store, job)


async def get_dicom_import_job(call: Call) -> dict[str, Any]:
    """A job's properties. Its message says how far it is, and once it has ended the numbers of files.

    [Local] AWS says nothing before the end.
    """
    data_store = call.account.data_store(call["datastoreId"])
    if call["jobId"] not in data_store.jobs:
        raise NotFound("The data store has no such import job.")
    job = data_store.jobs[call["jobId"]]
    uris = {"inputS3Uri": job.input_uri, "outputS3Uri": job.output_uri}
    return {"jobProperties": {**_summary(data_store, job), **uris}}


async def list_dicom_import_jobs(call: Call) -> dict[str, Any]:
    """The data store's jobs, newest first."""
    data_store = call.account.data_store(call["datastoreId"])
    wanted = call.get("jobStatus")
    found, token = page(
        (job for job in data_store.jobs.values() if wanted in (None, job.status)),
        lambda job: (job.submitted_at, job.id),
        descending=True,
        size=call.get("maxResults"),
        token=call.get("nextToken"),
    )
    return {"jobSummaries": [_summary(data_store, job) for job in found], "nextToken": token}


def _started(data_store: DataStore, job: ImportJob) -> dict[str, Any]:
    return {
        "datastoreId": data_store.id,
        "jobId": job.id,
        "jobStatus": job.status,
        "submittedAt": job.submitted_at,
    }


def _summary(data_store: DataStore, job: ImportJob) -> dict[str, Any]:
    return {
        "jobId": job.id,
        "jobName": job.name,
        "jobStatus": job.status,
        "datastoreId": data_store.id,
        "dataAccessRoleArn": job.role,
        "submittedAt": job.submitted_at,
        "endedAt": job.ended_at,
        "message": job.message,
    }


def _check_uri(member: str, uri: str, *, s3: bool) -> None:
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return
    if parts.scheme == "s3" and parts.netloc and s3:
        return
    raise Invalid(
        f"{member} must be file:///absolute/folder{' or s3://bucket/prefix/' if s3 else ', there is no S3 here'}."
    )


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


async def _run(service: Service, data_store: DataStore, job: ImportJob) -> None:
    job.status = "IN_PROGRESS"
    service.bus.import_job(data_store, job)
    try:
        found = await asyncio.to_thread(_scan, service, data_store, job)
        async with data_store.importing:
            data_store.files |= {key: _uri(job, name) for key, name in found.names.items()}
            written: list[Written] = []
            for group in found.groups.values():
                job.message = f"{len(written):,} of {len(found.groups):,} image sets written"
                written.append(await _write(service, data_store, group))
        await asyncio.to_thread(_leave, service, data_store, job, output_files(data_store, job, found, written))
    except Exception as error:  # whatever fails, the job must end, and say so
        job.status, job.message = "FAILED", f"The import ended with {type(error).__name__}: check both URIs"
    else:
        job.status, job.message = "COMPLETED", _counts(found, written)
    job.ended_at = time.time()
    service.bus.import_job(data_store, job)


def _counts(found: Scan, written: list[Written]) -> str:
    refused = len(found.refused)
    return f"{found.files - refused} of {found.files} files imported into {len(written)} image sets, {refused} refused"


def _scan(service: Service, data_store: DataStore, job: ImportJob) -> Scan:
    return scan(_counting(_sources(service, data_store, job), job), data_store.lossless)


def _counting(sources: Iterable[tuple[str, Path | bytes]], job: ImportJob) -> Iterable[tuple[str, Path | bytes]]:
    for number, source in enumerate(sources, 1):
        job.message = f"{number:,} files read"
        yield source


def _sources(service: Service, data_store: DataStore, job: ImportJob) -> Iterable[tuple[str, Path | bytes]]:
    if job.input_uri.startswith("s3:"):
        assert service.read_s3  # noqa: S101  the job was refused without it
        return service.read_s3(data_store.account, job.input_uri)
    return folder(_path(job.input_uri))


def _uri(job: ImportJob, name: str) -> str:
    """Where a file is: its name is a key of the bucket, or relative to the folder."""
    if job.input_uri.startswith("s3:"):
        return f"s3://{urlsplit(job.input_uri).netloc}/{name}"
    return Path(_path(job.input_uri), name).as_uri()


def _leave(service: Service, data_store: DataStore, job: ImportJob, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        uri = job.output_uri + name
        if uri.startswith("s3:"):
            assert service.write_s3  # noqa: S101  the job was refused without it
            service.write_s3(data_store.account, uri, content)
            continue
        path = _path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


async def _write(service: Service, data_store: DataStore, group: Group) -> Written:
    """Write a group into the data store, one version for each of its rounds.

    If it agrees with the primary image set of its series it is added to that, or becomes it if there is none.
    Otherwise it becomes an image set that is not primary. [U] A later import never adds to one of those.
    """
    image_set = await _primary(data_store, group)
    for instances in group.rounds:
        if image_set is None:
            image_set = await _create(service, data_store, group, instances)
        else:
            await _add(service, data_store, image_set, instances)
    assert image_set  # noqa: S101  a group has a round
    return image_set, image_set.latest.number, group.files


async def _primary(data_store: DataStore, group: Group) -> ImageSet | None:
    """The unlocked primary image set that the group belongs to."""
    while (image_set := data_store.primary(group.grouping)) and image_set.latest.state == LOCKED:
        await image_set.idle.wait()
    return image_set if image_set and data_store.fits(group.grouping) else None


async def _create(service: Service, data_store: DataStore, group: Group, instances: Instances) -> ImageSet:
    image_set = data_store.new_image_set(is_primary=data_store.fits(group.grouping))
    series = {group.grouping.series_uid: Series(group.series, instances)}
    content = Document(data_store.id, image_set.id, Patient(group.patient), Study(group.study, series))
    document = await asyncio.to_thread(packed, image_set, content)
    image_set.lock("IMPORTING")
    image_set.finish("CREATED", document)
    data_store.add(image_set, content)
    service.bus.image_set(data_store, image_set)
    return image_set


async def _add(service: Service, data_store: DataStore, image_set: ImageSet, instances: Instances) -> None:
    """Merge instances into an image set as a new version. An instance replaces one with the same SOP instance UID."""
    before = image_set.content
    image_set.lock("IMPORTING")
    content, document = await asyncio.to_thread(_merged, image_set, before, instances)
    image_set.finish(service.settings.merged, document)
    data_store.add(image_set, content)
    service.bus.image_set(data_store, image_set)


def _merged(image_set: ImageSet, before: bytes, instances: Instances) -> tuple[Document, bytes]:
    content = unpack(before)
    (first, *_) = content.study.series.values()
    first.instances.update(instances)
    return content, packed(image_set, content)
