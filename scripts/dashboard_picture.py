"""Draws a dashboard's panels from what a Prometheus has seen, for the docs: Grafana draws them in its own way.

python -m scripts.dashboard_picture PROMETHEUS_URL MINUTES OUT.png
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter

from scripts.dashboards.overview import OVERVIEW
from scripts.dashboards.spec import Panel, Query

COLUMNS = 24
"""Grafana's grid."""

CELL_IN = (0.62, 0.34)
"""Width and height of a cell of the grid [inch]."""

STEPS = 120
"""Points of a curve."""

RATE_WINDOW_S = 20
"""Stands for $__rate_interval [s]."""

INK, PAPER, EDGE = "#ccccdc", "#111217", "#2e3136"
"""Colours of text, of panels and of their edges."""

COLORS = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d")

Series = list[tuple[str, np.ndarray, np.ndarray]]
"""Legend, minutes before now, values."""


class Night:
    """The last minutes of a Prometheus."""

    def __init__(self, url: str, minutes: float, end_unix_s: float) -> None:
        self._url, self._end, self.minutes = url, end_unix_s, minutes

    def series(self, query: Query) -> Series:
        """A query over the minutes."""
        step = max(self.minutes * 60 / STEPS, 1.0)
        begin = self._end - self.minutes * 60
        rows = self._ask("query_range", query, start=str(begin), end=str(self._end), step=str(step))
        found: Series = []
        for row in rows:
            when, values = np.array([[float(at), float(value)] for at, value in row["values"]]).T
            found.append((_legend(query, row["metric"]), (when - self._end) / 60, values))
        return sorted(found, key=lambda one: one[0])

    def now(self, query: Query) -> list[tuple[str, float]]:
        """A query at the end."""
        rows = self._ask("query", query, time=str(self._end))
        return sorted((_legend(query, row["metric"]), float(row["value"][1])) for row in rows)

    def _ask(self, what: str, query: Query, **more: str) -> list[dict[str, Any]]:
        text = query.expression.replace("$__rate_interval", f"{RATE_WINDOW_S}s")
        text = text.replace("$__range", f"{round(self.minutes * 60)}s")
        text = re.sub(r'=~"\$\w+"', '=~".*"', text)
        with urlopen(f"{self._url}/api/v1/{what}?{urlencode({'query': text} | more)}", timeout=30) as answer:
            return list(json.load(answer)["data"]["result"])


def _legend(query: Query, metric: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: metric.get(found[1], ""), query.legend).strip()


def _number(value: float, panel: Panel) -> str:
    match panel.unit:
        case "percentunit":
            return f"{value:.1%}"
        case "degree":
            return f"{value:.1f}°"
        case "s":
            return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"
    return f"{value:,.{panel.decimals or 0}f}"


def _stat(axes: Axes, panel: Panel, night: Night) -> None:
    shown = [(name, value) for query in panel.queries for name, value in night.now(query) if np.isfinite(value)]
    axes.set_axis_off()
    for place, (name, value) in enumerate(shown[:4]):
        at = (place + 0.5) / len(shown[:4])
        axes.text(at, 0.52, _number(value, panel), ha="center", va="center", size=15, color=COLORS[0], weight="bold")
        axes.text(at, 0.12, name, ha="center", va="center", size=8, color=INK)


def _bars(axes: Axes, panel: Panel, night: Night) -> None:
    shown = sorted(((value, name) for query in panel.queries for name, value in night.now(query)), reverse=True)[:8]
    names = [name for _, name in shown][::-1]
    axes.barh(names, [value for value, _ in shown][::-1], color=COLORS[2], height=0.6)
    axes.tick_params(length=0)


