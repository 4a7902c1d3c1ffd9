"""The cutout encoder: science, template and difference stamps, with the mask of their good pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from classifiers.features.cutouts import IMAGE_CHANNELS, IMAGE_SIZE
from classifiers.models.layers import Heads

POOLED_SIDE = 2
"""The last maps are averaged in so many by so many fields, so that a host beside the middle is told from one on it."""


class CutoutEncoder(nn.Module):
    """A strided convolutional net over the stamps, with the pixel scale beside the pooled features."""

    inputs = ("images", "pixel_scale")

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48), dropout: float = 0.3) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = len(IMAGE_CHANNELS)
        for width in widths:
            stages += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.body = nn.Sequential(*stages, nn.AvgPool2d(IMAGE_SIZE // 2 ** len(widths) // POOLED_SIDE))
        self.width = POOLED_SIDE**2 * before
        self.dropout = nn.Dropout(dropout)
        self.heads = Heads(self.width + 1, dropout)

    def pooled(self, images: Tensor) -> Tensor:
        """What the body sees in `images`, (n, width); pretraining starts and ends here."""
        return torch.as_tensor(self.body(images)).flatten(1)

    def forward(self, images: Tensor, pixel_scale: Tensor) -> tuple[Tensor, Tensor]:
        """`images` (n, 4, IMAGE_SIZE, IMAGE_SIZE), `pixel_scale` (n, 1) log10 arcsec."""
        seen = self.dropout(self.pooled(images))
        pair: tuple[Tensor, Tensor] = self.heads(torch.cat([seen, pixel_scale], 1))
        return pair
