"""Made-up evidence for the classifiers' tests: alerts of either survey with any modality present or not."""

from __future__ import annotations

import numpy as np

from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import DETECTION, ROW_DTYPE, LightCurves
from schemas.packet import Coordinates, Packet
from schemas.prediction import Evidence
from schemas.spectrum import Spectrum

STAMP_SIZE = {"ztf": 63, "lsst": 30}


def curves(lengths: list[int], survey: str = "ztf", seed: int = 1) -> LightCurves:
    """Rising and falling curves with one detection a night, in g and r by turns."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    rank = np.arange(total) - np.repeat(offsets[:-1], lengths)
    day = rank // 2 * 3.0 + rank % 2 * 0.02
    flux = 20_000.0 * np.exp(-0.5 * ((day - 15.0) / 12.0) ** 2) + 500.0 * rng.normal(size=total) + 3000.0
    return LightCurves(
        survey,
        offsets,
        59_000.0 + day,
        flux.astype(np.float32),
        np.full(total, 400.0, np.float32),
        (1 + rank % 2).astype(np.uint8),
        np.full(total, DETECTION, np.uint8),
    )


def stamp(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Noise with a point source in the middle."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    source = 300.0 * np.exp(-((y - shape[0] // 2) ** 2 + (x - shape[1] // 2) ** 2) / 6.0)
    return (100.0 + 5.0 * rng.normal(size=shape) + source).astype(np.float32)


def triplet(survey: str = "ztf", shape: tuple[int, int] | None = None, seed: int = 1) -> CutoutTriplet:
    size = shape or (STAMP_SIZE[survey], STAMP_SIZE[survey])
    return CutoutTriplet(survey, *(stamp(size, 3 * seed + k) for k in range(3)))


def no_cutouts(survey: str = "ztf") -> CutoutTriplet:
    return CutoutTriplet(survey, None, None, None)


def spectrum(seed: int = 1) -> Spectrum:
    """A blue continuum with one broad absorption, as SEDM samples it."""
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(3780.0, 9220.0, 210)
    flux = (5000.0 / wavelength) ** 2 * (1.0 - 0.4 * np.exp(-0.5 * ((wavelength - 6150.0) / 80.0) ** 2))
    noisy = (flux + 0.02 * rng.normal(size=len(flux))).astype(np.float32)
    return Spectrum("ZTF21made", 59_000.0, wavelength, noisy)


def alert_batch(n: int, survey: str = "ztf", metadata: bool = True) -> AlertBatch:
    """n alerts without rows, with ten metadata fields, or none."""
    record = "candidate" if survey == "ztf" else "diaSource"
    fields = {
        "ztf": {"magpsf": 18.5, "sigmapsf": 0.1, "elong": 1.1, "sgscore1": 0.02, "distpsnr1": 3.0, "srmag1": 17.0},
        "lsst": {"psfFlux": 1500.0, "apFlux": 1520.0, "snr": 12.0, "psfChi2": 1600.0, "psfNdata": 1600.0},
    }[survey]
    values = np.tile(np.array(list(fields.values())), (n, 1))
    return AlertBatch(
        survey=survey,
        packets=[Packet(Coordinates("made-up", str(i)), b"", 0.0) for i in range(n)],
        alert_id=np.arange(n, dtype=np.int64),
        object_id=[f"ZTF21made{i}" for i in range(n)],
        mjd_tai=np.full(n, 59_100.0),
        processed_mjd_tai=np.zeros(n),
        ra_deg=np.zeros(n),
        dec_deg=np.zeros(n),
        rights=np.zeros(n, np.uint8),
        survey_real_score=np.full(n, 0.99),
        real_score=np.full(n, np.nan),
        quality=np.zeros(n, np.uint32),
        solar_system=np.zeros(n, np.bool_),
        withdrawn=np.zeros(n, np.bool_),
        schema_version=["4.02"] * n,
        rows=np.empty(0, ROW_DTYPE),
        row_offsets=np.zeros(n + 1, np.int64),
        cutouts=[(None, None, None)] * n,
        metadata_names=tuple(f"{record}.{name}" for name in fields),
        metadata=values if metadata else np.full_like(values, np.nan),
    )


def evidence(
    lengths: list[int],
    survey: str = "ztf",
    metadata: bool = True,
    cutouts: bool = True,
    spectra: bool = False,
) -> Evidence:
    """One alert for each of `lengths`, all with the same parts."""
    n = len(lengths)
    return Evidence(
        alert_batch(n, survey, metadata),
        curves(lengths, survey),
        [triplet(survey, seed=i) if cutouts else no_cutouts(survey) for i in range(n)],
        [spectrum(i) if spectra else None for i in range(n)],
    )


def take(whole: Evidence, rows: list[int]) -> Evidence:
    """Some alerts of some evidence."""
    index = np.array(rows, np.int64)
    return Evidence(
        whole.alerts.take(index),
        whole.light_curves.take(index),
        [whole.cutouts[i] for i in rows],
        [whole.spectra[i] for i in rows],
    )
