"""The ASGI application: HealthImaging's REST API, and its own settings and statistics."""

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from local.healthimaging import copying, data_stores, image_sets, import_jobs, tagging, updating, wire
from local.healthimaging.dicomweb import request as dicomweb
from local.healthimaging.dicomweb import retrieve, search
from local.healthimaging.errors import Invalid, NotFound, ServiceError, Throttled
from local.healthimaging.events import Bus, Emit
from local.healthimaging.service import Answer, Call, ReadS3, Service, WriteS3
from local.healthimaging.settings import Settings
from local.healthimaging.throttling import Throttle

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# (access key id, region, request) -> the account that the caller acts for.
Authorize = Callable[[str, str, wire.Request], str]

PREFIX: Final = "/_healthimaging/"

_OPERATIONS: Final[dict[str, Callable[[Call], Awaitable[dict[str, Any] | Answer]]]] = {
    "CreateDatastore": data_stores.create_datastore,
    "GetDatastore": data_stores.get_datastore,
    "ListDatastores": data_stores.list_datastores,
    "DeleteDatastore": data_stores.delete_datastore,
    "StartDICOMImportJob": import_jobs.start_dicom_import_job,
    "GetDICOMImportJob": import_jobs.get_dicom_import_job,
    "ListDICOMImportJobs": import_jobs.list_dicom_import_jobs,
    "GetImageSet": image_sets.get_image_set,
    "GetImageSetMetadata": image_sets.get_image_set_metadata,
    "ListImageSetVersions": image_sets.list_image_set_versions,
    "SearchImageSets": image_sets.search_image_sets,
    "DeleteImageSet": image_sets.delete_image_set,
    "UpdateImageSetMetadata": updating.update_image_set_metadata,
    "CopyImageSet": copying.copy_image_set,
    "TagResource": tagging.tag_resource,
    "UntagResource": tagging.untag_resource,
    "ListTagsForResource": tagging.list_tags_for_resource,
    "GetImageFrame": retrieve.get_image_frame,
    "GetDICOMSeriesMetadata": retrieve.series_metadata,
    "GetDICOMInstanceMetadata": retrieve.instance_metadata,
    "GetDICOMInstance": retrieve.instance_file,
    "GetDICOMInstanceFrames": retrieve.instance_frames,
    "SearchDICOMSeries": search.search_series,
    "SearchDICOMInstances": search.search_instances,
}

# SigV4's Authorization header: Credential=<access key id>/<date>/<region>/<service>/aws4_request.
_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/[0-9]+/([a-z0-9-]+)/")
_PIECE: Final = 64 * 1024


class HealthImaging:
    """AWS HealthImaging on this machine, as an ASGI 3 application.

    Signatures are not checked. Everything is kept in memory.

    Args:
        emit: called on the event loop with (account, complete EventBridge event) of each event; must not block.
        read_s3: (account, `s3://bucket/prefix/`) -> (key, content) of each object, for imports from S3; called in a
            thread.
        write_s3: (account, `s3://bucket/key`, content), for the output of imports to S3; called in a thread.
        settings: the settings at the start.
        authorize: returns the caller's account, or raises `AccessDenied`. Without it everybody may do everything: an
            access key id of 12 digits is the account, and any other belongs to account 000000000000.
    """

    def __init__(
        self,
        emit: Emit,
        read_s3: ReadS3 | None = None,
        write_s3: WriteS3 | None = None,
        settings: Settings | None = None,
        authorize: Authorize | None = None,
    ) -> None:
        settings = settings or Settings()
        self._service = Service(Bus(emit, settings), settings, read_s3, write_s3)
        self._throttle = Throttle()
        self._authorize = authorize or _everybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def stop(self) -> None:
        """End all work in progress. The server's shutdown does the same."""
        await self._service.stop()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                await self.stop()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        # The path as it was sent: an ARN in it has its slashes encoded.
        path = (scope.get("raw_path") or scope["path"].encode()).split(b"?")[0].decode("latin-1")
        try:
            if path.startswith(PREFIX):
                answer: dict[str, Any] | Answer = self._own(scope["method"], path.removeprefix(PREFIX), body)
            else:
                query = scope["query_string"].decode("latin-1")
                accept = _header(scope, b"accept")
                request = dicomweb.parse(scope["method"], path, query, accept) or wire.parse(
                    scope["method"], path, query, body
                )
                key, region = _caller(scope)
                answer = await self._operate(request, self._authorize(key, region, request), region)
        except ServiceError as error:
            await _send(send, error.status, {"message": str(error)}, {"x-amzn-ErrorType": error.code})
            return
        if isinstance(answer, Answer):
            await _send_bytes(send, answer)
        else:
            await _send(send, 200, answer, {})

    async def _operate(self, request: wire.Request, account: str, region: str) -> dict[str, Any] | Answer:
        service, name = self._service, request.operation
        service.calls[account][name] += 1
        if service.settings.throttles:
            try:
                self._throttle.take(account, name)
            except Throttled:
                service.throttled[account][name] += 1
                raise
        return await _OPERATIONS[name](Call(service, service.account(account), region, request.members))

    def _own(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """The settings or statistics of the whole service; the statistics are also counted by account."""
        service = self._service
        if (method, path) == ("GET", "statistics"):
            parts = {"events": service.bus.emitted, "calls": service.calls, "throttled": service.throttled}
            return {
                **{name: sum(part.values(), Counter()) for name, part in parts.items()},
                "accounts": {
                    account: {name: part[account] for name, part in parts.items()} for account in service.accounts
                },
            }
        if path != "settings" or method not in ("GET", "PUT"):
            raise NotFound(f"{PREFIX} has GET and PUT of settings, and GET of statistics.")
        if method == "PUT":
            try:
                service.configure(service.settings.changed(msgspec.json.decode(body, type=dict[str, Any])))
            except msgspec.MsgspecError as error:
                raise Invalid(str(error)) from error
        settings: dict[str, Any] = msgspec.to_builtins(service.settings)
        return settings


def _caller(scope: Scope) -> tuple[str, str]:
    match = _CREDENTIAL.search(_header(scope, b"authorization"))
    key, region = match.groups() if match else ("", "us-east-1")
    return key, region


def _header(scope: Scope, name: bytes) -> str:
    """A header, whose name is in lower case; "" without it."""
    return str(dict(scope["headers"]).get(name, b"").decode("latin-1"))


def _everybody(access_key_id: str, _region: str, _request: wire.Request) -> str:
    return access_key_id if re.fullmatch("[0-9]{12}", access_key_id) else "000000000000"


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
    body = json.dumps(_without_nulls(answer)).encode()
    await _start(send, status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers})
    await send({"type": "http.response.body", "body": body})


async def _send_bytes(send: Send, answer: Answer) -> None:
    body, encoding = answer.body, answer.content_encoding
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(body))}
    await _start(send, 200, headers | ({"Content-Encoding": encoding} if encoding else {}))
    for start in range(0, len(body) or 1, _PIECE):
        piece = body[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": start + _PIECE < len(body)})


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


def _without_nulls(value: Any) -> Any:
    """The answer as the service gives it, without members that have no value."""
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
