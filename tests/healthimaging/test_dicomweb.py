"""DICOMweb of the local HealthImaging: what a viewer asks for, against the files as pydicom reads them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from pydicom import dcmread

from local import permissions
from local.healthimaging.dicomweb import request as dicomweb
from local.healthimaging.dicomweb.dicom_json import dicom_json

if TYPE_CHECKING:
    from tests.healthimaging.conftest import DicomwebClient, World

Dicom = Callable[..., Path]
ELE = "1.2.840.10008.1.2.1"
NOBODY = "0" * 32


def test_the_metadata_of_a_series_is_what_pydicom_makes_of_the_files(
    world: "World", client: "DicomwebClient", dicom: Dicom
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
    assert client.json(f"{client.path(expected[1])}/metadata") == [found[1]]


def test_an_update_is_in_the_metadata(world: "World", client: "DicomwebClient", dicom: Dicom) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (found,) = world.image_sets()
    world.update(found["imageSetId"], "1", {"updatable": {"Study": {"DICOM": {"StudyDescription": "CORRECTED"}}}})
    world.idle(found["imageSetId"])
    (attributes,) = client.json(f"{client.path(dataset)}/metadata")
    assert attributes["00081030"] == {"vr": "LO", "Value": ["CORRECTED"]}


@pytest.mark.parametrize(
    ("values", "vrs", "expected"),
    [
        ({"WindowCenter": ["40 "]}, {}, '"00281050":{"vr":"DS","Value":[40]}'),
        ({"SliceThickness": "2.50"}, {}, '"00180050":{"vr":"DS","Value":[2.5]}'),
        ({"SliceThickness": "thin"}, {}, '"00180050":{"vr":"DS","Value":["thin"]}'),
        ({"InstanceNumber": None}, {}, '"00200013":{"vr":"IS"}'),
        (
            {"SmallestImagePixelValue": -1, "PixelRepresentation": 1},
            {},
            '"00280103":{"vr":"US","Value":[1]},"00280106":{"vr":"SS","Value":[-1]}',
        ),
        ({"SmallestImagePixelValue": 1}, {}, '"00280106":{"vr":"US","Value":[1]}'),
        ({"RedPaletteColorLookupTableData": "AAA="}, {}, '"00281201":{"vr":"OW","InlineBinary":"AAA="}'),
        (
            {"60020010": 4, "OverlayRows": 3},
            {"60020010": "US"},
            '"60000010":{"vr":"US","Value":[3]},"60020010":{"vr":"US","Value":[4]}',
        ),
        (
            {"00090010": "MAKER", "00091001": "AA=="},
            {"00091001": "UN"},
            '"00090010":{"vr":"LO","Value":["MAKER"]},"00091001":{"vr":"UN","InlineBinary":"AA=="}',
        ),
        ({"TransferSyntaxUID": ELE, "00091001": "of no known VR"}, {}, ""),
        ({"SpecificCharacterSet": ["ISO_IR 100"]}, {}, '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'),
    ],
)
def test_each_kind_of_value_has_its_form_in_dicom_json(
    values: dict[str, Any], vrs: dict[str, str], expected: str
) -> None:
    assert json.dumps(dicom_json(values, vrs), separators=(",", ":")) == f"{{{expected}}}"


def test_image_sets_that_are_not_primary_are_found_by_their_id_only(
    world: "World", client: "DicomwebClient", dicom: Dicom
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    world.load(dicom("b", folder="other", PatientID="Other"))
    (other,) = (each["imageSetId"] for each in world.image_sets() if not each["isPrimary"])
    series = client.path(dataset).split("/instances/")[0]
    (primary,) = client.json(f"{series}/metadata")
    (found,) = client.json(f"{series}/metadata?imageSetId={other}")
    assert [each["00100020"]["Value"] for each in (primary, found)] == [[dataset.PatientID], ["Other"]]
    assert len(client.json(f"/studies/{dataset.StudyInstanceUID}/series")) == 1
    assert client.parts(f"{client.path(dataset)}/frames/1?imageSetId={other}")
    for missing in (
        f"{series}/metadata?imageSetId={NOBODY}",
        f"/studies/1/series/{dataset.SeriesInstanceUID}/metadata?imageSetId={other}",
        f"/studies/{dataset.StudyInstanceUID}/series/1/metadata",
        f"{series}/instances/1/metadata",
    ):
        assert client.refusal(missing) == (404, "ResourceNotFoundException")


def test_series_of_a_study_are_listed_in_the_order_of_their_numbers(
    world: "World", client: "DicomwebClient", dicom: Dicom
) -> None:
    for number in (10, 9):
        for instance in range(number - 8):
            dicom(
                f"{number}.{instance}",
                SeriesNumber=number,
                SeriesInstanceUID=f"1.2.{number}",
                SOPInstanceUID=f"1.2.{number}.{instance}",
                InstanceNumber=9 - instance,
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
    assert [row["0020000E"]["Value"] for row in client.json(f"{path}?limit=1&offset=1")] == [["1.2.10"]]
    assert [row["0020000E"]["Value"] for row in client.json(f"{path}?limit=1")] == [["1.2.9"]]
    assert client.refusal(f"{path}?StationName=A") == (400, "ValidationException")
    assert client.refusal(f"{path}?limit=all") == (400, "ValidationException")
    assert client.json("/studies/1.2.3/series") == []
    instances = f"{path}/1.2.10/instances"
    assert [row["00080018"]["Value"] for row in client.json(instances)] == [["1.2.10.1"], ["1.2.10.0"]]
    assert [row["00080018"]["Value"] for row in client.json(f"{instances}?SOPInstanceUID=1.2.10.1")] == [["1.2.10.1"]]


def test_retrieving_is_an_access_and_is_throttled_as_the_service_does(
    world: "World", client: "DicomwebClient", dicom: Dicom, settings: Callable[..., Any]
) -> None:
    dataset = dcmread(dicom("a") / "a")
    world.load(world.directory / "scans")
    (found,) = world.image_sets()
    client.json(f"/studies/{dataset.StudyInstanceUID}/series")
    assert world.image_sets()[0]["lastAccessedAt"] == found["lastAccessedAt"]
    before = found["lastAccessedAt"]
    series = client.path(dataset).partition("/instances/")[0]
    for path in (f"{client.path(dataset)}/frames/1", f"{client.path(dataset)}/metadata", f"{series}/metadata"):
        with client.get(path, "*/*"):
            after = world.image_sets()[0]["lastAccessedAt"]
        assert after > before
        before = after
    settings(throttles=True)
    assert world.until(lambda: refused(client, f"{client.path(dataset)}/metadata")) == 429


def refused(client: "DicomwebClient", path: str) -> int | None:
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
