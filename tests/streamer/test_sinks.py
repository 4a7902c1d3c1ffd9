"""Sinks over files: what they write, and that a killed or repeated run leaves each thing once."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import EMBEDDINGS_SCHEMA, KEY, SCORES_SCHEMA, key_hashes, last_of_equal, scores_table
from schemas.packet import Packet
from schemas.records import DeadLetter, read_dead_letters
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from schemas.wire import scored_alert_records
from streamer.sinks.base import Sink, SinkError
from streamer.sinks.dead_letters import AvroDeadLetterSink
from streamer.sinks.lance import LanceSink, _line
from streamer.sinks.memory import MemoryDeadLetterSink, MemorySink
from streamer.sinks.parquet import ParquetSink
from tests import made_up

PROMISED = (
    "survey alert_id object_id model version revision mjd_tai ra_deg dec_deg n_detections predicted_class "
    "prediction_set novelty real_score quality_flags modalities data_rights unclassified_reason "
    "p_sn_i p_sn_ii p_slsn p_cv p_agn p_tde p_other"
).split()
"""Columns that readers of scores.parquet rely on."""


def scores(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "scores.parquet").to_pylist()
    return rows


def embeddings(folder: Path) -> pa.Table:
    return lancedb.connect(str(folder)).open_table("embeddings").to_arrow()


def letter(offset: int, payload: bytes = b"bytes", reason: str = "truncated") -> DeadLetter:
    packet = Packet(made_up.coordinates(offset), payload, 1.7e9)
    return DeadLetter.of(packet, reason=reason, stage="decode", detail="ends early")


def letters(folder: Path) -> list[DeadLetter]:
    return [one for file in sorted((folder / "dead_letters").iterdir()) for one in read_dead_letters(file)]


def write(sink: Sink, *batches: Any) -> None:
    for batch in batches:
        sink.write(batch)
    sink.close()


def test_scores_have_the_promised_columns_and_types(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path), made_up.scored([1, 2], unclassified=[1]))
    schema = pq.read_schema(tmp_path / "scores.parquet")
    assert set(PROMISED) <= set(schema.names)
    assert schema.field("alert_id").type == pa.int64()
    for name in ("prediction_set", "quality_flags", "modalities"):
        assert schema.field(name).type.value_type == pa.string()


def test_a_row_says_what_the_record_on_the_wire_says(tmp_path: Path) -> None:
    batch = made_up.scored([1, 2, made_up.BIG_ID], unclassified=[1])
    write(ParquetSink(tmp_path), batch)
    columns = pq.read_table(tmp_path / "scores.parquet").cast(_times_as_integers())
    for row, record in zip(columns.to_pylist(), scored_alert_records(batch), strict=True):
        flat = record | record["light_curve"]
        for name in set(row) & set(flat) - {"context", "selection_scores", "taxonomy_scores"}:
            assert row[name] == flat[name], name
        scores = record["class_scores"] or dict.fromkeys(CLASS_COLUMNS)
        assert {name: row[name] for name in CLASS_COLUMNS} == scores
        for name in ("selection_scores", "taxonomy_scores"):
            assert dict(row[name]) == record[name]
        assert row["weight_light_curve"] == record["modality_weights"]["light_curve"]
    assert columns.column("context").to_pylist()[0] is None
    assert '"host": "NGC 1"' in columns.column("context").to_pylist()[1]


def _times_as_integers() -> pa.Schema:
    fields = [pa.field(f.name, pa.int64()) if pa.types.is_timestamp(f.type) else f for f in SCORES_SCHEMA]
    return pa.schema(fields)


def test_an_unclassified_alert_is_there_with_nulls_and_its_reason(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path), made_up.scored([1], unclassified=[0]))
    (row,) = scores(tmp_path)
    assert [row[name] for name in (*CLASS_COLUMNS, "predicted_class", "novelty")] == [None] * 9
    assert row["prediction_set"] == []
    assert row["unclassified_reason"] == "no usable light curve"


def test_the_predicted_class_is_the_one_with_the_highest_score(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path), made_up.scored(range(50)))
    for row in scores(tmp_path):
        assert row["predicted_class"] == CLASSES[int(np.argmax([row[name] for name in CLASS_COLUMNS]))]


def test_a_batch_without_selection_models_and_an_empty_batch_are_written(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path), made_up.scored([1], selection_scores={}), made_up.scored([]))
    (row,) = scores(tmp_path)
    assert row["selection_scores"] == []


def test_of_equal_keys_the_last_written_stays_within_a_run_and_over_runs(tmp_path: Path) -> None:
    first, second = (made_up.scored([1, 2], real_score=np.full(2, value)) for value in (0.1, 0.2))
    write(ParquetSink(tmp_path), first, second)
    assert [row["real_score"] for row in scores(tmp_path)] == [0.2, 0.2]
    write(ParquetSink(tmp_path), made_up.scored([1], real_score=np.full(1, 0.3)))
    assert sorted((row["alert_id"], row["real_score"]) for row in scores(tmp_path)) == [(1, 0.3), (2, 0.2)]


def test_scores_that_differ_in_any_part_of_the_key_are_all_kept(tmp_path: Path) -> None:
    batches = [
        made_up.scored([1]),
        made_up.scored([2]),
        made_up.scored([1], revision=1),
        made_up.scored([1], survey="lsst"),
        made_up.scored([1], version="1.1"),
        made_up.scored([1], model="other"),
    ]
    write(ParquetSink(tmp_path), *batches)
    assert len(scores(tmp_path)) == 6
    write(LanceSink(tmp_path), *batches)
    assert len(embeddings(tmp_path)) == 6


def test_a_continued_folder_keeps_what_was_there(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path), made_up.scored([1, 2]))
    write(ParquetSink(tmp_path), made_up.scored([3]))
    write(ParquetSink(tmp_path))
    assert [row["alert_id"] for row in scores(tmp_path)] == [1, 2, 3]
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]


def test_a_run_without_alerts_leaves_empty_tables(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path))
    write(LanceSink(tmp_path))
    assert pq.read_table(tmp_path / "scores.parquet").schema.equals(SCORES_SCHEMA)
    assert embeddings(tmp_path).schema.equals(EMBEDDINGS_SCHEMA)
    assert len(embeddings(tmp_path)) == 0


def test_many_rows_go_to_parts_and_come_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.sinks.parquet.FLUSH_ROWS", 4)
    sink = ParquetSink(tmp_path)
    for start in range(0, 15, 3):
        sink.write(made_up.scored(range(start, start + 3)))
    assert len(list((tmp_path / "scores.parts").iterdir())) == 2
    sink.close()
    assert [row["alert_id"] for row in scores(tmp_path)] == list(range(15))


KILLED = """
import os, signal, sys
from streamer.sinks.dead_letters import AvroDeadLetterSink
from streamer.sinks.lance import LanceSink
from streamer.sinks.parquet import ParquetSink
from tests import made_up
from tests.streamer.test_sinks import letter
parquet, lance, dead = (kind(sys.argv[1]) for kind in (ParquetSink, LanceSink, AvroDeadLetterSink))
for alert_id in (1, 2, 3):
    for sink in (parquet, lance):
        sink.write(made_up.scored([alert_id]))
    dead.write([letter(alert_id)])
    if alert_id == 2:
        for sink in (parquet, lance, dead):
            sink.flush()
