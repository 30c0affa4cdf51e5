"""Frames and files of the local HealthImaging, against what pydicom decodes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import numpy as np
import pydicom
import pytest
from botocore.exceptions import ClientError
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import pixel_array
from pydicom.uid import HTJ2KLossless

from local.healthimaging.dicomweb import pixels
from tests.healthimaging.conftest import ANY, ROLE

if TYPE_CHECKING:
    from tests.healthimaging.conftest import DicomwebClient, Server, World

Dicom = Callable[..., Path]
DATA = Path(pydicom.__file__).parent / "data"
ELE = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
BASELINE = "1.2.840.10008.1.2.4.50"
NOBODY = "0" * 32


def copied(file: str, folder: Path) -> pydicom.Dataset:
    """One of pydicom's files in a folder to import, and what it holds."""
    folder.mkdir(exist_ok=True)
    source = Path(str(get_testdata_file(file)))
    (folder / file).write_bytes(source.read_bytes())
    return dcmread(source)


def decoded(path: Path) -> "np.ndarray[Any, Any] | None":
    """The pixels of a file as pydicom has them, or None where it has no decoder for them."""
    try:
        return pixel_array(path, raw=True)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError):
        return None


@pytest.mark.filterwarnings("ignore")
def test_the_frames_of_all_files_are_what_pydicom_decodes() -> None:
    compared = 0
    for path in sorted(DATA.rglob("*.dcm")):
        expected = decoded(path)
        if expected is None:
            continue
        count = int(dcmread(path).get("NumberOfFrames") or 1)
        syntax, frames = pixels.frames(path.read_bytes(), range(1, count + 1), count, [ELE])
        assert (syntax, len(frames)) == (ELE, count)
        if dcmread(path).BitsAllocated == 1:
            wanted = np.packbits(expected, bitorder="little").tobytes()
        elif dcmread(path).PhotometricInterpretation == "YBR_FULL_422" and len(frames[0]) < expected.nbytes / count:
            wanted = expected[..., 0].tobytes()  # pydicom has repeated the chrominance of two pixels
            frames = [b"".join(frame[at : at + 2] for at in range(0, len(frame), 4)) for frame in frames]
        else:
            wanted = expected.astype(expected.dtype.newbyteorder("<")).tobytes()
        if (
            dcmread(path).get("PlanarConfiguration") == 1
            and not dcmread(path).file_meta.TransferSyntaxUID.is_encapsulated
        ):
            frames = [np.frombuffer(frame, "u1").reshape(3, -1).T.tobytes() for frame in frames]
        assert b"".join(frames) == wanted, path.name
        compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    ("bits", "photometric", "pixels_of_all", "expected"),
    [
        (8, "YBR_FULL_422", bytes(range(12)), [bytes(range(6)), bytes(range(6, 12))]),
        (1, "MONOCHROME2", bytes([0b01_010_011, 0]), [bytes([0b011]), bytes([0b010])]),
    ],
)
def test_each_frame_of_several_has_its_own_pixels(
    tmp_path: Path, bits: int, photometric: str, pixels_of_all: bytes, expected: list[bytes]
) -> None:
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 1, 3, 3 if photometric == "YBR_FULL_422" else 1
    dataset.BitsAllocated, dataset.PhotometricInterpretation = bits, photometric
    dataset.PixelData = pixels_of_all
    dataset.save_as(tmp_path / "a")
    _, frames = pixels.frames((tmp_path / "a").read_bytes(), [1, 2], 2, [ELE])
    assert frames == expected


