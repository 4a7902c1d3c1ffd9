"""What the settings say reaches what is built from them, and errors keep their own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.surveys.identity import SURVEYS
from streamer.factory.clusters import BYTES_PER_MB
from streamer.factory.replay import STATE_FOLDER, open_replay, open_store_for_reading
from streamer.settings import Settings
from streamer.settings.models import StateSettings
from streamer.sinks.base import SinkError
from streamer.state.store import StoreBusy, StoreError
from tests.fakes import night, packets


@pytest.mark.parametrize("megabytes", [0, 1])
def test_cutouts_are_kept_up_to_the_configured_size(tmp_path: Path, megabytes: int) -> None:
    with open_replay(Settings(state=StateSettings(cutouts_max_mb=megabytes)), tmp_path) as pipeline:
        outcomes = pipeline.process(packets(night("ztf", 120)))
    assert outcomes.scored > 60
    size = (tmp_path / STATE_FOLDER / "cutouts.ring").stat().st_size
    assert 0.9 * megabytes * BYTES_PER_MB <= size <= megabytes * BYTES_PER_MB


def test_the_pipeline_takes_every_survey_that_can_be_read(tmp_path: Path) -> None:
    with open_replay(Settings(), tmp_path) as pipeline:
        for survey in SURVEYS:
            outcomes = pipeline.process(packets(night(survey, 5), survey))
            assert outcomes.scored + outcomes.filtered.total() == 5


@pytest.mark.parametrize("error", [OSError(5, "a disk of the caller's"), StoreError("full"), SinkError("full")])
def test_an_error_of_the_caller_is_not_blamed_on_the_folder(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as raised, open_replay(Settings(), tmp_path):
        raise error
    assert raised.value is error


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write the object store"), open_replay(Settings(), tmp_path / "file"):
        pass


def test_a_folder_in_use_is_refused_to_writers_and_open_to_readers(tmp_path: Path) -> None:
    with open_replay(Settings(), tmp_path):
        with pytest.raises(StoreBusy), open_replay(Settings(), tmp_path):
            pass
        with open_store_for_reading(tmp_path) as store:
            assert store.latest_alert("ztf", "ZTF18aaaaaaa") is None
