"""Whatever is sent is answered by a known status, and no refusal has a value of the query."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from imaging_index.qido.http import Request
from tests.qido.hospital import service
from tests.qido.stored import STORE

STATUSES = {200, 204, 400, 404, 405, 406, 413, 414}
# A part of each value that no sentence has.
MARK = "Zq7ß"

ANSWERING = service(budget=200)
IGNORING = service(budget=200, ignores_unknown_keys=True, empty_status=204, origins=("*",))

_part = st.sampled_from(
    ["studies", "series", "instances", "count", "datastore", STORE, "1.2.3.1", "1.2.3.1.1", "", "..", "%", "a" * 300]
)
_path = st.lists(_part | st.text(max_size=5), max_size=7).map(lambda parts: "/" + "/".join(parts)) | st.sampled_from(
    ["/studies", "/series", "/instances", "/studies/1.2.3.1/series", "/studies/1.2.3.1/instances", "/studies/1.2.3.1"]
)
_key = (
    st.sampled_from(
        [
            *(
                "PatientName",
                "PatientID",
                "StudyDate",
                "StudyTime",
                "ModalitiesInStudy",
                "Modality",
                "StudyInstanceUID",
            ),
            *("SeriesNumber", "SOPInstanceUID", "InstanceNumber", "00100010", "00080020", "00400275.00400009", "Rows"),
            *("RequestAttributesSequence", "PersonName", "PatientAge", "ImageType", "AcquisitionDate", "PixelSpacing"),
            *(
                "limit",
                "offset",
                "includefield",
                "fuzzymatching",
                "emptyvaluematching",
                "multiplevaluematching",
                "tree",
            ),
            *("orderby", "allcopies", "accept", "charset", "SpecificCharacterSet", "TimezoneOffsetFromUTC", "", "."),
            *("IsPrimary", "FirstIndexedAt", "InstanceCount", "Generation", "DatastoreId", "ImageSet", "StudyMoment"),
            *("PatientNameKey", "MissingIn", "BValue", "ReferencedSeries", "AnatomicRegionSequence.CodeMeaning"),
        ]
    )
    | st.text(max_size=8)
    | st.lists(st.sampled_from(["00100010", "PatientID", "", "00080018", "x"]), max_size=4).map(".".join)
)
_known = st.sampled_from(
    [
        *(
            "",
            "*",
            "**",
            "?",
            '""',
            "true",
            "1",
            "0",
            "100",
            "-1",
            "20240101-20240131",
            "-20240131",
            "20240131-",
            "-",
            "--",
        ),
        *(
            "2230",
            "0800-0700",
            "1.2.3.1,1.2.3.2",
            "1.2.3.1\\1.2.3.2",
            "\\",
            ",",
            "~",
            "~x",
            "=",
            "^",
            "=^=",
            "..",
            "1..2",
        ),
        *("20240131120000+0100", "2024-0500", "1e400", "NaN", "[", "[!a]*", "*a" * 40, "?" * 500, "\0", "\ud800", "٣"),
        *(
            "all",
            "RetrieveURL",
            "-StudyDate",
            "today",
            "045Y",
            "9" * 400,
            "CT,MR",
            "@/etc/passwd",
            "${x}",
            "' OR 1=1 --",
        ),
    ]
)
_value = (
    _known | st.text(max_size=20).map(lambda text: MARK + text) | st.text(max_size=20).map(lambda text: text + MARK)
)
_headers = st.dictionaries(
    st.sampled_from(["accept", "origin", "access-control-request-method", "content-type", "x"]),
    st.sampled_from(["*/*", "application/dicom+json", ";;;", '"', ",", "a/b;q=x", "*/*;q=", "null"])
    | st.text(max_size=10),
    max_size=3,
)
_request = st.builds(
    Request,
    method=st.sampled_from(["GET"] * 8 + ["OPTIONS", "POST", "", "\0"]),
    path=_path,
    parameters=st.lists(st.tuples(_key, _value), max_size=6).map(tuple),
    headers=_headers,
    has_body=st.sampled_from([False] * 9 + [True]),
)


@given(_request, st.booleans())
@example(Request("GET", "/studies", (("PatientID", "\ud800"),)), False)
@example(Request("GET", "/studies", (("StudyDate", "20240101-20240131"), ("StudyTime", "2300-0100"))), False)
@example(Request("GET", "/instances", (("ImageType", "\\"), ("Rows", "*"))), False)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_request_is_answered_by_a_known_status_and_no_refusal_repeats_a_value(
    asked: Request, ignores: bool
) -> None:
    response = (IGNORING if ignores else ANSWERING).answer(asked)
    assert response.status in STATUSES
    if response.status >= 400:
        assert MARK not in response.body.decode()
        assert json.loads(response.body)["message"]
    elif response.body:
        json.loads(response.body)
    for name, value in response.headers.items():
        assert (name + value).isascii()
        assert MARK not in value
        assert not {*"\r\n"} & {*value}


def test_eight_kilobytes_of_a_query_are_answered() -> None:
    keys: list[Any] = [
        [("PatientName", "*a" * 64)],
        [("StudyInstanceUID", ",".join(["1.2.3"] * 1_300))],
        [("StudyInstanceUID", "1.2") for _ in range(900)],
        [("includefield", f"{number:08X}") for number in range(500)],
        [(f"x{number}", "1") for number in range(900)],
        [(f"x{number}", "1") for number in range(99)],
        [("PatientName." * 600, "1")],
        [("PatientID", "?" * 8_000)],
        [("StudyDate", "2" * 8_000)],
        [("SeriesNumber", "9" * 8_000)],
        [("ModalitiesInStudy", "," * 8_000)],
        [("accept", '"' * 8_000)],
        [("orderby", "-" * 8_000)],
        [("limit", "9" * 8_000)],
    ]
    for parameters in keys:
        for answering in (ANSWERING, IGNORING):
            response = answering.answer(Request("GET", "/studies", tuple(parameters)))
            assert response.status in STATUSES, parameters[0][0][:20]
