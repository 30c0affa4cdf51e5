"""A run's results as a picture: `docs/performance.svg`."""

import math
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from bench.results import METHODS, Results, instances

_WIDTH: Final = 940
_ROW: Final = 15
_COLOURS: Final = {
    "json": "#9a9a9a",
    "orjson": "#d08c3f",
    "ijson": "#7c9a5e",
    "ours": "#1f5fa8",
    "gunzip": "#d9d9d9",
    "passing": "#b9cbe0",
}
_BARS: Final = ("json", "orjson", "ijson", "ours", "gunzip", "passing")
_LEAST: Final = 0.1  # MiB
_MIB: Final = 2**20


def svg(results: Results) -> str:
    """Two pictures side by side: CPU against json + gzip as bars, growth of memory over the document's size."""
    many = [name for name in results.compared() if instances(name) >= 1000 or name.startswith("mf")]
    height = 70 + len(many) * (len(_BARS) * _ROW + 16) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11" fill="#222">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *_legend(),
        *_bars(results, many),
        *_lines(results, height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, text: str, rest: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{rest}>{escape(text)}</text>'


def _legend() -> Iterator[str]:
    for number, method in enumerate(_BARS):
        x = 20 + number * 150
        yield f'<rect x="{x}" y="12" width="11" height="11" fill="{_COLOURS[method]}"/>'
        yield _text(x + 16, 22, METHODS[method])


def _bars(results: Results, many: Iterable[str]) -> Iterator[str]:
    left, width = 92, 340
    yield _text(20, 50, "How many times less CPU than json + gzip", ' font-weight="bold"')
    longest = max((results.times_less(name, method) for name in many for method in _BARS), default=1)
    y = 64
    for name in many:
        yield _text(left - 8, y + len(_BARS) * _ROW / 2 + 4, name, ' text-anchor="end"')
        for method in _BARS:
            times = results.times_less(name, method)
            long = width * times / longest
            yield f'<rect x="{left}" y="{y}" width="{long:.1f}" height="{_ROW - 3}" fill="{_COLOURS[method]}"/>'
            yield _text(left + long + 5, y + _ROW - 5, f"{times:.1f}")
            y += _ROW
        y += 16


def _lines(results: Results, height: float) -> Iterator[str]:
    """Both axes logarithmic: 0.1 to 1,000 MiB over 0.01 to 1,000 MB."""
    left, right, top, bottom = 540, _WIDTH - 90, 64, height - 50

    def place(document: str, growth: float) -> tuple[float, float]:
        x = (math.log10(results.documents[document].megabytes) + 3) / 6
        y = (math.log10(max(growth / _MIB, _LEAST)) + 1) / 4
        return left + (right - left) * x, bottom - (bottom - top) * y

    yield _text(left - 30, 50, "Growth of memory, MiB, over the document's plain size, MB", ' font-weight="bold"')
    for power in range(-1, 4):
        y = bottom - (bottom - top) * (power + 1) / 4
        yield f'<path d="M{left} {y:.1f}H{right}" stroke="#e4e4e4"/>'
        yield _text(left - 6, y + 4, f"{10.0**power:g}", ' text-anchor="end"')
    for power in range(-3, 4):
        x = left + (right - left) * (power + 3) / 6
        yield _text(x, bottom + 18, f"{10.0**power:g}", ' text-anchor="middle"')
    for method in ("json", "orjson", "ijson", "ours"):
        points = [
            (each.document, each.growth)
            for each in results.readings
            if each.document.startswith("mr") and each.method == method and each.profile in ("", "prototype")
        ]
        points.sort(key=lambda point: results.documents[point[0]].plain)
        places = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{_COLOURS[method]}" stroke-width="2"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_COLOURS[method]}"/>'
        if points:
            x, y = places[-1]
            yield _text(x + 7, y + 4, f"{points[-1][1] / _MIB:,.0f} {method.replace('ours', 'this index')}")
