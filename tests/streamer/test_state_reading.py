"""Looking into the embedded store: nothing is changed, nobody is locked out, no right to write is needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.state.cutout_ring import Slot, read_stamps
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.sqlite_reading import SqliteObjectReader
from streamer.state.store import ObjectStore, StoreError
from tests import made_up
from tests.contracts.object_store import OBJECTS, STAMPS, put, put_score, put_spectrum, state

LARGE = (b"x" * 6000, None, None)


def fill(store: ObjectStore, alert_id: int = 1) -> None:
    alerts = made_up.alerts([alert_id], [OBJECTS[0]], cutouts=STAMPS)
    put(
        store,
        lambda s: s.add_light_curve_rows("ztf", [OBJECTS[0]], made_up.rows(alert_id), np.array([0, 1])),
        lambda s: s.put_alerts(alerts),
        lambda s: s.put_cutouts("ztf", alerts.alert_id, alerts.cutouts),
        put_spectrum(OBJECTS[0], 60000.0 + alert_id, 1.0),
        put_score(alert_id, 0),
    )


def content(folder: Path) -> dict[str, bytes]:
    """What is in the folder's files, but for SQLite's files of the moment."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(("-wal", "-shm"))}


def test_a_reader_finds_what_the_writer_knows_and_changes_no_file(tmp_path: Path) -> None:
    with SqliteObjectStore(tmp_path, 2**20) as store:
        fill(store)
        written = state(store)
    before = content(tmp_path)
    with SqliteObjectReader(tmp_path) as reader:
        assert state(reader) == written
        assert reader.cutouts("ztf", 1) == STAMPS
        assert reader.cutouts("ztf", 2) is None
    assert content(tmp_path) == before
    SqliteObjectStore(tmp_path, 2**20).close()


def test_a_reader_beside_a_writer_sees_its_commits_and_stops_it_in_nothing(tmp_path: Path) -> None:
    with SqliteObjectStore(tmp_path, 2**20) as store:
        fill(store)
        with SqliteObjectReader(tmp_path) as reader, SqliteObjectReader(tmp_path) as other:
            store.begin()
            store.put_alerts(made_up.alerts([4], [OBJECTS[0]]))
            assert reader.alert_ids("ztf", OBJECTS[0]) == other.alert_ids("ztf", OBJECTS[0]) == [1]
            store.rollback()
            fill(store, 2)
            assert state(reader) == state(store)
            assert reader.cutouts("ztf", 2) == STAMPS


def test_a_reader_is_given_no_stamps_that_a_writer_wrote_over_or_that_stood_in_a_ring_of_another_size(
    tmp_path: Path,
) -> None:
    with SqliteObjectStore(tmp_path, 8192) as store, SqliteObjectReader(tmp_path) as reader:
        for alert_id in (1, 2):
            put(store, lambda s, i=alert_id: s.put_cutouts("ztf", np.array([i]), [LARGE]))
        assert (reader.cutouts("ztf", 1), reader.cutouts("ztf", 2)) == (None, LARGE)
    with SqliteObjectReader(tmp_path) as reader:
        with SqliteObjectStore(tmp_path, 0) as store:
            put(store, lambda s: s.put_cutouts("ztf", np.array([3]), [STAMPS]))
        assert [reader.cutouts("ztf", alert_id) for alert_id in (1, 2, 3)] == [None, None, None]


def test_a_stale_slot_in_a_ring_that_keeps_nothing_now_gives_no_stamps(tmp_path: Path) -> None:
    with (tmp_path / "ring").open("w+b") as ring:
        assert read_stamps(ring.fileno(), Slot(0, 3, None, None, 0), capacity=0, end=0) is None


def test_what_a_killed_writer_left_is_read_and_left_to_the_next_writer(tmp_path: Path) -> None:
    with SqliteObjectStore(tmp_path / "live", 2**20) as store:
        fill(store)
        written = state(store)
        shutil.copytree(tmp_path / "live", tmp_path / "left")
    log = tmp_path / "left" / "objects.sqlite-wal"
    before, log_before = content(tmp_path / "left"), log.read_bytes()
    with SqliteObjectReader(tmp_path / "left") as reader:
        assert state(reader) == written
    assert content(tmp_path / "left") == before
    assert log.read_bytes() == log_before
    with SqliteObjectStore(tmp_path / "left", 2**20) as store:
        assert state(store) == written


READ_WITHOUT_RIGHTS = """
import os, sys
from streamer.state.sqlite_reading import SqliteObjectReader
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
assert not os.access(sys.argv[1], os.W_OK)
with SqliteObjectReader(sys.argv[1]) as reader:
    print(reader.alert_ids("ztf", sys.argv[2]), reader.cutouts("ztf", 1) is not None)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder whose parents anybody may enter (those of `tmp_path` are closed)."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "what is ? and 100%20"
        folder.mkdir()
        yield folder
        folder.chmod(0o755)


def read_without_rights(folder: Path) -> str:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    command = [sys.executable, "-c", READ_WITHOUT_RIGHTS, str(folder), OBJECTS[0]]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def test_a_folder_without_the_right_to_write_is_read(open_folder: Path) -> None:
    with SqliteObjectStore(open_folder, 2**20) as store:
        fill(store)
    before = sorted(file.name for file in open_folder.iterdir())
    assert read_without_rights(open_folder) == "[1] True"
    assert sorted(file.name for file in open_folder.iterdir()) == before


def test_a_folder_without_the_right_to_write_is_read_beside_its_writer(open_folder: Path) -> None:
    with SqliteObjectStore(open_folder, 2**20) as store:
        fill(store)
        assert read_without_rights(open_folder) == "[1] True"


def test_all_but_the_cutouts_is_read_where_the_ring_is_lost(tmp_path: Path) -> None:
    with SqliteObjectStore(tmp_path, 2**20) as store:
        fill(store)
    (tmp_path / "cutouts.ring").unlink()
    with SqliteObjectReader(tmp_path) as reader:
        assert reader.alert_ids("ztf", OBJECTS[0]) == [1]
        assert reader.cutouts("ztf", 1) is None
    assert not (tmp_path / "cutouts.ring").exists()


def test_what_is_no_store_is_one_clear_line_and_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no object store in"):
        SqliteObjectReader(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "objects.sqlite").write_bytes(b"")
    with pytest.raises(StoreError, match="layout 0"):
        SqliteObjectReader(tmp_path)
    (tmp_path / "objects.sqlite").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="cannot read the object store"):
        SqliteObjectReader(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["objects.sqlite"]
