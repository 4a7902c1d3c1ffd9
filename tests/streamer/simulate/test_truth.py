"""What must hold of the truth beside a night: every alert is in it once, with what no survey knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.columns import TRUTH_SCHEMA
from streamer.errors import UserError
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.truth import Truth

PACKET = SimulatedPacket(
    survey="ztf",
    alert_id=2**60 + 1,
    object_id="ZTF26aaaaaaa",
    type="SN Ia",
    label="SN I",
    redshift=0.05,
    mjd_tai=61_000.25,
    band="g",
    true_njy=50_000.0,
    still_njy=12_000.0,
    payload=b"bytes",
    parameters={"stretch": 1.1, "epoch_mjd": 61_004.0},
)
LATER = replace(PACKET, alert_id=2**60 + 3, mjd_tai=61_002.25, band="r", true_njy=-1.5)
BOGUS = replace(PACKET, object_id="ZTF26aaaaaab", type="bogus", label=None, redshift=float("nan"), parameters={})


def rows(*packets: SimulatedPacket, file: Path | None = None) -> list[dict[str, object]]:
    truth = Truth()
    for packet in packets:
        truth.add(packet)
    if file is None:
        return truth.table().to_pylist()
    truth.write(file)
    return pq.read_table(file).to_pylist()


def test_an_object_is_one_row_with_its_alerts_by_time() -> None:
    assert rows(PACKET, BOGUS, LATER) == [
        {
            "survey": "ztf",
            "object_id": "ZTF26aaaaaaa",
            "type": "SN Ia",
            "class": "SN I",
            "redshift": 0.05,
            "parameters": [("stretch", 1.1), ("epoch_mjd", 61_004.0)],
            "n_alerts": 2,
            "first_mjd_tai": 61_000.25,
            "last_mjd_tai": 61_002.25,
            "alert_ids": [2**60 + 1, 2**60 + 3],
            "alert_mjd_tai": [61_000.25, 61_002.25],
            "alert_true_njy": [50_000.0, -1.5],
            "alert_band": ["g", "r"],
        },
        {
            "survey": "ztf",
            "object_id": "ZTF26aaaaaab",
            "type": "bogus",
            "class": None,
            "redshift": None,
            "parameters": [],
            "n_alerts": 1,
            "first_mjd_tai": 61_000.25,
            "last_mjd_tai": 61_000.25,
            "alert_ids": [2**60 + 1],
            "alert_mjd_tai": [61_000.25],
            "alert_true_njy": [50_000.0],
            "alert_band": ["g"],
        },
    ]


def test_a_night_of_nothing_has_the_columns_all_the_same() -> None:
    assert Truth().table().equals(TRUTH_SCHEMA.empty_table())


def test_an_object_of_two_nights_keeps_the_alerts_of_both_once_and_by_time(tmp_path: Path) -> None:
    file = tmp_path / "truth.parquet"
    rows(LATER, BOGUS, file=file)
    both = rows(PACKET, LATER, file=file)
    assert both == [*rows(PACKET, LATER), *rows(BOGUS)]


def test_the_same_id_in_two_surveys_is_two_objects() -> None:
    assert [row["survey"] for row in rows(PACKET, replace(PACKET, survey="lsst"))] == ["ztf", "lsst"]


def test_another_table_in_its_place_is_left_alone_and_said(tmp_path: Path) -> None:
    file = tmp_path / "truth.parquet"
    pq.write_table(pa.table({"object_id": ["a"]}), file)
    with pytest.raises(UserError, match="simulate into another folder"):
        rows(PACKET, file=file)
    assert pq.read_table(file).num_columns == 1
