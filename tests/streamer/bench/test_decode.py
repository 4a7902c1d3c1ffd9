"""The decode bench: what it reports, with and without real packets (rates are for the bench, not for tests)."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.bench import decode
from streamer.bench.decode import bench_decode
from streamer.errors import UserError

KEYS = {
    "packets",
    "lsst_history_bytes",
    "ztf_bytes",
    *(
        f"{kind}_{what}"
        for kind in ("lsst_history", "lsst_no_history", "ztf")
        for what in ("per_s", "fastavro_per_s", "ratio_to_fastavro")
    ),
    "ztf_fastavro_parsing_the_schema_per_s",
    "ztf_triplet_ms",
    "lsst_triplet_ms",
}


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "TURNS", 3)
    monkeypatch.setattr(decode, "TURN_S", 0.01)
    monkeypatch.setattr(decode, "PACKETS", 12)


def _check(report: dict[str, float]) -> None:
    assert set(report) == KEYS
    assert all(value > 0 for key, value in report.items() if key != "packets")
    ratio = report["lsst_history_per_s"] / report["lsst_history_fastavro_per_s"]
    assert report["lsst_history_ratio_to_fastavro"] == pytest.approx(ratio)


def test_without_real_packets_it_measures_random_ones_and_says_so() -> None:
    report = bench_decode(None)
    assert report["packets"] == "random"
    _check(report)


def test_real_packets_are_measured_and_said_to_be_real(shared_data: Path) -> None:
    report = bench_decode(shared_data)
    assert report["packets"] == "real"
    _check(report)


def test_a_folder_without_packets_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no"):
        bench_decode(tmp_path)
