"""Rows of the stores' tables, to and from the nouns."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.packet import Coordinates, Packet
from schemas.rows import NO_ROWS
from schemas.spectrum import Spectrum
from streamer.state.store import LastScore


def spectrum_row(spectrum: Spectrum) -> tuple[Any, ...]:
    """A row of the spectra's table."""
    wavelength = np.ascontiguousarray(spectrum.wavelength_aa, np.float64).tobytes()
    flux = np.ascontiguousarray(spectrum.flux, np.float32).tobytes()
    flux_var = None if spectrum.flux_var is None else np.ascontiguousarray(spectrum.flux_var, np.float32).tobytes()
    digest = hashlib.blake2b(wavelength + flux + (flux_var or b"") + repr(spectrum.redshift).encode(), digest_size=8)
    redshift = spectrum.redshift
    return spectrum.object_id, spectrum.mjd_tai, digest.digest(), redshift, wavelength, flux, flux_var


def spectrum(
    object_id: str, mjd_tai: float, wavelength_aa: bytes, flux: bytes, flux_var: bytes | None, redshift: float | None
) -> Spectrum:
    """A spectrum from its row."""
    return Spectrum(
        object_id,
        mjd_tai,
        np.frombuffer(wavelength_aa, np.float64),
        np.frombuffer(flux, np.float32),
        None if flux_var is None else np.frombuffer(flux_var, np.float32),
        redshift,
    )


def last_score(row: tuple[Any, ...]) -> LastScore:
    """A score from its row."""
    _, alert_id, revision, model, version, mjd_tai, scored_unix_s, class_scores, novelty, n_detections, evidence = row
    return LastScore(
        alert_id,
        revision,
        model,
        version,
        _number(mjd_tai),
        scored_unix_s,
        np.frombuffer(class_scores, np.float32),
        _number(novelty),
        n_detections,
        evidence,
    )


def alert_rows(alerts: AlertBatch, names_id: int | str) -> Iterator[tuple[Any, ...]]:
    """A row of each alert, without rows and cutouts; last the id of its metadata's names, and their values."""
    metadata = np.ascontiguousarray(alerts.metadata, np.float64)
    return zip(
        alerts.alert_id.tolist(),
        alerts.object_id,
        alerts.mjd_tai.tolist(),
        alerts.processed_mjd_tai.tolist(),
        alerts.ra_deg.tolist(),
        alerts.dec_deg.tolist(),
        alerts.rights.tolist(),
        alerts.survey_real_score.tolist(),
        alerts.quality.tolist(),
        alerts.solar_system.tolist(),
        alerts.withdrawn.tolist(),
        alerts.schema_version,
        [packet.received_unix_s for packet in alerts.packets],
        [packet.published_unix_s for packet in alerts.packets],
        [names_id] * len(alerts),
        [values.tobytes() for values in metadata],
        strict=True,
    )


def alert_batch(survey: str, row: tuple[Any, ...]) -> AlertBatch:
    """A batch of one alert from its row, with the coordinates that first carried it and the names of its metadata."""
    alert_id, object_id, mjd_tai, processed, ra_deg, dec_deg, rights, survey_score, quality = row[:9]
    solar_system, withdrawn, schema_version, received, published, _, metadata, coordinates, names = row[9:]
    return AlertBatch(
        survey,
        [Packet(_coordinates(coordinates), b"", received, published)],
        np.array([alert_id], np.int64),
        [object_id],
        _one(mjd_tai),
        _one(processed),
        _one(ra_deg),
        _one(dec_deg),
        np.array([rights], np.uint8),
        _one(survey_score),
        _one(None),
        np.array([quality], np.uint32),
        np.array([solar_system], np.bool_),
        np.array([withdrawn], np.bool_),
        [schema_version],
        NO_ROWS,
        np.zeros(2, np.int64),
        [(None, None, None)],
        tuple(json.loads(names)),
        np.frombuffer(metadata, np.float64).reshape(1, -1),
    )


def _coordinates(text: str | None) -> Coordinates:
    """The coordinates that `text` was made of; empty ones for None."""
    if text is None:
        return Coordinates("", "")
    origin, stream, partition, offset = text.rsplit("|", 3)
    return Coordinates(origin, stream, int(partition), int(offset))


def _number(value: float | None) -> float:
    """SQLite keeps NaN as NULL."""
    return math.nan if value is None else value


def _one(value: float | None) -> npt.NDArray[np.float64]:
    return np.array([_number(value)])
