"""The page that takes a user's own model and data to scored alerts is run as it stands; needs torch."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.train

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "train-your-own.md"

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def run_page(text: str, folder: Path) -> None:
    """Writes every titled block to its file and runs every console line, in order; what a line says it must print."""
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "COLUMNS": "200",
    }
    for kind, title, body in BLOCK.findall(text):
        if title:
            (folder / title).write_text(body)
        elif kind == "console":
            for command in re.findall(r"^\$ .*(?:\n(?!\$ ).*)*", body, re.MULTILINE):
                line, *expected = command.rstrip().splitlines()
                done = subprocess.run(
                    shlex.split(line.removeprefix("$ ")), cwd=folder, env=environment, capture_output=True, text=True,
                    check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                for each in expected:
                    assert each in done.stdout


def test_the_page_takes_ones_own_model_and_data_from_an_empty_folder_to_scored_alerts(tmp_path: Path) -> None:
    run_page(PAGE.read_text(encoding="utf-8"), tmp_path)
    scores = pq.read_table(tmp_path / "scored" / "scores.parquet").to_pylist()
    assert len(scores) > 0
    assert {row["model"] for row in scores} == {"mine"}
    assert (tmp_path / "my-figures" / "predictions.parquet").is_file()
