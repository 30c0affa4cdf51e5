"""DICOMweb of the local HealthImaging: what a viewer asks for, against the files as pydicom reads them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pydicom
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import pixel_array

from local import permissions
from local.healthimaging.dicomweb import pixels
from local.healthimaging.dicomweb import request as dicomweb
from tests.healthimaging.conftest import ROLE

if TYPE_CHECKING:
    from tests.healthimaging.conftest import Server, World

Dicom = Callable[..., Path]
DATA = Path(pydicom.__file__).parent / "data"
ELE = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
BASELINE = "1.2.840.10008.1.2.4.50"
ANY = "multipart/related; type=application/octet-stream; transfer-syntax=*"
NOBODY = "0" * 32


class Client:
    """A client that signs as the service requires."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def get(self, path: str, accept: str = "application/dicom+json") -> Any:
        """The answer to a path below the data store."""
        url = f"{self.world.server.url}/datastore/{self.world.store}{path}"
        request = AWSRequest("GET", url)
        SigV4Auth(Credentials(self.world.account, "none"), "medical-imaging", "eu-west-1").add_auth(request)
        headers = {**dict(request.headers), "Accept": accept}
        return urlopen(Request(url, headers=headers))  # noqa: S310  loopback

    def json(self, path: str) -> Any:
        """The objects that a path answers with."""
        with self.get(path) as answer:
            assert answer.headers["Content-Type"] == "application/dicom+json"
            return json.load(answer)

    def parts(self, path: str, accept: str = ANY) -> list[tuple[str, bytes]]:
        """The content type and the bytes of each part of an answer."""
        with self.get(path, accept) as answer:
            boundary = answer.headers["Content-Type"].partition("boundary=")[2]
            first, *parts, last = answer.read().split(f"--{boundary}".encode())
        assert (first, last) == (b"", b"--\r\n")
        split = [
            part.removeprefix(b"\r\nContent-Type: ").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts
        ]
        return [(kind.decode(), content) for kind, _, content in split]

    def refusal(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """The status of a path that is refused, and the service's name for it."""
        with pytest.raises(HTTPError) as caught:
            self.get(path, accept)
        assert json.load(caught.value)["message"]
        return caught.value.code, caught.value.headers["x-amzn-ErrorType"]


@pytest.fixture
def client(world: "World") -> Client:
    return Client(world)


def copied(file: str, folder: Path) -> pydicom.Dataset:
    """One of pydicom's files in a folder to import, and what it holds."""
    folder.mkdir(exist_ok=True)
    source = Path(str(get_testdata_file(file)))
    (folder / file).write_bytes(source.read_bytes())
    return dcmread(source)


def path_of(dataset: pydicom.Dataset) -> str:
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}"


def test_the_metadata_of_a_series_is_what_pydicom_makes_of_the_files(
    world: "World", client: Client, dicom: Dicom
) -> None:
    names = ("Yamada^Tarou=山田^太郎", "Doe^Jane")
    for number, name in enumerate(names):
        dicom(
            f"{number}",
            SOPInstanceUID=f"1.2.{number}",
            InstanceNumber=number,
            PatientName=names[0],
            ContentCreatorName=name,
            PhysiciansOfRecord=["Roe", "Moe"],
            ImageComments="",
            SpecificCharacterSet="ISO_IR 192",
        )
    folder = world.directory / "scans"
    world.load(folder)
    expected = [dcmread(folder / f"{number}") for number in range(2)]
    found = client.json(f"/studies/{expected[0].StudyInstanceUID}/series/{expected[0].SeriesInstanceUID}/metadata")
    for dataset, attributes in zip(expected, found, strict=True):
        dataset.remove_private_tags()
        wanted = dataset.to_json_dict()
        del wanted["7FE00010"], wanted["FFFCFFFC"]
        assert {tag: value for tag, value in attributes.items() if int(tag[:4], 16) % 2 == 0} == wanted
    assert found[0]["00100010"]["Value"] == [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]
    assert client.json(f"{path_of(expected[1])}/metadata") == [found[1]]


