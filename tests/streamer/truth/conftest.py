"""A made-up night of known truth, small enough to be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.taxonomy import CLASSES
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.truth import Truth
from streamer.truth.night import TrueNight, read_night

FIRST_ID = 2**60
"""Beyond what floating point can count one by one."""


def packet(survey: str, k: int, alert: int, kind: str, label: str | None) -> SimulatedPacket:
    return SimulatedPacket(
        survey=survey,
        alert_id=FIRST_ID + 100 * k + alert,
        object_id=f"{survey}-{k}",
        type=kind,
        label=label,
        redshift=float("nan"),
        mjd_tai=61_000.0 + alert + 0.001 * k,
        band="r",
        true_njy=1_000.0,
        still_njy=0.0,
        payload=b"",
    )


@pytest.fixture
def truth_file(tmp_path: Path) -> Path:
    """Ten objects of each class, five asteroids, five bogus detections; the k-th sends k % 4 + 1 alerts."""
    truth = Truth()
    kinds = [(f"type {name}", name) for name in CLASSES for _ in range(10)]
    of: list[tuple[str, str | None]] = [*kinds, *[("asteroid", None)] * 5, *[("bogus", None)] * 5]
    packets = [packet("ztf", k, alert, kind, label) for k, (kind, label) in enumerate(of) for alert in range(k % 4 + 1)]
    for each in sorted(packets, key=lambda each: each.mjd_tai):
        truth.add(each)
    truth.write(tmp_path / "truth.parquet")
    return tmp_path / "truth.parquet"


@pytest.fixture
def night(truth_file: Path) -> TrueNight:
    return read_night(truth_file)


def perfect_scores(night: TrueNight) -> dict[str, np.ndarray]:
    """A table of what is true: one row an alert, 0.94 for its class; asteroids and bogus detections are `other`."""
    label = night.label[night.owner]
    scores = np.full((len(label), len(CLASSES)), 0.01)
    scores[np.arange(len(label)), np.where(label < 0, len(CLASSES) - 1, label)] = 0.94
    names = ("p_sn_i", "p_sn_ii", "p_slsn", "p_cv", "p_agn", "p_tde", "p_other")
    return {"alert_id": night.alert_id, **{name: scores[:, i] for i, name in enumerate(names)}}
