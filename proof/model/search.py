"""The search through the states, breadth-first, so that a violation comes with a shortest way to it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NamedTuple

from proof.model.explorer import READER, Explorer, Frame, Moment, Step
from proof.model.protocol import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proof.model.world import Configuration


class Violation(NamedTuple):
    """A harm, and the steps of a shortest way to it."""

    harm: str
    steps: list[str]

    def __str__(self) -> str:
        return "\n".join([self.harm, *(f"{number:3} {step}" for number, step in enumerate(self.steps, 1))])


class Report(NamedTuple):
    """How many states were seen, whether they are all there are, and what was found."""

    states: int
    exhaustive: bool
    violation: Violation | None


def run(configuration: Configuration, limit: int) -> Report:
    """Go through a configuration's states, nearest first, until all or `limit` were seen or one must not be."""
    explorer = Explorer(configuration)
    first = explorer.first()
    whence: dict[Moment, Moment | None] = {first: None}
    waiting = [first]
    # Millions of small tuples that live to the end: the collector would look through them again and again.
    gc.disable()
    try:
        for moment in waiting:
            for step, after in explorer.following(moment):
                if after in whence and step[-1].__class__ is not Answer:
                    continue
                if harms := explorer.harms(step, after):
                    way = [*_way(explorer, whence, moment), _words(step)]
                    return Report(len(whence), False, Violation(" and ".join(sorted(harms)), way))
                if after not in whence:
                    whence[after] = moment
                    waiting.append(after)
            if len(whence) >= limit:
                return Report(len(whence), False, None)
        return Report(len(whence), True, None)
    finally:
        gc.enable()


def _way(explorer: Explorer, whence: Mapping[Moment, Moment | None], moment: Moment) -> list[str]:
    steps: list[str] = []
    while (before := whence[moment]) is not None:
        steps.append(next(_words(step) for step, after in explorer.following(before) if after == moment))
        moment = before
    return steps[::-1]


def _words(step: Step) -> str:
    frame, *parts = step
    if not isinstance(frame, Frame):
        return " ".join(map(str, step))
    who = "the reader" if frame.run is READER else f"{frame.run.hint} r{frame.run.revision}"
    return f"{who}: {_say(frame.call)} -> " + ", ".join(map(_say, parts))


def _say(part: Any) -> str:
    if callable(part):
        return f"if {part.__name__}"
    if isinstance(part, tuple) and "__str__" not in type(part).__dict__:
        name = "" if type(part) is tuple else type(part).__name__
        return " ".join([name, *(_say(each) for each in part if each is not None)]).strip() or "none"
    return str(part)
