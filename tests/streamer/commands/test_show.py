"""`streamer show` looks, beside a running replay too, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamer.commands.show import run_show
from streamer.errors import UserError
from streamer.factory.replay import STATE_FOLDER, open_replay
from streamer.settings import Settings
from streamer.sinks.parquet import SCORES_FILE
from tests.fakes import night, packets

PNG = b"\x89PNG\r\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    with open_replay(Settings(), tmp_path / "results") as pipeline:
        pipeline.process(packets(night("ztf", 20)))
    return tmp_path / "results"


def scored_object(results: Path) -> str:
    return str(pq.read_table(results / SCORES_FILE).column("object_id")[0])


def files(folder: Path) -> dict[str, bytes]:
    """What lies in the folder, but for SQLite's files of the moment."""
    kept = (file for file in folder.rglob("*") if file.is_file() and not file.name.endswith(("-wal", "-shm")))
    return {str(file): file.read_bytes() for file in kept}


def test_show_changes_nothing_in_the_folder(results: Path, tmp_path: Path) -> None:
    before = files(results)
    run_show(scored_object(results), results, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(PNG)
    assert files(results) == before


def test_show_works_beside_a_running_replay(results: Path, tmp_path: Path) -> None:
    with open_replay(Settings(), results) as pipeline:
        pipeline.process(packets(night("lsst", 20)))
        run_show(scored_object(results), results, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["²", "ztf:²", "nothing"])
def test_show_of_what_is_no_name_is_one_line_for_people(results: Path, name: str) -> None:
    with pytest.raises(UserError, match="no alert and no object"):
        run_show(name, results, None)


def test_show_of_a_folder_whose_store_is_gone_is_one_line_for_people(tmp_path: Path) -> None:
    (tmp_path / STATE_FOLDER).mkdir()
    with pytest.raises(UserError, match="no object store in"):
        run_show("1", tmp_path, None)
    assert not any((tmp_path / STATE_FOLDER).iterdir())
