"""dicomweb-client and Orthanc ask the REST API as it is deployed; and Orthanc answers, on the same files."""

from __future__ import annotations

import json
import re
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, config
from requests import HTTPError

from cli.web.server import WebServer
from local.deployment import ROOT
from tests.clients import orthanc, scans
from tests.clients.compared import REQUESTS, answered, are_alike, differing
from tests.clients.hospital_api import Api, serve, signed, signing
from tests.qido import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

    from local.cloud import LocalCloud
    from tests.clients.orthanc import Orthanc

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
CHEST = {"study_instance_uid": STUDY}
LUNG = {**CHEST, "series_instance_uid": SERIES}
# The method, its arguments, and how many objects are found.
SEARCHES: list[tuple[str, dict[str, Any], int]] = [
    ("studies", {}, 48),
    ("studies", {"search_filters": {"PatientID": "PID1"}}, 2),
    ("studies", {"search_filters": {"00100020": "PID1"}}, 2),
    ("studies", {"search_filters": {"PatientID": ""}}, 48),
    ("studies", {"search_filters": {"PatientName": "Doe^J*"}}, 2),
    ("studies", {"search_filters": {"PatientName": "Müller^Änne"}}, 1),
    ("studies", {"search_filters": {"PatientName": "joh doe"}, "fuzzymatching": True}, 2),
    ("studies", {"search_filters": {"StudyDate": "20240110-20240120"}}, 3),
    ("studies", {"search_filters": {"StudyDate": "20240115-20240120", "StudyTime": "0830-"}}, 2),
    ("studies", {"search_filters": {"ModalitiesInStudy": "CT", "StudyDate": "-20240131"}}, 8),
    ("studies", {"search_filters": {"ModalitiesInStudy": "CT,MR", "PatientName": "Doe*"}}, 16),
    ("studies", {"search_filters": {"StudyInstanceUID": [STUDY, "1.2.3.2"]}}, 2),
    ("studies", {"search_filters": {"StudyDescription": "*Brain*"}}, 1),
    ("studies", {"search_filters": {"OtherPatientIDsSequence.PatientID": "11235813"}}, 1),
    ("studies", {"search_filters": {"PatientID": "nobody"}}, 0),
    ("series", {}, 78),
    ("series", {"search_filters": {"Modality": "SEG"}}, 2),
    ("series", {"search_filters": {"00400275.00400009": "SPS1"}}, 1),
    ("series", CHEST, 3),
    ("series", {**CHEST, "search_filters": {"BodyPartExamined": "CHEST"}}, 1),
    ("instances", {"search_filters": {"Modality": "SR"}}, 1),
    ("instances", CHEST, 6),
    ("instances", LUNG, 3),
    ("instances", {**LUNG, "search_filters": {"InstanceNumber": "2"}}, 1),
    ("instances", {**CHEST, "search_filters": {"SOPInstanceUID": f"{SERIES}.3"}}, 1),
]


