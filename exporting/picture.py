"""A report as a picture: SVG with texts, bars and lines, and nothing that a browser would have to fetch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporting.report import Report

_WIDTH: Final = 960
_LEFT: Final = 260
_RIGHT: Final = 900
_ROW: Final = 18
_HEIGHT: Final = 220  # of the bars of studies
# Told apart also by most who see fewer colours (Okabe and Ito).
_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
_LONGEST_VENDOR: Final = 22
_LONGEST_KEYWORD: Final = 34
_INK: Final = "#222222"
_PALE: Final = "#d8d8d8"
_MOST_LABELS: Final = 6


def picture(report: Report) -> str:
    """The SVG of a report. A part without figures is left out."""
    drawing = _Drawing()
    drawing.text(20, 34, f"{report.image_sets:,} image sets, {report.as_of[:10]}", size=20)
    drawing.y = 50
    if report.studies:
        _studies(drawing, report)
    if report.vendors:
        _vendors(drawing, report)
    if report.missing:
        _missing(drawing, report)
    return drawing.svg()


class _Drawing:
    """Shapes, and `y`, down to where the picture is drawn."""

    def __init__(self) -> None:
        self.y = 0.0
        self._shapes: list[str] = []

    def text(self, x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> None:
        """A text, whose `anchor` (start, middle or end) is at `x`."""
        self._shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str, title: str = "") -> None:
        """A rectangle, which shows its title under a pointer."""
        inner = f"<title>{escape(title)}</title>" if title else ""
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
        self._shapes.append(f'<rect {place} fill="{colour}">{inner}</rect>')

    def line(self, x: float, y: float, to_x: float, to_y: float, colour: str = _PALE, width: float = 1) -> None:
        """A line."""
        ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
        self._shapes.append(f'<line {ends} stroke="{colour}" stroke-width="{width}"/>')

    def heading(self, text: str) -> None:
        """The heading of a part, below what is drawn."""
        self.text(20, self.y + 34, text, size=15)
        self.y += 62

    def svg(self) -> str:
        """The whole."""
        height = self.y + 20
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" '
            f'height="{height:.0f}" font-family="sans-serif" fill="{_INK}">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(self._shapes) + "\n</svg>\n"
        )


def _studies(drawing: _Drawing, report: Report) -> None:
    drawing.heading(f"Studies each {report.unit}, by modality")
    _legend(drawing, report.modalities)
    labels = _between(min(report.studies), max(report.studies), report.unit)
    most = max(sum(counts.values()) for counts in report.studies.values())
    ticks = _ticks(most, least=1)
    if ticks[-1] < most:
        ticks.append(ticks[-1] + ticks[1])
    most = round(ticks[-1])
    left, top = 70.0, drawing.y
    bottom, wide = top + _HEIGHT, (_RIGHT - left) / len(labels)
    for share in ticks:
        y = bottom - share / most * _HEIGHT
        drawing.line(left, y, _RIGHT, y)
        drawing.text(left - 6, y + 4, f"{share:,.0f}", anchor="end", size=11)
    every = -(-len(labels) // 12)
    for number, label in enumerate(labels):
        x, y = left + number * wide, bottom
        for modality, colour in zip(report.modalities, _COLOURS, strict=False):
            count = report.studies.get(label, {}).get(modality, 0)
            if count:
                y -= (high := count / most * _HEIGHT)
                drawing.bar(x, y, wide * 0.85, high, colour, f"{label} {modality}: {count:,}")
        if number % every == 0:
            shown = label[:4] if report.unit == "year" else label
            drawing.text(x, bottom + 16, shown, size=11)
    drawing.y = bottom + 26


def _legend(drawing: _Drawing, modalities: Sequence[str]) -> None:
    x = 70.0
    for modality, colour in zip(modalities, _COLOURS, strict=False):
        drawing.bar(x, drawing.y - 6, 11, 11, colour)
        drawing.text(x + 16, drawing.y + 4, modality)
        x += 34 + 8 * len(modality)
    drawing.y += 22


def _vendors(drawing: _Drawing, report: Report) -> None:
    drawing.heading("Slice thickness by vendor, mm: the middle half of the series, the median, and 5 to 95 %")
    # A few wrong values of hundreds of millimetres would leave no room for the others: they end at the right.
    most = min(
        max(each.thickness[-1] for each in report.vendors), 2 * max(each.thickness[3] for each in report.vendors)
    )
    place = _scale(drawing, most or 1, len(report.vendors), lambda share: f"{share:g}")
    for each in report.vendors:
        y = drawing.y + _ROW / 2
        drawing.text(_LEFT - 8, y + 4, f"{_beginning(each.name)} ({each.series:,})", anchor="end")
        low, first, median, third, high = map(place, each.thickness)
        drawing.line(low, y, high, y, _INK)
        values = ", ".join(f"{value:g}" for value in each.thickness)
        drawing.bar(first, y - 5, max(third - first, 1), 10, _COLOURS[0], f"{each.name}: {values}")
        drawing.line(median, y - 7, median, y + 7, _INK, 2)
        drawing.y += _ROW


def _missing(drawing: _Drawing, report: Report) -> None:
    missing = {name: share for name, share in report.missing.items() if share}
    whole = len(report.missing) - len(missing)
    drawing.heading(f"Image sets without a value, %; {whole} attributes have one in all of them")
    place = _scale(drawing, 100, len(missing), lambda share: f"{share:.0f}")
    for name, share in missing.items():
        y = drawing.y
        drawing.text(_LEFT - 8, y + 13, _end(name), anchor="end", size=11)
        drawing.bar(_LEFT, y + 3, place(share * 100) - _LEFT, _ROW - 6, _COLOURS[4], f"{name}: {share:.1%}")
        drawing.y += _ROW


def _scale(drawing: _Drawing, most: float, rows: int, written: Callable[[float], str]) -> Callable[[float], float]:
    """A scale over some rows that follow; where a value is on it."""

    def place(value: float) -> float:
        return _LEFT + min(value / most, 1) * (_RIGHT - _LEFT)

    for tick in _ticks(most):
        drawing.line(place(tick), drawing.y, place(tick), drawing.y + rows * _ROW)
        drawing.text(place(tick), drawing.y - 5, written(tick), anchor="middle", size=11)
    return place


def _ticks(most: float, least: float = 0) -> list[float]:
    """Round values from 0 to `most`, about five, that are `least` apart or more."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.2, 0.5, 1, 2) if most / (power * part) <= _MOST_LABELS)
    step = max(step, least)
    return [number * step for number in range(int(most / step) + 1)]


def _between(first: str, last: str, unit: str) -> list[str]:
    """All months or years from one to another, as `YYYY-MM`."""
    months = [int(text[:4]) * 12 + int(text[5:]) - 1 for text in (first, last)]
    every = range(months[0], months[1] + 1, 12 if unit == "year" else 1)
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in every]


def _beginning(vendor: str) -> str:
    return vendor if len(vendor) <= _LONGEST_VENDOR else f"{vendor[:_LONGEST_VENDOR]}…"


def _end(keyword: str) -> str:
    """Of a path into sequences, what is in them."""
    return keyword if len(keyword) <= _LONGEST_KEYWORD else f"…{keyword[-_LONGEST_KEYWORD:]}"