def test_an_update_is_in_the_metadata(world: "World", client: Client, dicom: Dicom) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (found,) = world.image_sets()
    world.update(found["imageSetId"], "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "CORRECTED"}}}})
    world.idle(found["imageSetId"])
    (attributes,) = client.json(f"{path_of(dataset)}/metadata")
    assert attributes["00081030"] == {"vr": "LO", "Value": ["CORRECTED"]}


@pytest.mark.parametrize(
    ("values", "vrs", "expected"),
    [
        ({"WindowCenter": ["40 "], "SliceThickness": "x"}, {}, {"00281050": 40, "00180050": "x"}),
        ({"PixelRepresentation": 1, "SmallestImagePixelValue": -1}, {}, {"00280106": -1, "00280103": 1}),
        ({"RedPaletteColorLookupTableData": "AAA="}, {}, {"00281201": "AAA="}),
        ({"OverlayRows": 3, "60020010": 4}, {"60020010": "US"}, {"60000010": 3, "60020010": 4}),
        ({"00090010": "MAKER", "00091001": "AA=="}, {"00091001": "UN"}, {"00090010": "MAKER", "00091001": "AA=="}),
        ({"TransferSyntaxUID": ELE, "00091001": "unknown"}, {}, {}),
        ({"SpecificCharacterSet": ["ISO_IR 100"]}, {}, {"00080005": "ISO_IR 192"}),
    ],
)
def test_each_kind_of_value_has_its_place_in_dicom_json(
    values: dict[str, Any], vrs: dict[str, str], expected: dict[str, Any]
) -> None:
    from local.healthimaging.dicomweb.dicom_json import dicom_json

    found = dicom_json(values, vrs)
    assert {tag: each.get("InlineBinary", each.get("Value", [None])[0]) for tag, each in found.items()} == expected


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


def test_a_client_gets_frames_as_they_are_in_the_file_or_decoded(world: "World", client: Client) -> None:
    dataset = copied("SC_rgb_rle_2frame.dcm", world.directory / "scans")
    world.load(world.directory / "scans")
    frames = f"{path_of(dataset)}/frames"
    expected = pixel_array(dataset, raw=True)
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


def test_what_cannot_be_decoded_here_comes_as_it_is(world: "World", client: Client) -> None:
    dataset = copied("MR_small_jpeg_ls_lossless.dcm", world.directory / "scans")
    world.load(world.directory / "scans")
    ((kind, _),) = client.parts(f"{path_of(dataset)}/frames/1", "*/*")
    assert kind.endswith(dataset.file_meta.TransferSyntaxUID)
    ((kind, content),) = client.parts(path_of(dataset), "multipart/related; type=application/dicom")
    assert kind.endswith(dataset.file_meta.TransferSyntaxUID)
    assert content == (world.directory / "scans" / "MR_small_jpeg_ls_lossless.dcm").read_bytes()


def test_an_object_without_pixels_has_no_frames_but_is_a_file(world: "World", client: Client) -> None:
    dataset = copied("reportsi.dcm", world.directory / "scans")
    world.load(world.directory / "scans")
    assert client.refusal(f"{path_of(dataset)}/frames/1") == (404, "ResourceNotFoundException")
    with client.get(path_of(dataset), "application/dicom; transfer-syntax=*") as answer:
        assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={ELE}"
        assert answer.read() == (world.directory / "scans" / "reportsi.dcm").read_bytes()


@pytest.mark.parametrize("file", ["image_dfl.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm"])
def test_an_instance_is_a_file_with_explicit_vrs_if_nothing_else_is_asked_for(
    world: "World", client: Client, file: str
) -> None:
    dataset = copied(file, world.directory / "scans")
    world.load(world.directory / "scans")
    ((kind, content),) = client.parts(path_of(dataset), "multipart/related; type=application/dicom")
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


def test_frames_of_files_in_a_bucket_are_read_from_there(world: "World", server: "Server", client: Client) -> None:
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
    ((_, frame),) = client.parts(f"{path_of(dataset)}/frames/1")
    assert frame == dataset.PixelData


def test_a_file_that_was_removed_is_not_found_and_the_answer_says_what_to_do(
    world: "World", client: Client, dicom: Dicom
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (world.directory / "scans" / "a").unlink()
    with pytest.raises(HTTPError) as caught:
        client.get(f"{path_of(dataset)}/frames/1")
    assert caught.value.code == 404
    assert "import it again" in caught.value.read().decode()


def test_image_sets_that_are_not_primary_are_found_by_their_id_only(
    world: "World", client: Client, dicom: Dicom
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    world.load(dicom("b", folder="other", PatientID="Other"))
    (other,) = (each["imageSetId"] for each in world.image_sets() if not each["isPrimary"])
    series = path_of(dataset).split("/instances/")[0]
    (primary,) = client.json(f"{series}/metadata")
    (found,) = client.json(f"{series}/metadata?imageSetId={other}")
    assert [each["00100020"]["Value"] for each in (primary, found)] == [[dataset.PatientID], ["Other"]]
    assert len(client.json(f"/studies/{dataset.StudyInstanceUID}/series")) == 1
    assert client.parts(f"{path_of(dataset)}/frames/1?imageSetId={other}")
    for missing in (
        f"{series}/metadata?imageSetId={NOBODY}",
        f"/studies/1/series/{dataset.SeriesInstanceUID}/metadata?imageSetId={other}",
        f"/studies/{dataset.StudyInstanceUID}/series/1/metadata",
        f"{series}/instances/1/metadata",
    ):
        assert client.refusal(missing) == (404, "ResourceNotFoundException")


def test_a_deleted_image_set_has_neither_metadata_nor_frames(
    world: "World", client: Client, dicom: Dicom, settings: Callable[..., Any]
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    image_set = world.image_sets()[0]["imageSetId"]
    settings(jobSeconds=60)
    world.client.delete_image_set(datastoreId=world.store, imageSetId=image_set)
    assert client.refusal(f"{path_of(dataset)}/metadata") == (409, "ConflictException")
    settings(jobSeconds=0)
    world.idle(image_set)
    for path in ("/metadata", "/frames/1", f"/frames/1?imageSetId={image_set}"):
        assert client.refusal(f"{path_of(dataset)}{path}") == (404, "ResourceNotFoundException")


def test_series_of_a_study_are_listed_in_the_order_of_their_numbers(
    world: "World", client: Client, dicom: Dicom
) -> None:
    for number in (10, 9):
        for instance in range(number - 8):
            dicom(
                f"{number}.{instance}",
                SeriesNumber=number,
                SeriesInstanceUID=f"1.2.{number}",
                SOPInstanceUID=f"1.2.{number}.{instance}",
                Modality="CT" if number == 9 else "MR",
            )
    dataset = dcmread(world.directory / "scans" / "9.0")
    world.load(world.directory / "scans")
    path = f"/studies/{dataset.StudyInstanceUID}/series"
    rows = client.json(f"{path}?includefield=00080021%2C00080031%2C0008103E%2C00200011")
    assert [row["0020000E"]["Value"] for row in rows] == [["1.2.9"], ["1.2.10"]]
    assert [row["00201209"]["Value"] for row in rows] == [[1], [2]]
    assert "00080021" in rows[0]
    assert "00100010" not in rows[0]
    assert "00100010" in client.json(f"{path}?includefield=all")[0]
    assert [row["00080060"]["Value"] for row in client.json(f"{path}?Modality=CT")] == [["CT"]]
    assert len(client.json(f"{path}?limit=1&offset=1")) == 1
    assert client.refusal(f"{path}?StationName=A") == (400, "ValidationException")
    assert client.refusal(f"{path}?limit=all") == (400, "ValidationException")
    assert client.json("/studies/1.2.3/series") == []
    instances = f"{path}/1.2.10/instances"
    assert len(client.json(instances)) == 2
    assert [row["00080018"]["Value"] for row in client.json(f"{instances}?SOPInstanceUID=1.2.10.1")] == [["1.2.10.1"]]


def test_retrieving_is_an_access_and_is_throttled_as_the_service_does(
    world: "World", client: Client, dicom: Dicom, settings: Callable[..., Any]
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (found,) = world.image_sets()
    client.json(f"/studies/{dataset.StudyInstanceUID}/series")
    assert world.image_sets()[0]["lastAccessedAt"] == found["lastAccessedAt"]
    client.parts(f"{path_of(dataset)}/frames/1")
    assert world.image_sets()[0]["lastAccessedAt"] > found["lastAccessedAt"]
    settings(throttles=True)
    assert world.until(lambda: refused(client, f"{path_of(dataset)}/metadata")) == 429


def refused(client: Client, path: str) -> int | None:
    """The status of a path, if it is refused."""
    try:
        client.json(path)
    except HTTPError as error:
        return error.code
    return None


def test_actions_of_dicomweb_are_allowed_on_the_data_store_also_for_an_image_set() -> None:
    store, path = NOBODY, "/studies/1/series/2/instances/3"
    arn = f"arn:aws:medical-imaging:eu-west-1:111122223333:datastore/{store}"
    for suffix, action in (("", "GetDICOMInstance"), ("/frames/1", "GetDICOMInstanceFrames")):
        found = dicomweb.parse("GET", f"/datastore/{store}{path}{suffix}", f"imageSetId={NOBODY}", "")
        assert found is not None
        assert found.operation == action
        assert permissions._resources("111122223333", "eu-west-1", found) == [arn]
