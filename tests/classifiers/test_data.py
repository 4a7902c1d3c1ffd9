"""What must hold of the labelled data that train and test the classifiers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.data import SPLITS, read_light_curves, read_spectra, split_of
from classifiers.data.alerts import read_simulated_lsst_alerts, read_ztf_alerts
from classifiers.data.augment import augmented, cut_short, first_detections
from classifiers.data.rows import DataError, detections_of
from schemas.taxonomy import CLASSES, FINE_LEAVES, FINE_PARENT
from tests.classifiers import made_up


def write_curves(folder: Path, rows: list[dict[str, Any]]) -> None:
    usual = {"source": "made up", "label": "SN I", "type": "SN Ia-91T", "isdiffpos": None}
    pq.write_table(pa.Table.from_pylist([{**usual, **row} for row in rows]), folder / "light_curves.parquet")


def test_the_side_of_an_object_follows_from_its_name_alone() -> None:
    names = [f"ZTF20{i:04d}" for i in range(400)]
    sides = split_of(names)
    for name, side in zip(names, sides.tolist(), strict=True):
        fifth = int(hashlib.sha256(name.encode()).hexdigest(), 16) // 5 % 5
        assert SPLITS[side] == {0: "test", 1: "calibrate"}.get(fifth, "train")
    assert 40 < np.sum(sides == SPLITS.index("test")) < 120


def test_magnitudes_and_signs_become_signed_nanojansky_in_order_of_time(tmp_path: Path) -> None:
    row = {"object_id": "a", "mjd": [2.0, 1.0], "band": ["g", "r"], "mag": [23.9, 18.9], "mag_err": [0.1, 0.1]}
    write_curves(tmp_path, [{**row, "isdiffpos": [False, True]}])
    curves = read_light_curves(tmp_path).curves
    assert curves.mjd_tai.tolist() == [1.0, 2.0]
    np.testing.assert_allclose(curves.flux_njy, [1e5, -1e3], rtol=1e-4)
    np.testing.assert_allclose(curves.flux_err_njy, [1e4 * 0.921, 92.1], rtol=1e-3)
    assert curves.band.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("signs", "positive"),
    [
        ([True, False, None], [True, False, True]),
        (["t", "f", None], [True, False, True]),
        (["True", "False", "true"], [True, False, True]),
        (["1", "0", "-1"], [True, False, False]),
        (["y", "n", "Y"], [True, False, True]),
        ([1, 0, -1], [True, False, False]),
        ([1.0, -1.0, float("nan")], [True, False, True]),
    ],
)
def test_signs_are_read_alike_by_training_and_by_evaluation(
    tmp_path: Path, signs: list[Any], positive: list[bool]
) -> None:
    three = {"mjd": [1.0, 2.0, 3.0], "band": ["g"] * 3, "mag": [18.0] * 3, "mag_err": [0.1] * 3}
    row = {"object_id": "a", **three, "isdiffpos": signs}
    write_curves(tmp_path, [row])
    assert (read_light_curves(tmp_path).curves.flux_njy > 0).tolist() == positive
    assert (detections_of(row)[1] > 0).tolist() == positive


def test_a_sign_that_nobody_knows_is_named_with_its_object(tmp_path: Path) -> None:
    row = {"object_id": "a", "mjd": [1.0], "band": ["g"], "mag": [18.0], "mag_err": [0.1], "isdiffpos": ["minus"]}
    write_curves(tmp_path, [row])
    with pytest.raises(ValueError, match="a: isdiffpos 'minus'"):
        read_light_curves(tmp_path)
    with pytest.raises(DataError, match="a: isdiffpos 'minus'"):
        detections_of(row)


def test_unlabelled_and_empty_curves_are_left_out(tmp_path: Path) -> None:
    good = {"object_id": "a", "mjd": [1.0], "band": ["g"], "mag": [18.0], "mag_err": [0.1]}
    empty = {"object_id": "b", "mjd": [], "band": [], "mag": [], "mag_err": []}
    write_curves(tmp_path, [good, {**good, "object_id": "c", "label": None}, empty])
    assert read_light_curves(tmp_path).object_id == ["a"]


def test_a_finer_type_is_a_label_only_below_its_own_class(tmp_path: Path) -> None:
    good = {"mjd": [1.0], "band": ["g"], "mag": [18.0], "mag_err": [0.1]}
    cases = [("SN I", "SN Ia-91T", "SN Ia"), ("SN II", "SN II", None), ("SN II", "SN Ia", None), ("SN I", None, None)]
    write_curves(
        tmp_path, [{**good, "object_id": str(i), "label": case[0], "type": case[1]} for i, case in enumerate(cases)]
    )
    expected = [-1 if leaf is None else FINE_LEAVES.index(leaf) for _, _, leaf in cases]
    assert read_light_curves(tmp_path).fine.tolist() == expected


def test_times_of_spectra_become_tai_and_a_spectrum_without_one_is_kept(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "object_id": "a",
        "label": "SN I",
        "type": "Ic-BL",
        "object_label": None,
        "object_type": None,
        "uncertain": False,
        "redshift": 0.1,
        "flux_var": None,
    }
    row |= {"wavelength_aa": [4000.0, 5000.0, 6000.0], "flux": [1.0, 3.0, 2.0]}
    row["spectrum_mjd"] = 58849.0
    rows = [row, {**row, "spectrum_mjd": None}, {**row, "flux": [1.0]}]
    other = [{**row, "uncertain": True}, {**row, "object_label": "SN II"}, {**row, "label": "star"}]
    pq.write_table(pa.Table.from_pylist([*rows, *other]), tmp_path / "spectra.parquet")
    read = read_spectra(tmp_path)
    assert read.object_id == ["a", "a"]
    assert read.label.tolist() == [CLASSES.index("SN I")] * 2
    assert read.fine.tolist() == [FINE_LEAVES.index("SN Ic")] * 2
    assert (read.spectra[0].mjd_tai - 58849.0) * 86_400 == pytest.approx(37.0, abs=1e-3)
    assert np.isnan(read.spectra[1].mjd_tai)
    assert read.spectra[0].flux.tolist() == [1.0, 3.0, 2.0]


def test_a_simulated_night_is_read_with_the_classes_of_its_truth(lsst_night: Path) -> None:
    alerts = read_simulated_lsst_alerts(lsst_night)
    truth = pq.read_table(lsst_night / "truth.parquet").to_pylist()
    known = {alert: row["class"] for row in truth for alert in row["alert_ids"] if row["class"] in CLASSES}
    assert {alert: CLASSES[k] for alert, k in zip(alerts.alerts.alert_id.tolist(), alerts.label, strict=True)} == known
    assert 0 < len(alerts) < len(list(lsst_night.glob("*.bin")))
    assert alerts.curves.survey == "lsst"
    assert (alerts.curves.n_detections() >= 1).all()


def test_absent_parts_of_a_data_folder_are_empty(tmp_path: Path) -> None:
    assert len(read_light_curves(tmp_path).label) == 0
    assert len(read_spectra(tmp_path).label) == 0
    assert len(read_ztf_alerts(tmp_path)) == 0


def test_real_alerts_are_decoded_with_their_labels_curves_and_stamps(shared_data: Path) -> None:
    alerts = read_ztf_alerts(shared_data)
    assert len(alerts) > 300
    assert len(alerts.cutouts) == len(alerts.curves) == len(alerts.alerts) == len(alerts.label)
    assert (alerts.curves.n_detections() >= 1).all()
    assert all(triplet.any for triplet in alerts.cutouts)
    assert set(alerts.label.tolist()) == set(range(len(CLASSES)))
    leaves = np.unique(alerts.fine[alerts.fine >= 0])
    assert len(leaves) > 2
    for leaf in leaves:
        assert (alerts.label[alerts.fine == leaf] == FINE_PARENT[leaf]).all()


@pytest.mark.parametrize("count", [1, 3])
def test_the_first_detections_are_the_earliest(count: int) -> None:
    curves = made_up.curves([1, 5, 40])
    cut = first_detections(curves, np.full(3, count))
    assert np.diff(cut.offsets).tolist() == [min(count, n) for n in (1, 5, 40)]
    assert cut.mjd_tai[cut.offsets[2]] == curves.mjd_tai[curves.offsets[2]]


def test_a_changed_copy_has_at_least_one_detection_and_no_more_than_asked_for() -> None:
    curves = made_up.curves([1, 2, 8, 300])
    rng = np.random.default_rng(0)
    lengths = np.array([np.diff(augmented(curves, 32, rng).offsets) for _ in range(200)])
    assert lengths.min() >= 1
    assert lengths.max() <= 32
    assert (lengths <= [1, 2, 8, 300]).all()
    assert len(np.unique(lengths[:, 3])) > 10


def test_changing_copies_leaves_the_original_alone() -> None:
    curves = made_up.curves([30])
    before = curves.flux_njy.copy()
    augmented(curves, 16, np.random.default_rng(0))
    np.testing.assert_array_equal(curves.flux_njy, before)


def test_curves_are_cut_to_every_length_from_one_detection_to_all() -> None:
    curves = made_up.curves([10] * 1000)
    lengths = np.diff(cut_short(curves, 256, np.random.default_rng(0)).offsets)
    counts = np.bincount(lengths, minlength=11)
    assert counts[0] == 0
    assert counts[1] > 150
    assert counts[10] > 150
    assert (counts[1:] > 0).all()
