"""Models of selections: a LightGBM model over fields of the alert, and the bundle's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightgbm
import numpy as np

from schemas.alert import AlertBatch
from schemas.light_curve import FloatArray, LightCurves
from streamer.errors import ConfigurationError
from streamer.processors.assess import QualityModel


class InterestScore:
    """The bundle's own model: supernova or tidal disruption rather than anything else."""

    def __init__(self, quality: QualityModel) -> None:
        self._quality = quality

    def score(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        """Score of each alert, shape (n,)."""
        return self._quality.interest(alerts, curves)


class LightgbmScore:
    """A model from its text file and the names of its features, in its own order."""

    def __init__(self, file: Path, features: Sequence[str]) -> None:
        """ConfigurationError where the file cannot be read or takes another number of features."""
        try:
            self._booster = lightgbm.Booster(model_file=str(file))
        except (lightgbm.basic.LightGBMError, OSError) as error:
            raise ConfigurationError(f"the selection model {file} cannot be read: {error}") from None
        if self._booster.num_feature() != len(features):
            raise ConfigurationError(
                f"the selection model {file} takes {self._booster.num_feature()} features, "
                f"but the configuration names {len(features)}"
            )
        self._features = tuple(features)

    def score(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        """Score of each alert, shape (n,); missing fields go in as NaN, which LightGBM handles."""
        values = np.column_stack([alerts.field(name) for name in self._features])
        return np.asarray(self._booster.predict(values, num_threads=1), dtype=np.float64)
