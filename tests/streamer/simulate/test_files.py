from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.columns import TRUTH_FILE
from streamer.errors import UserError
from streamer.simulate.files import write_night
from streamer.simulate.night import NightPlan, simulate_night


@pytest.mark.parametrize(("survey", "suffix"), [("ztf", ".avro"), ("lsst", ".bin")])
def test_a_night_is_written_with_its_truth(survey: str, suffix: str, tmp_path: Path) -> None:
    seen: list[int] = []
    plan = NightPlan(survey, 90, 11)
    report = write_night(plan, tmp_path / "night", lambda packet: seen.append(packet.alert_id))
    files = {path.name: path.read_bytes() for path in (tmp_path / "night").glob(f"*{suffix}")}
    packets = list(simulate_night(plan))
    assert files == {f"{packet.alert_id}{suffix}": packet.payload for packet in packets}
    assert seen == [packet.alert_id for packet in packets]
    assert (report.packets, report.bytes) == (90, sum(map(len, files.values())))
    truth = pq.read_table(tmp_path / "night" / TRUTH_FILE).to_pylist()
    assert report.objects == len(truth)
    by_object = {row["object_id"]: row for row in truth}
    for packet in packets:
        row = by_object[packet.object_id]
        assert packet.alert_id in row["alert_ids"]
        assert (row["survey"], row["type"], row["class"]) == (survey, packet.type, packet.label)
        assert row["first_mjd_tai"] <= packet.mjd_tai <= row["last_mjd_tai"]
    assert sum(len(row["alert_ids"]) for row in truth) == 90
    assert any(row["redshift"] is None for row in truth)
    assert any(row["redshift"] is not None for row in truth)


def test_a_second_night_lies_beside_the_first_and_the_truth_speaks_of_both(tmp_path: Path) -> None:
    for survey, seed in (("ztf", 1), ("lsst", 1), ("ztf", 1), ("ztf", 2)):
        write_night(NightPlan(survey, 30, seed), tmp_path)
    truth = pq.read_table(tmp_path / TRUTH_FILE).to_pylist()
    told = [(row["survey"], alert_id) for row in truth for alert_id in row["alert_ids"]]
    assert len(told) == len(set(told)) == 90
    assert {f"{a}.{'avro' if s == 'ztf' else 'bin'}" for s, a in told} == {
        path.name for path in tmp_path.iterdir() if path.name != TRUTH_FILE
    }


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write to"):
        write_night(NightPlan("ztf", 2, 1), tmp_path / "file" / "night")


def test_arguments_that_make_no_night_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one packet"):
        write_night(NightPlan("ztf", 0), tmp_path)
