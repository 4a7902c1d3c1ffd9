"""Passwords in files."""

from __future__ import annotations

from pathlib import Path

from streamer.errors import ConfigurationError

OTHERS = 0o077
"""Bits of a file's mode that let others than its owner at it."""


def read_password(file: Path) -> str:
    """The password in a file, without the line's end; ConfigurationError where there is none, or others may read it."""
    try:
        if file.stat().st_mode & OTHERS:
            raise ConfigurationError(f"others may read the password file {file}: `chmod 600 {file}`")
        password = file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise ConfigurationError(f"the password file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the password file {file} cannot be read: it is no UTF-8 text") from None
    if not password:
        raise ConfigurationError(f"the password file {file} is empty")
    return password
