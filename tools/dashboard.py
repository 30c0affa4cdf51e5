"""Draws docs/dashboard.svg, the stack's dashboard on a made-up day. Run it when the dashboard was changed.

On that day HealthImaging throttles at half past two, and one document cannot be read.
"""

import itertools
import json
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from infra.config import ROOT
from infra.synthesis import make_app

FILE: Final = ROOT / "docs" / "dashboard.svg"

# Pixels of one unit of the dashboard's grid, and of what surrounds a plot.
_UNIT: Final = 52
_GAP, _LEFT, _RIGHT, _TOP, _BOTTOM = 4, 40, 20, 34, 20
_LINE: Final = 14

_COLOURS: Final = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
_POINTS: Final = 72

# The value at an hour; chance is what makes it vary.
_Day = Callable[[float, random.Random], float]


def _always(value: float) -> _Day:
    return lambda _, __: value


def _about(value: float) -> _Day:
    return lambda _, chance: value * chance.uniform(0.75, 1.25)


def _busy(top: float) -> _Day:
    """Little at night, most at noon."""
    return lambda hour, chance: top * (0.1 + 0.9 * math.exp(-(((hour - 12.5) / 4.2) ** 2))) * chance.uniform(0.75, 1)


_NEVER: Final = _always(0)


def _trouble(top: float, above: _Day = _NEVER) -> _Day:
    """A peak at half past two."""
    return lambda hour, chance: above(hour, chance) + top * math.exp(-(((hour - 14.5) / 0.45) ** 2))


def _from(begin: float, value: float) -> _Day:
    return lambda hour, _: value if hour >= begin else 0.0


def _once(at: float, value: float = 1) -> _Day:
    return lambda hour, _: value if at <= hour < at + 24 / _POINTS else 0.0


_INDEXES: Final = ("study", "series", "patient", "name", "accession", "date", "arrived", "nonprimary")

# By a widget's title and a series' label. A widget or a series that is not here cannot be drawn.
_DAYS: Final[Mapping[str, Mapping[str, _Day]]] = {
    "Objective: 99.9 % within 60 s": {"% of the image sets": _always(99.94)},
    "Searchable within 60 s, hour by hour": {"% of an hour's image sets": _trouble(-1.6, _always(100))},
    "Dead letters": {"not indexed": _from(16.2, 1), "not delivered": _NEVER},
    "What became of hints": {
        "Indexed": _busy(900),
        "Duplicate": _busy(60),
        "Stale": _busy(25),
        "Deleted": _busy(15),
        "Passed": _busy(180),
        "OtherDatastore": _NEVER,
    },
    "Given up": {"Parked": _once(16.2), "events not delivered": _NEVER, "events lost": _NEVER},
    "Of an image set's attributes": {"invalid, on average": _about(0.12), "truncated, on average": _about(0.05)},
    "From the event to the index, seconds": {"p50": _busy(1.4), "p99": _trouble(78, _busy(9))},
    "Oldest hint, seconds": {
        "received or handed back": _trouble(260, _busy(40)),
        "in the queue": _trouble(70, _busy(3)),
    },
    "In the queue": {"waiting": _trouble(420, _busy(14)), "in work, or put off": _trouble(130, _busy(30))},
    "Arrived and put off": {"arrived": _busy(1180), "put off": _trouble(300, _busy(9))},
    "Faults by class": {
        "Permanent": _NEVER,
        "Poison": _once(15.9, 3),
        "NotReady": _busy(8),
        "Overload": _trouble(60),
        "Configuration": _NEVER,
        "Unknown": _busy(1),
        "HandedBack": _trouble(230),
    },
    "Throttled": {
        "by HealthImaging": _trouble(60),
        "by Lambda": _NEVER,
        "reads of the table": _NEVER,
        "writes of the table": _NEVER,
        **dict.fromkeys((f"of {index}" for index in _INDEXES), _NEVER),
    },
    "Invocations": {"failed as a whole": _NEVER, "ended with the breaker open": _trouble(42)},
    "Duration of an invocation, ms": {"p50": _busy(700), "p99": _busy(6500), "Maximum": _busy(15000)},
    "Dollars an hour, by us-east-1's prices": {"writes and function": _busy(0.11)},
    "DynamoDB write request units": {"table and indexes": _busy(12500)},
    "Invocations of the function": {"invocations": _busy(410)},
    "Written to the log, bytes": {"bytes": _busy(520000)},
}
_IN_ALARM: Final = {"DeadLetters"}