(parquet._parts / "000009.unfinished").write_bytes(b"PAR1 half a part")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_loses_nothing_flushed_and_the_next_run_completes_it(tmp_path: Path) -> None:
    write(ParquetSink(tmp_path), made_up.scored([0]))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [row["alert_id"] for row in scores(tmp_path)] == [0]
    again = made_up.scored([2, 3])
    write(ParquetSink(tmp_path), again)
    write(LanceSink(tmp_path), again)
    dead = AvroDeadLetterSink(tmp_path)
    dead.write([letter(2), letter(3)])
    dead.close()
    assert [row["alert_id"] for row in scores(tmp_path)] == [0, 1, 2, 3]
    assert sorted(embeddings(tmp_path).column("alert_id").to_pylist()) == [1, 2, 3]
    assert [one.coordinates.offset for one in letters(tmp_path)] == [1, 2, 3]
    assert not (tmp_path / "scores.parts").exists()


def test_a_run_killed_between_the_merge_and_the_removal_of_parts_changes_nothing(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path)
    sink.write(made_up.scored([1, 2]))
    sink.flush()
    pq.write_table(scores_table(made_up.scored([1, 2])), tmp_path / "scores.parquet")
    write(ParquetSink(tmp_path))
    assert [row["alert_id"] for row in scores(tmp_path)] == [1, 2]


