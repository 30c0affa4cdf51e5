"""Parses AWS's JSON answers by msgspec, a tenth of the CPU that botocore's parser takes for a page of entries.

Only the bodies of successful answers are parsed here, into what botocore's own parser would make of them. Errors, and
whatever an operation's description does not lead to expect, go to that parser. Requests, retries and the check of
DynamoDB's checksum are as they were: they come before or after a parser.
"""

from __future__ import annotations

import contextlib
import gc
import http
from typing import TYPE_CHECKING, Any, Final, TypedDict
from weakref import WeakKeyDictionary

import msgspec
from botocore.parsers import JSONParser, ResponseParserFactory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape
    from botocore.session import Session

    # What msgspec decodes a shape into.
    Type = Any

# None of them allows null, which botocore leaves out of a structure: its parser gets an answer that has one.
_SCALARS: Final[Mapping[str, Type]] = {
    "string": str,
    "character": str,
    "blob": bytes,
    "boolean": bool,
    "integer": int,
    "long": int,
    # A whole number remains one.
    "float": int | float,
    "double": int | float,
}

# Any, for mypy knows only types that are written in the source.
_make_typed_dict: Final[Any] = TypedDict


def register(session: Session) -> None:
    """Have the clients that a session makes from now on parse answers in this way."""
    session.register_component("response_parser_factory", _Factory())


class _Factory(ResponseParserFactory):
    """botocore's factory, but for the protocol of DynamoDB."""

    def __init__(self) -> None:
        super().__init__()
        self._parser = _Parser()

    def create_parser(self, protocol_name: str) -> Any:
        """A parser; botocore asks for one for each answer."""
        return self._parser if protocol_name == "json" else super().create_parser(protocol_name)


class _Unexpected(Exception):  # noqa: N818
    """msgspec has no type for a shape."""


class _Parser(JSONParser):
    """botocore's parser, but for successful answers. Any number of threads may use it."""

    def __init__(self) -> None:
        super().__init__()
        # By a shape itself, since two services may have shapes of one name, and for as long as a client has it.
        self._decoders: WeakKeyDictionary[Shape, msgspec.json.Decoder[Any] | None] = WeakKeyDictionary()

    def parse(self, response: Any, shape: Any) -> Any:
        """The answer's members as `shape` describes them, with the metadata that its headers hold."""
        if response["status_code"] == http.HTTPStatus.OK and shape is not None and (decoder := self._decoder(shape)):
            try:
                with _without_garbage():
                    members = decoder.decode(response["body"])
            except msgspec.MsgspecError:
                pass
            else:
                # An answer without a body has no members, and all metadata.
                return members | super().parse({**response, "body": b""}, shape)
        return super().parse(response, shape)

    def _decoder(self, shape: Shape) -> msgspec.json.Decoder[Any] | None:
        try:
            return self._decoders[shape]
        except KeyError:
            try:
                decoder = msgspec.json.Decoder(_type(shape, {}))
            except _Unexpected:
                decoder = None
            self._decoders[shape] = decoder
            return decoder


@contextlib.contextmanager
def _without_garbage() -> Iterator[None]:
    """Has Python look for no garbage meanwhile: it would look a hundred times through the objects of a page."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _type(shape: Any, structures: dict[str, Type]) -> Type:
    """The type of a shape; `structures` are those of the shapes around it, by name, for it may be one of them again.

    Raises:
        _Unexpected: botocore makes of the shape what msgspec cannot, such as a point in time.
    """
    match shape.type_name:
        case "structure":
            return structures.get(shape.name) or _structure(shape, structures)
        case "list":
            return list[_type(shape.member, structures)]  # type: ignore[misc]
        case "map":
            return dict[_type(shape.key, structures), _type(shape.value, structures)]  # type: ignore[misc]
        case scalar if scalar in _SCALARS:
            return _SCALARS[scalar]
    raise _Unexpected


def _structure(shape: Any, structures: dict[str, Type]) -> Type:
    if shape.is_document_type or shape.is_tagged_union or shape.event_stream_name:
        raise _Unexpected
    # Members that are not known are passed over, as botocore does. The type is filled after it is made: a DynamoDB
    # value may be a list of values.
    made = structures[shape.name] = _make_typed_dict(shape.name, {}, total=False)
    for name, member in shape.members.items():
        if member.serialization.get("name", name) != name:
            raise _Unexpected
        made.__annotations__[name] = _type(member, structures)
    return made