@pytest.fixture(scope="module")
def api(cloud: LocalCloud, environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Api:
    return serve(cloud, environment_of_module, tmp_path_factory.mktemp("clients"))


@pytest.fixture
def client(api: Api) -> DICOMwebClient:
    return DICOMwebClient(api.below(api.hospital), session=signed())


def search(client: DICOMwebClient, level: str, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = getattr(client, f"search_for_{level}")(**arguments)
    return found


@pytest.mark.parametrize(
    ("level", "arguments", "count"), SEARCHES, ids=[f"{level} {more}" for level, more, _ in SEARCHES]
)
def test_a_search_finds_what_looking_at_every_file_finds(
    api: Api, level: str, arguments: dict[str, Any], count: int
) -> None:
    asked: list[str] = []
    session = signed()
    session.hooks["response"] = [lambda response, **_: asked.append(response.url)]
    found = search(DICOMwebClient(api.below(api.hospital), session=session), level, **arguments)
    (url,) = asked
    ids = api.ids(found, level)
    assert Counter(ids) == oracle.expected(url.removeprefix(api.below(api.hospital)), scans.HOSPITAL)
    assert len(ids) == count
    with config.strict_reading():
        for each in found:
            dataset = Dataset.from_json(json.dumps(each))
            assert [*dataset.iterall()]  # sequences are read when they are looked into
            assert dataset.StudyInstanceUID == each["0020000D"]["Value"][0]


def test_the_example_of_the_documentation_finds_studies(api: Api) -> None:
    page = (ROOT / "docs" / "dicomweb.md").read_text("utf-8")
    (example,) = re.findall(r"```py\n(.+?)```", page, re.DOTALL)
    code = example.replace("<DicomwebUrl>", api.root).replace("P1234", "PID1")
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  it is the page's own
    assert {uid for _, uid in api.ids(names["studies"], "studies")} == {STUDY, "1.2.3.4"}


def test_fields_are_in_the_answer(client: DICOMwebClient) -> None:
    (plain,) = search(client, "series", search_filters={"SeriesInstanceUID": f"{STUDY}.2"})
    assert "00180015" not in plain
    fields = ["BodyPartExamined", "00400275"]
    (found,) = search(client, "series", search_filters={"SeriesInstanceUID": f"{STUDY}.2"}, fields=fields)
    assert found["00180015"]["Value"] == ["CHEST"]


@pytest.mark.parametrize("page", [None, 33, 1000])
def test_all_of_many_studies_are_found_page_by_page_none_twice(api: Api, page: int | None) -> None:
    pages: list[int] = []

    def note(response: Response, **_: Any) -> None:
        pages.append(len(response.json()))
        assert len(pages) <= scans.MANY, "it never ends"

    session = signed()
    session.hooks["response"] = [note]
    client = DICOMwebClient(api.below(api.many), session=session)
    found = search(client, "studies", limit=page, get_remaining=True)
    uids = [each["0020000D"]["Value"][0] for each in found]
    assert len(uids) == scans.MANY
    assert {*uids} == {f"1.2.5.{number}" for number in range(scans.MANY)}
    size = page or 100
    full, rest = divmod(scans.MANY, size)
    assert pages == [*[size] * full, rest, 0]


def test_a_page_is_a_part_of_the_whole(api: Api) -> None:
    client = DICOMwebClient(api.below(api.many), session=signed())
    whole = search(client, "studies", limit=250)
    assert search(client, "studies", limit=40, offset=105) == whole[105:145]
    assert search(client, "studies", limit=40, offset=240) == whole[240:]
    assert search(client, "studies", limit=40, offset=250) == []


def test_a_search_over_all_data_stores_has_the_studies_of_each(api: Api) -> None:
    client = DICOMwebClient(api.root, session=signed())
    assert len(search(client, "studies", get_remaining=True)) == scans.MANY + 48


def test_a_refusal_is_an_error_that_says_why(client: DICOMwebClient) -> None:
    with pytest.raises(HTTPError) as refused:
        search(client, "studies", search_filters={"SliceLocation": "1"})
    response = refused.value.response
    assert response is not None
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert "SliceLocation" in response.json()["message"]


@pytest.fixture(scope="module")
def asked_by_orthanc() -> list[tuple[str, str]]:
    """The requests that Orthanc's client has sent."""
    return []


@pytest.fixture(scope="module")
def orthanc_here(
    api: Api, asked_by_orthanc: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orthanc]:
    """Orthanc with the hospital's files. It knows the API as `index`, by a server that signs what it asks."""
    try:
        root = orthanc.place()
    except orthanc.NotHereError as reason:
        pytest.skip(str(reason))
    with WebServer() as server:
        server.mounts["dicomweb"] = signing(api.below(api.hospital), asked_by_orthanc)
        servers = {"index": f"{server.address}dicomweb"}
        with orthanc.running(root, tmp_path_factory.mktemp("orthanc"), servers) as running:
            running.store(api.files)
            yield running


@pytest.mark.parametrize(
    ("level", "path", "arguments", "sent"),
    [
        ("studies", "/studies", {}, "/studies"),
        (
            "studies",
            "/studies",
            {"00100010": "*Doe*", "00100020": "PID1"},
            "/studies?00100010=%2ADoe%2A&00100020=PID1",
        ),
        (
            "studies",
            "/studies",
            {"PatientName": "Müller*", "limit": "2", "fuzzymatching": "true"},
            "/studies?PatientName=M%C3%BCller%2A&fuzzymatching=true&limit=2",
        ),
        ("studies", "/studies", {"StudyDate": "20240101-20240131"}, "/studies?StudyDate=20240101-20240131"),
        ("series", f"/studies/{STUDY}/series", {}, f"/studies/{STUDY}/series"),
        ("series", "/series", {"Modality": "SEG"}, "/series?Modality=SEG"),
        ("instances", f"/studies/{STUDY}/series/{SERIES}/instances", {}, f"/studies/{STUDY}/series/{SERIES}/instances"),
    ],
)
def test_orthanc_finds_as_a_client_what_looking_at_every_file_finds(
    api: Api,
    orthanc_here: Orthanc,
    asked_by_orthanc: list[tuple[str, str]],
    level: str,
    path: str,
    arguments: dict[str, str],
    sent: str,
) -> None:
    found = orthanc_here.asks("index", path, **arguments)
    assert asked_by_orthanc[-1] == (sent, "*/*")
    ids = Counter(api.ids(found, level))
    assert ids == oracle.expected(sent, scans.HOSPITAL)
    assert ids


def test_what_orthanc_answers_differs_only_where_the_documentation_says_why(
    api: Api, orthanc_here: Orthanc, record_property: Callable[[str, object], None]
) -> None:
    session = signed()
    requests: dict[str, tuple[str, str]] = {}
    attributes: set[tuple[str, str, str]] = set()
    for each in REQUESTS:
        answer = session.get(api.below(api.hospital) + each.address, headers={"Accept": each.accept})
        here = answered(each, answer.status_code, answer.json() if answer.ok else [])
        there = answered(each, *orthanc_here.answer(each.address, each.accept))
        if not are_alike(each, here, there):
            requests[each.name] = here.outcome, there.outcome
        attributes |= {(keyword, each.resource, how) for keyword, how in differing(here, there)}
    page = (ROOT / "docs" / "dicomweb-orthanc.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    outcome = re.compile(r"\d+|status \d+")
    documented = {row[0]: (row[1], row[2]) for row in rows if len(row) == 3 and outcome.fullmatch(row[1])}
    of_attributes = {
        (keyword, resource, row[2])
        for row in rows
        if len(row) == 4
        for keyword in row[0].split(", ")
        for resource in re.findall("`(.+?)`", row[1])
    }
    record_property("requests answered here and by Orthanc", len(REQUESTS))
    record_property("answered alike", len(REQUESTS) - len(requests))
    version = orthanc_here.version
    if f"Orthanc {version}," in page:
        assert requests == documented
        assert attributes == of_attributes
    else:  # other versions may have changed what they answer, so as to be alike
        assert requests.keys() <= documented.keys()
        assert attributes <= of_attributes
