"""OHIF in a browser, with the local index for its work list and the local HealthImaging for its pixels."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
import typer
from playwright.sync_api import Locator, Page, expect
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_modality_lut, apply_windowing
from pydicom.uid import UID

from cli.web import ohif, ohif_build, worklist
from imaging_index.qido.http import Request, Response
from infra.assembly import Assembly
from local.cloud import LocalCloud
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for

PATIENCE: Final = 60_000.0  # milliseconds, as playwright takes them: a busy machine renders slowly
# pydicom's files, and the studies that the test makes of them: name, id, accession number, date, description.
STUDIES: Final = {
    "examples_overlay.dcm": ("Doe^Jane", "PID-1001", "ACC-1001", "20240117", "MR of the abdomen"),
    "693_J2KI.dcm": ("Roe^Richard", "PID-1002", "ACC-1002", "20240116", "CT of the head"),
    "examples_rgb_color.dcm": ("Smith^Mary", "PID-1003", "ACC-1003", "20240115", "Ultrasound of a lymph node"),
    "MR_small.dcm": ("Poe^Edgar", "PID-1004", "ACC-1004", "20231224", "MR of the shoulder"),
}
NAMES: Final = ("Doe, Jane", "Roe, Richard", "Smith, Mary", "Poe, Edgar")
# The window of the study that is opened, which its file names first.
CENTRE, WIDTH = 450, 790
POINTS: Final = ((240, 140), (150, 200), (420, 180))  # column and row

Handler = Callable[[Request], Response]
Exchange = tuple[Request, Response]

# A point of the image on the canvas, as cornerstone draws it, and its grey value there.
_GREY = """([column, row]) => {
    const viewport = cornerstone.getRenderingEngines()[0].getViewports()[0];
    const world = cornerstone.utilities.transformIndexToWorld(viewport.getImageData().imageData, [column, row, 0]);
    const [x, y] = viewport.worldToCanvas(world).map(each => Math.floor(each * devicePixelRatio));
    return [...viewport.canvas.getContext('2d').getImageData(x, y, 1, 1).data.slice(0, 3)];
}"""
# Between the centres of pixels cornerstone shows values that no pixel has, unless it is told to take the nearest one.
_NEAREST = """() => {
    const viewport = cornerstone.getRenderingEngines()[0].getViewports()[0];
    viewport.setProperties({interpolationType: cornerstone.Enums.InterpolationType.NEAREST});
    viewport.render();
}"""
_DRAWN = """() => {
    const viewport = globalThis.cornerstone?.getRenderingEngines()[0]?.getViewports()[0];
    const canvas = viewport?.getImageData?.() && viewport.canvas;
    const pixels = canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels?.some((value, place) => place % 4 === 0 && value > 0) ?? false;
}"""


@dataclass
class Viewer:
    """OHIF's address, the studies' files, and what was asked of the index and of HealthImaging, with the answers."""

    address: str
    files: dict[str, Dataset]
    index: list[Exchange]
    healthimaging: list[Exchange]

    def wait_for_answer(self, studies: int, **asked: str) -> None:
        """Wait until a question with these parameters was the last one, and has this many studies in its answer.

        OHIF itself filters what it has already, before it asks.
        """

        def last() -> tuple[dict[str, str], int]:
            request, response = self.index[-1]
            return dict(request.parameters), len(json.loads(response.body))

        wait_for(lambda: asked.items() <= last()[0].items() and last()[1] == studies)


@pytest.fixture(scope="module")
def build() -> Path:
    """OHIF's build; the tests are skipped where npm's registry cannot be reached."""
    try:
        return ohif_build.build()
    except typer.Exit:
        pytest.skip("npm cannot fetch OHIF here")


@pytest.fixture(scope="module")
def viewer(
    build: Path,
    cloud: LocalCloud,
    assembly: Assembly,
    environment_of_module: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Viewer]:
    """OHIF on the laptop's web server, with four studies in the index of a deployed stack."""
    deploy(assembly, environment_of_module)
    folder = tmp_path_factory.mktemp("scans")
    files = {name: made(name, number, folder) for number, name in enumerate(STUDIES, start=1)}
    client = boto3.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, folder)
    with worklist.of_local_cloud() as server:
        address = ohif.add(server, build, boto3.Session(), datastore, cloud.endpoint)
        counted = Request("GET", f"/datastore/{datastore}/studies/count")
        wait_for(lambda: server.mounts["dicomweb"](counted).body == b'{"count":4}')
        found = Viewer(address, files, [], [])
        server.mounts["dicomweb"] = remembering(server.mounts["dicomweb"], found.index)
        server.mounts["healthimaging"] = remembering(server.mounts["healthimaging"], found.healthimaging)
        yield found


