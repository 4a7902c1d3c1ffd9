"""Passwords in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import ConfigurationError
from streamer.passwords import read_password


def test_a_password_ends_where_its_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" with spaces \n")
    file.chmod(0o600)
    assert read_password(file) == " with spaces "


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"secret", 0o640, r"others may read the password file .*: `chmod 600 .*password`"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "it is no UTF-8 text"),
    ],
)
def test_a_file_that_is_no_good_is_one_line_that_says_why(content: bytes, mode: int, said: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=said):
        read_password(file)


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_password(tmp_path / "absent")
