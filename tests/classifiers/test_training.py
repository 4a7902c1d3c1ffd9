"""What must hold of training and of the files it exports; needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifiers.serving import BundleClassifier
from tests.classifiers import made_up

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def test_padding_changes_no_token_of_a_light_curve() -> None:
    import torch

    from classifiers.models.encoders import LightCurveEncoder

    torch.manual_seed(0)
    network = LightCurveEncoder().eval()
    tokens = torch.randn(3, 16, 11)
    mask = torch.ones(3, 16)
    short = network(tokens, mask)
    padded = torch.cat([tokens, torch.randn(3, 16, 11)], 1)
    long = network(padded, torch.cat([mask, torch.zeros(3, 16)], 1))
    for one, other in zip(short, long, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_an_absent_modality_has_no_say_in_the_fusion() -> None:
    import torch

    from classifiers.models.fusion import Fusion

    torch.manual_seed(0)
    fusion = Fusion().eval()
    present = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    tokens, logits = torch.randn(1, 4, 64), torch.randn(1, 4, 7)
    first = fusion(tokens, logits, present)
    gone = present[:, :, None] == 0
    second = fusion(tokens.masked_fill(gone, 9.0), logits.masked_fill(gone, -9.0), present)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)
    assert first[2][0, 1] == 0.0


def test_every_expert_of_the_fusion_is_heard() -> None:
    import torch

    from classifiers.models.fusion import Fusion

    torch.manual_seed(0)
    fusion = Fusion().eval()
    arrays = torch.randn(5, 4, 64), torch.ones(5, 4)
    before = fusion.embed(*arrays)
    for k in range(fusion.experts):
        kept = fusion.second.data[k].clone()
        fusion.second.data[k] = 0.0
        assert (fusion.embed(*arrays) - before).abs().amax(1).min() > 1e-4
        fusion.second.data[k] = kept


def test_a_short_training_run_writes_a_bundle_that_serves(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifiers import load_bundle
    from classifiers.training.train import train

    monkeypatch.setattr("classifiers.training.fitting.LIGHT_CURVE_STEPS", 20)
    monkeypatch.setattr("classifiers.training.fitting.FUSION_STEPS", 20)
    monkeypatch.setattr("classifiers.training.networks.SMALL_STEPS", 20)
    monkeypatch.setattr("classifiers.training.networks.SPECTRUM_STEPS", 20)
    monkeypatch.setattr("classifiers.trees.ROUNDS", 10)
    card = train(shared_data, tmp_path / "bundle", lambda _: None)
    assert max(card["worst_difference_torch_to_onnx"].values()) < 2e-4
    fresh: BundleClassifier = load_bundle(tmp_path / "bundle")
    answer = fresh.classify(made_up.evidence([1, 20, 90], spectra=True))
    assert np.isfinite(answer.class_scores).all()
    assert (tmp_path / "bundle" / "card.json").is_file()
