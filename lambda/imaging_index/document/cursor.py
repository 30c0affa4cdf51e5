"""A cursor over JSON text that comes in blocks. It skips what is not asked for, and holds only a few blocks.

msgspec decodes whole texts, not streams. But if something follows a value, its error names the byte where the value
ends. If the text ends first, all of it was JSON so far.

A document consists mostly of the members of a few long maps and lists. `runs` decodes thousands of them in one call:
from each block it takes the text before the last place that looks like a border between members, and puts brackets
around it. Decoding then proves the border, because text in brackets decodes as one map only if it is whole members:

- a border inside a member or a text leaves brackets or quotes open, which does not decode;
- after the end of the map there is something else, and the error names the byte where the map ended.

A wrong guess costs only time: the border is then found by counting the brackets outside of texts.

Text is skipped in the same way, block by block. msgspec sees each block behind the brackets that are open there, and
the brackets in the block show which are open after it.
"""

import hashlib
import re
from collections.abc import Callable, Generator, Iterator
from typing import Final, Generic, TypeVar

import msgspec

from imaging_index.document.mending import UNUSABLE, mended, mended_key
from imaging_index.document.structure import cut_at_quotes, last_comma, no_json, too_deep, unclosed
from imaging_index.faults import Poison

# A value that does not end within so many bytes is looked into instead of being held.
LARGE: Final = 2**18
# The JSON of one selected value; a larger one is left out, and named.
LARGEST_VALUE: Final = 2**20
# Keys that are read one by one: those of a document's structure, not those of its instances or their values.
MOST_KEYS: Final = 100_000

_LONGEST_KEY: Final = 2**20
# DynamoDB's longest text: a longer key names nothing, and only has to differ from others.
_LONGEST_NAME: Final = 1024

_BLANKS: Final = re.compile(rb"[ \t\n\r]*+")
_KEY: Final = re.compile(rb'[ \t\n\r]*+"((?:[^"\\\x00-\x1f]++|\\.)*+)"[ \t\n\r]*+:')
_TRAILING: Final = re.compile(r"trailing characters \(byte (\d+)\)")
_MALFORMED: Final = re.compile(r"\(byte (\d+)\)")
# An error as near as this to the end of the text may be the end's fault: half a number, half a word.
_NEAR: Final = 16

_WHOLE_CHARACTERS: Final = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
# A number's digits or blanks that the end of the text cuts off: one of them says the same.
_LONG_TAIL: Final = re.compile(rb"(?<=[0-9])[0-9]++\Z|(?<=[ \t\n\r])[ \t\n\r]++\Z")
# Texts with half a character in them; each is looked at.
_MOST_HALVES: Final = 100_000


_any: Final = msgspec.json.Decoder(msgspec.Raw)
_text: Final = msgspec.json.Decoder(str)

_Members = TypeVar("_Members")


class Long(msgspec.Struct, Generic[_Members]):
    """A kind of long map or list.

    `decoder` decodes a run of members in `brackets`; `border` guesses the last comma in a block that is one between
    members, or says -1. Of a kind without a guess, there are few such maps or lists.
    """

    brackets: bytes
    decoder: "msgspec.json.Decoder[_Members]"
    border: Callable[[bytes], int] | None


