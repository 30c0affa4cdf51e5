"""Parses AWS's JSON answers by msgspec, a tenth of the CPU that botocore's parser takes for a page of entries.

Only the bodies of successful answers are parsed here, into what botocore's own parser would make of them. Errors, and
whatever an operation's description does not lead to expect, go to that parser. Requests, retries and the check of
DynamoDB's checksum are as they were: they come before or after a parser.
"""

from __future__ import annotations

import http
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict
from weakref import WeakKeyDictionary

import msgspec
from botocore.parsers import JSONParser, ResponseParserFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.model import Shape
    from botocore.session import Session

    # What msgspec decodes a shape into.
    Type = Any
    # A part of an answer's body -> what it is parsed as.
    Decode = Callable[[bytes], Any]

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


def lines(items: Sequence[Any]) -> bytes:
    """The items of an answer as JSON, each on a line; those that were parsed here are as they came."""
    if isinstance(items, _Items):
        # Between the parts of JSON, a line break is a blank like others.
        return b"\n".join(bytes(text).replace(b"\n", b" ") for text in items.texts)
    return msgspec.json.Encoder().encode_lines(items)


class _Items(Sequence[Any]):
    """The items of a page. Each is decoded when it is asked for, and anew each time.

    All at once they take nine times the memory of their text, more than a processor's cache has, and twice the time.
    """

    def __init__(self, texts: Sequence[msgspec.Raw], decoder: msgspec.json.Decoder[Any], other: Decode) -> None:
        """Take the items' texts, how one is decoded, and how it is if that fails."""
        self.texts, self._decoder, self._other = texts, decoder, other

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [*map(self._decoded, self.texts[index])]
        return self._decoded(self.texts[index])

    def __iter__(self) -> Iterator[Any]:
        return map(self._decoded, self.texts)

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, list | _Items) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"<{len(self)} items>"

    def _decoded(self, text: msgspec.Raw) -> Any:
        try:
            return self._decoder.decode(text)
        except msgspec.MsgspecError:
            return self._other(bytes(text))


class _Decoders(NamedTuple):
    """The decoder of an operation's answer, and those of the items of its lists, by the lists' names."""

    answer: msgspec.json.Decoder[Any]
    items: dict[str, msgspec.json.Decoder[Any]]


class _Parser(JSONParser):
    """botocore's parser, but for successful answers. Any number of threads may use it."""

    def __init__(self) -> None:
        super().__init__()
        # By a shape itself, since two services may have shapes of one name, and for as long as a client has it.
        self._decoders: WeakKeyDictionary[Shape, _Decoders | None] = WeakKeyDictionary()

    def parse(self, response: Any, shape: Any) -> Any:
        """The answer's members as `shape` describes them, with the metadata that its headers hold."""
        if response["status_code"] == http.HTTPStatus.OK and shape is not None and (decoders := self._found(shape)):
            try:
                members = decoders.answer.decode(response["body"])
            except msgspec.MsgspecError:
                return super().parse(response, shape)
            for name in decoders.items.keys() & members.keys():
                members[name] = _Items(members[name], decoders.items[name], self._by_botocore(response, shape, name))
            # An answer without a body has no members, and all metadata.
            return members | super().parse({**response, "body": b""}, shape)
        return super().parse(response, shape)

    def _by_botocore(self, response: Any, shape: Any, name: str) -> Decode:
        """How botocore would parse an item of a list."""
        parse = super().parse

        def decode(text: bytes) -> Any:
            body = b'{"%s":[%s]}' % (name.encode(), text)
            return parse({**response, "body": body}, shape)[name][0]

        return decode

    def _found(self, shape: Shape) -> _Decoders | None:
        try:
            return self._decoders[shape]
        except KeyError:
            try:
                decoders = _decoders(shape)
            except _Unexpected:
                decoders = None
            self._decoders[shape] = decoders
            return decoders


def _decoders(shape: Any) -> _Decoders:
    whole = _structure(shape, {})
    members = whole.__annotations__
    items = {}
    for name, member in shape.members.items():
        if member.type_name == "list" and member.member.type_name == "map":
            items[name] = msgspec.json.Decoder(_type(member.member, {}))
            members[name] = list[msgspec.Raw]
    return _Decoders(msgspec.json.Decoder(whole), items)


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
