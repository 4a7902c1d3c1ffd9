"""The metadata encoder: the alert's numbers, each with whether it is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from classifiers.features.metadata import METADATA_FEATURES
from classifiers.models.layers import Heads


class MetadataEncoder(nn.Module):
    """A small net over values and masks."""

    inputs = ("values", "known")

    def __init__(self, width: int = 96, dropout: float = 0.3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2 * len(METADATA_FEATURES), width), nn.ReLU(), nn.Dropout(dropout))
        self.heads = Heads(width, dropout)

    def forward(self, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """`values` and `known`, both (n, features)."""
        pair: tuple[Tensor, Tensor] = self.heads(self.body(torch.cat([values, known], 1)))
        return pair
