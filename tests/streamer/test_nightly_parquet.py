"""Scores by night: one table for readers, whatever a killed sink left."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.columns import SCORES_SCHEMA
from schemas.records import RecordFileError
from schemas.wire import scored_alert_records
from streamer.sinks.base import SinkError
from streamer.sinks.nightly_parquet import NightlyParquet, nights_of
from streamer.sinks.parquet import ParquetSink
from streamer.sinks.parquet_files import put_in_place
from tests import made_up


def fill(sink: NightlyParquet, since: str, ids: Sequence[int], **changes: Any) -> None:
    sink.begin(since)
    sink.take(scored_alert_records(made_up.scored(ids, **({"mjd_tai": 60000.3} | changes))))
    sink.flush()
    sink.begin(f"{since}-committed")


def ids(folder: Path) -> list[int]:
    return sorted(pq.read_table(folder / "scores.parquet").column("alert_id").to_pylist())


def files(folder: Path) -> list[str]:
    return sorted(
        str(file.relative_to(folder / "scores.parquet")) for file in folder.rglob("*.parquet") if file.is_file()
    )


def test_the_folder_reads_as_one_table_of_the_columns_of_scores_before_and_after_joining(tmp_path: Path) -> None:
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1, 2], mjd_tai=60000.3)
    fill(sink, "2", [3], mjd_tai=60001.3)
    for joined in (False, True):
        if joined:
            sink.join()
        assert ids(tmp_path) == [1, 2, 3]
        assert ds.dataset(tmp_path / "scores.parquet").schema.equals(SCORES_SCHEMA)
    assert files(tmp_path) == ["2023-02-25/000001.parquet", "2023-02-26/000001.parquet"]


def test_the_rows_are_those_that_a_replay_writes(tmp_path: Path) -> None:
    batch = made_up.scored([1, 2, made_up.BIG_ID], unclassified=[1], mjd_tai=60000.3)
    by_replay = ParquetSink(tmp_path / "replay")
    by_replay.write(batch)
    by_replay.close()
    sink = NightlyParquet(tmp_path)
    sink.begin("1")
    sink.take(scored_alert_records(batch))
    sink.flush()
    expected = pq.read_table(tmp_path / "replay" / "scores.parquet")
    assert pq.read_table(tmp_path / "scores.parquet").equals(expected)


def test_a_batch_that_is_taken_again_replaces_its_part(tmp_path: Path) -> None:
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1, 2, 3])
    again = NightlyParquet(tmp_path)
    fill(again, "1", [1])
    fill(again, "2", [2, 3])
    assert ids(tmp_path) == [1, 2, 3]


def test_a_batch_that_may_be_taken_again_is_not_joined(tmp_path: Path) -> None:
    NightlyParquet(tmp_path).begin("0")
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1])
    fill(sink, "2", [2])
    sink.begin("2")
    sink.join()
    assert files(tmp_path) == ["2023-02-25/000001.parquet", "waiting/2.parquet"]


def test_of_equal_keys_the_last_written_stays_over_joins(tmp_path: Path) -> None:
    sink = NightlyParquet(tmp_path)
    for value in (0.1, 0.2, 0.3):
        fill(sink, str(value), [1, 2] if value < 0.3 else [2], real_score=np.full(2 if value < 0.3 else 1, value))
        sink.join()
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    assert sorted((row["alert_id"], row["real_score"]) for row in rows) == [(1, 0.2), (2, 0.3)]


def test_a_full_file_is_left_alone_unless_one_of_its_keys_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.sinks.nightly_parquet.FILE_ROWS", 2)
    sink = NightlyParquet(tmp_path)
    for number, keys in enumerate(([1, 2], [3, 4], [5])):
        fill(sink, str(number), keys)
        sink.join()
    assert files(tmp_path) == [f"2023-02-25/00000{n}.parquet" for n in (1, 2, 3)]
    fill(sink, "9", [2, 6])
    sink.join()
    assert files(tmp_path) == ["2023-02-25/000002.parquet", "2023-02-25/000004.parquet"]
    assert ids(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_many_waiting_rows_are_joined_without_quiet_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.sinks.nightly_parquet.JOIN_ROWS", 3)
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1, 2])
    assert files(tmp_path) == ["waiting/1.parquet"]
    fill(sink, "2", [3, 4])
    assert files(tmp_path) == ["2023-02-25/000001.parquet"]
    assert ids(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("killed_at", range(6))
def test_a_join_that_was_killed_at_any_step_is_carried_out_or_was_never_begun(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1, 2], mjd_tai=60000.3)
    fill(sink, "2", [3], mjd_tai=60001.3)
    steps = itertools.count()

    def killed(act: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: Any, **options: Any) -> object:
            if next(steps) == killed_at:
                raise KeyboardInterrupt
            return act(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr("streamer.sinks.nightly_parquet.put_in_place", killed(put_in_place))
        patch.setattr(Path, "unlink", killed(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            sink.join()
    assert set(ids(tmp_path)) == {1, 2, 3}
    again = NightlyParquet(tmp_path)
    assert ids(tmp_path) == [1, 2, 3]
    again.begin("3")
    again.join()
    assert ids(tmp_path) == [1, 2, 3]
    assert files(tmp_path) == ["2023-02-25/000001.parquet", "2023-02-26/000001.parquet"]
    assert [file.name for file in (tmp_path / "scores.parquet").rglob(".*")] == []


def test_half_a_file_of_a_killed_sink_is_not_read_and_goes_at_the_next_start(tmp_path: Path) -> None:
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1])
    half = tmp_path / "scores.parquet" / "waiting" / ".2.parquet.unfinished"
    half.write_bytes(b"PAR1 half a part")
    assert ids(tmp_path) == [1]
    NightlyParquet(tmp_path)
    assert not half.exists()


def test_a_night_is_one_at_palomar_and_at_cerro_pachon() -> None:
    evening_in_chile, midnight_utc, morning_in_california, afternoon = 60000.9, 60001.0, 60001.6, 60001.8
    times = [evening_in_chile, midnight_utc, morning_in_california, afternoon, np.nan, 1e300]
    assert nights_of(pa.table({"mjd_tai": times})).tolist() == [60001, 60001, 60001, 60002, 0, 0]


def test_a_record_that_does_not_fit_is_refused_and_takes_nothing_along(tmp_path: Path) -> None:
    sink = NightlyParquet(tmp_path)
    sink.begin("1")
    good, bad = scored_alert_records(made_up.scored([1, 2], mjd_tai=60000.3))
    sink.take([good])
    with pytest.raises(RecordFileError, match="does not fit the columns"):
        sink.take([bad | {"alert_id": 2**70}])
    sink.flush()
    assert ids(tmp_path) == [1]


def test_the_file_of_a_replay_is_not_taken_for_the_folder_of_a_sink(tmp_path: Path) -> None:
    ParquetSink(tmp_path).close()
    with pytest.raises(SinkError, match=r"scores\.parquet is a file, as a replay writes it: use another folder"):
        NightlyParquet(tmp_path)


def test_a_folder_with_other_columns_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet" / "2023-02-25").mkdir(parents=True)
    pq.write_table(pa.table({"other": [1]}), tmp_path / "scores.parquet" / "2023-02-25" / "000001.parquet")
    with pytest.raises(SinkError, match="other columns"):
        NightlyParquet(tmp_path)


def test_a_file_of_another_name_in_a_night_is_left_as_it_is(tmp_path: Path) -> None:
    sink = NightlyParquet(tmp_path)
    fill(sink, "1", [1])
    sink.join()
    night = tmp_path / "scores.parquet" / "2023-02-25"
    (night / "000001.parquet").rename(night / "of-a-colleague.parquet")
    fill(sink, "2", [2])
    sink.join()
    assert files(tmp_path) == ["2023-02-25/000001.parquet", "2023-02-25/of-a-colleague.parquet"]
    assert ids(tmp_path) == [1, 2]
