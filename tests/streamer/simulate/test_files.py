from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.columns import TRUTH_FILE
from schemas.spectrum_files import read_spectra
from streamer.errors import UserError
from streamer.simulate.files import SPECTRA_FILE, write_follow_up, write_night
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.spectra.follow_up import draw_spectra


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


def test_spectra_lie_beside_those_of_another_night_and_come_once(tmp_path: Path) -> None:
    drawn = []
    for seed in (1, 2, 2):
        report = write_night(NightPlan("ztf", 60, seed, nights=5, mixture="rich"), tmp_path)
        drawn.append(list(draw_spectra(report.truth, 1.0, seed)))
        write_follow_up(drawn[-1], tmp_path / SPECTRA_FILE)
    found = [spectrum for block in read_spectra(tmp_path / SPECTRA_FILE) for spectrum in block if spectrum]
    expected = [spectrum for one in drawn[:2] for spectrum in one]
    assert len(drawn[0]) > 3
    assert {spectrum.object_id for spectrum in found} == {spectrum.object_id for spectrum in expected}
    assert len(found) == len(expected)


def test_a_file_of_other_spectra_is_left_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"flux": [1.0]}), tmp_path / SPECTRA_FILE)
    with pytest.raises(UserError, match="holds no spectra of this version"):
        write_follow_up([], tmp_path / SPECTRA_FILE)
    assert pq.read_table(tmp_path / SPECTRA_FILE).num_rows == 1


def test_a_night_that_is_interrupted_leaves_the_truth_of_what_was_written(tmp_path: Path) -> None:
    seen: list[int] = []

    def stop(packet: SimulatedPacket) -> None:
        seen.append(packet.alert_id)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_night(NightPlan("lsst", 20, 3), tmp_path, stop)
    told = [alert_id for row in pq.read_table(tmp_path / TRUTH_FILE).to_pylist() for alert_id in row["alert_ids"]]
    assert sorted(told) == sorted(seen)
    assert {int(file.stem) for file in tmp_path.glob("*.bin")} == set(seen)


def test_seeds_whose_nights_meet_share_no_alert_id() -> None:
    of_seeds = [
        {packet.alert_id for packet in simulate_night(NightPlan("ztf", 150, seed, 6))} for seed in (0, 1, 2, 900)
    ]
    assert len(set.union(*of_seeds)) == sum(map(len, of_seeds)) == 600
