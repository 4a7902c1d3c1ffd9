"""The command line, called as a person calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamer.cli import main
from streamer.simulate.files import write_night
from streamer.simulate.night import NightPlan


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Streamer = Callable[..., Said]


@pytest.fixture
def streamer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Streamer:
    """Runs `streamer ARGS...` in this process."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["streamer", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a simulated night of both surveys, 150 packets each."""
    folder = tmp_path_factory.mktemp("night")
    for survey in ("ztf", "lsst"):
        write_night(NightPlan(survey, 150, 3, nights=10, mixture="rich"), folder / survey)
    return folder
