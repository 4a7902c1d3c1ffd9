"""What must hold of simulated light curves without packets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.light_curve import FLAG_OWN
from schemas.surveys.columns import flux_from_magnitude
from schemas.surveys.lsst import LsstSchemas
from streamer.errors import UserError
from streamer.processors.decode import Decode
from streamer.simulate.night import NightPlan, simulate_fields
from streamer.simulate.photometry import LIGHT_CURVES_FILE, write_light_curves
from streamer.simulate.scene import DETECTION_SNR
from streamer.simulate.source import SimulatorSource

SURVEYS = ("ztf", "lsst")


@pytest.mark.parametrize("survey", SURVEYS)
def test_every_object_that_stays_is_a_row_with_what_was_detected_of_it(survey: str, tmp_path: Path) -> None:
    plan = NightPlan(survey, 300, 5, 30, "rich")
    table = write_light_curves(plan, tmp_path)
    assert pq.read_table(tmp_path / LIGHT_CURVES_FILE).equals(table)
    fields = [field for _, group in simulate_fields(plan) for field in group]
    staying = [~field.objects.moving for field in fields]
    detections = sum(int(field.detected[stays].sum()) for field, stays in zip(fields, staying, strict=True))
    assert sum(table["n_det"].to_pylist()) == detections
    assert len(table) == sum(int(stays.sum()) for stays in staying)
    assert len(set(table["object_id"].to_pylist())) == len(table)
    for row in table.to_pylist():
        assert {len(row[name]) for name in ("mjd", "band", "mag", "mag_err", "isdiffpos")} == {row["n_det"]}
        assert row["mjd"] == sorted(row["mjd"])
        assert set(row["mjd"]) <= set(row["flux_mjd"])
        assert np.all(1.0857 / np.array(row["mag_err"]) > DETECTION_SNR * 0.999)


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_curves_hold_what_the_packets_of_the_same_plan_measure(survey: str, tmp_path: Path) -> None:
    plan = NightPlan(survey, 120, 6, 3, "rich", ("SN Ia", "CV"))
    table = write_light_curves(plan, tmp_path)
    mjd, mag, positive = (np.concatenate(table[name].to_pylist()) for name in ("mjd", "mag", "isdiffpos"))
    flux = np.where(positive, 1.0, -1.0) * flux_from_magnitude(mag)
    batches, _ = Decode(LsstSchemas(None))(list(SimulatorSource(plan)))
    for batch in batches:
        own = batch.rows[(batch.rows["flags"] & FLAG_OWN) > 0]
        assert len(own) == len(batch)
        for row in own:
            there = flux[np.abs(mjd - row["mjd_tai"]) < 1e-6]
            assert np.min(np.abs(there / row["flux_njy"] - 1.0)) < 1e-4


def test_light_curves_are_written_once_into_a_folder(tmp_path: Path) -> None:
    plan = NightPlan("ztf", 20, 1, only=("SN Ia",), mixture="rich")
    alerts: list[int] = []
    write_light_curves(plan, tmp_path, alerts.append)
    assert sum(alerts) == 20
    with pytest.raises(UserError, match="simulate into another folder"):
        write_light_curves(plan, tmp_path)


def test_a_plan_without_a_night_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown mixture"):
        write_light_curves(NightPlan("ztf", 5, mixture="poor"), tmp_path)
