"""`imaging-index demo`: how scans get into the index, on this machine, with the real stack and real DICOM files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import boto3
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import profiles
from cli.demo.entries import Entries
from cli.demo.rule import MODALITY, DemoRule, matching
from cli.demo.searches import print_searches
from cli.importing import importing
from cli.output import Entry, Failure, counted, errors, screen, shown, studies_table
from cli.waiting import until_interrupted
from cli.web import worklist
from imaging_index import metric_names
from imaging_index.indexing import Outcome
from local.scratch import scratch
from local.stack import StackError, import_folder, make_datastore, metrics, running, with_dicom

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from mypy_boto3_medical_imaging import HealthImagingClient

    from cli.profiles import Chosen
    from local.stack import Imported

_PATIENCE: Final = 120.0  # seconds without any progress
_POLL: Final = 0.1
_ROOM: Final = 2**24  # bytes; a function's package takes about as much
_MOST_NAMED: Final = 3
_NEW_DESCRIPTION: Final = "CORRECTED BY THE DEMO"

_Read = TypeVar("_Read")


def demo(
    dicom: Annotated[
        Path | None, typer.Option(help="A folder of your own DICOM files instead of those that pydicom ships.")
    ] = None,
    profile: profiles.OfStack = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep a work list for the browser up afterwards, until Ctrl-C.")
    ] = False,
) -> None:
    """See DICOM files indexed, searched, updated, copied and deleted on this machine. Nothing is left behind."""
    # No other command waits for it.
    import pydicom.data

    try:
        folder, chosen = with_dicom(dicom or Path(pydicom.data.__file__).parent), profiles.choose(profile)
        if stay:
            chosen.check_viewers("--stay")
        with scratch():
            _demo(folder, chosen, stay=stay)
    except StackError as error:
        raise Failure(str(error)) from None
    except KeyboardInterrupt:
        raise Failure("Stopped. The local cloud has shut down, and nothing is left behind.") from None


def _demo(folder: Path, chosen: Chosen, *, stay: bool) -> None:
    begun = time.monotonic()
    with running(step=errors.status, profile=chosen.path, events=chosen.events) as (cloud, outputs):
        client = boto3.client("medical-imaging")
        screen.print(f"A local AWS with the stack in it started in {time.monotonic() - begun:.0f} s.")
        screen.print(f"The profile is {chosen.said}.\n", soft_wrap=True, markup=False)
        datastore = make_datastore(client, "demo")
        has_rule = chosen.events == "on" and MODALITY in chosen.profile.events
        rule = DemoRule(outputs["EventBusName"]) if has_rule else None
        with importing(folder) as progress:
            imported = import_folder(client, datastore, folder, progress)
        walk = _Walk(client, datastore, Entries(outputs["TableName"], datastore))
        _say_what_was_imported(imported)
        walk.follow_events()
        entries = walk.entries.all_()
        screen.print(f"\nThe studies, read back from DynamoDB through {walk.entries.way}:")
        screen.print(studies_table(entries), end="")
        if rule:
            _wait_for(rule.delivered, matching(entries).issubset)
            rule.print_delivered()
        best = max(entries, key=lambda each: ("PatientName" in each, int(each["InstanceCount"])))
        walk.delete(walk.copy(walk.update(best)))
        print_searches(entries, chosen.profile, datastore)
        sums = metrics(outputs["FunctionName"])
        seconds = time.monotonic() - begun
        if stay:
            with until_interrupted(), worklist.of_local_cloud() as server:
                screen.print(
                    f"\nThe work list, in a browser on this machine until Ctrl-C:\n{server.address}", soft_wrap=True
                )
                cloud.wait()
    _say_what_it_took(seconds, sums)


class _Walk:
    """The demo's steps over one data store."""

    def __init__(self, client: HealthImagingClient, datastore: str, entries: Entries) -> None:
        self._client = client
        self._datastore = datastore
        self.entries = entries

    def follow_events(self) -> None:
        """Show how events fill the index, until it agrees with HealthImaging's own search."""
        pages = self._client.get_paginator("search_image_sets").paginate(datastoreId=self._datastore)
        held = {(each["imageSetId"], each["version"]) for page in pages for each in page["imageSetsMetadataSummaries"]}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=errors) as progress:
            task = progress.add_task("Events -> queue -> function -> table", total=len(held))

            def count() -> int:
                indexed = len(
                    held & {(each["ImageSetId"], int(each["ImageSetVersion"])) for each in self.entries.all_()}
                )
                progress.update(task, completed=indexed)
                return indexed

            _wait_for(count, lambda indexed: indexed == len(held))

    def update(self, chosen: Entry) -> Entry:
        """Correct an image set's study description, see it change in the index, and return the new entry."""
        self._client.update_image_set_metadata(
            datastoreId=self._datastore,
            imageSetId=chosen["ImageSetId"],
            latestVersionId=str(chosen["ImageSetVersion"]),
            updateImageSetMetadataUpdates={
                "DICOMUpdates": {
                    "updatableAttributes": json.dumps(
                        {"SchemaVersion": 1.1, "Study": {"DICOM": {"StudyDescription": _NEW_DESCRIPTION}}}
                    ).encode()
                }
            },
        )
        old = chosen["ImageSetVersion"]
        after = self._wait_for_entry(chosen["ImageSetId"], lambda now: now["ImageSetVersion"] > old)
        _say("Updated", chosen["ImageSetId"])
        for name in ("ImageSetVersion", "StudyDescription"):
            if name in after:
                screen.print("   ", name, ": ", shown(chosen.get(name, "none")), " -> ", shown(after[name]), sep="")
        return after

    def copy(self, chosen: Entry) -> str:
        """Copy an image set, see it appear, and return the copy's id."""
        answer = self._client.copy_image_set(
            datastoreId=self._datastore,
            sourceImageSetId=chosen["ImageSetId"],
            copyImageSetInformation={"sourceImageSet": {"latestVersionId": str(chosen["ImageSetVersion"])}},
        )
        copied = answer["destinationImageSetProperties"]["imageSetId"]
        self._wait_for_entry(copied, lambda _: True)
        _say("Copied", chosen["ImageSetId"])
        self._say_found(chosen)
        return copied

    def delete(self, image_set_id: str) -> None:
        """Delete an image set, and see it leave the index. Only a tombstone without patient data is left."""
        known = self._wait_for_entry(image_set_id, lambda _: True)
        self._client.delete_image_set(datastoreId=self._datastore, imageSetId=image_set_id)
        _wait_for(lambda: self.entries.is_deleted(image_set_id), bool)
        _say("Deleted", image_set_id)
        self._say_found(known)

    def _say_found(self, known: Entry) -> None:
        """Print how many image sets of the same study the index contains now."""
        study = known.get("StudyInstanceUID")
        if study:
            count = sum(each.get("StudyInstanceUID") == study for each in self.entries.all_())
            screen.print(f"   StudyInstanceUID={study}: {counted(count, 'image set')}", soft_wrap=True)

    def _wait_for_entry(self, image_set_id: str, wanted: Callable[[Entry], bool]) -> Entry:
        found = _wait_for(lambda: self.entries.one(image_set_id), lambda entry: entry is not None and wanted(entry))
        assert found is not None  # noqa: S101  waited for
        return found