def _curves(axes: Axes, panel: Panel, night: Night) -> None:
    asked = [one for query in panel.queries for one in night.series(query)]
    series = [one for one in asked if np.nanmax(one[2], initial=0.0) > 0] or asked[:1]
    for (name, minutes, values), color in zip(series[:8], COLORS, strict=False):
        axes.plot(minutes, values, label=name, color=color, lw=1.3)
        if panel.kind != "lines":
            axes.fill_between(minutes, values, alpha=0.2, color=color, lw=0)
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    if panel.least is not None:
        axes.set_ylim(bottom=panel.least)
    if any(name for name, _, _ in series):
        axes.legend(
            fontsize=6.5, frameon=False, labelcolor=INK, loc="lower right", ncols=4, bbox_to_anchor=(1.0, 0.97),
            borderaxespad=0.0, handlelength=1.0,
        )  # fmt: skip
    axes.set_xlim(-night.minutes, 0)


def _heatmap(axes: Axes, panel: Panel, night: Night) -> None:
    series = [one for query in panel.queries for one in night.series(query)]
    series.sort(key=lambda one: float(one[0].replace("+Inf", "inf")))
    axes.set_xlim(-night.minutes, 0)
    steps = np.unique(np.concatenate([minutes for _, minutes, _ in series]))
    cumulated = np.array([np.interp(steps, minutes, values) for _, minutes, values in series])
    counts = np.diff(cumulated, axis=0, prepend=0.0)
    axes.pcolormesh(steps, np.arange(len(series) + 1), np.ma.masked_less(counts[:, :-1], 0.5), cmap="magma_r")
    axes.set_yticks(np.arange(len(series))[::3] + 1, [name for name, _, _ in series][::3])


DRAWN: dict[str, Callable[[Axes, Panel, Night], None]] = {
    "stat": _stat, "bars": _bars, "lines": _curves, "areas": _curves, "shares": _curves, "heatmap": _heatmap,
}  # fmt: skip
"""How each kind of panel is drawn; timelines and tables are left to Grafana."""


def _places(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    """Each panel with the column and the row of the grid that it begins at."""
    column = row = height = 0
    for panel in panels:
        if column + panel.width > COLUMNS:
            column, row, height = 0, row + height, 0
        yield panel, column, row
        column, height = column + panel.width, max(height, panel.height)


def draw(night: Night, out: Path) -> None:
    """Draws the overview's panels that can be drawn, in their places."""
    placed = list(_places([panel for panel in OVERVIEW.panels if panel.kind in DRAWN]))
    rows = max(row + panel.height for panel, _, row in placed)
    wide, high = COLUMNS * CELL_IN[0], rows * CELL_IN[1]
    style = {"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": EDGE}
    with plt.rc_context(style | {"font.size": 7.5, "axes.facecolor": PAPER}):
        figure = plt.figure(figsize=(wide, high), facecolor="#000000")
        for panel, column, row in placed:
            left, top = column / COLUMNS, 1 - row / rows
            width, height = panel.width / COLUMNS, panel.height / rows
            figure.patches.append(
                Rectangle(
                    (left + 0.002, top - height + 0.003), width - 0.004, height - 0.006,
                    transform=figure.transFigure, facecolor=PAPER, edgecolor=EDGE, zorder=-1,
                )
            )  # fmt: skip
            is_plain = panel.kind == "stat"
            margin = {"stat": 0.04, "bars": 0.27}.get(panel.kind, 0.14)
            inner = (left + width * margin, top - height * 0.88, width * (0.96 - margin), height * 0.68)
            axes = figure.add_axes(inner)
            if panel.kind not in ("stat", "bars"):
                axes.set_xlabel("minutes", fontsize=6.5, labelpad=0)
            figure.text(left + 0.008, top - 0.012, panel.title, va="top", size=8.5, weight="bold")
            axes.spines[["top", "right"]].set_visible(False)
            if not is_plain:
                axes.grid(alpha=0.15)
            DRAWN[panel.kind](axes, panel, night)
        figure.savefig(out, dpi=110, facecolor="#000000")


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 3:
        print("usage: python -m scripts.dashboard_picture PROMETHEUS_URL MINUTES OUT.png", file=sys.stderr)
        return 2
    url, minutes, out = arguments
    draw(Night(url.rstrip("/"), float(minutes), time.time()), Path(out))
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
