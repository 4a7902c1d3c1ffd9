"""The spectrum encoder: some small convolutional nets along log wavelength, whose answers are averaged."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from classifiers.features.spectra import GRID_BINS, SPECTRUM_CHANNELS
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH


class SpectrumMember(nn.Module):
    """A strided convolutional net whose features are pooled in segments of wavelength, by mean and by maximum.

    Each stage halves the resolution; segments keep where a line lies, which in the rest frame is what tells.
    """

    def __init__(self, token: int, widths: tuple[int, ...], segments: int, hidden: int, dropout: float) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = len(SPECTRUM_CHANNELS)
        for k, width in enumerate(widths):
            kernel = 7 if k < 2 else 5
            stages += [nn.Conv1d(before, width, kernel, 2, kernel // 2), nn.BatchNorm1d(width), nn.ReLU()]
            before = width
        self.body = nn.Sequential(*stages)
        length = GRID_BINS // 2 ** len(widths) // segments
        self.mean, self.highest = nn.AvgPool1d(length), nn.MaxPool1d(length)
        self.token = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * before * segments, hidden),
            nn.ReLU(),
            nn.Dropout(dropout / 2),
            nn.Linear(hidden, token),
            nn.LayerNorm(token),
        )
        self.logits = nn.Linear(token, CLASS_COUNT)

    def forward(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Token (n, `token`) and log likelihoods of the classes (n, CLASS_COUNT), their exponentials adding up to 1."""
        seen = self.body(channels)
        token = self.token(torch.cat([self.mean(seen).flatten(1), self.highest(seen).flatten(1)], 1))
        return token, torch.log_softmax(self.logits(token), 1)


class SpectrumEncoder(nn.Module):
    """Members that learn apart and answer together: the mean of their log scores; their tokens side by side.

    While it trains, each row is answered by one member, by turns, so that a step costs one pass and the members stay
    different. Several spectra of one object are answered likewise, by the mean of their log scores.
    """

    inputs = ("channels",)

    def __init__(
        self,
        members: int = 2,
        widths: tuple[int, ...] = (32, 64, 96, 128),
        segments: int = 6,
        hidden: int = 96,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        if TOKEN_WIDTH % members:
            raise ValueError(f"the token's {TOKEN_WIDTH} numbers cannot be shared by {members} members")
        self.members = nn.ModuleList(
            SpectrumMember(TOKEN_WIDTH // members, tuple(widths), segments, hidden, dropout) for _ in range(members)
        )

    def forward(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """`channels` (n, len(SPECTRUM_CHANNELS), GRID_BINS)."""
        if self.training:
            return self._by_turns(channels)
        said = [member(channels) for member in self.members]
        logits: Tensor = torch.stack([each[1] for each in said]).mean(0)
        return torch.cat([each[0] for each in said], 1), logits

    def _by_turns(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Each row's token has its own member's part alone, the rest 0."""
        count = len(self.members)
        token, logits = channels.new_zeros(len(channels), TOKEN_WIDTH), channels.new_zeros(len(channels), CLASS_COUNT)
        width = TOKEN_WIDTH // count
        for k, member in enumerate(self.members):
            if len(channels) > k + count:
                part, logits[k::count] = member(channels[k::count])
                token[k::count, k * width : (k + 1) * width] = part
        return token, logits