def test_embeddings_are_unit_vectors_by_key_and_alerts_without_one_are_left_out(tmp_path: Path) -> None:
    batch = made_up.scored([1, 2, made_up.BIG_ID], unclassified=[1])
    write(LanceSink(tmp_path), batch)
    table = embeddings(tmp_path)
    assert table.column("alert_id").to_pylist() == [1, made_up.BIG_ID]
    assert set(KEY) <= set(table.column_names)
    vectors = np.stack(table.column("embedding").to_numpy(zero_copy_only=False))
    np.testing.assert_array_equal(vectors, batch.embedding[[0, 2]])


def test_embeddings_written_again_replace_the_former_ones(tmp_path: Path) -> None:
    write(LanceSink(tmp_path), made_up.scored([1, 2]))
    changed = made_up.scored([2, 3])
    changed.embedding[:] = np.eye(128, dtype=np.float32)[:2]
    write(LanceSink(tmp_path), changed, made_up.scored([3]))
    table = embeddings(tmp_path)
    found = dict(zip(table.column("alert_id").to_pylist(), table.column("embedding").to_pylist(), strict=True))
    assert sorted(found) == [1, 2, 3]
    assert found[2] == changed.embedding[0].tolist()
    assert found[3] == made_up.scored([3]).embedding[0].tolist()


def test_of_equal_keys_in_one_addition_the_last_embedding_stays(tmp_path: Path) -> None:
    changed = made_up.scored([1])
    changed.embedding[:] = np.eye(128, dtype=np.float32)[:1]
    write(LanceSink(tmp_path), made_up.scored([1]), changed)
    assert embeddings(tmp_path).column("embedding").to_pylist() == changed.embedding.tolist()


def test_embeddings_written_again_within_a_run_after_a_flush_stay_single(tmp_path: Path) -> None:
    sink = LanceSink(tmp_path)
    for _ in range(3):
        sink.write(made_up.scored([1, 2]))
        sink.flush()
    sink.close()
    assert sorted(embeddings(tmp_path).column("alert_id").to_pylist()) == [1, 2]


def test_keys_that_differ_have_different_hashes() -> None:
    batches = [made_up.scored(range(500), revision=r, survey=s) for r in (0, 1) for s in ("ztf", "lsst")]
    hashes = np.concatenate([key_hashes(scores_table(batch)) for batch in batches])
    assert len(np.unique(hashes)) == 2000
    np.testing.assert_array_equal(key_hashes(pa.concat_tables([scores_table(batch) for batch in batches])), hashes)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from(["ztf", "lsst"])), max_size=12))
def test_the_last_row_of_each_key_is_the_one_kept(keys: list[tuple[int, int, str]]) -> None:
    tables = [scores_table(made_up.scored([alert], revision=r, survey=survey)) for alert, r, survey in keys]
    keep = last_of_equal(pa.concat_tables([SCORES_SCHEMA.empty_table(), *tables]))
    assert keep.tolist() == [key not in keys[place + 1 :] for place, key in enumerate(keys)]