def draw(template: Mapping[str, Any]) -> str:
    """The picture of a template's dashboard, as SVG.

    Raises:
        KeyError: a title or a label of the dashboard is not among those that this made-up day knows.
    """
    resources = template["Resources"]
    (dashboard,) = (each for each in resources.values() if each["Type"] == "AWS::CloudWatch::Dashboard")
    _, parts = dashboard["Properties"]["DashboardBody"]["Fn::Join"]
    body = json.loads("".join(part if isinstance(part, str) else _name(part, resources) for part in parts))
    widgets = body["widgets"]
    width = max(each["x"] + each["width"] for each in widgets) * _UNIT
    height = max(each["y"] + each["height"] for each in widgets) * _UNIT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" font-size="11">',
            f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>',
            *itertools.chain.from_iterable(map(_widget, widgets)),
            "</svg>\n",
        ]
    )


def _name(reference: Mapping[str, Any], resources: Mapping[str, Any]) -> str:
    """The name of an alarm; for anything else, its name in the template."""
    ((_, value),) = reference.items()
    logical_id = value if isinstance(value, str) else value[0]
    name: str = resources.get(logical_id, {}).get("Properties", {}).get("AlarmName", logical_id)
    return name


def _widget(widget: Mapping[str, Any]) -> Iterator[str]:
    width, height = widget["width"] * _UNIT - _GAP, widget["height"] * _UNIT - _GAP
    properties = widget["properties"]
    yield f'<g transform="translate({widget["x"] * _UNIT + _GAP // 2} {widget["y"] * _UNIT + _GAP // 2})">'
    if widget["type"] == "text":
        yield _text(8, height - 14, properties["markdown"].lstrip("# "), 'font-size="20" font-weight="bold"')
    else:
        yield f'<rect width="{width}" height="{height}" rx="4" fill="#fff" stroke="#d5dbdb"/>'
        yield _text(10, 20, properties["title"], 'font-size="12.5" font-weight="bold"')
        if widget["type"] == "alarm":
            yield from _alarms(properties["alarms"], width)
        elif properties["view"] == "singleValue":
            yield from _single_value(properties, width, height)
        else:
            yield from _graph(properties, width, height)
    yield "</g>"


def _alarms(names: Sequence[str], width: int) -> Iterator[str]:
    columns = 4
    cell = (width - 16) / columns
    for number, name in enumerate(names):
        short = name.partition("-")[2]
        x, y = 8 + number % columns * cell, 32 + number // columns * 26
        colour = "#fbd5d5" if short in _IN_ALARM else "#d9f0df"
        yield f'<rect x="{x:.0f}" y="{y}" width="{cell - 4:.0f}" height="22" rx="3" fill="{colour}"/>'
        yield _text(x + 5, y + 15, short, 'font-size="10"')


def _single_value(properties: Mapping[str, Any], width: int, height: int) -> Iterator[str]:
    for label, values in _series(properties):
        yield _text(width / 2, height / 2 + 16, f"{values[-1]:g}", 'font-size="44" text-anchor="middle"')
        yield _text(width / 2, height / 2 + 42, label, 'font-size="12" text-anchor="middle" fill="#555"')


