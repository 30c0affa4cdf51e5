"""What is wrong with a profile's file: each mistake in one line, with the line of the file where it is."""

from __future__ import annotations

from typing import Final

from imaging_index.profile.profile import ProfileError

# A key of a table, or the place of an element in an array, counted from 0.
Step = str | int
Path = tuple[Step, ...]

TOO_DEEP: Final = "The profile has brackets nested by the hundred, or a number of thousands of digits: take them out."
_LONGEST: Final = 1000


class Mistakes:
    """The mistakes in a profile's text, each with its line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[tuple[str, Path]] = []

    def add(self, message: str, *path: Step) -> None:
        """Note a mistake in what `path` leads to: keys, and the places of elements in arrays.

        What is missing belongs to the innermost table around it that there is.
        """
        self._found.append((message, path))

    def raise_any(self) -> None:
        """Raise all that was found, in the order of the lines."""
        if not self._found:
            return
        # A profile without mistakes, as the function has it, does without this import.
        from imaging_index.profile.toml_lines import Lines

        try:
            lines = Lines(self._text)
        except RecursionError:
            raise ProfileError([TOO_DEEP]) from None
        placed = sorted(((lines.line(*path), message) for message, path in self._found), key=lambda each: each[0])
        raise ProfileError([one_line(f"line {line}: {message}" if line else message) for line, message in placed])


def one_line(message: str) -> str:
    """A message as one line of some length, whatever the names in it are."""
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in message[: _LONGEST + 1])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