def made(name: str, number: int, folder: Path) -> Dataset:
    """A study with the pixels of one of pydicom's files, written into a folder."""
    dataset = dcmread(str(get_testdata_file(name)))
    identity = ("PatientName", "PatientID", "AccessionNumber", "StudyDate", "StudyDescription")
    for keyword, value in zip(identity, STUDIES[name], strict=True):
        setattr(dataset, keyword, value)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.3.{number}", f"1.2.3.{number}.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}.1.1")
    for tag in [tag for tag in dataset.keys() if 0x6000 <= tag.group < 0x6020]:  # noqa: SIM118
        del dataset[tag]  # overlays, which would cover the pixels
    dataset.save_as(folder / name)
    return dataset


def remembering(handler: Handler, exchanges: list[Exchange]) -> Handler:
    def handle(request: Request) -> Response:
        response = handler(request)
        exchanges.append((request, response))
        return response

    return handle


def shows(tab: Page, *names: str) -> None:
    """Wait until the list has these patients, in this order."""
    expect(tab.locator("tbody tr:has(td):not(:has(input))")).to_contain_text(names, timeout=PATIENCE)


def test_each_filter_of_the_study_list_asks_the_index_and_shows_what_it_finds(
    viewer: Viewer, tab: Page, picture: Callable[[Page, str], None]
) -> None:
    tab.set_viewport_size({"width": 1680, "height": 420})  # in a narrow window OHIF hides two of the six
    tab.goto(viewer.address)
    shows(tab, *NAMES)
    picture(tab, "ohif-list")
    name, mrn, start, end, modalities, description, accession = tab.locator("tbody input").all()
    cases: list[tuple[Locator, str, dict[str, str], tuple[str, ...]]] = [
        (name, "jan", {"PatientName": "jan", "fuzzymatching": "true"}, NAMES[:1]),
        (mrn, "PID-1002", {"00100020": "PID-1002"}, NAMES[1:2]),
        (accession, "ACC-1003", {"AccessionNumber": "ACC-1003"}, NAMES[2:3]),
        (description, "CT of the head", {"StudyDescription": "CT of the head"}, NAMES[1:2]),
    ]
    for field, text, asked, found in cases:
        field.fill(text)
        viewer.wait_for_answer(len(found), **asked)
        shows(tab, *found)
        field.fill("")
        viewer.wait_for_answer(len(NAMES))
        shows(tab, *NAMES)
    modalities.fill("MR")
    modalities.press("Enter")
    viewer.wait_for_answer(2, ModalitiesInStudy="MR")
    shows(tab, NAMES[0], NAMES[3])
    tab.get_by_text("Reset", exact=True).click()
    viewer.wait_for_answer(len(NAMES))
    name.fill("nobody")
    viewer.wait_for_answer(0, PatientName="nobody")
    shows(tab, "No studies available")
    tab.get_by_text("Reset", exact=True).click()
    shows(tab, *NAMES)
    start.fill("2024-01-15")
    end.fill("2024-01-16")
    viewer.wait_for_answer(2, StudyDate="20240115-20240116")
    shows(tab, *NAMES[1:3])


def test_a_study_opens_with_the_pixels_that_pydicom_decodes(
    viewer: Viewer, tab: Page, picture: Callable[[Page, str], None]
) -> None:
    dataset = viewer.files["examples_overlay.dcm"]
    tab.set_viewport_size({"width": 1100, "height": 640})
    tab.goto(viewer.address)
    tab.get_by_text("MR of the abdomen").dblclick(timeout=PATIENCE)
    tab.wait_for_function(_DRAWN, timeout=PATIENCE)
    tab.get_by_text("Skip all").click(timeout=PATIENCE)  # its tour, for those who see it first
    expect(tab.get_by_text("Skip all")).to_have_count(0)
    expect(tab.get_by_text(f"{WIDTH}", exact=True)).to_be_visible()
    picture(tab, "ohif-viewer")
    tab.evaluate(_NEAREST)
    expected = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset, index=0)
    greys: Any = expected * 255 / (2**dataset.BitsStored - 1)
    for column, row in POINTS:
        shade = tab.evaluate(_GREY, [column, row])
        assert shade == pytest.approx([greys[row, column]] * 3, abs=1)
    assert f"StudyInstanceUIDs={dataset.StudyInstanceUID}" in tab.url
    assert any(request.path.endswith("/frames/1") for request, _ in viewer.healthimaging)
    assert {response.status for _, response in viewer.healthimaging} == {200}
