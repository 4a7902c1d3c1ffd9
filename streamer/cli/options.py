"""Options that several commands share, and the settings that `--config` names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.errors import UserError

if TYPE_CHECKING:
    from streamer.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; without it the defaults hold."),
]
Schemas = Annotated[
    Path | None,
    typer.Option("--schemas", metavar="DIR", help="Folder of LSST writer schemas, <id>.avsc, beside the known ones."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The last line on stdout is one JSON object.")]


class Survey(StrEnum):
    """Surveys, as people call them."""

    ztf = "ztf"
    lsst = "lsst"


def settings_of(config: Path | None) -> Settings:
    """The configuration's settings, or the defaults."""
    from streamer.settings import Settings, SettingsError, load_settings

    if config is None:
        return Settings()
    try:
        return load_settings(config)
    except SettingsError as error:
        raise UserError(str(error)) from None
