"""A lock on a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.file_lock import FileLock, Held


def test_who_comes_second_hears_the_process_of_the_first(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock"), pytest.raises(Held, match=f"^{os.getpid()}$"):
        FileLock(tmp_path / "lock")


def test_a_lock_given_back_can_be_had_again(tmp_path: Path) -> None:
    for _ in range(2):
        FileLock(tmp_path / "lock").close()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from streamer.file_lock import FileLock\n"
        "lock = FileLock(pathlib.Path(sys.argv[1])); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=False).returncode == 9
    with FileLock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_file_that_cannot_be_opened_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "absent" / "lock")