def _graph(properties: Mapping[str, Any], width: int, height: int) -> Iterator[str]:
    series = list(_series(properties))
    limits = properties.get("annotations", {}).get("horizontal", [])
    legend = list(_legend([label for label, _ in series], width))
    bottom = height - _BOTTOM - _LINE * (1 + max(line for line, _, _ in legend))
    drawn = list(itertools.accumulate((values for _, values in series), _sum)) if properties.get("stacked") else None
    tops = drawn or [values for _, values in series]
    axis = properties["yAxis"]["left"]
    shown = [*itertools.chain.from_iterable(tops), *(limit["value"] for limit in limits)]
    low: float = axis.get("min", math.floor(min(shown)))
    high: float = axis.get("max", _round_up(max(shown)))

    def x(point: float, points: int) -> float:
        return _LEFT + (width - _LEFT - _RIGHT) * point / (points - 1)

    def y(value: float) -> float:
        return bottom - (bottom - _TOP) * (value - low) / (high - low)

    def line(values: Sequence[float]) -> str:
        return " ".join(f"{x(point, len(values)):.0f},{y(value):.0f}" for point, value in enumerate(values))

    for value in (low, (low + high) / 2, high):
        yield f'<path d="M{_LEFT} {y(value):.0f}H{width - _RIGHT}" stroke="#e3e6e6"/>'
        yield _text(
            _LEFT - 5,
            y(value) + 4,
            f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}",
            'text-anchor="end" fill="#555"',
        )
    for hour in (0, 6, 12, 18, 24):
        yield _text(x(hour, 25), bottom + 14, f"{hour:02}:00", 'text-anchor="middle" fill="#555"')
    # Those on top of a stack first, or they would hide what is below them.
    for number, values in reversed(list(enumerate(tops))):
        colour = _COLOURS[number % len(_COLOURS)]
        if drawn:
            corners = f"{width - _RIGHT},{bottom} {_LEFT},{bottom}"
            yield f'<polygon points="{line(values)} {corners}" fill="{colour}"/>'
        else:
            yield f'<polyline points="{line(values)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    for limit in limits:
        at = y(limit["value"])
        yield f'<path d="M{_LEFT} {at:.0f}H{width - _RIGHT}" stroke="{limit["color"]}" stroke-dasharray="4 3"/>'
        yield _text(width - _RIGHT, at - 4, limit["label"], f'text-anchor="end" fill="{limit["color"]}"')
    for number, (row, column, label) in enumerate(legend):
        top = bottom + _BOTTOM + _LINE * row
        yield f'<rect x="{column}" y="{top}" width="9" height="9" fill="{_COLOURS[number % len(_COLOURS)]}"/>'
        yield _text(column + 13, top + 9, label, 'font-size="10.5"')


def _series(properties: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Label and values of each series that is shown."""
    for *_, options in properties["metrics"]:
        if options.get("visible") is False:
            continue
        label = options["label"]
        day = _DAYS[properties["title"]][label]
        points = 24 if options.get("period") == 3600 else _POINTS
        chance = random.Random(f"{properties['title']}/{label}")
        yield label, [day(24 * point / points, chance) for point in range(points)]


def _legend(labels: Sequence[str], width: int) -> Iterator[tuple[int, int, str]]:
    """Row, column in pixels, and text."""
    row, column = 0, 10
    for label in labels:
        needed = 24 + 6 * len(label)
        if column > 10 and column + needed > width:
            row, column = row + 1, 10
        yield row, column, label
        column += needed


def _sum(some: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one + other for one, other in zip(some, others, strict=True)]


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 at any power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {attributes}>{escape(text)}</text>'


def main() -> None:
    """Synthesize the stack, and draw its dashboard."""
    with tempfile.TemporaryDirectory() as folder:
        make_app({"aws:cdk:bundling-stacks": [], "region": "us-east-1"}, folder).synth()
        (template,) = Path(folder).glob("*.template.json")
        FILE.write_text(draw(json.loads(template.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
