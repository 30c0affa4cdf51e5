"""Paths, methods, media types, origins and the parameters of an answer."""

from typing import Any
from urllib.parse import quote

import pytest

from imaging_index.qido.http import Request
from tests.qido.asking import get, message, objects, request, values
from tests.qido.hospital import service
from tests.qido.stored import OTHER, STORE

ALLOWED = "GET, OPTIONS"


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/studies", 50),
        ("/studies/", 50),
        ("/series/count", 82),
        (f"/datastore/{OTHER}/studies", 1),
        (f"/datastore/{OTHER}/series/count", 2),
        ("/studies/1.2.3.1/series", 3),
        ("/studies/1.2.3.1/instances", 6),
        ("/studies/1.2.3.1/series/1.2.3.1.1/instances", 3),
        (f"/datastore/{STORE}/studies/1.2.3.1/series/1.2.3.1.1/instances", 3),
        ("/studies/1.2.3.1/series/1.2.3.1.1/instances/count", 3),
        ("/studies/1.2.3.5/series", 4),
        ("/studies/7.7.7/series", 0),
        ("/studies/1.2.3.1/series/1.2.3.2.1/instances", 0),
    ],
)
def test_each_path_of_a_search_is_answered(path: str, count: int) -> None:
    response = get(service(), path)
    assert response.status == 200
    assert response.body == b'{"count":%d}' % count if path.endswith("count") else len(objects(response)) == count


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "x", "/study", "/studies/1.2.3.1", "/studies/1.2.3.1/series/1.2.3.1.1", "/patients", "//studies"),
        *(
            "/studies/1.2.3.1/frames",
            "/series/1.2.3.1.1/instances",
            "/studies/1.2.3.1/metadata",
            "/count",
            "/datastore",
        ),
        *(f"/datastore/{STORE}", "/studies/count/count", "/studies/series", "/instances/1.2", "/Studies"),
    ],
)
def test_a_path_of_no_search_is_not_found_and_the_answer_lists_the_paths(path: str) -> None:
    response = get(service(), path)
    assert (response.status, "/studies/{study}/series" in message(response)) == (404, True)


@pytest.mark.parametrize(
    "path", ["/studies/1.2*/series", "/studies//series", "/studies/1,2/series", "/studies/%20/series"]
)
def test_a_uid_in_a_path_is_one_whole_uid(path: str) -> None:
    assert get(service(), path).status == 400


@pytest.mark.parametrize("store", ["x", "A" * 32, "a" * 31, STORE + "0"])
def test_a_data_store_has_an_id_of_its_form(store: str) -> None:
    assert get(service(), f"/datastore/{store}/studies").status == 400


def test_a_data_store_that_the_index_does_not_have_is_not_found_instead_of_empty() -> None:
    response = get(service(), f"/datastore/{'9' * 32}/studies")
    assert (response.status, message(response)) == (404, "There is no such data store in this index.")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "get", ""])
def test_another_method_is_not_allowed_and_the_answer_says_which_are(method: str) -> None:
    response = service().answer(request("/studies", method=method))
    assert (response.status, response.headers["Allow"]) == (405, ALLOWED)


def test_a_search_with_a_body_is_refused() -> None:
    assert service().answer(Request("GET", "/studies", has_body=True)).status == 400


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (" ", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/*", "application/dicom+json"),
        ("application/dicom+json; transfer-syntax=*", "application/dicom+json"),
        ('text/html, application/dicom+json;q=0.1;x="a,b;c"', "application/dicom+json"),
        ("APPLICATION/DICOM+JSON", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/dicom+json;q=0, application/json", "application/json"),
        ("*/*, application/dicom+json;q=0", "application/json"),
        ("application/json;q=0.5, application/dicom+json", "application/dicom+json"),
        (",,;;", "application/dicom+json"),
        ("application/dicom+xml", None),
        ('multipart/related; type="application/dicom+xml"', None),
        ("text/*", None),
        ("*/*;q=0", None),
        ("application/dicom+json;q=0.000", None),
        ("application/dicom+json;Q=0, text/html", None),
        ("image/*, application/dicom", None),
    ],
)
def test_the_answer_is_of_a_media_type_that_is_accepted(accept: str, media_type: str | None) -> None:
    for address, header in (("/studies?limit=1", accept), (f"/studies?limit=1&accept={quote(accept)}", "*/*")):
        response = get(service(), address, header)
        assert response.status == (200 if media_type else 406)
        if media_type:
            assert response.headers["Content-Type"] == media_type
    assert service().answer(Request("GET", "/studies")).status == 200


