"""What a user brings to a training run, as its tests' own module: made-up light curves and a small encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from classifiers.data import CurveRow
from schemas.taxonomy import CLASSES

OBJECTS = 90
"""Made-up objects of `MyCurves`."""


class MyCurves:
    """Objects of three classes that differ in how fast they fade."""

    def __init__(self, folder: Path, objects: int = OBJECTS) -> None:
        self.folder, self.objects = folder, objects

    def __len__(self) -> int:
        return self.objects

    def __getitem__(self, index: int) -> CurveRow:
        rng = np.random.default_rng(index)
        kind, n = index % 3, int(rng.integers(2, 30))
        time = np.sort(rng.uniform(0.0, 40.0, n))
        flux = 30_000.0 * np.exp(-time / (5.0, 20.0, 400.0)[kind]) + rng.normal(0.0, 300.0, n)
        band = [str(name) for name in rng.choice(["g", "r"], n)]
        return CurveRow(f"mine-{index}", CLASSES[kind], 59_000.0 + time, band, flux, np.full(n, 300.0))
