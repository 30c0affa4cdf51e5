"""HTTP requests as the service's model defines them: the operation, its members and their bounds.

The model is botocore's own (`medical-imaging`), from which every AWS client makes its requests.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from local.healthimaging.errors import Invalid, NotFound

# A local folder takes the place of a bucket, so the bounds of these two are checked where they are opened.
_UNBOUND: Final = frozenset({"S3Uri"})


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the operation's name, and the members by boto3's names (blobs as bytes, times in epoch seconds)."""

    operation: str
    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: re.Pattern[str]
    operation: OperationModel


def parse(method: str, path: str, query: str, body: bytes) -> Request:
    """Understand a request.

    Args:
        method: HTTP method.
        path: the path as sent, still percent-encoded.
        query: what follows the question mark.
        body: the whole body.

    Raises:
        NotFound: no operation of the service has this method and path.
        Invalid: a member is missing, not of its type, or out of the model's bounds.
    """
    for route in _routes():
        if route.method == method and (match := route.path.fullmatch(path)):
            members = _members(route.operation.input_shape, match.groupdict(), parse_qs(query), body)
            _check(route.operation.input_shape, members, "")
            return Request(route.operation.name, members)
    raise NotFound("HealthImaging has no operation with this method and path: check the client's endpoint settings.")


@cache
def _routes() -> list[_Route]:
    model = ServiceModel(Loader().load_service_model("medical-imaging", "service-2"), "medical-imaging")
    operations = [model.operation_model(name) for name in model.operation_names]
    return [
        _Route(o.http["method"], re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", o.http["requestUri"])), o)
        for o in operations
    ]


def _members(shape: Any, uri: Mapping[str, str], query: Mapping[str, list[str]], body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except ValueError as error:
        raise Invalid("The body is not JSON.") from error
    if not isinstance(document, dict):
        raise Invalid("The body is not a JSON object.")
    payload = shape.serialization.get("payload")
    members: dict[str, Any] = {}
    for name, member in shape.members.items():
        place, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri":
            members[name] = unquote(uri[wire_name])
        elif place == "querystring" and wire_name in query:
            members[name] = _from_text(member, query[wire_name], name)
        elif name == payload and document:
            members[name] = _from_json(member, document, name)
        elif place is None and payload is None and document.get(wire_name) is not None:
            members[name] = _from_json(member, document[wire_name], name)
    return members


def _from_text(shape: Shape, values: list[str], path: str) -> Any:
    match shape.type_name:
        case "list":
            return values
        case "boolean":
            return values[0] == "true"
        case "integer":
            if not re.fullmatch(r"-?[0-9]{1,10}", values[0]):
                raise Invalid(f"Value at '{path}' is not a whole number.")
            return int(values[0])
    return values[0]


_JSON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "timestamp": (int, float),
}


def _from_json(shape: Shape, value: Any, path: str) -> Any:
    kinds = _JSON_TYPES[shape.type_name]
    # To Python, true is also the number 1.
    if type(value) not in kinds:
        raise Invalid(f"Value at '{path}' is not of type {shape.type_name}.")
    if isinstance(shape, StructureShape):
        return {
            name: _from_json(member, value[name], f"{path}.{name}")
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [_from_json(shape.member, item, f"{path}.{i + 1}.member") for i, item in enumerate(value)]
    if isinstance(shape, MapShape):
        return {name: _from_json(shape.value, item, f"{path}.value") for name, item in value.items()}
    if shape.type_name == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise Invalid(f"Value at '{path}' is not base64.") from error
    return value


def _check(shape: Any, value: Any, path: str) -> None:
    """Check a value against the model's bounds. The message does not contain the value."""
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                raise Invalid(f"Value at '{_join(path, name)}' must not be null.")
        if shape.is_tagged_union and len(value) != 1:
            raise Invalid(f"Value at '{path}' must have exactly one of: {', '.join(shape.members)}.")
        for name, member in value.items():
            _check(shape.members[name], member, _join(path, name))
        return
    if isinstance(shape, ListShape):
        for i, item in enumerate(value):
            _check(shape.member, item, f"{path}.{i + 1}.member")
    if isinstance(shape, MapShape):
        for name, item in value.items():
            _check(shape.key, name, f"{path}.key")
            _check(shape.value, item, f"{path}.value")
    bounds = shape.metadata
    if "enum" in bounds and value not in bounds["enum"]:
        raise Invalid(f"Value at '{path}' must be one of: {', '.join(bounds['enum'])}.")
    size = value if shape.type_name == "integer" else len(value) if hasattr(value, "__len__") else None
    if size is not None and not bounds.get("min", size) <= size <= bounds.get("max", size):
        raise Invalid(f"Value at '{path}' must be between {bounds.get('min', 0)} and {bounds.get('max')}.")
    pattern = _pattern(bounds.get("pattern")) if isinstance(value, str) and shape.name not in _UNBOUND else None
    if pattern and not pattern.fullmatch(value):
        raise Invalid(f"Value at '{path}' must satisfy the pattern {pattern.pattern}.")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _pattern(pattern: str | None) -> re.Pattern[str] | None:
    """A pattern of the model. They are Java's: the one form that Python lacks (`\\p{ASCII}`) is that of page tokens."""
    return re.compile(pattern) if pattern and r"\p{" not in pattern else None