class JsonCursor:
    """Reads one JSON text from its front. Every method raises `Poison` where it is no JSON, or ends too early.

    What other readers let through and DynamoDB has no place for (half a surrogate pair, `NaN`, `Infinity`) becomes a
    value of a type that no VR has; `mended` says that there was one.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._text = b""
        self._at = 0
        self._keys = self._halves = 0
        self.mended = False

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next. Whoever gets one reads its value before the next.

        Raises:
            Poison: with this object there were more than `MOST_KEYS`.
        """
        self._take(b"{")
        if self.peek() == b"}":
            self._take(b"}")
            return
        while True:
            self._keys += 1
            if self._keys > MOST_KEYS:
                raise Poison(f"the document's structure has more than {MOST_KEYS} keys")
            yield self._key()
            if self._take(b",}") == b"}":
                return

    def value(self) -> bytes:
        """The JSON text of the value that comes next; of one larger than `LARGEST_VALUE`, `UNUSABLE`."""
        text = self.whole(LARGEST_VALUE)
        if text is None:
            self.skip()
            return UNUSABLE
        return text

    def whole(self, most: int) -> bytes | None:
        """The JSON text of the value that comes next; None, and it is still to be read, of more than `most` bytes."""
        self.peek()
        while (end := self._end()) is None and self._held() <= most:
            self._gather()
        return None if end is None or end - self._at > most else self._up_to(end)

    def null(self) -> bool:
        """Whether null comes next; it is then passed over."""
        if self.peek() != b"n":
            return False
        if self.whole(_NEAR) != b"null":
            raise no_json()
        return True

    def skip(self) -> None:
        """Pass over the value that comes next, which may be of any size."""
        self.peek()
        opened = b""
        while (end := self._end(opened)) is None:
            if self._held() > LARGE:
                opened = self._let_go(opened)
            else:
                self._gather()
        self._at = end

    def end(self) -> None:
        """Check that nothing but blanks follows."""
        self._blanks()
        while not self._held():
            if not self._more():
                return
            self._blanks()
        raise no_json()

    def runs(self, kind: Long[_Members], large: Callable[[str], _Members]) -> Iterator[tuple[_Members, bytes]]:
        """The members of the map or list that comes next, by runs, each with the text that it was.

        Args:
            kind: how they are read.
            large: reads the member of a map whose key it gets, or of a list, when it does not end within `LARGE` bytes;
                no text of it is held.
        """
        opening, closing = kind.brackets[:1], kind.brackets[1:]
        self._take(opening)
        if self.peek() == closing:
            self._take(closing)
            return
        while True:
            block = next(self._blocks, b"")
            if kind.border and (border := kind.border(block)) >= 0:
                # One copy of every byte: a block is joined to what is left of the last one within the run alone.
                run = b"".join((opening, memoryview(self._text)[self._at :], memoryview(block)[:border], closing))
                if decoded := _decoded(kind.decoder, run):
                    members, end = decoded
                    if end < len(run):
                        self._text, self._at = self._text[self._at :] + block, end - 1
                        yield members, run[:end]
                        return
                    self._text, self._at = block, border + 1
                    yield members, run
                    continue
            self._text, self._at = self._text[self._at :] + block, 0
            if (yield from self._run(kind, large, last=not block)):
                return

    def _run(
        self, kind: Long[_Members], large: Callable[[str], _Members], *, last: bool
    ) -> Generator[tuple[_Members, bytes], None, bool]:
        """The members that are here to the end of the map or list, or are many, or the one that is large.

        Whether the map or list ended.
        """
        opening, closing = kind.brackets[:1], kind.brackets[1:]
        while (end := self._end(opening)) is None:
            if last:
                self._gather()
            elif (border := self._border(opening) if not kind.border or self._held() > LARGE else -1) >= 0:
                run = b"".join((opening, self._up_to(self._at + border), closing))
                self._at += 1
                yield _proven(kind.decoder, run), run
                return False
            elif self._held() <= LARGE:
                return False
            else:
                yield large(self._key() if opening == b"{" else ""), b""
                return self._take(b"," + closing) == closing
        run = opening + self._up_to(end)
        yield _proven(kind.decoder, run), run
        return True

    def _border(self, opening: bytes) -> int:
        """How far it is to the last comma between members of the text held, -1 when there is none."""
        start = self._at
        if opening == b"{":
            key = _KEY.match(self._text, start)
            if not key:
                return -1
            start = key.end()
        # Most often the first member is large, when one is; to know that is far cheaper.
        try:
            _any.decode(memoryview(self._text)[start:])
        except msgspec.DecodeError as error:
            if _TRAILING.search(str(error)):
                return last_comma(self._text[self._at :])
        return -1

    def _key(self) -> str:
        self.peek()
        while not (match := _KEY.match(self._text, self._at)):
            if self._held() > _LONGEST_KEY or not self._more(self._held()):
                raise no_json()
        self._at = match.end()
        try:
            key = _text.decode(b'"%b"' % mended_key(match[1]))
        except (msgspec.MsgspecError, UnicodeError):
            raise no_json() from None
        if len(key) > _LONGEST_NAME:
            digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
            return f"{key[:_LONGEST_NAME]}{digest}"
        return key

    def _take(self, wanted: bytes) -> bytes:
        """The next byte that is no blank, which must be one of those wanted."""
        byte = self.peek()
        if byte not in wanted:
            raise no_json()
        self._at += 1
        return byte

    def peek(self) -> bytes:
        """The next byte that is no blank; it stays the next one."""
        self._blanks()
        while not self._held():
            if not self._more():
                raise no_json()
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

    def _gather(self) -> None:
        """Read as much again: a text is then gone through twice at most, whatever the size of a block."""
        # What looks cut off may be half a character, when nothing follows.
        if not self._more(self._held()) and not self._mend():
            raise no_json()

    def _more(self, least: int = 1) -> bool:
        """Read on by at least so many bytes, if there are; whether there were any."""
        least = max(least, 1)
        gathered = [self._text[self._at :]]
        while least > 0 and (block := next(self._blocks, b"")):
            gathered.append(block)
            least -= len(block)
        self._text, self._at = b"".join(gathered), 0
        return len(gathered) > 1

    def _end(self, opened: bytes = b"") -> int | None:
        """Where the value that comes next ends in the text held, and None when it does not end there.

        With brackets that are `opened`, where the outermost of them is closed; a member of the innermost comes next.
        """
        before = opened[:-1].replace(b"{", b'{"":') + opened[-1:]
        while True:
            rest = memoryview(self._text)[self._at :]
            try:
                _any.decode(b"".join((before, rest)) if before else rest)
            except RecursionError:
                raise too_deep() from None
            except msgspec.DecodeError as error:
                message = str(error)
            else:
                # Where nothing follows, a number might go on.
                return len(self._text) if opened else None
            if trailing := _TRAILING.search(message):
                return self._at + int(trailing[1]) - 1 - len(before)
            malformed = _MALFORMED.search(message)
            # Near the end, half a character is taken for one that is cut off.
            if not malformed and b"\\u" not in self._text[-_NEAR:]:
                return None
            if not self._mend():
                # In a text that is not here whole, it is mended later.
                whole = malformed and int(malformed[1]) < len(before) + len(rest) - _NEAR
                if whole and "hex escape" not in message and "surrogate" not in message:
                    raise no_json()
                return None

    def _let_go(self, opened: bytes) -> bytes:
        """Pass over what is held up to its last comma, whatever it is between; the brackets that are open there.

        Where there is no comma, one long text, number or row of blanks is under way, and becomes short.
        """
        pieces = cut_at_quotes(rest := self._text[self._at :])
        place = len(rest)
        for number in reversed(range(len(pieces))):
            place -= len(pieces[number])
            if number % 2 == 0 and (comma := pieces[number].rfind(b",")) >= 0:
                self._at += place + comma + 1
                return unclosed(opened, b"".join((*pieces[:number:2], pieces[number][:comma])))
            place -= 1
        unclosed(opened, b"".join(pieces[::2]))
        if len(pieces) % 2 == 0:
            before = len(rest) - len(pieces[-1])
            self._at += before
            self._pass_over_text()
            self._text, self._at = rest[:before] + self._text[self._at :], 0
        else:
            self._text, self._at = _LONG_TAIL.sub(b"", rest), 0
            self._gather()
        return opened

    def _pass_over_text(self) -> None:
        """Up to the quote that ends the text which is under way."""
        while True:
            match = _WHOLE_CHARACTERS.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._text.startswith(b'"', self._at):
                return
            # Not even an escape is longer.
            if self._held() >= _NEAR or not self._more():
                raise no_json()

    def _mend(self) -> bool:
        """Make JSON of what is held, where it is only what other readers let through; whether anything was."""
        rest = self._text[self._at :]
        if not any(sign in rest for sign in (b"\\u", b"NaN", b"Infinity")):
            return False
        text, spoilt = mended(rest)
        if text == rest:
            return False
        self._halves += spoilt
        if self._halves > _MOST_HALVES:
            raise Poison(f"the document has more than {_MOST_HALVES} texts with half a character in them")
        self._text, self._at, self.mended = text, 0, True
        return True


def _decoded(decoder: "msgspec.json.Decoder[_Members]", run: bytes) -> tuple[_Members, int] | None:
    """What the text at the front of a run is, and where it ends; None when it does not end there, or is no JSON.

    Raises:
        Poison: it is JSON of another shape.
    """
    try:
        return decoder.decode(run), len(run)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        raise no_json() from None
    except msgspec.DecodeError as error:
        trailing = _TRAILING.search(str(error))
    if not trailing:
        return None
    end = int(trailing[1]) - 1
    return decoder.decode(run[:end]), end


def _proven(decoder: "msgspec.json.Decoder[_Members]", run: bytes) -> _Members:
    """What a run is that is JSON.

    Raises:
        Poison: it is JSON of another shape.
    """
    try:
        return decoder.decode(run)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise no_json() from None
