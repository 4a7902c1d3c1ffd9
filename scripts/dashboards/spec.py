"""What a dashboard is, before it is Grafana's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "bars", "lines", "areas", "shares", "heatmap", "timeline", "table"]
"""stat: figures; bars: a bar for each label; lines, areas (stacked), shares (stacked to 100 %): over time; heatmap: a
histogram over time; timeline: states over time; table: labels."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on the colour holds; None is from below everything."""

    value: float | None
    color: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel."""

    title: str
    kind: Kind
    meaning: str
    """What it shows, and what a good night looks like."""
    unit: str
    """Grafana's name of it."""
    queries: tuple[Query, ...]
    see: tuple[str, ...] = ("operations.md",)
    """Pages of the docs that say more, or what to do."""
    width: int = 8
    """Of 24."""
    height: int = 8
    steps: tuple[Step, ...] = ()
    decimals: int | None = None
    least: float | None = 0.0
    """Where the axis begins; None leaves it to the data."""
    most: float | None = None
    words: tuple[tuple[float, str, str], ...] = ()
    """Value, the word for it, its colour."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together, below a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A further choice at the top of a dashboard: the values of a label."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    answers: str
    """The question that it answers."""
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All its panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)


GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "text"

ANY_IS_BAD = (Step(None, GREEN), Step(1, RED))
"""Steps of a count that is 0 in a good night."""


def one(expression: str, legend: str = "") -> tuple[Query, ...]:
    """A panel's only query."""
    return (Query(expression, legend),)
