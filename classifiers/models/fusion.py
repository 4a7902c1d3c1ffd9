"""The fusion: what several encoders say, any of them missing, into class logits and one embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import FINE_LEAVES, MODALITIES

SHARPNESS = 8.0
"""What a unit embedding is multiplied by before a head reads it: of length 1 it could not speak with confidence."""


class Fusion(nn.Module):
    """Adds the encoders' logits, each times a strength, and a mixture of experts over their tokens.

    The logits are trained with classes weighted alike, so they are log likelihoods up to a constant, and adding them
    is right where the modalities are independent given the class. Where they are not (light curve and metadata both
    know the magnitude) a strength below 1 keeps evidence from being counted twice. Strengths are fitted on objects
    that no encoder was trained on: a modality that does not help goes to zero. All experts are evaluated.
    """

    inputs = ("tokens", "logits", "present")
    outputs = ("fused", "embedding", "weights", "fine")

    def __init__(self, experts: int = 4, hidden: int = 96) -> None:
        super().__init__()
        count = len(MODALITIES)
        self.missing = nn.Parameter(torch.zeros(count, TOKEN_WIDTH))
        width = count * (TOKEN_WIDTH + 1)
        self.expert_gate = nn.Linear(width, experts)
        self.first = nn.Linear(width, experts * hidden)
        self.second = nn.Parameter(torch.randn(experts, hidden, EMBEDDING_LENGTH) * hidden**-0.5)
        self.experts, self.hidden = experts, hidden
        self.head = nn.Linear(EMBEDDING_LENGTH, CLASS_COUNT)
        self.fine_head = nn.Linear(EMBEDDING_LENGTH, len(FINE_LEAVES))
        self.strength: Tensor
        self.head_strength: Tensor
        self.register_buffer("strength", torch.ones(count))
        self.register_buffer("head_strength", torch.ones(()))

    def embed(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Unit embeddings (n, EMBEDDING_LENGTH) of `tokens` (n, modalities, TOKEN_WIDTH)."""
        seen = present[:, :, None]
        flat = torch.cat([(tokens * seen + self.missing * (1.0 - seen)).flatten(1), present], 1)
        hidden = torch.relu(self.first(flat)).reshape(-1, self.experts, self.hidden)
        weighted = hidden * torch.softmax(self.expert_gate(flat), 1)[:, :, None]
        mixed = weighted.reshape(-1, self.experts * self.hidden) @ self.second.reshape(-1, EMBEDDING_LENGTH)
        return mixed / (mixed.square().sum(1, keepdim=True) + 1e-12).sqrt()

    def head_logits(self, embedding: Tensor) -> Tensor:
        """Class logits (n, classes) of the embedding alone."""
        logits: Tensor = self.head(SHARPNESS * embedding)
        return logits

    def fine_logits(self, embedding: Tensor) -> Tensor:
        """Logits (n, leaves) of `schemas.taxonomy.FINE_LEAVES`, given the parent class."""
        logits: Tensor = self.fine_head(SHARPNESS * embedding)
        return logits

    def forward(self, tokens: Tensor, logits: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Class logits (n, classes), embedding (n, EMBEDDING_LENGTH), share of each modality, logits of the leaves.

        `tokens` (n, modalities, TOKEN_WIDTH), `logits` (n, modalities, classes), `present` (n, modalities) 0 or 1.
        A share (n, modalities) is the modality's part of the spread of all weighted logits.
        """
        embedding = self.embed(tokens, present)
        weighted = logits * (present * self.strength)[:, :, None]
        fused = weighted.sum(1) + self.head_strength * self.head_logits(embedding)
        centred = weighted - weighted.mean(2, keepdim=True)
        spread = centred.square().sum(2).sqrt() + 1e-6 * present
        share = spread / (spread.sum(1, keepdim=True) + 1e-12)
        return fused, embedding, share, self.fine_logits(embedding)
