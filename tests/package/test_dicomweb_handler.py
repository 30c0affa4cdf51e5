"""The function behind the DICOMweb API: events as requests, answers as API Gateway wants them, failures unquoted."""

from __future__ import annotations

import importlib
import io
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from imaging_index.qido.http import Request, Response
from imaging_index.table import answers
from proof.harness.pipeline import VARIABLES, context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

SAID = "Doe^John"
ORIGIN = "https://viewer.example.org"
DICOMWEB = {
    "RETRIEVE_ROOT": "https://dicom-medical-imaging.eu-central-1.amazonaws.com",
    "UNKNOWN_KEYS": "refuse",
    "EMPTY_STATUS": "200",
    "READ_UNITS": "off",
    "BUDGET": "20000",
    "ORIGINS": ORIGIN,
}
EVENT: dict[str, Any] = {
    "resource": "/{proxy+}",
    "path": "/studies",
    "httpMethod": "GET",
    "multiValueHeaders": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": {"proxy": "studies"},
    "body": None,
}


class Handler:
    """The handler with a service that a test makes."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.asked, self.log = module, list[Request](), io.StringIO()
        self.response: Response | Exception = Response(200, {"X-Read-Units": "1.5"}, b"[]")
        vars(module)["_service"] = SimpleNamespace(answer=self._answer)
        for handler in module.logger.handlers:
            handler.setStream(self.log)

    def __call__(self, **event: Any) -> Any:
        return self.module.handler(EVENT | event, context())

    def _answer(self, request: Request) -> Response:
        self.asked.append(request)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def start(patch: pytest.MonkeyPatch, **variables: str) -> ModuleType:
    for name, value in (VARIABLES | DICOMWEB | variables).items():
        patch.setenv(name, value)
    for name in ("dicomweb", "environment"):
        sys.modules.pop(f"imaging_index.handlers.{name}", None)
    return importlib.import_module("imaging_index.handlers.dicomweb")


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        yield start(patch)


@pytest.fixture
def handler(module: ModuleType) -> Handler:
    return Handler(module)


def test_the_parameters_keep_all_of_their_values_and_headers_are_one_text_each(handler: Handler) -> None:
    handler(
        multiValueQueryStringParameters={"StudyInstanceUID": ["1.2", "1.3"], "PatientID": [""]},
        multiValueHeaders={"Accept": ["application/dicom+json", "*/*"], "Origin": [ORIGIN]},
    )
    assert handler.asked == [
        Request(
            method="GET",
            path="/studies",
            parameters=(("StudyInstanceUID", "1.2"), ("StudyInstanceUID", "1.3"), ("PatientID", "")),
            headers={"accept": "application/dicom+json, */*", "origin": ORIGIN},
        )
    ]


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (
            {"path": "/imaging/studies/1.2/series", "pathParameters": {"proxy": "studies/1.2/series"}},
            "/studies/1.2/series",
        ),
        ({"pathParameters": {"proxy": "studies/1%2E2"}}, "/studies/1.2"),
        ({"pathParameters": {"proxy": "studies%"}}, "/studies%"),
        ({"pathParameters": None}, "/"),
    ],
    ids=["below a base path", "encoded", "encoded wrongly", "the root"],
)
def test_the_path_is_the_one_below_the_root_of_the_service(handler: Handler, event: dict[str, Any], path: str) -> None:
    handler(**event)
    assert [each.path for each in handler.asked] == [path]


@pytest.mark.parametrize(("body", "has_body"), [(None, False), ("", False), ("{}", True)])
def test_a_body_is_noticed(handler: Handler, body: str | None, has_body: bool) -> None:
    handler(body=body, httpMethod="POST")
    assert [(each.method, each.has_body) for each in handler.asked] == [("POST", has_body)]


def test_the_answer_is_as_api_gateway_wants_it_and_no_cache_may_keep_it(handler: Handler) -> None:
    handler.response = Response(200, {"Content-Type": "application/dicom+json"}, '[{"a":"Ä"}]'.encode())
    assert handler() == {
        "statusCode": 200,
        "headers": {"Cache-Control": "no-store", "Content-Type": "application/dicom+json"},
        "body": '[{"a":"Ä"}]',
        "isBase64Encoded": False,
    }


def test_read_units_are_counted_and_shown_only_if_the_setting_says_so(
    handler: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "X-Read-Units" not in handler()["headers"]
    assert json.loads(capsys.readouterr().out)["ReadUnits"] == [1.5]
    with pytest.MonkeyPatch.context() as patch:
        shown = Handler(start(patch, READ_UNITS="on"))
        assert shown()["headers"]["X-Read-Units"] == "1.5"


@pytest.mark.parametrize(
    ("error", "status", "fault"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException", "Message": SAID}}, "Query"), 503, "Overload"),
        (ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "BatchGetItem"), 503, "Overload"),
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": SAID}}, "Query"), 500, "Configuration"),
        (EndpointConnectionError(endpoint_url=SAID), 500, "Unknown"),
        (ValueError(SAID), 500, "Poison"),
    ],
)
def test_a_failure_is_told_by_its_class_and_quotes_nothing(
    handler: Handler, capsys: pytest.CaptureFixture[str], error: Exception, status: int, fault: str
) -> None:
    handler.response = error
    answer = handler(multiValueHeaders={"Origin": [ORIGIN]}, multiValueQueryStringParameters={"PatientName": [SAID]})
    assert answer["statusCode"] == status
    assert ("Retry-After" in answer["headers"]) == (status == 503)
    # Without it, a page could not see what has happened.
    assert answer["headers"]["Access-Control-Allow-Origin"] == ORIGIN
    assert json.loads(answer["body"]).keys() == {"message"}
    (line,) = handler.log.getvalue().splitlines()
    assert json.loads(line)["fault"] == fault
    for said in (json.dumps(answer), handler.log.getvalue(), capsys.readouterr().out):
        assert SAID not in said


def test_an_answer_that_lambda_cannot_pass_on_is_refused_with_the_way_on(handler: Handler) -> None:
    fits = b'"' * 2_900_000
    handler.response = Response(200, {}, fits)
    assert handler()["statusCode"] == 200
    # In the text that Lambda passes on, each quotation mark is two characters.
    handler.response = Response(200, {}, fits + b'"' * 200_000)
    answer = handler()
    assert answer["statusCode"] == 413
    assert "limit and offset" in answer["body"]


def test_all_data_stores_are_asked_for_once_in_five_minutes(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [["a" * 32], ["a" * 32, "b" * 32]]
    now = 1000.0

    def paginate() -> list[Any]:
        return [{"datastoreSummaries": [{"datastoreId": each}]} for each in listed.pop(0)]

    client = SimpleNamespace(get_paginator=lambda name: {"list_datastores": SimpleNamespace(paginate=paginate)}[name])
    monkeypatch.setattr(module, "_healthimaging", lambda: client)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    datastores = module._Datastores("all")
    assert datastores() == ("a" * 32,)
    now += 299
    assert datastores() == ("a" * 32,)
    now += 1
    assert datastores() == ("a" * 32, "b" * 32)


def test_its_client_parses_answers_fast(module: ModuleType) -> None:
    assert isinstance(module.session.get_component("response_parser_factory"), answers._Factory)


def test_listed_data_stores_are_not_asked_for(module: ModuleType) -> None:
    assert module._Datastores(f"{'a' * 32},{'b' * 32}")() == ("a" * 32, "b" * 32)
