"""`imaging-index search --web` on a deployed stack with real DICOM files, in a browser."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pydicom
import pytest
from playwright.sync_api import Page, expect
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for

PATIENCE = 60
# One of each modality that pydicom's own files have with a date, and two reports without.
FILES = (
    *("CT_small.dcm", "MR_small.dcm", "liver_1frame.dcm", "examples_overlay.dcm", "JPEG2000.dcm", "rtplan.dcm"),
    *("examples_ybr_color.dcm", "waveform_ecg.dcm", "reportsi.dcm", "test-SR.dcm"),
)
HOSTILE = "<img src=x onerror=document.title='taken'>"


def again(name: str) -> pydicom.Dataset:
    """One of pydicom's files as a series of its own."""
    dataset = pydicom.dcmread(str(get_testdata_file(name)))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    return dataset


@pytest.fixture
def datastore(aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path) -> str:
    """A data store with studies in a deployed stack's index; a study has an image set that is not primary."""
    outputs = deploy(assembly, environment)
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in FILES:
        shutil.copy(str(get_testdata_file(name)), folder)
    canary = again("CT_small.dcm")
    canary.StudyInstanceUID, canary.StudyDate, canary.StudyDescription = generate_uid(), "19990101", HOSTILE
    canary.PatientName, canary.PatientID = "Canary^Jane", "CANARY7"
    canary.save_as(folder / "canary.dcm")
    # HealthImaging keeps what disagrees with its study apart, as an image set that is not primary.
    apart = again("MR_small.dcm")
    apart.PatientID = "4MR9"
    apart.save_as(folder / "apart.dcm")
    client = aws.client("medical-imaging")
    made = make_datastore(client, "hospital")
    count = import_folder(client, made, folder).image_sets
    table = TableReader(aws.client("dynamodb"), outputs["TableName"])
    types = table.describe().key_types
    wait_for(lambda: len(list(table.query("arrived", {"DatastoreId": made}, types))) == count)
    return made


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command, as it is installed, and returns it with its address."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        code = "from cli.main import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "search", "--web", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_studies_of_the_stack_are_found_and_opened_and_the_command_prints_nothing_that_was_asked(
    datastore: str,
    command: Callable[..., subprocess.Popen[str]],
    tab: Page,
    picture: Callable[[Page, str], None],
) -> None:
    process = command("PatientName=~jane can", "--from", "1999", "--to", "199901")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert re.fullmatch(
        r"http://127\.0\.0\.1:\d+/[\w-]{32}/#from=1999-01-01&to=1999-01-31&PatientName=jane\+can", address
    )
    tab.goto(address)
    rows = tab.locator("tbody tr.opens")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("CANARY7")
    expect(rows).to_contain_text(HOSTILE)
    expect(tab).to_have_title("Work list of ImagingIndex")

    # A study with an image set that is not primary.
    tab.goto(f"{address.partition('#')[0]}#PatientID=4MR1")
    expect(rows).to_have_count(1)
    expect(rows.locator("td:last-child")).to_have_text("+1 not primary")
    rows.click()
    expect(tab.locator("li")).to_have_count(2)
    expect(tab.locator("li").filter(has_text="not primary")).to_contain_text(re.compile(f"{datastore}/[0-9a-f]{{32}}"))
    tab.get_by_label("copies").check()
    tab.get_by_role("button", name="Search", exact=True).click()
    expect(rows.locator("td:last-child")).to_have_text("conflict: PatientID")

    # All studies, and the reports, which have no date.
    tab.get_by_role("button", name="Clear").click()
    status = tab.get_by_role("status")
    expect(status).to_contain_text(f"{len(FILES) + 1} studies")
    expect(status).to_contain_text("read units")
    expect(rows.last).to_contain_text("no date")
    tab.get_by_role("button", name="SR 2").click()
    expect(rows).to_have_count(2)
    tab.get_by_role("button", name="SR 2").click()
    expect(rows).to_have_count(len(FILES) + 1)
    tab.get_by_label("Order").select_option("newest arrival")
    tab.get_by_label("Other attributes").fill("StationName=CT01_OC0")
    tab.get_by_role("button", name="Search", exact=True).click()
    expect(rows).to_have_count(2)
    tab.get_by_label("Other attributes").fill("SliceThickness=thin")
    tab.get_by_role("button", name="Search", exact=True).click()
    expect(tab.get_by_role("alert")).to_contain_text("Write a number like 3 or 2.5.")
    tab.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(len(FILES) + 1)
    rows.filter(has_text="+1 not primary").click()
    expect(tab.locator("li")).to_have_count(2)
    expect(status).to_have_text(re.compile(rf"^{len(FILES) + 1} studies · .* read units"))
    picture(tab, "worklist")
    tab.emulate_media(color_scheme="dark")
    tab.set_viewport_size({"width": 360, "height": 800})
    picture(tab, "worklist-phone")

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (0, "")
    said = "Open this address in a browser on this machine. It reads with your credentials until Ctrl-C."
    assert " ".join(errors.split()) == said
