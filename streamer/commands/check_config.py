"""`streamer check-config`: says whether a configuration can be used, and if not where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import ConfigurationError
from streamer.factory.clusters import password_of, readable
from streamer.settings import Settings, SettingsError, default_yaml, load_settings
from streamer.settings.loading import Steps, blocks, located
from streamer.settings.service import Credentials, RegistrySettings, Security

CERTIFICATES = ("ca_file", "certificate_file", "key_file")
"""Keys of files that clusters and registries are met with."""

WRONG = 2
"""Exit code of a configuration that cannot be used."""


def check_config(file: Path | None, *, print_default: bool = False) -> tuple[str, int]:
    """(what to print, exit code): the default configuration, or the verdict on `file`, one line a problem.

    The text belongs on stdout with exit code 0 and on stderr otherwise.
    """
    if print_default:
        return default_yaml().removesuffix("\n"), 0
    if file is None:
        return "name a configuration file, or use --print-default", WRONG
    try:
        settings = load_settings(file)
    except SettingsError as error:
        return "\n".join(error.problems), WRONG
    problems = located(file, _unusable_secrets(settings))
    if problems:
        return "\n".join(problems), WRONG
    selections = settings.selections
    counts = f"{len(selections.ztf)} ZTF and {len(selections.lsst)} LSST selections"
    return f"{file}: good; {counts}, bundle {settings.classifier.bundle}", 0


def _unusable_secrets(settings: Settings) -> list[tuple[Steps, str]]:
    """Passwords and certificates that cannot be had here, by the path of their keys."""
    problems: list[tuple[Steps, str]] = []
    for path, block in blocks(settings):
        if isinstance(block, Credentials):
            key = "password_env" if block.password_file is None else "password_file"
            with _noted(problems, (*path, key)):
                password_of(block)
        if isinstance(block, Security | RegistrySettings):
            for key in CERTIFICATES:
                if file := getattr(block, key, None):
                    with _noted(problems, (*path, key)):
                        readable(file)
    return problems


@contextmanager
def _noted(problems: list[tuple[Steps, str]], path: Steps) -> Iterator[None]:
    """Adds what is wrong with the value at `path` to the problems."""
    try:
        yield
    except ConfigurationError as error:
        problems.append((path, str(error)))
