"""What must hold of the fusion, of the strengths of its opinions, and of pretraining without labels."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.calibration import softmax
from classifiers.training.strengths import fit_strengths


def opinions(n: int, *knowing: float) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihoods of n rows by independent witnesses that know the label so well, and the labels."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, 3, n)
    truth = np.eye(3)[label]
    return np.stack([k * (k * truth + rng.normal(size=(n, 3))) for k in knowing], 1), label


def loss(strength: np.ndarray, logits: np.ndarray, label: np.ndarray) -> float:
    chance = softmax(np.einsum("k,nkc->nc", strength, logits))
    return float(-np.log(chance[np.arange(len(label)), label]).mean())


def fitted(logits: np.ndarray, label: np.ndarray, free: list[bool]) -> np.ndarray:
    return fit_strengths(logits, label, np.ones(len(label)), np.ones(len(free)), np.array(free))


def test_independent_log_likelihoods_are_added_as_they_are() -> None:
    assert fitted(*opinions(4000, 1.5, 1.0), [True, True]) == pytest.approx([1.0, 1.0], abs=0.1)


def test_an_opinion_heard_twice_counts_once() -> None:
    logits, label = opinions(2000, 1.5)
    twice = np.concatenate([logits, logits], 1)
    assert fitted(twice, label, [True, True]).sum() == pytest.approx(1.0, abs=0.1)


def test_an_opinion_that_misleads_is_not_heard_and_the_others_are_no_worse() -> None:
    logits, label = opinions(2000, 1.5, 1.0)
    logits[:, 1] = logits[::-1, 1] * 3.0
    strength = fitted(logits, label, [True, True])
    assert strength[1] < 0.02
    assert loss(strength, logits, label) <= loss(np.array([strength[0], 0.0]), logits, label) + 1e-3


def test_a_strength_that_is_not_free_stays() -> None:
    assert fitted(*opinions(300, 1.5, 1.0), [False, True])[0] == 1.0


@pytest.mark.train
def test_the_fusion_gives_leaves_for_every_row_and_its_scores_are_those_of_the_encoders_where_it_adds_nothing() -> None:
    import torch

    from classifiers.models.fusion import Fusion
    from schemas.taxonomy import FINE_LEAVES

    torch.manual_seed(0)
    fusion = Fusion().eval()
    fusion.strength.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    fusion.head_strength.fill_(0.0)
    tokens, logits = torch.randn(3, 4, 64), torch.randn(3, 4, 7)
    fused, embedding, share, fine = fusion(tokens, logits, torch.ones(3, 4))
    torch.testing.assert_close(fused, logits[:, 0])
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))
    assert (share[:, 0] > 0.99).all()
    assert fine.shape == (3, len(FINE_LEAVES))
    assert len(Fusion.outputs) == 4


@pytest.mark.train
def test_pretraining_on_masked_curves_lowers_their_loss_and_leaves_the_heads_alone() -> None:
    import torch

    from classifiers.data import LabelledCurves
    from classifiers.models.encoders import LightCurveEncoder
    from classifiers.training.pretraining import HIDDEN_FEATURES, pretrain_light_curve
    from tests.classifiers import made_up

    assert HIDDEN_FEATURES
    torch.manual_seed(0)
    encoder = LightCurveEncoder()
    heads = [each.clone() for each in encoder.heads.parameters()]
    curves = made_up.curves([12] * 40)
    names = [str(i) for i in range(40)]
    fit = Descent(40)
    pretrain_light_curve(encoder, [LabelledCurves(names, np.full(40, -1), np.full(40, -1), curves)], fit)
    assert np.mean(fit.losses[-10:]) < 0.8 * np.mean(fit.losses[:5])
    for before, after in zip(heads, encoder.heads.parameters(), strict=True):
        torch.testing.assert_close(before, after)


@pytest.mark.train
def test_two_views_of_one_picture_are_found_among_others_and_masked_pixels_stay_empty() -> None:
    import torch

    from classifiers.features.cutouts import IMAGE_SIZE
    from classifiers.training.pretraining import image_view, view_loss

    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 4, IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
    images[:, 3] = 1.0
    images[:, :, :4] = 0.0
    view = image_view(images, rng, 0, 0.0)
    assert view.shape == images.shape
    assert not view[:, :3][np.broadcast_to(view[:, 3:] == 0, view[:, :3].shape)].any()
    alike = torch.nn.functional.normalize(torch.randn(6, 16), dim=1)
    assert view_loss(torch.cat([alike, alike])) < 0.3 * view_loss(torch.cat([alike, alike.flip(0)]))


class Descent:
    """Fits by plain steps; keeps the losses."""

    batch = 32

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []

    def __call__(self, network: object, loss_of: object) -> None:
        import torch

        rng = np.random.default_rng(0)
        optimiser = torch.optim.AdamW(network.parameters(), 3e-3)  # type: ignore[attr-defined]
        for _ in range(self.steps):
            optimiser.zero_grad()
            value = loss_of(rng)  # type: ignore[operator]
            value.backward()
            optimiser.step()
            self.losses.append(float(value.detach()))

    @staticmethod
    def tensor(array: np.ndarray) -> object:
        import torch

        return torch.from_numpy(array)


@pytest.mark.train
def test_the_contrastive_sides_share_no_modality_and_leave_none_out() -> None:
    from classifiers.training.joining import two_sides

    rng = np.random.default_rng(0)
    present = np.array([[1, 0, 0, 1], [1, 1, 1, 0], [0, 1, 1, 0]] * 50, np.float32)
    one, other = two_sides(present, rng)
    np.testing.assert_array_equal(one + other, present)
    assert (one.sum(1) == 1).all()
    assert (other.sum(1) >= 1).all()
    assert (one.sum(0) > 0).all()


@pytest.mark.train
def test_each_object_is_held_aside_in_one_fold_with_all_of_its_rows() -> None:
    from classifiers.data import LabelledCurves
    from classifiers.training.cross_validation import FOLDS, folded
    from classifiers.training.provider import CALIBRATE, TEST, TRAIN, Data, Input
    from tests.classifiers import made_up

    names = [f"object {i // 2}" for i in range(60)]
    zeros = np.zeros(60, np.int64)
    curves = LabelledCurves(names, zeros, zeros, made_up.curves([1] * 60))
    data = Data({"curves": Input("curves", curves, zeros, 1.0, False)})
    sides = np.stack([folded(data, fold).inputs["curves"].side for fold in range(FOLDS)])
    for side, times in ((TEST, 1), (CALIBRATE, 1), (TRAIN, FOLDS - 2)):
        assert ((sides == side).sum(0) == times).all()
    np.testing.assert_array_equal(sides[:, ::2], sides[:, 1::2])


@pytest.mark.train
def test_the_head_of_an_embedding_that_misleads_is_not_heard() -> None:
    from types import SimpleNamespace
    from typing import Any, cast

    import torch

    from classifiers.models.fusion import Fusion
    from classifiers.training.joining import FusionRows, fit_head_strength

    torch.manual_seed(0)
    fusion = Fusion()
    fusion.head.weight.data *= 20.0
    logits, label = opinions(400, 1.5)
    every = np.zeros((400, 4, 7), np.float32)
    every[:, 0, :3] = logits[:, 0]
    every[:, 0, 3:] = -9.0
    present = np.eye(4, dtype=np.float32)[np.zeros(400, np.int64)]
    tokens = np.random.default_rng(0).normal(size=(400, 4, 64)).astype(np.float32)
    rows = FusionRows(tokens, every, present, label, label, np.ones(400), label)
    config = SimpleNamespace(fusion=SimpleNamespace(head_strength=0.25))
    run = SimpleNamespace(config=config, tensor=torch.from_numpy)
    assert fit_head_strength(cast(Any, run), fusion, rows) < 0.05
    assert float(fusion.head_strength) < 0.05
