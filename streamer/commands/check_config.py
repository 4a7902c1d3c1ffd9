"""`streamer check-config`: says whether a configuration can be used, and if not where it is wrong."""

from __future__ import annotations

from pathlib import Path

from streamer.settings import SettingsError, default_yaml, load_settings

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
    selections = settings.selections
    counts = f"{len(selections.ztf)} ZTF and {len(selections.lsst)} LSST selections"
    return f"{file}: good; {counts}, bundle {settings.classifier.bundle}", 0
