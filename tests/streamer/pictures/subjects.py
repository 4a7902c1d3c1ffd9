"""Made-up subjects to draw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.cutout import CutoutTriplet
from schemas.light_curve import DETECTION, FORCED, LIMIT, LightCurves
from schemas.taxonomy import CLASSES
from streamer.pictures import Subject

START_MJD_TAI = 61000.0


def curve(survey: str, seed: int = 1, nights: int = 30, peak_njy: float = 80_000.0) -> LightCurves:
    """A rise and fall in all bands of a survey, with limits before it and forced points within."""
    rng = np.random.default_rng(seed)
    bands = (1, 2, 3) if survey == "ztf" else (0, 1, 2, 3, 4, 5)
    days = np.sort(rng.uniform(-12, 60, nights))
    band = np.asarray(rng.choice(bands, nights), dtype=np.uint8)
    true = peak_njy * np.exp(-0.5 * ((days - 15) / np.where(days < 15, 6, 22)) ** 2) * (1 - 0.08 * band)
    error = np.full(nights, 0.045 * abs(peak_njy))
    flux = true + rng.normal(0, error)
    kind = np.where(np.abs(flux) > 5 * error, DETECTION, np.where(days < 5, LIMIT, FORCED)).astype(np.uint8)
    flux[kind == LIMIT] = np.nan
    offsets = np.array([0, nights], dtype=np.int64)
    return LightCurves(
        survey, offsets, START_MJD_TAI + days, flux.astype(np.float32), error.astype(np.float32), band, kind
    )


def empty_curve(survey: str = "ztf") -> LightCurves:
    none = np.zeros(0)
    small = none.astype(np.float32)
    octets = none.astype(np.uint8)
    return LightCurves(survey, np.zeros(2, dtype=np.int64), none, small, small, octets, octets)


def triplet(survey: str, seed: int = 1) -> CutoutTriplet:
    """A galaxy with a new point source beside its core, noise, and a masked corner."""
    rng = np.random.default_rng(seed)
    size = 63 if survey == "ztf" else 51
    y, x = np.indices((size, size)) - (size - 1) / 2

    def blob(width: float, flux: float, dx: float = 0.0, dy: float = 0.0) -> npt.NDArray[np.float64]:
        return np.asarray(flux * np.exp(-0.5 * ((x - dx) ** 2 + (y - dy) ** 2) / width**2))

    galaxy = blob(5, 60, 4, -3) + blob(1.6, 150, 4, -3)
    template = galaxy + rng.normal(0, 2, (size, size)) + 100
    science = galaxy + blob(1.6, 120) + rng.normal(0, 4, (size, size)) + 100
    difference = science - template
    for image in (science, difference):
        image[-9:, -6:] = np.nan
    return CutoutTriplet(survey, *(image.astype(np.float32) for image in (science, template, difference)))


def subject(survey: str = "ztf", seed: int = 1, **changes: object) -> Subject:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(len(CLASSES), 0.4)).astype(np.float32)
    given: dict[str, object] = {
        "survey": survey,
        "alert_id": 2_000_000_000_000_000_000 + seed,
        "object_id": "ZTF30aaaaaaa" if survey == "ztf" else "170000000000000001",
        "mjd_tai": START_MJD_TAI + 58.0,
        "ra_deg": 150.1,
        "dec_deg": 2.2,
        "light_curve": curve(survey, seed),
        "cutouts": triplet(survey, seed),
        "class_scores": scores,
        "prediction_set": scores > 0.1,
        "calibrated": survey == "ztf",
        "novelty": 0.31,
        "real_score": 0.98,
        "modalities": ("light_curve", "metadata", "cutouts"),
        "model": "default 1",
    }
    return Subject(**(given | changes))  # type: ignore[arg-type]
