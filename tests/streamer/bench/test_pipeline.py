"""What must hold of the pipeline's bench: it measures what it says, on packets that it names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.bench import pipeline, workloads
from streamer.errors import UserError


def test_rates_stages_and_kernels_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "SIMULATED_PACKETS", 60)
    monkeypatch.setattr(pipeline, "WARM_UP_ALERTS", 20)
    monkeypatch.setattr(pipeline, "TURNS", 1)
    cores = os.sched_getaffinity(0)
    report = pipeline.bench_pipeline(None)
    assert os.sched_getaffinity(0) == cores
    total = kernels = 0.0
    for name in ("lsst_history", "ztf"):
        part = report[name]
        assert (part["packets"], part["source"]) == (40, "simulated")
        assert (
            part["alerts_per_s"] == report[f"{name}_alerts_per_s"] == pytest.approx(1000 / part["ms_per_alert"], 0.01)
        )
        assert sum(part["stage_ms"].values()) <= part["ms_per_alert"]
        assert part["kernel_ms"]["onnx"] < part["stage_ms"]["classify"]
        assert (part["kernel_ms"]["gunzip"] > 0) == (name == "ztf")
        total += part["ms_per_alert"]
        kernels += sum(part["kernel_ms"].values())
    assert report["cost_ratio"] == pytest.approx(total / kernels, 0.01)


def test_history_packets_are_as_long_as_they_say_and_of_objects_of_their_own(shared_data: Path) -> None:
    from schemas.packet import Coordinates, Packet
    from schemas.surveys.lsst import LsstReader

    payloads = list(workloads.history_packets(shared_data, 12))
    alerts, rejected = LsstReader().read([Packet(Coordinates("t", str(i)), p, 0.0) for i, p in enumerate(payloads)])
    assert rejected == []
    assert set(alerts.row_offsets[1:] - alerts.row_offsets[:-1]) == {1 + 50 + 100}
    assert len(set(alerts.object_id)) == len(set(alerts.alert_id.tolist())) == 12


def test_a_folder_without_packets_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no LSST v10 packets"):
        workloads.workloads(tmp_path)
