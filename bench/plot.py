"""A run's results as a picture: `docs/performance.svg`."""

import io
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results import METHODS, Results, instances

_COLOURS: Final = {
    "json": "#9a9a9a",
    "orjson": "#d08c3f",
    "ijson": "#7c9a5e",
    "ours": "#1f5fa8",
    "gunzip": "#d9d9d9",
    "passing": "#b9cbe0",
}
_READERS: Final = ("json", "orjson", "ijson", "ours")
_LEAST: Final = 0.1  # MiB: less is not told apart
_MIB: Final = 2**20


def svg(results: Results) -> str:
    """Two pictures side by side: CPU against json + gzip as bars, growth of memory over the document's size."""
    names = [name for name in results.compared() if instances(name) >= 1000 or name.startswith("mf")]
    # Texts stay texts, and the same results give the same bytes.
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "bench",
            "font.sans-serif": ["DejaVu Sans"],
            "font.size": 8,
            "axes.titlesize": 9,
        }
    ):
        figure = Figure(figsize=(10, 2 + 1.1 * len(names)), layout="constrained")
        bars, lines = figure.subplots(1, 2)
        _draw_bars(bars, results, names)
        _draw_lines(lines, results)
        figure.legend(*bars.get_legend_handles_labels(), loc="outside upper center", ncols=len(_COLOURS), frameon=False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def _draw_bars(axes: Axes, results: Results, names: list[str]) -> None:
    thick = 0.8 / len(_COLOURS)
    for number, (method, colour) in enumerate(_COLOURS.items()):
        places = [place + number * thick for place in range(len(names))]
        times = [results.times_less(name, method) for name in names]
        bars = axes.barh(places, times, thick * 0.85, color=colour, label=METHODS[method])
        axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_yticks([place + 0.4 - thick / 2 for place in range(len(names))], names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.02)
    axes.set_title("How many times less CPU than json + gzip", loc="left")
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _draw_lines(axes: Axes, results: Results) -> None:
    for method in _READERS:
        points = sorted(
            (results.documents[each.document].megabytes, max(each.growth / _MIB, _LEAST))
            for each in results.readings
            if each.document.startswith("mr") and each.method == method and each.profile in ("", "prototype")
        )
        if points:
            axes.plot(*zip(*points, strict=True), color=_COLOURS[method], marker="o", markersize=4)
            label = f"{points[-1][1]:,.0f} {method.replace('ours', 'this index')}"
            axes.annotate(label, points[-1], (7, 0), textcoords="offset points", va="center")
    axes.set(xscale="log", yscale="log")
    axes.set_title("Growth of memory, MiB, over the document's plain size, MB", loc="left")
    axes.grid(axis="y", color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
