"""The docs' made pages are up to date, and the pictures of their graphs can be drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.docs_hooks import FENCE, draw, read
from scripts.docs_pages import DOCS, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_made_from_the_code_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs-pages`"


def test_every_graph_of_the_docs_can_be_drawn() -> None:
    graphs = [graph for page in DOCS.rglob("*.md") for graph in FENCE.findall(page.read_text(encoding="utf-8"))]
    assert graphs
    for graph in graphs:
        chart = read(graph)
        picture = draw(chart)
        assert picture.count("<rect ") == len(chart.nodes)
        assert picture.count("marker-end") == len(chart.edges)


def test_a_graph_is_laid_out_along_its_edges() -> None:
    chart = read("flowchart LR\n  a[first] --> b[(two<br/>lines)] -->|why| c([last])\n  a -.-> c\n")
    draw(chart)
    assert [node.layer for node in chart.nodes.values()] == [0, 1, 2]
    assert chart.nodes["a"].x < chart.nodes["b"].x < chart.nodes["c"].x
    assert chart.nodes["b"].lines == ["two", "lines"]
    assert chart.edges == [("a", "b", "", False), ("b", "c", "why", False), ("a", "c", "", True)]


@pytest.mark.parametrize("text", ["graph TD\n a --> b\n", "flowchart TD\n a ==> b\n", "flowchart TD\n a -->\n", ""])
def test_a_graph_that_is_not_understood_stops_the_build(text: str) -> None:
    with pytest.raises(ValueError, match="mermaid"):
        read(text)


def test_public_pages_name_no_path_of_a_machine() -> None:
    root = Path(__file__).resolve().parent.parent
    for page in [root / "README.md", root / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        assert not re.search(r"/(work|root|home)/", page.read_text(encoding="utf-8")), page
