"""What the dashboards ask of Prometheus, as Grafana would ask it, and what changes in the answers."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"

RATE_WINDOW = "5s"
"""Stands for $__rate_interval: four scrapes and one more, as Grafana takes them."""

RANGE = "300s"
"""Stands for $__range: longer than a test."""

WEEK_S = 5
"""Stands for the week of `offset 1w` [s], and for the minutes of other offsets: a test does not last a week."""

Labels = tuple[tuple[str, str], ...]
Values = dict[Labels, float]
"""Value of each series, finite ones alone."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query of one panel, or of an annotation, of the JSON that Grafana is given."""

    board: str
    panel: str
    expression: str


def questions() -> list[Question]:
    """Every query of every panel and annotation of every dashboard."""
    found: list[Question] = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        name = board["uid"].removeprefix("streamer-")
        for panel in board["panels"]:
            found += [Question(name, panel["title"], target["expr"]) for target in panel.get("targets", ())]
        if name == "overview":  # the others have the same ones
            found += [Question("annotations", mark["name"], mark["expr"]) for mark in board["annotations"]["list"]]
    return found


class Grafana:
    """Asks a Prometheus what the dashboards ask, with their variables filled as Grafana fills them."""

    def __init__(self, url: str, deployment: str) -> None:
        self._url = url
        self._variables = {"deployment": deployment, "__rate_interval": RATE_WINDOW, "__range": RANGE}

    def choose_all(self) -> None:
        """Fills the other variables with all that there is now."""
        for path in sorted(DASHBOARDS.glob("*.json")):
            for variable in json.loads(path.read_text(encoding="utf-8"))["templating"]["list"]:
                if variable["type"] == "query" and variable["name"] != "deployment":
                    self._variables[variable["name"]] = "|".join(self._label_values(variable["query"]))

    def now(self, expression: str) -> Values:
        """The query's answer at this moment."""
        return _values(
            (row["metric"], row["value"][1]) for row in self._ask("query", query=self._filled(expression))["result"]
        )

    def since(self, expression: str, begin_unix_s: float) -> list[Values]:
        """Its answers at each second since then."""
        times = {"start": f"{begin_unix_s:.3f}", "end": f"{time.time():.3f}", "step": "1"}
        steps: dict[float, list[tuple[Any, str]]] = {}
        for row in self._ask("query_range", query=self._filled(expression), **times)["result"]:
            for when, value in row["values"]:
                steps.setdefault(when, []).append((row["metric"], value))
        return [_values(iter(rows)) for _, rows in sorted(steps.items())]

    def _label_values(self, query: str) -> list[str]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found, query
        selector, label = found.groups()
        names = self._ask(f"label/{label}/values", **{"match[]": self._filled(selector)})
        assert names, f"no value to choose: {query}"
        return [re.escape(name) for name in names]

    def _filled(self, expression: str) -> str:
        for name in sorted(self._variables, key=len, reverse=True):
            expression = expression.replace(f"${name}", self._variables[name].replace("\\", "\\\\"))
        assert "$" not in expression, expression
        return re.sub(r"offset \d+[mw]", f"offset {WEEK_S}s", expression)

    def _ask(self, path: str, **query: str) -> Any:
        try:
            with urlopen(f"{self._url}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            with error:
                raise AssertionError(f"{query}: {error.read().decode()}") from None


def _values(rows: Iterator[tuple[Mapping[str, str], str]]) -> Values:
    return {tuple(sorted(labels.items())): float(value) for labels, value in rows if math.isfinite(float(value))}


How = Literal["rises", "falls", "differs"]

RISES_SHARE, FALLS_SHARE, DIFFERS = 0.05, 0.01, 0.002
"""Shares of the former value, and a difference, up to which nothing has changed: Prometheus extrapolates, by what its
last scrapes were late."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an event does to a panel: a series with these labels rises or falls by `least`, or differs at all."""

    board: str
    panel: str
    how: How = "rises"
    least: float = 0.0
    where: Mapping[str, str] = field(default_factory=dict, hash=False)

    def seen(self, before: Values, after: Values) -> tuple[Labels, float | None, float] | None:
        """A series that has changed so, its former value and its new one; None where none has."""
        for labels, value in after.items():
            if not self.where.items() <= dict(labels).items():
                continue
            old = before.get(labels)
            if self.how == "rises":
                has = value > (old or 0.0) + max(self.least, RISES_SHARE * abs(old or 0.0))
            elif self.how == "falls":
                has = old is not None and value < old - max(self.least, FALLS_SHARE * abs(old))
            else:
                has = old is not None and abs(value - old) > DIFFERS
            if has:
                return labels, old, value
        return None


def told(labels: Labels, value: float | None) -> str:
    """One series, for people."""
    return f"{_named(labels)} {'none' if value is None else f'{value:.4g}'}".strip()


def _named(labels: Labels) -> str:
    kept = [value for name, value in labels if name not in ("__name__", "instance", "job", "host", "version") and value]
    return " ".join(kept[:4])
