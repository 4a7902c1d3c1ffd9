"""What must hold of selections."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.alert import QUALITY_BIT, AlertBatch
from schemas.light_curve import ROW_DTYPE, FloatArray, LightCurves
from schemas.packet import Coordinates, Packet
from streamer.processors.select import Cut, Select, Selected, Selection


def alerts(drb: list[float], **columns: object) -> AlertBatch:
    n = len(drb)
    zeros = np.zeros(n)
    values: dict[str, object] = {
        "survey": "ztf",
        "packets": [Packet(Coordinates("t", str(i)), b"", 0.0) for i in range(n)],
        "alert_id": np.arange(n),
        "object_id": [f"o{i}" for i in range(n)],
        "mjd_tai": zeros,
        "processed_mjd_tai": zeros,
        "ra_deg": zeros,
        "dec_deg": zeros,
        "rights": np.zeros(n, np.uint8),
        "survey_real_score": np.array(drb),
        "real_score": np.full(len(drb), np.nan),
        "quality": np.zeros(n, np.uint32),
        "solar_system": np.zeros(n, bool),
        "withdrawn": np.zeros(n, bool),
        "schema_version": ["4.02"] * n,
        "rows": np.zeros(0, ROW_DTYPE),
        "row_offsets": np.zeros(n + 1, np.int64),
        "cutouts": [(None, None, None)] * n,
        "metadata_names": ("candidate.drb", "candidate.rb"),
        "metadata": np.column_stack([drb, np.full(n, 0.7)]),
    }
    return AlertBatch(**(values | columns))  # type: ignore[arg-type]


def no_curves(n: int) -> LightCurves:
    nothing = np.zeros(0)
    flux, byte = nothing.astype(np.float32), nothing.astype(np.uint8)
    return LightCurves("ztf", np.zeros(n + 1, np.int64), nothing, flux, flux, byte, byte)


def chosen_by(select: Select, batch: AlertBatch) -> Selected:
    return select(batch, no_curves(len(batch)))


class Constant:
    """A model that must be asked only about alerts that passed the cuts."""

    def __init__(self) -> None:
        self.asked = 0

    def score(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        assert len(curves) == len(alerts)
        self.asked += len(alerts)
        return alerts.field("candidate.drb")


def test_bounds_are_inclusive_and_missing_values_follow_the_rule() -> None:
    batch = alerts([0.1, 0.2, 0.3, np.nan])
    assert Cut("candidate.drb", 0.2, 0.3).passes(batch).tolist() == [False, True, True, False]
    assert Cut("candidate.drb", 0.2, missing="keep").passes(batch).tolist() == [False, True, True, True]
    assert Cut("candidate.drb", missing="only").passes(batch).tolist() == [False, False, False, True]


def test_one_passing_selection_is_enough_and_all_that_pass_are_named() -> None:
    select = Select(
        {"ztf": [Selection("high", (Cut("candidate.drb", 0.9),)), Selection("any", (Cut("candidate.drb", 0.1),))]}
    )
    chosen = chosen_by(select, alerts([0.95, 0.5, 0.05]))
    assert chosen.names == [("high", "any"), ("any",), ()]
    assert chosen.reason == [None, None, "high:candidate.drb"]


def test_solar_system_objects_pass_only_where_a_selection_wants_them() -> None:
    batch = alerts([0.9, 0.9], solar_system=np.array([True, False]))
    assert chosen_by(Select({"ztf": [Selection("real")]}), batch).reason == ["solar_system", None]
    assert chosen_by(Select({"ztf": [Selection("real", solar_system=True)]}), batch).reason == [None, None]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"quality": np.array([QUALITY_BIT["injected"]], np.uint32)}, "injected"),
        ({"withdrawn": np.array([True])}, "withdrawn"),
    ],
)
def test_injected_and_withdrawn_alerts_are_never_selected(columns: dict[str, np.ndarray], reason: str) -> None:
    assert chosen_by(Select({"ztf": [Selection("all")]}), alerts([0.9], **columns)).reason == [reason]


def test_a_model_scores_only_what_passed_the_cuts_and_must_reach_the_threshold() -> None:
    model = Constant()
    select = Select({"ztf": [Selection("m", (Cut("candidate.drb", 0.3),), model=model, threshold=0.6)]})
    chosen = chosen_by(select, alerts([0.1, 0.5, 0.6]))
    assert model.asked == 2
    assert chosen.reason == ["m:candidate.drb", "m:score", None]
    np.testing.assert_array_equal(chosen.scores["m"], [np.nan, 0.5, 0.6])


def test_a_survey_without_selections_passes_nothing_and_says_so() -> None:
    assert chosen_by(Select({}), alerts([0.9])).reason == ["no_selection"]


def test_only_alerts_that_their_packets_do_not_rule_out_are_assessed() -> None:
    late, early = Cut("real_score", 0.5), Cut("candidate.drb", 0.3)
    select = Select({"ztf": [Selection("m", (late, early))]})
    flags = {
        "solar_system": np.array([False, False, True, False, False]),
        "withdrawn": np.array([False, False, False, True, False]),
        "quality": np.array([0, 0, 0, 0, QUALITY_BIT["injected"]], np.uint32),
    }
    assert select.likely(alerts([0.1, 0.9, 0.9, 0.9, 0.9], **flags)).tolist() == [1]
    assert Select({}).likely(alerts([0.9])).tolist() == []


def test_selections_may_cut_on_the_real_score_and_on_quality_flags() -> None:
    batch = alerts([0.1, 0.9, 0.9, 0.9], real_score=np.array([np.nan, 0.2, 0.8, 0.8]))
    batch.quality[3] = QUALITY_BIT["dipole"]
    cuts = (Cut("quality_flags.dipole", at_most=0.0), Cut("real_score", 0.5), Cut("survey_real_score", 0.3))
    chosen = chosen_by(Select({"ztf": [Selection("m", cuts)]}), batch)
    assert chosen.reason == ["m:survey_real_score", "m:real_score", None, "m:quality_flags.dipole"]
