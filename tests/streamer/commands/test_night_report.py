"""The page of figures holds all it shows, for each survey in the folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from streamer.commands.night_report import write_report
from streamer.compare import night
from streamer.errors import UserError
from streamer.simulate.files import write_night
from streamer.simulate.night import NightPlan

FIGURES = ("mixture", "distributions", "redshifts", "sky", "light_curves", "cutouts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    for survey in ("ztf", "lsst"):
        write_night(NightPlan(survey, 60, 3, mixture="rich", only=("SN Ia", "asteroid")), folder)
    return folder


def test_the_page_holds_every_picture_and_the_folder_too(folder: Path) -> None:
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2 * len(FIGURES)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for survey in ("ztf", "lsst"):
        assert f"<h2>{survey.upper()}</h2><p>60 packets of" in page
        for name in FIGURES:
            with Image.open(folder / f"report_{survey}_{name}.png") as image:
                assert image.width > 500


def test_the_night_is_read_as_it_was_written(folder: Path) -> None:
    for found in night.read_nights(folder):
        assert found.packets == len(found.sample) == 60
        assert set(found.alerts) == set(found.examples) == {"SN Ia", "asteroid"}
        assert found.alerts.total() == 60
        assert len(found.redshift["SN I"]) == found.objects["SN Ia"]
        shown = [subject.object_id for subject in found.examples["SN Ia"]]
        assert len(shown) == len(set(shown)) == night.EXAMPLES


def test_of_a_large_night_some_packets_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "MOST_PACKETS", 25)
    for found in night.read_nights(folder):
        assert (found.packets, len(found.sample)) == (60, 25)
    assert "The figures show 25 of these packets" in write_report(folder).read_text(encoding="utf-8")


def test_the_best_seen_objects_are_the_examples(folder: Path) -> None:
    for found in night.read_nights(folder):
        counts = found.sample.groups["light curve"].column("detections")
        most = counts[found.sample.keys.kind == "SN Ia"].max()
        assert found.examples["SN Ia"][0].light_curve.n_detections()[0] == pytest.approx(most, abs=1)


def test_a_folder_without_a_night_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match=r"name a folder that `streamer simulate --to` wrote"):
        write_report(tmp_path)
    (tmp_path / "truth.parquet").write_bytes((folder / "truth.parquet").read_bytes())
    with pytest.raises(UserError, match=r"holds no packets"):
        write_report(tmp_path)
