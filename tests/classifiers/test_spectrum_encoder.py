"""What must hold of the spectrum encoder: its members learn apart and answer together."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from classifiers.features.spectra import GRID_BINS, SPECTRUM_CHANNELS
from classifiers.models.layers import TOKEN_WIDTH
from classifiers.models.spectrum import SpectrumEncoder
from classifiers.training.losses import adjusted_loss
from schemas.taxonomy import CLASSES

pytestmark = pytest.mark.train


@pytest.fixture
def channels() -> torch.Tensor:
    drawn = np.random.default_rng(1).normal(size=(12, len(SPECTRUM_CHANNELS), GRID_BINS))
    return torch.from_numpy(drawn.astype(np.float32))


def test_members_answer_by_the_mean_of_their_log_scores(channels: torch.Tensor) -> None:
    encoder = SpectrumEncoder(members=2).eval()
    token, logits = encoder(channels)
    assert token.shape == (12, TOKEN_WIDTH)
    said = [member(channels) for member in encoder.members]
    assert torch.allclose(said[0][1].exp().sum(1), torch.ones(12), atol=1e-5)
    assert torch.allclose(logits, (said[0][1] + said[1][1]) / 2)
    assert torch.equal(token[:, TOKEN_WIDTH // 2 :], said[1][0])


def test_each_row_teaches_one_member(channels: torch.Tensor) -> None:
    encoder = SpectrumEncoder(members=4).train()
    token, logits = encoder(channels)
    assert logits.shape == (12, len(CLASSES))
    logits[1].sum().backward()
    taught = [any(p.grad is not None and bool(p.grad.any()) for p in m.parameters()) for m in encoder.members]
    assert taught == [False, True, False, False]
    assert not token[1, : TOKEN_WIDTH // 4].any()


def test_members_share_the_token_evenly_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="cannot be shared by 3"):
        SpectrumEncoder(members=3)


def test_the_adjusted_loss_gives_log_likelihoods_whatever_shares_are_drawn() -> None:
    label = torch.tensor([0] * 80 + [1] * 20)
    weight = torch.zeros(len(CLASSES))
    weight[0], weight[1] = 1 / 80, 1 / 20
    logits = torch.zeros(len(CLASSES), requires_grad=True)
    adjusted_loss(logits.expand(100, -1), label, weight, label_smoothing=0.0).backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.zeros(len(CLASSES)), atol=1e-4)