def test_a_dead_letter_that_comes_again_stays_one_within_a_run_and_over_runs(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        sink = AvroDeadLetterSink(tmp_path)
        sink.write([letter(1, reason=reason), letter(2)])
        sink.write([letter(2)])
        sink.close()
    assert [(one.coordinates.offset, one.reason) for one in letters(tmp_path)] == [(1, "first"), (2, "truncated")]


def test_large_dead_letters_do_not_pile_up_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.sinks.dead_letters.FLUSH_BYTES", 1000)
    sink = AvroDeadLetterSink(tmp_path)
    sink.write([letter(1, b"x" * 1500)])
    assert len(letters(tmp_path)) == 1
    sink.write([letter(2)])
    sink.close()
    assert len(letters(tmp_path)) == 2


def test_a_run_without_dead_letters_leaves_an_empty_folder(tmp_path: Path) -> None:
    AvroDeadLetterSink(tmp_path).close()
    assert list((tmp_path / "dead_letters").iterdir()) == []


@pytest.mark.parametrize("kind", [ParquetSink, LanceSink, AvroDeadLetterSink])
def test_a_file_in_the_way_of_the_folder_is_one_clear_line(kind: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(SinkError, match="cannot use"):
        kind(tmp_path / "out")


def test_a_file_that_is_not_ours_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").write_text("something else")
    with pytest.raises(SinkError, match=r"scores\.parquet is not Parquet"):
        ParquetSink(tmp_path)
    pq.write_table(pa.table({"other": [1]}), tmp_path / "scores.parquet")
    with pytest.raises(SinkError, match="other columns"):
        ParquetSink(tmp_path)
    assert pq.read_table(tmp_path / "scores.parquet").column_names == ["other"]
    (tmp_path / "dead_letters").mkdir()
    (tmp_path / "dead_letters" / "000001.avro").write_text("something else")
    with pytest.raises(SinkError, match=r"000001\.avro"):
        AvroDeadLetterSink(tmp_path)
    lancedb.connect(str(tmp_path)).create_table("embeddings", pa.table({"other": [1]}))
    with pytest.raises(SinkError, match=r"embeddings\.lance .*schema"):
        LanceSink(tmp_path)


@pytest.mark.parametrize(
    ("path", "what"), [("embeddings.lance", "Not a directory"), ("embeddings.lance/_versions/1.manifest", "LanceError")]
)
def test_lancedb_is_quoted_without_places_of_its_own_source(path: str, what: str, tmp_path: Path) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("something else")
    with pytest.raises(SinkError, match=rf"embeddings\.lance \(.*{what}.*\): move it away") as raised:
        LanceSink(tmp_path)
    said = str(raised.value)
    assert ".rs" not in said
    assert ".cargo" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("Schema Error: they differ", "Schema Error: they differ"),
        ("No space left on device, /home/builder/.cargo/x-1.0/src/a.rs:15:9", "No space left on device"),
        ("It failed at rust/lance/src/b.rs:1006", "It failed"),
        ("First thing failed. Then more was said.\nTrace:\n  c.rs:1", "First thing failed"),
        ("", "RuntimeError"),
    ],
)
def test_the_first_sentence_of_lancedb_is_for_people(message: str, sentence: str) -> None:
    assert _line(RuntimeError(message)) == sentence


def test_a_full_disk_is_one_clear_line_and_the_former_scores_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ParquetSink(tmp_path), made_up.scored([1]))
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: object, **__: object) -> None:
        raise full

    parquet, dead = ParquetSink(tmp_path), AvroDeadLetterSink(tmp_path)
    parquet.write(made_up.scored([2]))
    dead.write([letter(1)])
    with monkeypatch.context() as patch:
        patch.setattr("streamer.sinks.parquet_files.pq.ParquetWriter", refuse)
        patch.setattr("streamer.sinks.dead_letters.write_dead_letters", refuse)
        for sink in (parquet, dead):
            with pytest.raises(SinkError, match=r"cannot write .*No space left"):
                sink.flush()
    assert [row["alert_id"] for row in scores(tmp_path)] == [1]
    parquet.close()
    dead.close()
    assert [row["alert_id"] for row in scores(tmp_path)] == [1, 2]
    assert len(letters(tmp_path)) == 1


def test_memory_sinks_keep_what_they_are_given() -> None:
    sink, dead = MemorySink(), MemoryDeadLetterSink()
    batch = made_up.scored([1])
    write(sink, batch)
    assert sink.batches == [batch]
    dead.write([letter(1, reason="first"), letter(1, reason="second"), letter(2)])
    assert [one.reason for one in dead.letters.values()] == ["first", "truncated"]
