"""The function behind the DICOMweb API: a request of API Gateway in, the answer of the service out.

Neither its log nor its metrics have anything of a request or of an answer: values of patients are in both.
"""

from __future__ import annotations

import functools
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from imaging_index.aws_errors import classify
from imaging_index.faults import Overload
from imaging_index.handlers import started
from imaging_index.handlers.environment import client, session, variables
from imaging_index.profile import toml_file
from imaging_index.profile.privacy import Policy, Privacy
from imaging_index.qido import metric_names
from imaging_index.qido.http import Request, Response
from imaging_index.qido.negotiation import for_origin
from imaging_index.qido.refusal import Refusal
from imaging_index.qido.service import Options, Service
from imaging_index.table import answers
from imaging_index.table.reading import TableReader

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imaging_index.faults import Fault

# A data store that was made meanwhile is searched after this many seconds.
_DATASTORES_SECONDS: Final = 300
# AWS Lambda Developer Guide, "Lambda quotas": the answer of an invocation, 6 MB, less what is around its body.
_LARGEST: Final = 6_000_000
# A body of so many bytes fits whatever they are: as a JSON text, none becomes more than six characters.
_SURELY_FITS: Final = _LARGEST // 6
_READ_UNITS: Final = "X-Read-Units"

logger: Final = Logger()
metrics: Final = Metrics()


class _Variables(msgspec.Struct, frozen=True, rename=str.upper):
    """The function's environment variables. `datastores` are ids, and `origins` addresses, with commas between them."""

    table_name: str
    datastores: str
    profile: str
    retrieve_root: str
    unknown_keys: str
    empty_status: str
    read_units: str
    budget: str
    origins: str = ""
    token_secret: str = ""


_variables: Final = variables(_Variables)
_profile: Final = toml_file.load(Path(__file__).parents[2] / _variables.profile, checked=True)
answers.register(session)


class _Datastores:
    """Returns the data stores to search: those of the setting, or all of the account and region."""

    def __init__(self, setting: str) -> None:
        self._ids = () if setting == "all" else tuple(setting.split(","))
        self._until = 0.0 if setting == "all" else float("inf")

    def __call__(self) -> tuple[str, ...]:
        if time.monotonic() >= self._until:
            pages = _healthimaging().get_paginator("list_datastores").paginate()
            self._ids = tuple(each["datastoreId"] for page in pages for each in page["datastoreSummaries"])
            self._until = time.monotonic() + _DATASTORES_SECONDS
        return self._ids


@functools.cache
def _healthimaging() -> Any:
    return client("medical-imaging")


@functools.cache
def _privacy() -> Privacy:
    """Makes tokens. Its key is asked for by the first question that needs one."""
    found = client("secretsmanager").get_secret_value(SecretId=_variables.token_secret)
    secret: str = found["SecretString"]
    return Privacy(secret.encode())


def _token(value: str) -> str:
    token: str = _privacy().apply(Policy.HASH, value)
    return token


_options: Final = Options(
    retrieve_root=_variables.retrieve_root,
    ignores_unknown_keys=_variables.unknown_keys == "ignore",
    empty_status=int(_variables.empty_status),
    shows_read_units=True,  # for the metric
    budget=int(_variables.budget),
    origins=tuple(filter(None, _variables.origins.split(","))),
)
_service: Final = Service(
    TableReader(client("dynamodb"), _variables.table_name),
    _profile,
    _Datastores(_variables.datastores),
    _options,
    _token if _profile.hashes else None,
)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  the logger's
    """Answer one request of a REST API (API Gateway Developer Guide, "Lambda proxy integrations": format 1.0)."""
    request = _request(event)
    try:
        response = _service.answer(request)
    except Exception as error:  # its text could quote the request
        fault = classify(error)
        logger.warning("failed", extra={"fault": fault.name, "reason": fault.reason})
        response = for_origin(request, _failure(fault), _options.origins)
    if not _fits(response):
        response = for_origin(request, _too_large(), _options.origins)
    units = float(response.headers.get(_READ_UNITS, 0))
    metrics.add_metric(name=metric_names.READ_UNITS, unit=MetricUnit.Count, value=units)
    return _proxy_response(response)


def _request(event: dict[str, Any]) -> Request:
    # The path of the proxy resource: it has neither the stage nor the base path of a domain of the operator's own.
    path = (event.get("pathParameters") or {}).get("proxy") or ""
    queried = event.get("multiValueQueryStringParameters") or {}
    headers = event.get("multiValueHeaders") or {}
    return Request(
        method=event["httpMethod"],
        path=f"/{unquote(path)}",
        parameters=tuple((name, value) for name, values in queried.items() for value in values),
        headers={name.lower(): ", ".join(values) for name, values in headers.items()},
        has_body=bool(event.get("body")),
    )


def _failure(fault: Fault) -> Response:
    if isinstance(fault, Overload):
        sentence = "The index is busy. Ask again in a second."
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": "1"}).response
    sentence = "The search failed. The log of its function has the class of the error."
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, sentence).response


def _fits(response: Response) -> bool:
    # Nearly always the size alone says so.
    return len(response.body) < _SURELY_FITS or len(json.dumps(response.body.decode())) < _LARGEST


def _too_large() -> Response:
    sentence = "The answer is larger than AWS passes on. Ask for fewer rows with limit and offset, or fewer attributes."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence).response


def _proxy_response(response: Response) -> dict[str, Any]:
    hidden = () if _variables.read_units == "on" else (_READ_UNITS,)
    headers = {name: value for name, value in response.headers.items() if name not in hidden}
    return {
        "statusCode": int(response.status),
        "headers": {"Cache-Control": "no-store", **headers},
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }


started()
