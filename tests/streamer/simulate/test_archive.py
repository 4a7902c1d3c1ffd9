"""A night as one archive: whole, the same each time, and read by a replay."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.columns import TRUTH_FILE
from schemas.packet import Packet
from streamer.errors import UserError
from streamer.simulate.archive import write_archive
from streamer.simulate.night import NightPlan, simulate_night
from streamer.sources.files import FileSource

SURVEYS = ("ztf", "lsst")


@pytest.mark.parametrize("survey", SURVEYS)
def test_a_replay_finds_every_alert_of_an_archive_and_the_truth_lies_beside_it(survey: str, tmp_path: Path) -> None:
    packets = list(simulate_night(NightPlan(survey, 40, 2)))
    seen: list[int] = []
    report = write_archive(packets, tmp_path / "night.tar.gz", lambda packet: seen.append(packet.alert_id))
    found = [item for item in FileSource([tmp_path / "night.tar.gz"]) if isinstance(item, Packet)]
    assert [item.payload for item in found] == [packet.payload for packet in packets]
    assert seen == [packet.alert_id for packet in packets]
    assert (report.packets, report.bytes) == (40, sum(len(packet.payload) for packet in packets))
    truth = pq.read_table(tmp_path / TRUTH_FILE)
    assert set(truth["object_id"].to_pylist()) == {packet.object_id for packet in packets}
    assert {path.name for path in tmp_path.iterdir()} == {"night.tar.gz", TRUTH_FILE}


@pytest.mark.parametrize("survey", SURVEYS)
def test_an_archive_is_flat_as_the_public_ones_are(survey: str, tmp_path: Path) -> None:
    packets = list(simulate_night(NightPlan(survey, 5, 2)))
    write_archive(packets, tmp_path / "night.tgz")
    with tarfile.open(tmp_path / "night.tgz") as archive:
        assert archive.getnames() == [packet.file_name for packet in packets]
        assert all(member.isreg() for member in archive)


def test_equal_packets_give_equal_bytes_whatever_the_archive_is_called(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.tar.gz"):
        write_archive(simulate_night(NightPlan("ztf", 10, 2)), tmp_path / name)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_an_archive_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "night.tar.gz").write_bytes(b"years of work")
    with pytest.raises(UserError, match="is there already"):
        write_archive([], tmp_path / "night.tar.gz")
    assert (tmp_path / "night.tar.gz").read_bytes() == b"years of work"


def test_an_archive_that_breaks_off_is_not_there(tmp_path: Path) -> None:
    def breaks_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(simulate_night(NightPlan("ztf", 3)), tmp_path / "n.tar.gz", lambda packet: breaks_off())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write to"):
        write_archive([], tmp_path / "file" / "night.tar.gz")