def test_a_browser_may_read_answers_on_pages_of_allowed_origins_alone() -> None:
    allowing = service(origins=("https://viewer.example",))
    for method, status in (("GET", 200), ("OPTIONS", 204)):
        asked = {"origin": "https://viewer.example", "access_control_request_method": "GET"}
        response = allowing.answer(request("/studies?limit=1", method=method, **asked))
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (status, "https://viewer.example")
        assert response.headers["Vary"] == "Origin"
        assert "Warning" in response.headers["Access-Control-Expose-Headers"]
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    for service_, origin in (
        (allowing, "https://other.example"),
        (allowing, ""),
        (service(), "https://viewer.example"),
    ):
        for method in ("GET", "OPTIONS"):
            response = service_.answer(request("/studies?limit=1", method=method, origin=origin))
            assert response.status in (200, 204)
            assert not any(name.startswith("Access-Control") for name in response.headers)
    refused = allowing.answer(request("/studies?limit=0", origin="https://viewer.example"))
    assert (refused.status, "Access-Control-Allow-Origin" in refused.headers) == (400, True)


def test_options_are_those_of_a_path_that_there_is() -> None:
    assert service().answer(request("/studies", method="OPTIONS")).headers["Allow"] == ALLOWED
    assert service().answer(request("/studie", method="OPTIONS")).status == 404


@pytest.mark.parametrize(
    "query",
    [
        *(
            "limit=0",
            "limit=00",
            "limit=-1",
            "limit=ten",
            "limit=1.5",
            "limit=%2B5",
            "limit=٣",
            "limit=1e3",
            "limit=1&limit=1",
        ),
        *("offset=-1", "offset=x", "offset=1&offset=2", "fuzzymatching=yes", "allcopies=1", "fuzzymatching=a,b"),
        *("fuzzymatching=true&fuzzymatching=true", "emptyvaluematching=maybe", "orderby=Modality", "=x"),
        *("orderby=StudyDate,PatientName", "orderby=StudyDate,-StudyTime", "limit=1&LIMIT=2"),
    ],
)
def test_an_invalid_parameter_of_the_answer_is_refused(query: str) -> None:
    assert get(service(), f"/studies?{query}").status == 400


@pytest.mark.parametrize(
    "query",
    [
        *(
            "limit=",
            "offset=",
            "fuzzymatching=",
            "allcopies=",
            "orderby=",
            "includefield=",
            "&",
            "&&&",
            "",
            "=",
            "PatientID",
        ),
        *(
            "limit=9999999999999999999999",
            f"limit={'9' * 5_000}",
            "includeField=all",
            "limit= 100 ",
            "FUZZYMATCHING=TRUE",
        ),
        *(
            "includefield=,,,",
            "includefield=what,ever,00990099,(0008,0020),PatientName.PatientID",
            "includefield=RetrieveURL",
        ),
        *("limit=&limit=100", "charset=utf-8", "orderby=-StudyDate,-StudyTime", "SpecificCharacterSet=ISO_IR%20192"),
        *("PatientComments=", "NumberOfStudyRelatedSeries=", "RetrieveURL=", "RequestAttributesSequence=", "what="),
        *(
            "TimezoneOffsetFromUTC=",
            "SpecificCharacterSet=",
            "00081190=",
            "ModalitiesInStudy=",
            "StudyDate=*",
            "PatientName=**",
        ),
    ],
)
def test_what_says_nothing_leaves_the_answer_as_it_is(query: str) -> None:
    plain, more = (objects(get(service(), f"/studies?{each}")) for each in ("", query))
    assert values(plain, "0020000D", "00991001") == values(more, "0020000D", "00991001")


