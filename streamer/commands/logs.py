"""What always-on processes say on stderr."""

from __future__ import annotations

from streamer.logs import begin
from streamer.settings import Settings


def log_to_stderr(settings: Settings, process: str) -> None:
    """Begins the log of this process as the settings have it; `process` is the name that it speaks under."""
    begin(process, settings.deployment, settings.logs.format, settings.logs.level, settings.logs.repeat_s)
