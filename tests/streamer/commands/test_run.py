"""`streamer run` guards its place on a host."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from streamer.commands import run as command
from streamer.settings import Settings
from streamer.settings.service import StreamSettings
from streamer.supervisor import Ended


def test_a_place_that_another_user_holds_ends_the_service_with_code_3_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(command, "log_to_stderr", lambda settings, process: None)  # it would stay so for other tests
    (tmp_path / "transient-streamer-mine-node-1.lock").mkdir()  # cannot be opened, by root either
    settings = Settings(deployment="mine", host="node-1", streams=(StreamSettings(topics=("alerts",)),))
    assert command.run_service(settings, 1, None) == Ended.SLOT_TAKEN
    assert "the deployment mine was run on this host by another user" in caplog.text
