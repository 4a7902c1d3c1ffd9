"""The docs' made pages are up to date, and the pictures of their graphs can be drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from scripts.docs_hooks import FENCE, draw, read
from scripts.docs_pages import DOCS, pages
from streamer.cli import app
from streamer.commands.check_config import check_config


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


ROOT = Path(__file__).resolve().parent.parent
PUBLIC_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
CARD = json.loads((ROOT / "classifiers" / "bundles" / "default" / "card.json").read_text(encoding="utf-8"))


def versions_named(text: str, model: str) -> list[str]:
    """Versions that stand in a text soon after the model's name."""
    return re.findall(rf"{re.escape(model)}[^\n.]{{0,30}}?\bv?(\d+\.\d+\.\d+)", text)


def test_a_model_version_in_the_docs_is_the_version_of_the_card() -> None:
    for page in PUBLIC_PAGES:
        for version in versions_named(page.read_text(encoding="utf-8"), CARD["name"]):
            assert version == CARD["version"], page


@pytest.mark.parametrize("text", ["first-light 1.2.3", "`first-light`, version 1.2.3", "first-light | v1.2.3 |"])
def test_a_model_version_is_found_however_it_is_written(text: str) -> None:
    assert versions_named(f"The bundle {text} answers. numpy 2.1.0", "first-light") == ["1.2.3"]


def test_public_pages_name_no_path_of_a_machine() -> None:
    for page in PUBLIC_PAGES:
        assert not re.search(r"/(work|root|home)/", page.read_text(encoding="utf-8")), page


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of each fenced block in a language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(page.name, text) for page in PUBLIC_PAGES for text in fence.findall(page.read_text(encoding="utf-8"))]


def command_lines() -> list[tuple[str, str]]:
    """(page, line) of each command of ours that a console block shows, with or without a prompt."""
    line = re.compile(r"^(?:\$ )?(streamer .*?)(?: +#.*| \| .*)?$", re.MULTILINE)
    return [(page, found) for page, text in blocks("console") for found in line.findall(text)]


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_a_command_line_of_the_docs_exists_with_its_options(page: str, line: str) -> None:
    command = typer.main.get_command(app)
    words = line.split()[1:]
    while isinstance(command, TyperGroup) and words and words[0] != "[OPTIONS]":
        assert words[0] in command.commands, page
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known, page


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_a_configuration_of_the_docs_is_accepted(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"_file: ([\w.-]+)", text):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o600)
    for name in re.findall(r"_env: (\w+)", text):
        monkeypatch.setenv(name, "secret")
    file = tmp_path / "streamer.yaml"
    file.write_text(text, encoding="utf-8")
    verdict, code = check_config(file)
    assert code == 0, f"{page}: {verdict}"
