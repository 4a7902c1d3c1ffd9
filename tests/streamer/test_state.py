"""The embedded object store, and the pure merge that every store rests on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import EncodedCutouts
from schemas.rows import NO_ROWS, merge_rows
from streamer.state.cutout_ring import CutoutRing, Slot, whole_blocks
from streamer.state.sqlite import COMPACT_CHUNKS, SqliteObjectStore
from streamer.state.store import StoreError
from tests import made_up
from tests.contracts.object_store import STAMPS, EmbeddedStoreContract, put

row_lists = st.lists(
    st.builds(
        lambda source, known: made_up.rows(source, known_mjd_tai=known),
        st.integers(0, 5),
        st.floats(60000, 60005, allow_nan=False),
    ),
    max_size=10,
).map(lambda parts: np.concatenate([NO_ROWS, *parts]))


class TestSqliteObjectStore(EmbeddedStoreContract):
    def open(self, folder: Path, cutouts_max_bytes: int = 2**20) -> SqliteObjectStore:
        return SqliteObjectStore(folder / "state", cutouts_max_bytes)


@given(row_lists, row_lists, row_lists)
def test_merging_rows_is_commutative_associative_and_idempotent(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    whole = merge_rows(np.concatenate([a, b, c]))
    assert merge_rows(np.concatenate([c, b, a])).tobytes() == whole.tobytes()
    assert merge_rows(np.concatenate([a, merge_rows(np.concatenate([b, c]))])).tobytes() == whole.tobytes()
    assert merge_rows(np.concatenate([whole, whole])).tobytes() == whole.tobytes()
    assert set(whole["source_id"].tolist()) == set(np.concatenate([a, b, c])["source_id"].tolist())


def test_rows_that_differ_in_any_byte_but_the_time_they_became_known_are_two() -> None:
    base = made_up.rows(3)
    for name in base.dtype.names or ():
        other = base.copy()
        other[name] = 77
        assert len(merge_rows(np.concatenate([base, other]))) == (1 if name == "known_mjd_tai" else 2), name


def test_of_equal_rows_the_one_known_first_stays() -> None:
    merged = merge_rows(
        np.concatenate([made_up.rows(1, known_mjd_tai=60005.0), made_up.rows(1, known_mjd_tai=60002.0)])
    )
    assert merged["known_mjd_tai"].tolist() == [60002.0]


def test_an_object_that_many_alerts_add_to_is_kept_in_few_chunks_without_repeats(tmp_path: Path) -> None:
    with SqliteObjectStore(tmp_path, 0) as store:
        for turn in range(200):
            rows = made_up.rows(turn % 10, known_mjd_tai=60100.0 + turn)
            put(store, lambda s, rows=rows: s.add_light_curve_rows("ztf", ["a"], rows, np.array([0, 1])))
            held, _ = store.light_curve_rows("ztf", ["a"])
        assert len(held) <= 10 + COMPACT_CHUNKS
        assert merge_rows(held)["known_mjd_tai"].max() == 60109.0


KILLED = """
import os, signal, sys
import numpy as np
from streamer.state.sqlite import SqliteObjectStore
from tests import made_up
store = SqliteObjectStore(sys.argv[1], 8192)
for turn in (1, 2):
    alerts = made_up.alerts([turn], ["a"], cutouts=(bytes([turn]) * 6000, None, None))
    store.begin()
    store.put_alerts(alerts)
    store.put_cutouts("ztf", alerts.alert_id, alerts.cutouts)
    if turn == 1:
        store.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_its_commits_no_more_and_no_wrong_stamps(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with SqliteObjectStore(tmp_path, 8192) as store:
        assert store.alert_ids("ztf", "a") == [1]
        # the unfinished batch wrote over these stamps: they are told as lost, not given as somebody else's
        assert store.cutouts("ztf", 1) is None
        put(store, lambda s: s.put_cutouts("ztf", np.array([3]), [STAMPS]))
        assert store.cutouts("ztf", 3) == STAMPS


def test_another_process_is_refused_in_one_line(tmp_path: Path) -> None:
    code = f"from streamer.state.sqlite import SqliteObjectStore; SqliteObjectStore({str(tmp_path)!r}, 0)"
    with SqliteObjectStore(tmp_path, 0):
        other = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1].startswith("streamer.state.store.StoreBusy: the object store")


