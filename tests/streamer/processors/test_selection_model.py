"""What must hold of LightGBM selections: the model's score, by named fields, missing values and all."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pytest

from schemas.packet import Packet
from streamer.errors import ConfigurationError
from streamer.factory.pipeline import build_selections
from streamer.processors.decode import Decode
from streamer.processors.select import Select
from streamer.processors.selection_model import LightgbmScore
from streamer.settings import SettingsError, load_settings
from tests.fakes import PlainQuality, night, packets
from tests.streamer.processors.test_select import no_curves

FIELDS = ("candidate.drb", "candidate.magpsf")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that likes bright alerts."""
    random = np.random.default_rng(0)
    magnitude = random.uniform(15, 21, 500)
    features = np.column_stack([random.uniform(0, 1, 500), magnitude])
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 4},
        lightgbm.Dataset(features, (magnitude < 18).astype(int)),
        num_boost_round=30,
    )
    path = tmp_path_factory.mktemp("model") / "bright.txt"
    booster.save_model(str(path))
    return path


def test_a_model_of_the_configuration_selects_by_its_score(model: Path) -> None:
    config = model.parent / "streamer.yaml"
    config.write_text(
        "selections:\n  ztf:\n    - name: bright\n      solar_system: true\n"
        f"      model: {{file: bright.txt, features: [{', '.join(FIELDS)}], threshold: 0.5}}\n",
        encoding="utf-8",
    )
    stream: list[Packet] = packets(night("ztf", 80))
    (alerts,), _ = Decode()(stream)
    selections = build_selections(load_settings(config).selections.ztf, PlainQuality())
    chosen = Select({"ztf": selections})(alerts, no_curves(80))
    bright = alerts.field("candidate.magpsf") < 18
    assert 0 < bright.sum() < 80
    agree = [(reason is None) == is_bright for reason, is_bright in zip(chosen.reason, bright, strict=True)]
    assert np.mean(agree) > 0.95
    assert {reason for reason in chosen.reason if reason} == {"bright:score"}
    np.testing.assert_array_equal(chosen.scores["bright"] >= 0.5, [reason is None for reason in chosen.reason])


def test_missing_fields_go_to_the_model_as_missing(model: Path) -> None:
    (alerts,), _ = Decode()(packets(night("ztf", 5)))
    alerts.metadata[:, alerts.metadata_names.index("candidate.drb")] = np.nan
    assert np.isfinite(LightgbmScore(model, FIELDS).score(alerts, no_curves(5))).all()


def test_a_model_with_other_features_or_no_model_at_all_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="takes 2 features, but the configuration names 1"):
        LightgbmScore(model, FIELDS[:1])
    (tmp_path / "x.txt").write_text("no model", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        LightgbmScore(tmp_path / "x.txt", FIELDS)


def test_the_bundle_s_own_model_is_asked_by_its_name(tmp_path: Path) -> None:
    config = tmp_path / "streamer.yaml"
    config.write_text(
        "selections:\n  ztf:\n    - name: interesting\n      model: {file: bundle, threshold: 0.6}\n", encoding="utf-8"
    )
    (alerts,), _ = Decode()(packets(night("ztf", 5)))
    alerts.solar_system[:] = False
    selections = build_selections(load_settings(config).selections.ztf, PlainQuality())
    chosen = Select({"ztf": selections})(alerts, no_curves(5))
    assert set(chosen.reason) == {"interesting:score"}
    assert chosen.scores["interesting"].tolist() == [0.5] * 5


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("{file: bundle, features: [candidate.drb], threshold: 0.5}", "knows its features"),
        ("{file: mine.txt, threshold: 0.5}", "needs `features`"),
    ],
)
def test_features_are_named_for_a_model_of_one_s_own_alone(tmp_path: Path, model: str, problem: str) -> None:
    config = tmp_path / "streamer.yaml"
    config.write_text(f"selections:\n  ztf:\n    - name: m\n      model: {model}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=problem):
        load_settings(config)
