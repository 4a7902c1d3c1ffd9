"""What must hold of predictions for a folder's objects, whatever the folder lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from classifiers import load_bundle
from classifiers.cli import app
from classifiers.data import split_of
from classifiers.data.rows import read_packets
from classifiers.evaluation import folder as folder_module
from classifiers.evaluation import report as report_module
from classifiers.evaluation.answers import Asked, by_object, subsets_of
from classifiers.evaluation.folder import read_holdings
from classifiers.evaluation.moments import Cut, moment
from classifiers.evaluation.predictions import ALERT_PREDICTIONS, PREDICTIONS, SPECTRUM_PREDICTIONS
from classifiers.serving import BundleClassifier
from schemas.light_curve import DETECTION, LightCurves
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from tests.classifiers.made_up_folder import (
    FIRST_MJD,
    curve_row,
    spectrum_row,
    write_folder,
    write_packets,
    write_rows,
)

LIGHT_CURVE, SPECTRUM = (0,), (3,)


@pytest.fixture(scope="module")
def bundle(made_up_bundle: Path) -> BundleClassifier:
    return load_bundle(made_up_bundle)


def run(data: Path, out: Path, bundle: Path, *more: str) -> tuple[int, str]:
    arguments = ["evaluate", "--data", str(data), "--out", str(out), "--bundle", str(bundle), *more]
    result = CliRunner().invoke(app, arguments)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def table(out: Path, name: str = PREDICTIONS) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(out / name).to_pylist()
    return rows


def test_predictions_have_the_promised_columns_and_a_row_for_each_object_number_and_set_in_hand(
    tmp_path: Path, made_up_bundle: Path
) -> None:
    named = write_folder(tmp_path / "data", ("SN I", "TDE"), 6)
    code, text = run(tmp_path / "data", tmp_path / "out", made_up_bundle, "--n-detections", "3,all")
    assert code == 0, text
    found = pq.read_table(tmp_path / "out" / PREDICTIONS)
    promised = ["object_id", "n_detections", "reached", "modalities", *CLASS_COLUMNS, "novelty", "embedding"]
    assert found.column_names[: len(promised)] == promised
    assert found.schema.field("embedding").type == pa.list_(pa.float32())
    rows = found.to_pylist()
    keys = [(row["object_id"], row["n_detections"], row["modalities"]) for row in rows]
    assert len(keys) == len(set(keys))
    with_spectrum = {name for name, _ in named[::2]}
    assert {key for key in keys if key[1] == 0} == {
        *((name, 0, "light_curve") for name, _ in named),
        *((name, 0, "spectrum") for name in with_spectrum),
        *((name, 0, "light_curve+spectrum") for name in with_spectrum),
    }
    for row in rows:
        assert sum(row[name] for name in CLASS_COLUMNS) == pytest.approx(1.0, abs=1e-5)
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1.0, abs=1e-4)
        assert row["reached"] or row["n_detections"] == 3


def test_an_object_with_fewer_detections_counts_with_all_it_has(tmp_path: Path, bundle: BundleClassifier) -> None:
    short, long = curve_row("short", "SN I", 4, 1), curve_row("long", "SN I", 20, 2)
    spectra = [spectrum_row(name, "SN I", FIRST_MJD + 25.0, 3) for name in ("short", "long")]
    write_rows(tmp_path / "light_curves.parquet", [short, long])
    write_rows(tmp_path / "spectra.parquet", spectra)
    holdings = read_holdings(tmp_path)
    asked = Asked(bundle, holdings)
    tenth = {each.modalities: each for each in asked.objects(Cut(10), subsets_of((0, 3)))}
    whole = {each.modalities: each for each in asked.objects(Cut(), subsets_of((0, 3)))}
    assert tenth[LIGHT_CURVE].reached.tolist() == [False, True]
    np.testing.assert_array_equal(tenth[LIGHT_CURVE].scores[0], whole[LIGHT_CURVE].scores[0])
    assert not np.array_equal(tenth[LIGHT_CURVE].scores[1], whole[LIGHT_CURVE].scores[1])
    # The tenth detection of `long` is on day 12: its spectrum of day 25 is not in hand yet.
    assert [holdings.objects[i].object_id for i in tenth[0, 3].owner] == ["short"]
    assert len(whole[0, 3]) == 2


@pytest.mark.parametrize(("mjd", "expected"), [(FIRST_MJD + 5.9, 1), (FIRST_MJD + 6.5, 0), (None, 0)])
def test_a_spectrum_counts_from_its_own_time_and_one_without_a_time_at_the_end_only(
    tmp_path: Path, bundle: BundleClassifier, mjd: float | None, expected: int
) -> None:
    write_rows(tmp_path / "light_curves.parquet", [curve_row("a", "SN I", 12, 1)])
    write_rows(tmp_path / "spectra.parquet", [spectrum_row("a", "SN I", mjd, 2)])
    asked = Asked(bundle, read_holdings(tmp_path))
    assert sum(len(each) for each in asked.objects(Cut(6), [SPECTRUM])) == expected  # the sixth is on day 6.02
    assert sum(len(each) for each in asked.objects(Cut(), [SPECTRUM])) == 1


def test_several_spectra_of_one_object_answer_as_the_mean_of_their_scores(
    tmp_path: Path, bundle: BundleClassifier
) -> None:
    rows = [spectrum_row("a", "SN I", FIRST_MJD + day, day) for day in range(3)]
    write_rows(tmp_path / "spectra.parquet", [*rows, spectrum_row("b", "TDE", FIRST_MJD, 9)])
    asked = Asked(bundle, read_holdings(tmp_path))
    single, (whole,) = asked.each_spectrum(), asked.objects(Cut(), [SPECTRUM])
    assert whole.spectra.tolist() == [3, 1]
    np.testing.assert_allclose(whole.scores[0], single.scores[:3].mean(0), rtol=1e-5)
    np.testing.assert_allclose(whole.scores[1], single.scores[3], rtol=1e-5)
    assert by_object(single).owner.tolist() == [0, 1]


def test_days_count_from_the_first_detection(tmp_path: Path) -> None:
    write_rows(tmp_path / "light_curves.parquet", [curve_row("a", "SN I", 12, 1), curve_row("b", "SN I", 2, 2)])
    write_rows(tmp_path / "spectra.parquet", [spectrum_row("c", "SN I", FIRST_MJD, 3)])
    now = moment(read_holdings(tmp_path), Cut(days=6.5))
    assert now.kept.tolist() == [6, 2, 0]
    assert now.reached.tolist()[:2] == [True, False]
    assert now.until_mjd[:2].tolist() == [FIRST_MJD + 6.5, np.inf]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (("light_curves",), "no spectra (spectra.parquet)"),
        (("spectra",), "no light curves (light_curves.parquet)"),
        (("spectra", "labels"), "no ZTF alerts (ztf_alerts/)"),
    ],
)
def test_what_a_folder_lacks_is_said_and_the_rest_is_judged(
    tmp_path: Path, made_up_bundle: Path, parts: Sequence[str], said: str
) -> None:
    write_folder(tmp_path / "data", ("SN I",), 12, parts=parts)
    code, text = run(tmp_path / "data", tmp_path / "out", made_up_bundle, "--n-detections", "3,all")
    assert code == 0, text
    assert said in text
    assert {row["label"] for row in table(tmp_path / "out")} == {"SN I"}
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["cells"]
    assert (tmp_path / "out" / "figures.csv").read_text().count("\n") > 5


def test_columns_that_are_missing_or_empty_stop_nothing(tmp_path: Path, made_up_bundle: Path) -> None:
    data = tmp_path / "data"
    curves = [curve_row(f"ZTF21a{i}", "SN I", 8, i, isdiffpos=None) for i in range(4)]
    curves.append(curve_row("ZTF21odd", None, 8, 9, mag_err=[None] * 4 + [0.1] * 4, band=["ZTF_g", "2"] * 4))
    curves.append(curve_row("ZTF21bad", "SN II", 8, 9, mag=[18.0]))
    curves.append(curve_row("ZTF21none", "SN II", 0, 9))
    gone = ("label_quality", "source", "type", "lim_mjd", "flux_mjd")
    write_rows(data / "light_curves.parquet", curves, gone)
    spectra = [spectrum_row(f"ZTF21a{i}", "SN I", None, i, redshift=None) for i in range(3)]
    write_rows(data / "spectra.parquet", spectra, ("flux_var", "uncertain", "object_label", "file_name", "redshift"))
    code, text = run(data, tmp_path / "out", made_up_bundle, "--n-detections", "3,all")
    assert code == 0, text
    rows = table(tmp_path / "out")
    assert {row["object_id"] for row in rows} == {*(f"ZTF21a{i}" for i in range(4)), "ZTF21odd"}
    assert next(row["label"] for row in rows if row["object_id"] == "ZTF21odd") is None
    assert "1 rows of light_curves.parquet were left out" in text


def test_alerts_alone_are_judged_at_their_own_time_and_by_object(tmp_path: Path, made_up_bundle: Path) -> None:
    write_packets(tmp_path / "data", "ztf", 25)
    write_packets(tmp_path / "data", "lsst", 15)
    code, text = run(tmp_path / "data", tmp_path / "out", made_up_bundle, "--n-detections", "1,all")
    assert code == 0, text
    alerts, objects = table(tmp_path / "out", ALERT_PREDICTIONS), table(tmp_path / "out")
    everything = "light_curve+metadata+cutouts"
    assert len({row["alert_id"] for row in alerts if row["survey"] == "ztf"}) == 25
    assert {"light_curve", everything} <= {str(row["modalities"]) for row in alerts}
    assert {row["survey"] for row in objects} == {"ztf", "lsst"}
    at_first = [row for row in objects if row["n_detections"] == 1 and row["modalities"] == everything]
    known = {row["object_id"]: row["n_detections"] for row in alerts if row["modalities"] == everything}
    # A later alert's stamps were not in hand at the first detection.
    assert all(known[row["object_id"]] >= 1 for row in at_first)
    assert len(at_first) < len({row["object_id"] for row in objects if row["modalities"] == everything})


def test_held_aside_objects_are_those_whose_names_hash_says_so(tmp_path: Path, made_up_bundle: Path) -> None:
    named = write_folder(tmp_path / "data", ("SN I", "SN II"), 20, parts=("light_curves",))
    options = ("--objects", "held-aside", "--n-detections", "all", "--modalities", "light_curve", "--json")
    code, text = run(tmp_path / "data", tmp_path / "out", made_up_bundle, *options)
    assert code == 0, text
    names = [name for name, _ in named]
    wanted = {name for name, side in zip(names, split_of(names).tolist(), strict=True) if side == 2}
    assert {row["object_id"] for row in table(tmp_path / "out")} == wanted
    assert json.loads(text[text.index("{") :])["surveys"]["ztf"]["n_that_may_have_trained"] == 0


def test_spectra_are_answered_one_by_one_without_and_with_their_redshift(tmp_path: Path, made_up_bundle: Path) -> None:
    write_folder(tmp_path / "data", ("SN I", "AGN"), 4, parts=("spectra", "labels"))
    code, _ = run(tmp_path / "data", tmp_path / "out", made_up_bundle, "--n-detections", "all")
    assert code == 0
    rows = table(tmp_path / "out", SPECTRUM_PREDICTIONS)
    assert sorted(row["with_redshift"] for row in rows) == [False] * 4 + [True] * 4
    assert all(row["certain"] and row["redshift"] == 0.03 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n-detections", "three"], "--n-detections takes numbers"),
        (["--n-detections", "0"], "--n-detections takes numbers"),
        (["--modalities", "light_curve,radio"], "radio"),
        (["--bundle", "nowhere"], "no bundle at nowhere"),
        (["--data", "nowhere"], "no folder nowhere"),
        (["--data", "."], "holds none of light_curves.parquet"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "ztf_alerts").mkdir(parents=True)
    result = CliRunner().invoke(app, ["evaluate", "--data", "data", "--out", "out", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_broken_file_is_named_in_one_line(tmp_path: Path, made_up_bundle: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "light_curves.parquet").write_bytes(b"no parquet")
    code, text = run(tmp_path / "data", tmp_path / "out", made_up_bundle)
    assert code == 2
    assert "light_curves.parquet cannot be read" in text


def test_an_object_in_no_list_has_no_label_and_is_answered_all_the_same(
    tmp_path: Path, bundle: BundleClassifier
) -> None:
    write_rows(tmp_path / "light_curves.parquet", [curve_row("a", None, 5, 1), curve_row("b", "star", 5, 2)])
    holdings = read_holdings(tmp_path)
    assert holdings.label.tolist() == [-1, -1]
    assert len(next(Asked(bundle, holdings).objects(Cut(), [LIGHT_CURVE]))) == 2


def test_labels_of_every_part_are_found(tmp_path: Path) -> None:
    write_folder(tmp_path, CLASSES, 2)
    holdings = read_holdings(tmp_path)
    assert np.bincount(holdings.label).tolist() == [2] * 7
    assert {name for each in holdings.objects for name in each.label_source} == {"SEDM_ML_sample"}
    assert holdings.tells[:, 1].sum() == 10


def test_a_bundle_with_a_modality_off_answers_with_the_rest_and_says_so(tmp_path: Path, made_up_bundle: Path) -> None:
    write_packets(tmp_path / "data", "ztf", 20)
    write_folder(tmp_path / "data", ("SN I",), 12, parts=("light_curves",))
    off = Path(shutil.copytree(made_up_bundle, tmp_path / "off"))
    card = json.loads((off / "card.json").read_text())
    for name in ("light_curve", "metadata"):
        card["modalities"][name]["surveys"] = []
    (off / "card.json").write_text(json.dumps(card))
    code, text = run(tmp_path / "data", tmp_path / "out", off, "--n-detections", "all")
    assert code == 0, text
    rows = table(tmp_path / "out")
    assert {row["used"] for row in rows} == {"cutouts"}
    assert {"cutouts", "metadata+cutouts", "light_curve+metadata+cutouts"} <= {str(row["modalities"]) for row in rows}
    scores = {(row["object_id"], row["modalities"]): row["p_tde"] for row in rows}
    for (name, modalities), score in scores.items():
        assert score == pytest.approx(scores[name, "cutouts"], abs=1e-5), modalities


def test_the_alerts_of_an_object_tell_its_history_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A packet's own history slides: what only an older packet tells must not be lost, nor come twice."""
    write_packets(tmp_path, "ztf", 1)
    one = read_packets(tmp_path, "ztf")
    days = (np.array([0.0, 2.0, 4.0]), np.array([2.0, 4.00002, 6.0]))
    told = [
        LightCurves(
            "ztf",
            np.array([0, 3]),
            FIRST_MJD + day,
            np.array([1e4, -2e4, 3e4], np.float32),
            np.full(3, 100.0, np.float32),
            np.full(3, 2, np.uint8),
            np.full(3, DETECTION, np.uint8),
        )
        for day in days
    ]
    columns = ("mjd_tai", "flux_njy", "flux_err_njy", "band", "kind")
    both = LightCurves("ztf", np.array([0, 3, 6]), *(np.concatenate([getattr(c, k) for c in told]) for k in columns))
    twice = replace(
        one, alerts=one.alerts.take(np.array([0, 0])), curves=both, cutouts=[one.cutouts[0], one.cutouts[0]]
    )
    monkeypatch.setattr(folder_module, "read_packets", lambda folder, survey: twice)
    holdings = folder_module.read_holdings(tmp_path)
    assert holdings.curves.mjd_tai.tolist() == pytest.approx(
        [FIRST_MJD + day for day in (0.0, 2.0, 4.0, 6.0)], abs=1e-4
    )


