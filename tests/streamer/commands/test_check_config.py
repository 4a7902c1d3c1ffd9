"""`streamer check-config` says whether a configuration can be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamer.commands.check_config import check_config
from streamer.settings import Settings, load_settings


def test_the_printed_default_is_good_and_is_the_default(tmp_path: Path) -> None:
    text, code = check_config(None, print_default=True)
    assert code == 0
    file = tmp_path / "streamer.yaml"
    file.write_text(text)
    assert load_settings(file) == Settings()
    assert check_config(file) == (f"{file}: good; 2 ZTF and 1 LSST selections, bundle default", 0)


def test_a_wrong_file_ends_with_2_and_one_line_for_each_problem(tmp_path: Path) -> None:
    file = tmp_path / "streamer.yaml"
    file.write_text("batch: {max_alerts: 0}\nstate: {cutouts_mb: 1}\n")
    text, code = check_config(file)
    assert code == 2
    assert [line.split(": ")[1] for line in text.splitlines()] == ["batch.max_alerts", "state.cutouts_mb"]


@pytest.mark.parametrize("name", ["absent.yaml", None])
def test_without_a_file_the_message_says_what_to_do(tmp_path: Path, name: str | None) -> None:
    text, code = check_config(tmp_path / name if name else None)
    assert code == 2
    assert "--print-default" in text
    assert "\n" not in text


def test_the_command_prints_one_line_and_no_traceback_for_a_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "streamer.yaml"
    file.write_text("batch: {max_alert: 1}\n")
    command = [sys.executable, "-m", "streamer", "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{file}:1:9: batch.max_alert: unknown key")
    assert done.stderr.count("\n") == 1


def test_the_command_prints_the_default_on_stdout() -> None:
    command = [sys.executable, "-m", "streamer", "check-config", "--print-default"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == check_config(None, print_default=True)[0] + "\n"
    assert done.stderr == ""
