"""Draws the docs' mermaid flowcharts as SVG when the site is built, so that a page needs no script and no network.

Only what our pages use is understood: `flowchart TD` or `LR`, nodes `id[text]`, `id([text])` and `id[(text)]`, and
edges `a --> b`, `a -.-> b` and `a -->|text| b`. Anything else stops the build with the line that was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NODE = re.compile(r"(\w+)(\(\[.*?\]\)|\[\(.*?\)\]|\[.*?\])?")
ARROW = re.compile(r"\s*(-->|-\.->)(?:\|(.*?)\|)?\s*")

CHARACTER, LINE, GAP_ALONG, GAP_ACROSS, PAD = 7.6, 18, 46, 26, 12
"""Width of a character, height of a line, gaps between and within layers, padding [px]."""


@dataclass
class Node:
    """A box: its lines of text, its layer, and its centre."""

    lines: list[str]
    shape: str
    layer: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        """Width of the box [px]."""
        return max(len(line) for line in self.lines) * CHARACTER + 2 * PAD

    @property
    def height(self) -> float:
        """Height of the box [px]."""
        return len(self.lines) * LINE + 2 * PAD


@dataclass
class Chart:
    """A flowchart as read: nodes by id, edges as (from, to, text, dashed)."""

    across: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str, str, bool]] = field(default_factory=list)


def on_page_markdown(markdown: str, **_: object) -> str:
    """The hook that mkdocs calls for each page."""
    return FENCE.sub(lambda found: draw(read(found.group(1))), markdown)


def read(text: str) -> Chart:
    """Reads a flowchart; ValueError with the line that is not understood."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("%%")]
    head = re.fullmatch(r"flowchart (TD|LR)", lines[0] if lines else "")
    if head is None:
        raise ValueError("a mermaid block must begin with `flowchart TD` or `flowchart LR`")
    chart = Chart(head[1] == "LR")
    for line in lines[1:]:
        place, source, arrow = 0, "", None
        while True:
            node = NODE.match(line, place)
            if node is None:
                raise ValueError(f"mermaid line not understood: {line}")
            name, body = node.groups()
            if body or name not in chart.nodes:
                words = (body or name).strip("[]()").strip('"')
                shape = (
                    "round" if (body or "").startswith("([") else "store" if (body or "").startswith("[(") else "box"
                )
                chart.nodes[name] = Node(re.split(r"<br/?>", words), shape)
            if arrow is not None:
                chart.edges.append((source, name, arrow[2] or "", arrow[1] == "-.->"))
            source, place = name, node.end()
            if place == len(line):
                break
            arrow = ARROW.match(line, place)
            if arrow is None:
                raise ValueError(f"mermaid line not understood: {line}")
            place = arrow.end()
    return chart


def draw(chart: Chart) -> str:
    """The chart as an SVG figure in the page's own colours."""
    width, height = _place(chart)
    parts = [*_edges(chart), *_boxes(chart)]
    return (
        f'<figure><svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" style="max-width:100%;'
        'height:auto;color:var(--md-typeset-color);font:13px monospace">'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="currentColor"/></marker></defs>{"".join(parts)}</svg></figure>'
    )


def _place(chart: Chart) -> tuple[float, float]:
    """Gives every node a layer (longest way from a source) and a centre; returns the size of the picture."""
    for _ in chart.nodes:
        for source, target, _text, dashed in chart.edges:
            if not dashed:
                chart.nodes[target].layer = max(chart.nodes[target].layer, chart.nodes[source].layer + 1)
    for source, target, _text, dashed in chart.edges:
        node = chart.nodes[target]
        if dashed and all(target not in edge[:2] or edge[3] for edge in chart.edges):
            node.layer = chart.nodes[source].layer + 1
    layers: dict[int, list[Node]] = {}
    for node in chart.nodes.values():
        layers.setdefault(node.layer, []).append(node)
    along, axis = GAP_ACROSS / 2, GAP_ACROSS / 2 + max(_thickness(chart, nodes[0]) for nodes in layers.values()) / 2
    widest = 0.0
    for layer in sorted(layers):
        nodes = layers[layer]
        thick = max(node.width if chart.across else node.height for node in nodes)
        across = axis - _thickness(chart, nodes[0]) / 2  # the first of each layer stands on the common axis
        for node in nodes:
            own = _thickness(chart, node)
            setattr(node, "x" if chart.across else "y", along + thick / 2)
            setattr(node, "y" if chart.across else "x", across + own / 2)
            across += own + GAP_ACROSS
        widest = max(widest, across)
        along += thick + GAP_ALONG + (max_label(chart, layer) if chart.across else 0)
    along += GAP_ACROSS / 2 - GAP_ALONG
    return (along, widest) if chart.across else (widest, along)


def _thickness(chart: Chart, node: Node) -> float:
    """Size of a box across the flow [px]."""
    return node.height if chart.across else node.width


def max_label(chart: Chart, layer: int) -> float:
    """Room for the longest text on an edge that leaves a layer [px]."""
    return max((len(t) * CHARACTER for s, _, t, _ in chart.edges if chart.nodes[s].layer == layer), default=0.0)


def _edges(chart: Chart) -> Iterator[str]:
    for source, target, text, dashed in chart.edges:
        a, b = chart.nodes[source], chart.nodes[target]
        if chart.across:
            x1, y1, x2, y2 = a.x + a.width / 2, a.y, b.x - b.width / 2, b.y
            bend = f"C{(x1 + x2) / 2:.1f} {y1:.1f} {(x1 + x2) / 2:.1f} {y2:.1f}"
        else:
            x1, y1, x2, y2 = a.x, a.y + a.height / 2, b.x, b.y - b.height / 2
            bend = f"C{x1:.1f} {(y1 + y2) / 2:.1f} {x2:.1f} {(y1 + y2) / 2:.1f}"
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        yield (
            f'<path d="M{x1:.1f} {y1:.1f}{bend} {x2:.1f} {y2:.1f}" fill="none" stroke="currentColor"{dash} '
            'marker-end="url(#tip)"/>'
        )
        if text:
            anchor, shift = ("middle", 0) if chart.across else ("start", 8)
            yield (
                f'<text x="{(x1 + x2) / 2 + shift:.1f}" y="{(y1 + y2) / 2 - 5:.1f}" text-anchor="{anchor}" '
                f'fill="currentColor" font-size="11" opacity=".8">{escape(text)}</text>'
            )


def _boxes(chart: Chart) -> Iterator[str]:
    for node in chart.nodes.values():
        left, top = node.x - node.width / 2, node.y - node.height / 2
        radius = {"box": 4, "round": node.height / 2, "store": 14}[node.shape]
        fill = "var(--md-code-bg-color)" if node.shape == "store" else "var(--md-default-bg-color)"
        yield (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{node.width:.1f}" height="{node.height:.1f}" rx="{radius:.0f}" '
            f'fill="{fill}" stroke="currentColor"/>'
        )
        for index, line in enumerate(node.lines):
            y = node.y + (index - (len(node.lines) - 1) / 2) * LINE + 4
            yield f'<text x="{node.x:.1f}" y="{y:.1f}" text-anchor="middle" fill="currentColor">{escape(line)}</text>'