def test_frames_are_found_after_an_update_of_their_instances_uid(
    world: "World", client: "DicomwebClient", dicom: Dicom
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (found,) = world.image_sets()
    instance = {dataset.SOPInstanceUID: {"DICOM": {"SOPInstanceUID": "1.2.3"}}}
    change = {"Study": {"Series": {dataset.SeriesInstanceUID: {"Instances": instance}}}}
    world.update(found["imageSetId"], "1", {"updatable": change}, force=True)
    world.idle(found["imageSetId"])
    assert client.refusal(f"{client.path(dataset)}/frames/1") == (404, "ResourceNotFoundException")
    pixels_of_file = dataset.PixelData
    dataset.SOPInstanceUID = "1.2.3"
    assert client.parts(f"{client.path(dataset)}/frames/1")[0][1] == pixels_of_file


def test_a_client_gets_frames_as_they_are_in_the_file_or_decoded(world: "World", client: "DicomwebClient") -> None:
    dataset = copied("SC_rgb_rle_2frame.dcm", world.directory / "scans")
    world.load(world.directory / "scans")
    frames = f"{client.path(dataset)}/frames"
    expected = pixel_array(dataset, raw=True)
    assert client.parts(f"{frames}/2%2C1", "*/*") == client.parts(f"{frames}/2,1", "*/*")
    for accept in ("*/*", f"multipart/related; type=application/octet-stream; transfer-syntax={ELE}"):
        parts = client.parts(f"{frames}/2,1", accept)
        assert parts == [
            (f"application/octet-stream; transfer-syntax={ELE}", expected[number].tobytes()) for number in (1, 0)
        ]
    ((kind, stored),) = client.parts(f"{frames}/1")
    assert kind == f"application/octet-stream; transfer-syntax={RLE}"
    assert len(stored) < len(parts[0][1])
    assert client.parts(f"{frames}/1", ANY.replace("*", RLE)) == [(kind, stored)]
    assert client.refusal(f"{frames}/1", ANY.replace("*", BASELINE)) == (406, "NotAcceptableException")
    assert client.refusal(f"{frames}/3") == (404, "ResourceNotFoundException")
    assert client.refusal(f"{frames}/0") == (404, "ResourceNotFoundException")
    assert client.refusal(f"{frames}/one") == (400, "ValidationException")


def test_what_cannot_be_decoded_here_comes_as_it_is(world: "World", client: "DicomwebClient") -> None:
    dataset = copied("MR_small_jpeg_ls_lossless.dcm", world.directory / "scans")
    # Nothing here decodes it, whatever has been installed.
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.save_as(file := world.directory / "scans" / "MR_small_jpeg_ls_lossless.dcm")
    world.load(world.directory / "scans")
    ((kind, _),) = client.parts(f"{client.path(dataset)}/frames/1", "*/*")
    assert kind.endswith(dataset.file_meta.TransferSyntaxUID)
    ((kind, content),) = client.parts(client.path(dataset), "multipart/related; type=application/dicom")
    assert kind.endswith(dataset.file_meta.TransferSyntaxUID)
    assert content == file.read_bytes()


def test_an_object_without_pixels_has_no_frames_but_is_a_file(world: "World", client: "DicomwebClient") -> None:
    dataset = copied("reportsi.dcm", world.directory / "scans")
    world.load(world.directory / "scans")
    assert client.refusal(f"{client.path(dataset)}/frames/1") == (404, "ResourceNotFoundException")
    with client.get(client.path(dataset), "application/dicom; transfer-syntax=*") as answer:
        assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={ELE}"
        assert answer.read() == (world.directory / "scans" / "reportsi.dcm").read_bytes()


@pytest.mark.parametrize("file", ["image_dfl.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm"])
def test_an_instance_is_a_file_with_explicit_vrs_if_nothing_else_is_asked_for(
    world: "World", client: "DicomwebClient", file: str
) -> None:
    dataset = copied(file, world.directory / "scans")
    world.load(world.directory / "scans")
    ((kind, content),) = client.parts(client.path(dataset), "multipart/related; type=application/dicom")
    assert kind == f"application/dicom; transfer-syntax={ELE}"
    (world.directory / "found.dcm").write_bytes(content)
    found = dcmread(world.directory / "found.dcm")
    assert found.file_meta.TransferSyntaxUID == ELE
    assert found.SOPInstanceUID == dataset.SOPInstanceUID
    assert np.array_equal(found.pixel_array, dataset.pixel_array)


def test_frames_are_found_by_their_ids_in_the_document_too(world: "World") -> None:
    dataset = copied("SC_rgb_jpeg_dcmtk.dcm", world.directory / "scans")
    world.load(world.directory / "scans")
    image_set = world.image_sets()[0]["imageSetId"]
    (series,) = world.document(image_set)["Study"]["Series"].values()
    (instance,) = series["Instances"].values()
    ids = {"datastoreId": world.store, "imageSetId": image_set}
    answer = world.client.get_image_frame(
        **ids, imageFrameInformation={"imageFrameId": instance["ImageFrames"][0]["ID"]}
    )
    assert answer["contentType"] == "image/jpeg"
    assert answer["imageFrameBlob"].read() in dataset.PixelData
    with pytest.raises(ClientError, match="no such image frame"):
        world.client.get_image_frame(**ids, imageFrameInformation={"imageFrameId": NOBODY})


def test_frames_of_files_in_a_bucket_are_read_from_there(
    world: "World", server: "Server", client: "DicomwebClient"
) -> None:
    bucket = f"bucket-{world.account}"
    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    server.objects |= {f"s3://{bucket}/in/a.dcm": content, f"s3://{bucket}/in/a.dcm.old": b"no DICOM"}
    started = world.client.start_dicom_import_job(
        dataAccessRoleArn=ROLE,
        datastoreId=world.store,
        inputS3Uri=f"s3://{bucket}/in/",
        outputS3Uri=f"s3://{bucket}/out/",
    )
    world.ended(started["jobId"])
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    ((_, frame),) = client.parts(f"{client.path(dataset)}/frames/1")
    assert frame == dataset.PixelData


def test_a_file_that_was_removed_is_not_found_and_the_answer_says_what_to_do(
    world: "World", client: "DicomwebClient", dicom: Dicom
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (world.directory / "scans" / "a").unlink()
    with pytest.raises(HTTPError) as caught:
        client.get(f"{client.path(dataset)}/frames/1")
    assert caught.value.code == 404
    assert "import it again" in caught.value.read().decode()


def test_a_deleted_image_set_has_neither_metadata_nor_frames(
    world: "World", client: "DicomwebClient", dicom: Dicom, settings: Callable[..., Any]
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    image_set = world.image_sets()[0]["imageSetId"]
    settings(jobSeconds=60)
    world.client.delete_image_set(datastoreId=world.store, imageSetId=image_set)
    assert client.refusal(f"{client.path(dataset)}/metadata") == (409, "ConflictException")
    settings(jobSeconds=0)
    world.idle(image_set)
    for path in ("/metadata", "/frames/1", f"/frames/1?imageSetId={image_set}"):
        assert client.refusal(f"{client.path(dataset)}{path}") == (404, "ResourceNotFoundException")
