"""A cursor over JSON text that comes in blocks: what is not asked for is skipped, and only a few blocks are held.

msgspec decodes, and knows no streams. But where a value is followed by something else, its error tells at which byte:
that is where the value ends. With it, `members`, `value` and `skip` walk through objects of any size.

Most of a document are the members of a few long maps and lists, which `runs` decodes by the thousand: of each block it
takes what stands before the last place that looks like a border of members, puts brackets around it, and has it decoded
in one call. That proves the border. Text in brackets decodes as one map only when it is whole members of it, since

- a border inside a member, or inside a text, leaves brackets or quotes open, which does not decode;
- behind the map's end only something else could follow, and then the error tells where the map ended.

So a wrong guess costs time only: the members of that block are taken one by one.
"""

import re
from collections.abc import Callable, Generator, Iterator
from typing import Final, Generic, TypeVar

import msgspec

from imaging_index.errors import Poison

# A value that does not end within so many bytes is looked into instead of being held.
LARGE: Final = 2**18
_LONGEST_KEY: Final = 2**20
# Only what is larger than LARGE is looked into: no document has levels of that size by the dozen.
_DEEPEST: Final = 64

_BLANKS: Final = re.compile(rb"[ \t\n\r]*+")
_KEY: Final = re.compile(rb'[ \t\n\r]*+"((?:[^"\\\x00-\x1f]|\\.)*+)"[ \t\n\r]*+:')
_TRAILING: Final = re.compile(r"trailing characters \(byte (\d+)\)")
_MALFORMED: Final = re.compile(r"\(byte (\d+)\)")
# An error as near as this to the end of the text may be the end's fault: half a number, half a word.
_NEAR: Final = 16

# A text, whole or cut off, and what some encoders write where JSON has no number.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:(")|\\?\Z)|-?Infinity|NaN', re.DOTALL)
_ESCAPED: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
_REPLACEMENT: Final = rb"\ufffd"
# What no parser of a VR takes: the value is left out, and named.
UNUSABLE: Final = b"false"

_any: Final = msgspec.json.Decoder(msgspec.Raw)
_text: Final = msgspec.json.Decoder(str)

_Members = TypeVar("_Members")


class Long(msgspec.Struct, Generic[_Members]):
    """A kind of long map or list.

    `decoder` decodes a run of members in `brackets`; `border` finds the last comma in a block that looks like one
    between members, or -1.
    """

    brackets: bytes
    decoder: "msgspec.json.Decoder[_Members]"
    border: Callable[[bytes], int]


