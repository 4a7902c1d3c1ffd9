"""Made-up batches for the tests of what is stored and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.alert import AlertBatch, EncodedCutouts
from schemas.light_curve import ROW_DTYPE
from schemas.packet import Coordinates, Packet
from schemas.prediction import EMBEDDING_LENGTH, Contributions
from schemas.records import Spectrum as SpectrumRecord
from schemas.scored import NO_BAND, NO_REVISION, ScoredBatch
from schemas.spectrum import Spectrum

BIG_ID = 2**62 + 1
"""An alert id that float64 cannot hold."""


def rows(*sources: int, known_mjd_tai: float = 60000.0) -> np.ndarray:
    """One row for each source id, all numbers made from it."""
    made = np.zeros(len(sources), ROW_DTYPE)
    made["source_id"] = made["exposure_id"] = sources
    made["mjd_tai"] = 60000.0 + np.array(sources)
    made["known_mjd_tai"] = known_mjd_tai
    made["flux_njy"] = np.where(np.array(sources) % 2, np.nan, 5.0)
    made["band"] = np.array(sources) % 6
    return made


def coordinates(offset: int) -> Coordinates:
    return Coordinates("night.tar.gz", f"{offset}.avro", 0, offset)


def spectrum(object_id: str, mjd_tai: float, level: float = 1.0, with_var: bool = True) -> Spectrum:
    wavelength = np.linspace(4000.0, 9000.0, 20)
    flux = np.full(20, level, np.float32)
    return Spectrum(object_id, mjd_tai, wavelength, flux, flux / 2 if with_var else None, 0.05 if with_var else None)


def spectrum_record(object_id: str = "ZTF20aaaaaaa", flux_var: tuple[float, ...] = (0.25, 0.5, 0.25)) -> SpectrumRecord:
    """A spectrum of three bins as it goes over a topic."""
    return SpectrumRecord(
        survey="ztf",
        object_id=object_id,
        mjd_tai=60_000.25,
        instrument="SEDM",
        published_by="somebody",
        flux_unit="erg / (s cm2 AA)",
        redshift=0.05,
        data_rights="public",
        wavelength_aa=(4000.0, 4025.5, 4051.0),
        flux=(1.0, 1.5, 1.25),
        flux_var=flux_var,
    )


def alerts(
    alert_ids: Sequence[int],
    object_ids: Sequence[str],
    survey: str = "ztf",
    processed_mjd_tai: float = 0.0,
    cutouts: EncodedCutouts = (None, None, None),
) -> AlertBatch:
    n = len(alert_ids)
    base = np.array([alert_id % 1000 for alert_id in alert_ids], np.float64)
    return AlertBatch(
        survey=survey,
        packets=[Packet(coordinates(i), b"payload", 1.7e9 + i, None if i % 2 else 1.6e9) for i in range(n)],
        alert_id=np.array(alert_ids, np.int64),
        object_id=list(object_ids),
        mjd_tai=60000.0 + base,
        processed_mjd_tai=np.full(n, processed_mjd_tai),
        ra_deg=base / 3,
        dec_deg=-base / 7,
        rights=np.full(n, 1, np.uint8),
        survey_real_score=np.where(base % 2, np.nan, 0.9),
        real_score=np.full(n, np.nan),
        quality=np.full(n, 5, np.uint32),
        solar_system=base % 2 == 1,
        withdrawn=base % 3 == 1,
        schema_version=["4.02"] * n,
        rows=np.zeros(0, ROW_DTYPE),
        row_offsets=np.zeros(n + 1, np.int64),
        cutouts=[cutouts] * n,
        metadata_names=("candidate.drb", "candidate.fwhm"),
        metadata=np.stack([base + processed_mjd_tai, np.full(n, np.nan)], axis=1),
    )


CUT = ("SN I", "SN IIP", "SN IIn", "SN IIb")
"""Nodes whose scores the made-up batches carry."""


def contributions(n: int) -> Contributions:
    """Two features with a value and one without, by turns for and against; every third alert has none."""
    found = Contributions.none(n, ("rise_days", "g_minus_r_last", "fall_days"))
    for i in range(n):
        if i % 3 < 2:
            found.feature[i, :3] = 2, 0, 1
            found.value[i, :3] = 7.5, np.nan, -0.25
            found.contribution[i, :3] = 1.5, -1.0, 0.5
    return found


def scored(
    alert_ids: Sequence[int],
    object_ids: Sequence[str] | None = None,
    survey: str = "ztf",
    revision: int = 0,
    mjd_tai: float | None = None,
    unclassified: Sequence[int] = (),
    **changes: Any,
) -> ScoredBatch:
    """A batch whose numbers come from the alert ids; `unclassified` are places of alerts without class scores."""
    n = len(alert_ids)
    generator = np.random.default_rng([alert_id % 2**32 for alert_id in alert_ids])
    class_scores = generator.random((n, 7), np.float32)
    class_scores /= class_scores.sum(axis=1, keepdims=True)
    embedding = generator.normal(size=(n, EMBEDDING_LENGTH)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    novelty = generator.random(n, np.float32)
    reason: list[str | None] = [None] * n
    for place in unclassified:
        class_scores[place], embedding[place], novelty[place] = np.nan, np.nan, np.nan
        reason[place] = "no usable light curve"
    base = np.array([alert_id % 1000 for alert_id in alert_ids], np.float64)
    columns: dict[str, Any] = {
        "survey": survey,
        "model": "default",
        "version": "1.0",
        "bundle_hash": "b" * 64,
        "alert_id": np.array(alert_ids, np.int64),
        "object_id": list(object_ids) if object_ids is not None else [f"ZTF18obj{i % 1000:04d}" for i in alert_ids],
        "mjd_tai": 60000.0 + base if mjd_tai is None else np.full(n, mjd_tai),
        "ra_deg": base / 3,
        "dec_deg": -base / 7,
        "published_unix_s": np.where(base % 2, 1.6e9 + 0.25, np.nan),
        "received_unix_s": np.full(n, 1.7e9 + 0.5),
        "scored_unix_s": np.full(n, 1.7e9 + 1.000001),
        "schema_version": ["4.02"] * n,
        "revision": np.full(n, revision, np.int32),
        "trigger": ["spectrum" if revision else "alert"] * n,
        "supersedes": np.full(n, revision - 1 if revision else NO_REVISION, np.int32),
        "evidence_hash": [f"{alert_id:016x}" for alert_id in alert_ids],
        "modalities": np.tile([True, True, False, False], (n, 1)),
        "modality_weights": np.tile(np.array([0.75, 0.25, 0, 0], np.float32), (n, 1)),
        "class_scores": class_scores,
        "taxonomy": CUT,
        "taxonomy_scores": np.repeat(class_scores[:, :1], len(CUT), axis=1) / len(CUT),
        "contributions": contributions(n),
        "prediction_set": class_scores > 0.15,
        "calibration": [{"domain": "made up", "n": 10, "method": "temperature"} if i % 2 else None for i in range(n)],
        "novelty": novelty,
        "embedding": embedding,
        "real_score": np.where(base % 2, np.nan, 0.9),
        "survey_real_score": np.where(base % 2, 0.8, np.nan),
        "quality": np.full(n, 0b101, np.uint32),
        "selections": [("default", "nuclear") if i % 2 else ("default",) for i in range(n)],
        "selection_scores": {"nuclear": np.where(base % 2, 0.5, np.nan)},
        "n_detections": np.full(n, 3, np.int64),
        "n_forced": np.full(n, 2, np.int64),
        "n_limits": np.full(n, 1, np.int64),
        "first_detection_mjd_tai": 59990.0 + base,
        "last_detection_mjd_tai": np.where(base % 2, 60000.0 + base, np.nan),
        "peak_flux_njy": np.full(n, 100.0, np.float32),
        "peak_band": np.full(n, 1, np.int8),
        "last_flux_njy": np.full(n, -50.0, np.float32),
        "last_flux_err_njy": np.full(n, 5.0, np.float32),
        "last_band": np.where(base % 2, 2, NO_BAND).astype(np.int8),
        "bands_used": np.full(n, 0b110, np.uint8),
        "rights": np.full(n, 1, np.uint8),
        "context": [
            {"host": "NGC 1", "distance_kpc": 1.5, "n": 2, "nuclear": True} if i % 2 else None for i in range(n)
        ],
        "unclassified_reason": reason,
    }
    return ScoredBatch(**(columns | changes))