def test_a_folder_without_a_usable_row_leaves_an_empty_table_and_no_old_one(
    tmp_path: Path, made_up_bundle: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    write_rows(data / "light_curves.parquet", [curve_row("ZTF21a", "SN I", 8, 1)])
    assert run(data, out, made_up_bundle, "--n-detections", "all")[0] == 0
    assert table(out)
    write_rows(data / "light_curves.parquet", [curve_row("ZTF21a", "SN I", 8, 1)], ("mag",))
    code, text = run(data, out, made_up_bundle, "--n-detections", "all")
    assert code == 0, text
    assert "light_curves.parquet has nothing in mag" in text
    assert table(out) == []
    assert pq.read_schema(out / PREDICTIONS).names[:4] == ["object_id", "n_detections", "reached", "modalities"]
    write_rows(data / "light_curves.parquet", [curve_row("ZTF21a", "SN I", 8, 1)], ("object_id",))
    code, text = run(data, out, made_up_bundle)
    assert code == 2
    assert "no object_id" in text


def test_predictions_are_there_before_baselines_are_fitted(
    tmp_path: Path, bundle: BundleClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, ("SN I",), 4, parts=("light_curves",))
    seen: list[int] = []
    monkeypatch.setattr(report_module, "_compare", lambda report, *rest: seen.append(-1))
    report_module.evaluate(bundle, tmp_path, False, (3,), answered=lambda report: seen.append(len(report.predictions)))
    assert seen == [1, -1]
