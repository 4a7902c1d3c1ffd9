"""Layers that several encoders share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from schemas.taxonomy import CLASSES

TOKEN_WIDTH = 64
"""Length of the vector by which an encoder tells the fusion what it saw."""

CLASS_COUNT = len(CLASSES)
"""Classes of `schemas.taxonomy.CLASSES`."""


class AttentionLayer(nn.Module):
    """Pre-norm self-attention and feed-forward over padded tokens; padding is masked, never averaged in."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """`x` (n, length, width), `bias` (n, 1, 1, length): 0 where a token is, very negative where none is."""
        n, length = x.shape[0], x.shape[1]
        split = self.project(self.norm_in(x)).reshape(n, length, 3, self.heads, self.width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) * (self.width // self.heads) ** -0.5 + bias
        mixed = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).reshape(n, length, self.width)
        x = x + self.dropout(self.merge(mixed))
        fed: Tensor = x + self.dropout(self.feed(self.norm_out(x)))
        return fed


class Heads(nn.Module):
    """The fusion token and the class logits of one encoder's pooled vector."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.token = nn.Sequential(nn.Linear(width, TOKEN_WIDTH), nn.ReLU(), nn.Linear(TOKEN_WIDTH, TOKEN_WIDTH))
        self.norm = nn.LayerNorm(TOKEN_WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(TOKEN_WIDTH, CLASS_COUNT)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Token (n, TOKEN_WIDTH) and logits (n, CLASS_COUNT) of `pooled` (n, width)."""
        token = self.norm(self.token(pooled))
        return token, self.logits(self.dropout(token))
