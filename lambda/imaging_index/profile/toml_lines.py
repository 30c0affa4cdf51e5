"""The line on which each table, key and value of a TOML text begins, which `tomllib` does not report."""

from __future__ import annotations

import bisect
import re
import tomllib
from typing import Final

# A key, or the place of an element in an array, counted from 0.
Step = str | int

_BLANK: Final = re.compile(r"[ \t]*+")
_BLANK_LINES: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]++")
# A number, a boolean or a date, which may have a blank before its time of day.
_PLAIN: Final = re.compile(r"[^,\]}#\n]++")


class _Node:
    """A table, key or value: its line, and what is in it."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.inner: dict[Step, _Node] = {}

    def enter(self, step: Step, line: int) -> _Node:
        """What a step leads to, which begins on `line` unless it began earlier."""
        return self.inner.setdefault(step, _Node(line))


class Lines:
    """The lines of a text, which must be one that `tomllib` parses.

    Raises:
        RecursionError: it is nested too deeply.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [end.start() for end in re.finditer("\n", text)]
        self._root = _Node(0)
        table = self._root
        self._skip(_BLANK_LINES)
        while self._at < len(text):
            if self._takes("[["):
                table = self._header(array=True)
            elif self._takes("["):
                table = self._header(array=False)
            else:
                self._pair(table)
            self._skip(_BLANK_LINES)

    def line(self, *path: Step) -> int:
        """The line of what `path` leads to, or of the innermost on its way that there is; 0 when there is none."""
        node = self._root
        for step in path:
            if step not in node.inner:
                break
            node = node.inner[step]
        return node.line

    def _header(self, *, array: bool) -> _Node:
        """The table of `[a.b]`, or the new one of `[[a.b]]`; what is in front of the keys was taken."""
        line = self._line()
        *outer, last = self._key()
        node = self._root
        for key in outer:
            node = _newest(node.enter(key, line))
        node = node.enter(last, line)
        if array:
            node = node.enter(len(node.inner), line)
        else:
            node.line = line  # `[a.b]` may come before it
        self._take("]]" if array else "]")
        return node

    def _pair(self, table: _Node) -> None:
        line = self._line()
        for key in self._key():
            table = table.enter(key, line)
        self._take("=")
        self._skip(_BLANK)
        self._value(table)

    def _key(self) -> list[str]:
        """The parts of a dotted key."""
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if quoted := self._match(_STRING):
                parts += tomllib.loads(f"{quoted} = 0")
            else:
                parts.append(self._match(_BARE_KEY))
            self._skip(_BLANK)
            if not self._takes("."):
                return parts

    def _value(self, node: _Node) -> None:
        if self._takes("["):
            self._array(node)
        elif self._takes("{"):
            self._inline_table(node)
        elif not self._match(_STRING):
            self._match(_PLAIN)

    def _array(self, node: _Node) -> None:
        self._skip(_BLANK_LINES)
        while not self._takes("]"):
            self._value(node.enter(len(node.inner), self._line()))
            self._skip(_BLANK_LINES)
            self._takes(",")
            self._skip(_BLANK_LINES)

    def _inline_table(self, node: _Node) -> None:
        self._skip(_BLANK_LINES)  # which TOML 1.1 allows
        while not self._takes("}"):
            self._pair(node)
            self._skip(_BLANK_LINES)
            self._takes(",")
            self._skip(_BLANK_LINES)

    def _line(self) -> int:
        return bisect.bisect_left(self._ends, self._at) + 1

    def _skip(self, blanks: re.Pattern[str]) -> None:
        self._match(blanks)

    def _match(self, pattern: re.Pattern[str]) -> str:
        """What the pattern matches here, taken; nothing when it does not match."""
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return match[0] if match else ""

    def _takes(self, sign: str) -> bool:
        """Whether the text goes on with a sign, which is taken then."""
        found = self._text.startswith(sign, self._at)
        self._at += len(sign) * found
        return found

    def _take(self, sign: str) -> None:
        """Take a sign that valid TOML has here."""
        if not self._takes(sign):
            raise ValueError(f"TOML has {sign} here, at character {self._at}")


def _newest(node: _Node) -> _Node:
    """Of an array of tables the last one, which `[a.b]` continues; of any other node itself."""
    last = next(reversed(node.inner), "")
    return node.inner[last] if isinstance(last, int) else node
