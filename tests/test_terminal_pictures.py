"""Pictures of a terminal show what a command prints, and ask nobody else for anything."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.terminal_pictures import main

PRINT = "import sys; print('\\x1b[31mred words\\x1b[0m'); print('<plain>', file=sys.stderr); sys.exit(1)"


def test_a_picture_shows_the_command_and_all_that_it_printed(tmp_path: Path) -> None:
    out = tmp_path / "picture.svg"
    assert main([str(out), sys.executable, "-c", PRINT]) == 0
    svg = out.read_text(encoding="utf-8")
    ET.fromstring(svg)
    text = html.unescape(re.sub(r"<[^>]+>", "", svg)).replace("\xa0", " ")
    assert f"$ {Path(sys.executable).name} -c" in text
    assert "red words" in text
    assert "<plain>" in text


def test_a_picture_is_shown_without_asking_another_machine(tmp_path: Path) -> None:
    out = tmp_path / "picture.svg"
    main([str(out), sys.executable, "-c", PRINT])
    assert not re.search(r"@font-face|href=|url\([\"']?http", out.read_text(encoding="utf-8"))


def test_without_a_command_the_usage_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["picture.svg"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
