"""Encoders: each turns one modality's arrays into a fusion token and class logits of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.models.layers import AttentionLayer, Heads


class LightCurveEncoder(nn.Module):
    """A small transformer over light-curve tokens, pooled by mean, maximum and the newest token."""

    inputs = ("tokens", "mask")

    def __init__(self, width: int = 64, layers: int = 2, heads: int = 4, hidden: int = 128) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(len(TOKEN_FEATURES), width), nn.ReLU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(AttentionLayer(width, heads, hidden, 0.1) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(3 * width, 0.2)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`tokens` (n, length, features), `mask` (n, length), at least one token each."""
        bias = (mask[:, None, None, :] - 1.0) * 1e4
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, bias)
        x = self.norm(x)
        seen = mask[:, :, None]
        mean = (x * seen).sum(1) / seen.sum(1)
        highest = (x + (seen - 1.0) * 1e4).amax(1)
        following = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
        newest = (x * (mask - following)[:, :, None]).sum(1)
        pair: tuple[Tensor, Tensor] = self.heads(torch.cat([mean, highest, newest], 1))
        return pair