def test_as_many_objects_are_in_an_answer_as_the_limit_says_and_further_ones_behind_the_offset() -> None:
    everything = values(objects(get(service(), "/studies")), "0020000D", "00991001")
    assert len(everything) == 50
    for limit, offset in ((1, 0), (7, 3), (50, 0), (50, 49), (3, 50), (1_000, 10_000)):
        some = values(objects(get(service(), f"/studies?limit={limit}&offset={offset}")), "0020000D", "00991001")
        assert some == everything[offset : offset + limit]


def test_an_offset_too_far_is_refused_with_another_way() -> None:
    response = get(service(), "/studies?offset=10001")
    assert response.status == 413
    assert "ranges of StudyDate" in message(response)
    assert get(service(), f"/studies?offset={'9' * 100}").status == 413


def test_a_query_that_is_too_long_is_refused() -> None:
    assert get(service(), f"/studies?PatientID={'x' * 20_000}").status == 414
    assert get(service(), f"/studies?{'&' * 2_000}").status == 414
    assert get(service(), f"/studies?includefield={'00080020,' * 900}&limit=1").status == 200


def test_what_is_not_utf_8_is_refused() -> None:
    for asked in (Request("GET", "/studies", (("PatientID", "\udcff"),)), Request("GET", "/studies/\udcff/series")):
        assert service().answer(asked).status == 400


def test_an_empty_answer_has_the_status_of_the_setting() -> None:
    for status in (200, 204):
        response = get(service(empty_status=status), "/studies?PatientID=nobody")
        assert (response.status, response.body) == (status, b"[]" if status == 200 else b"")
        assert ("Content-Type" in response.headers) is (status == 200)


def test_the_answer_says_how_many_there_are_where_it_is_known() -> None:
    def total(query: str) -> Any:
        return get(service(), f"/studies?{query}").headers.get("X-Total-Count")

    assert [total(each) for each in ("", "limit=5", "PatientID=PID1", "offset=10000", "limit=5&offset=48")] == [
        *("50", None, "2", "50", "50")
    ]


def test_read_units_are_in_a_header_if_the_setting_says_so() -> None:
    assert float(get(service(shows_read_units=True), "/studies").headers["X-Read-Units"]) > 0
    assert "X-Read-Units" not in get(service(), "/studies").headers


def test_attributes_that_are_asked_for_are_in_the_answer_by_keyword_tag_or_sequence() -> None:
    for field in ("IssuerOfPatientID", "00100021", "issuerofpatientid", "what,00100021", "all"):
        (row,) = objects(get(service(), f"/studies?PatientName=doe^john^q&includefield={field}"))
        assert row["00100021"]["Value"] == ["CLINIC"], field
    (row,) = objects(get(service(), "/series?SeriesInstanceUID=1.2.3.2.1&includefield=RequestAttributesSequence"))
    assert len(row["00400275"]["Value"]) == 2
    (row,) = objects(get(service(), "/studies?IssuerOfPatientID=CLINIC"))
    assert row["00100021"]["Value"] == ["CLINIC"]
    (row,) = objects(get(service(), "/studies?PatientName=doe^john^q&includefield=FirstIndexedAt"))
    assert "0099100A" in row


@pytest.mark.parametrize(
    ("path", "study", "series"),
    [
        ("/series?StudyInstanceUID=1.2.3.1", True, True),
        ("/studies/1.2.3.1/series", False, True),
        ("/instances?StudyInstanceUID=1.2.3.1", True, True),
        ("/studies/1.2.3.1/instances", True, True),
        ("/studies/1.2.3.1/series/1.2.3.1.1/instances", False, False),
    ],
)
def test_objects_have_the_attributes_of_the_levels_that_the_path_does_not_name(
    path: str, study: bool, series: bool
) -> None:
    for row in objects(get(service(), path)):
        assert ("00100010" in row, "00080060" in row) == (study, series)
