"""What must hold of `streamer score-truth` on a night that was simulated and replayed, and on a foreign table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Streamer

PNG = b"\x89PNG\r\n"


@pytest.fixture
def truth(night: Path) -> Path:
    return night / "ztf"


def test_a_replayed_night_is_judged_printed_and_saved(streamer: Streamer, truth: Path, tmp_path: Path) -> None:
    assert streamer("replay", truth, "--out", tmp_path / "results").code == 0
    said = streamer("score-truth", truth, tmp_path / "results", "--out", tmp_path / "judged", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found == json.loads((tmp_path / "judged" / "figures.json").read_text())
    assert found["rows_of_others"] == 0
    table = pq.read_table(tmp_path / "results" / "scores.parquet")
    assert sum(each["with_row"] for each in found["completeness"].values()) == len(table)
    assert sum(each["n"] for each in found["completeness"].values()) == 150
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / "judged" / name).read_bytes().startswith(PNG)
    for title in ("Confusion matrix", "macro AUPRC", "real/bogus score"):
        assert title in said.err


def test_a_foreign_brokers_table_is_judged_by_what_it_says(streamer: Streamer, truth: Path, tmp_path: Path) -> None:
    rows = pq.read_table(truth / "truth.parquet").to_pylist()
    lines = [f"{row['object_id']},{row['class'] or 'bogus'},0.9" for row in rows]
    (tmp_path / "broker.csv").write_text("\n".join(["object_id,class,score", *lines]))
    said = streamer("score-truth", truth / "truth.parquet", tmp_path / "broker.csv", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["unit"], found["classes"]["accuracy"]) == ("object", 1.0)
    assert found["classes"]["ece"] == pytest.approx(0.1)
    assert set(found["real_bogus"]["let_through"].values()) == {0.0}
    assert np.trace(found["classes"]["confusion"]) == sum(row["class"] is not None for row in rows)


def test_bad_input_is_one_line_and_exit_code_2(streamer: Streamer, truth: Path, tmp_path: Path) -> None:
    (tmp_path / "broker.csv").write_text("alert_id,class\n7,TDE\n")
    for arguments, expected in (
        ((truth, tmp_path / "broker.csv"), "are they of this night?"),
        ((tmp_path, tmp_path / "broker.csv"), "holds no truth.parquet"),
        ((truth, truth), "holds no scores.parquet"),
        ((tmp_path / "nowhere", tmp_path / "broker.csv"), "no such file or folder"),
    ):
        said = streamer("score-truth", *arguments)
        assert said.code == 2
        assert expected in said.err
        assert len(said.err.splitlines()) == 1