def _wait_for(read: Callable[[], _Read], enough: Callable[[_Read], bool]) -> _Read:
    """The first value of `read` that is `enough`.

    Raises:
        Failure: nothing has changed for a long time.
        OSError: the same, and the disk on which the local cloud works is full.
    """
    last, changed = read(), time.monotonic()
    while not enough(last):
        if time.monotonic() - changed > _PATIENCE:
            if shutil.disk_usage(tempfile.gettempdir()).free < _ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise Failure("The index has not changed for two minutes. Please report this with the output above.")
        time.sleep(_POLL)
        now = read()
        if now != last:
            last, changed = now, time.monotonic()
    return last


def _say(what: str, image_set_id: str) -> None:
    screen.print(f"\n[b]{what}[/b] image set {image_set_id}", soft_wrap=True)


def _say_what_was_imported(imported: Imported) -> None:
    screen.print(f"{counted(imported.files, 'DICOM file')} became {counted(imported.image_sets, 'image set')}.")
    reasons: dict[str, list[str]] = {}
    for file, reason in imported.refused:
        reasons.setdefault(reason, []).append(file)
    for reason, files in sorted(reasons.items(), key=lambda each: -len(each[1])):
        more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
        names = ", ".join(files[:_MOST_NAMED])
        screen.print(f"{len(files)} refused: ", shown(reason), " (", shown(names), more, ")", sep="")
    screen.print()


def _say_what_it_took(seconds: float, sums: Counter[str]) -> None:
    handled = sum(sums[outcome.value] for outcome in Outcome)
    written = sums[Outcome.INDEXED] + sums[Outcome.DELETED]
    units = sums[metric_names.WRITE_UNITS]
    screen.print(
        f"\nThe demo took {seconds:.0f} s. The function handled {handled:.0f} hints, wrote "
        f"{written:.0f} entries and used {units:.0f} write units ({units / written:.1f} an "
        "entry with its pages and indexes). The local cloud has shut down and left nothing behind.\n\n"
        "Next:\n"
        "  make demo DICOM=~/scans              your own files\n"
        "  make demo STAY=1                     a work list of them in the browser\n"
        "  .venv/bin/imaging-index local up     keeps it running, for any AWS client\n"
        "  make deploy                          into your AWS account"
    )
