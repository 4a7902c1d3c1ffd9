"""`streamer run` and its workers guard their place, and do not stand still."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Event

import pytest

from streamer.commands import run as command
from streamer.health import Health
from streamer.settings import Settings
from streamer.settings.service import StreamSettings
from streamer.supervisor import Ended


def test_a_place_that_another_user_holds_ends_the_service_with_code_3_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(command, "log_to_stderr", lambda name: None)  # it would stay so for other tests
    (tmp_path / "transient-streamer-mine-node-1.lock").mkdir()  # cannot be opened, by root either
    settings = Settings(deployment="mine", host="node-1", streams=(StreamSettings(topics=("alerts",)),))
    assert command.run_service(settings, 1, None) == Ended.SLOT_TAKEN
    assert "the deployment mine was run on this host by another user" in caplog.text


def test_a_worker_whose_work_stands_still_ends_and_may_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, codes = Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(command.os, "_exit", end)
    monkeypatch.setattr(command, "HUNG_TURN_S", 0.001)
    now = 0.0
    health = Health((), clock=lambda: now)
    command._end_when_silent(health)
    assert not ended.wait(0.05)
    now = command.HUNG_S
    assert ended.wait(10.0)
    assert codes == [Ended.START_AGAIN]