class JsonCursor:
    """Reads one JSON text from its front. Every method raises `Poison` where it is no JSON, or ends too early.

    What other readers let through and DynamoDB has no place for (half a surrogate pair, `NaN`, `Infinity`) becomes a
    value of a type that no VR has; `mended` says that there was one.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._text = b""
        self._at = 0
        self.mended = False

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next. Whoever gets one reads its value before the next.

        Raises:
            Poison: a key comes twice; that the last one stands would be known too late.
        """
        self._take(b"{")
        if self.peek() == b"}":
            self._take(b"}")
            return
        seen = set()
        while True:
            key = self._key()
            if key in seen:
                raise Poison("a key comes twice in the document's structure")
            seen.add(key)
            yield key
            if self._take(b",}") == b"}":
                return

    def value(self) -> bytes:
        """The JSON text of the value that comes next, which may be of any size."""
        while (end := self._end()) is None:
            # As much again: the text is then gone through twice at most, whatever the size of a block.
            if not self._more(self._held()):
                raise _no_json()
        return self._up_to(end)

    def null(self) -> bool:
        """Whether null comes next; it is then passed over."""
        if self.peek() != b"n":
            return False
        if self.value().strip() != b"null":
            raise _no_json()
        return True

    def skip(self, depth: int = 0) -> None:
        """Pass over the value that comes next, which may be of any size."""
        first = self.peek()
        while (end := self._end()) is None and self._held() <= LARGE:
            if not self._more(self._held()):
                raise _no_json()
        if end is not None:
            self._at = end
        elif depth == _DEEPEST:
            raise Poison("the document is nested too deeply")
        elif first == b"{":
            for _ in self.members():
                self.skip(depth + 1)
        elif first == b"[":
            self._take(b"[")
            self.skip(depth + 1)
            while self._take(b",]") == b",":
                self.skip(depth + 1)
        else:
            self.value()

    def end(self) -> None:
        """Check that nothing but blanks follows."""
        self._blanks()
        while not self._held():
            if not self._more():
                return
            self._blanks()
        raise _no_json()

    def runs(
        self, kind: Long[_Members], large: Callable[[str], _Members] | None = None
    ) -> Iterator[tuple[_Members, bytes]]:
        """The members of the map or list that comes next, by runs, each with the text that it was.

        Args:
            kind: how they are read.
            large: reads the member of a map whose key it gets, when its value does not end within `LARGE` bytes; no
                text of it is held.
        """
        opening, closing = kind.brackets[:1], kind.brackets[1:]
        self._take(opening)
        if self.peek() == closing:
            self._take(closing)
            return
        while True:
            block = next(self._blocks, b"")
            if (border := kind.border(block)) >= 0:
                # One copy of every byte: a block is joined to what is left of the last one within the run alone.
                run = b"".join((opening, memoryview(self._text)[self._at :], memoryview(block)[:border], closing))
                decoded = _decoded(kind.decoder, run)
                if decoded and decoded[1] == len(run):
                    self._text, self._at = block, border + 1
                    yield decoded[0], run
                    continue
            else:
                decoded = None
            self._text, self._at = self._text[self._at :] + block, 0
            if not block:
                run = opening + self._text
                decoded = _decoded(kind.decoder, run)
            if decoded:
                members, end = decoded
                self._at = end - 1
                yield members, run[:end]
                return
            if (yield from self._one_by_one(kind, large, last=not block)):
                return

    def _one_by_one(
        self, kind: Long[_Members], large: Callable[[str], _Members] | None, *, last: bool
    ) -> Generator[tuple[_Members, bytes], None, bool]:
        """Each member that is here whole as a run of its own; whether the map or list ended."""
        opening, closing = kind.brackets[:1], kind.brackets[1:]
        listed = opening == b"["
        while True:
            start = self._at
            wait = not last and self._held() <= LARGE
            if wait and not listed and not _KEY.match(self._text, start):
                return False
            key = "" if listed else self._key()
            end = self._end()
            if end is None and wait:
                self._at = start
                return False
            if end is None and large:
                yield large(key), b""
            else:
                name = b"" if listed else msgspec.json.encode(key) + b":"
                value = self.value() if end is None else self._up_to(end)
                run = b"".join((opening, name, value, closing))
                decoded = _decoded(kind.decoder, run)
                if not decoded:
                    raise _no_json()
                yield decoded[0], run
            if self._take(b"," + closing) == closing:
                return True

    def _key(self) -> str:
        self.peek()
        while not (match := _KEY.match(self._text, self._at)):
            if self._held() > _LONGEST_KEY or not self._more(self._held()):
                raise _no_json()
        self._at = match.end()
        try:
            return _text.decode(b'"%b"' % _ESCAPED.sub(_whole_character, match[1]))
        except (msgspec.MsgspecError, UnicodeError):
            raise _no_json() from None

    def _take(self, wanted: bytes) -> bytes:
        """The next byte that is no blank, which must be one of those wanted."""
        byte = self.peek()
        if byte not in wanted:
            raise _no_json()
        self._at += 1
        return byte

    def peek(self) -> bytes:
        """The next byte that is no blank; it stays the next one."""
        self._blanks()
        while not self._held():
            if not self._more():
                raise _no_json()
            self._blanks()
        return self._text[self._at : self._at + 1]

    def _up_to(self, end: int) -> bytes:
        """The text from here to `end`, which is passed over."""
        text = self._text[self._at : end]
        self._at = end
        return text

    def _blanks(self) -> None:
        match = _BLANKS.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _held(self) -> int:
        return len(self._text) - self._at

    def _more(self, least: int = 1) -> bool:
        """Read on by at least so many bytes, if there are; whether there were any."""
        least = max(least, 1)
        gathered = [self._text[self._at :]]
        while least > 0 and (block := next(self._blocks, b"")):
            gathered.append(block)
            least -= len(block)
        self._text, self._at = b"".join(gathered), 0
        return len(gathered) > 1

    def _end(self) -> int | None:
        """Where the value that comes next ends in the text held, and None when it does not end there."""
        while True:
            try:
                _any.decode(memoryview(self._text)[self._at :])
            except RecursionError:
                raise Poison("the document is nested too deeply") from None
            except msgspec.DecodeError as error:
                message = str(error)
            else:
                return None  # nothing follows, so that a number might go on
            if trailing := _TRAILING.search(message):
                return self._at + int(trailing[1]) - 1
            if not self._mend():
                malformed = _MALFORMED.search(message)
                # Half a character in a text that is not here whole is mended later.
                if malformed and int(malformed[1]) < self._held() - _NEAR and "surrogate" not in message:
                    raise _no_json()
                return None

    def _mend(self) -> bool:
        """Make JSON of what is held, where it is only what other readers let through; whether anything was."""
        rest = self._text[self._at :]
        if not any(sign in rest for sign in (b"\\u", b"NaN", b"Infinity")):
            return False
        mended = _TOKEN.sub(_mended, rest)
        if mended == rest:
            return False
        self._text, self.mended = self._text[: self._at] + mended, True
        return True


def _decoded(decoder: "msgspec.json.Decoder[_Members]", run: bytes) -> tuple[_Members, int] | None:
    """What the text at the front of a run is, and where it ends; None when it does not end there, or is no JSON.

    Raises:
        Poison: it is JSON of another shape.
    """
    try:
        return decoder.decode(run), len(run)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        raise Poison("the document is not HealthImaging's JSON") from None
    except msgspec.DecodeError as error:
        trailing = _TRAILING.search(str(error))
    if not trailing:
        return None
    end = int(trailing[1]) - 1
    return decoder.decode(run[:end]), end


def _mended(token: "re.Match[bytes]") -> bytes:
    """A token as it can be decoded; a text that is not here whole stays what it is."""
    if not token[0].startswith(b'"'):
        return UNUSABLE
    following = _BLANKS.match(token.string, token.end())
    place = following.end() if following else token.end()
    whole = token[1] and place < len(token.string)
    replaced = _ESCAPED.sub(_whole_character, token[0]) if whole else token[0]
    if replaced == token[0]:
        return replaced
    return replaced if token.string[place : place + 1] == b":" else UNUSABLE


def _whole_character(escaped: "re.Match[bytes]") -> bytes:
    return _REPLACEMENT if escaped[1] else escaped[0]


def _no_json() -> Poison:
    return Poison("the document is not HealthImaging's JSON")