def test_another_bound_loses_no_cutouts_until_some_are_put_under_it(tmp_path: Path) -> None:
    large = (b"x" * 6000, None, None)
    with SqliteObjectStore(tmp_path, 8192) as store:
        put(store, lambda s: s.put_cutouts("ztf", np.array([1]), [large]))
    with SqliteObjectStore(tmp_path, 5000) as store:
        assert store.cutouts("ztf", 1) == large
        store.begin()
        store.put_cutouts("lsst", np.array([2]), [STAMPS])
        store.rollback()
    with SqliteObjectStore(tmp_path, 5000) as store:
        put(store, lambda s: s.put_cutouts("lsst", np.array([2]), [STAMPS]))
        assert store.cutouts("ztf", 1) is None
        assert store.cutouts("lsst", 2) == STAMPS
    SqliteObjectStore(tmp_path, 5000).close()
    assert (tmp_path / "cutouts.ring").stat().st_size <= 5000


@pytest.mark.parametrize("unbuffered", [True, False])
def test_stamps_of_any_size_come_back_whole_through_many_turns_of_the_ring(
    tmp_path: Path, unbuffered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.state.cutout_ring.STAGE_BYTES", 32768)
    if not unbuffered:
        monkeypatch.delattr(os, "O_DIRECT", raising=False)
    generator = np.random.default_rng(5)
    ring = CutoutRing(tmp_path / "ring", whole_blocks(100_000), 0)
    held: list[tuple[Slot, EncodedCutouts]] = []
    for _ in range(60):
        batch = [
            tuple(None if length < 500 else generator.bytes(length) for length in generator.integers(0, 12000, 3))
            for _ in range(generator.integers(0, 9))
        ]
        for slot, stamps in zip(ring.write(batch), batch, strict=True):
            if slot is None:
                assert sum(len(stamp or b"") for stamp in stamps) in (0, *range(32769, 40000))
            else:
                held.append((slot, stamps))
        for slot, stamps in held:
            assert ring.read(slot) == (stamps if slot.position >= ring.oldest else None)
    assert ring.end > 10 * ring.capacity
    assert (tmp_path / "ring").stat().st_size <= 100_000
    ring.close()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write the object store"):
        SqliteObjectStore(tmp_path / "file", 0)


def test_a_file_that_is_no_database_is_one_clear_line_and_leaves_the_folder_free(tmp_path: Path) -> None:
    (tmp_path / "objects.sqlite").write_text("not a database, but long enough to be looked at" * 100)
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot open the object store"):
            SqliteObjectStore(tmp_path, 0)


def test_a_store_of_another_layout_is_refused(tmp_path: Path) -> None:
    SqliteObjectStore(tmp_path, 0).close()
    with sqlite3.connect(tmp_path / "objects.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="layout 99"):
        SqliteObjectStore(tmp_path, 0)


def test_a_full_disk_is_one_clear_line_and_the_store_goes_on_after_a_rollback(tmp_path: Path) -> None:
    with SqliteObjectStore(tmp_path, 0) as store:
        pages = store._one("PRAGMA page_count", ())[0]
        store._run(f"PRAGMA max_page_count = {pages}", ())
        store.begin()
        with pytest.raises(StoreError, match="full"):
            store.add_light_curve_rows("ztf", ["a"], made_up.rows(*range(10000)), np.array([0, 10000]))
        store.rollback()
        put(store, lambda s: s.add_light_curve_rows("ztf", ["a"], made_up.rows(1), np.array([0, 1])))
        assert len(store.light_curve_rows("ztf", ["a"])[0]) == 1
