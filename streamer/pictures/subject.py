"""What a picture is made of: one alert with what is known of it, as plain nouns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.cutout import CutoutTriplet
from schemas.light_curve import LightCurves
from schemas.taxonomy import CLASSES


@dataclass(frozen=True, slots=True)
class Subject:
    """One alert to be drawn. Whatever is missing is drawn as missing."""

    survey: str
    alert_id: int
    object_id: str
    mjd_tai: float
    """Mid-exposure of the alert's own source [d]."""
    ra_deg: float
    dec_deg: float
    light_curve: LightCurves
    """Of this one alert: `len(light_curve) == 1`."""
    cutouts: CutoutTriplet | None = None
    class_scores: npt.NDArray[np.float32] | None = None
    """(7,) in the order of `CLASSES`, sum 1; None or NaN where the alert was not classified."""
    prediction_set: npt.NDArray[np.bool_] | None = None
    """(7,) classes in the conformal set; all False or None where there is none."""
    calibrated: bool = False
    """Whether real alerts support the class scores as probabilities."""
    novelty: float | None = None
    """0 (like the training set) to 1 (unlike it)."""
    real_score: float | None = None
    """The survey's own real/bogus score."""
    modalities: tuple[str, ...] = ()
    """What the scores rest on."""
    model: str = ""
    """Name and version of the model."""
    unclassified_reason: str | None = None
    data_rights: str = "public"
    true_class: str | None = None
    """The class that the simulator gave the object; None for real alerts."""

    @property
    def classified(self) -> bool:
        """Whether there are class scores."""
        return self.class_scores is not None and bool(np.isfinite(self.class_scores).all())

    @property
    def best(self) -> tuple[str, float] | None:
        """The class with the highest score, and that score; None where the alert was not classified."""
        if self.class_scores is None or not self.classified:
            return None
        index = int(np.argmax(self.class_scores))
        return CLASSES[index], float(self.class_scores[index])
