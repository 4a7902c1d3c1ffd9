"""A classifier that needs no bundle, and packets that can be bent."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import fastavro
import numpy as np

from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import FloatArray, LightCurves
from schemas.packet import Packet
from schemas.prediction import EMBEDDING_LENGTH, NO_FEATURE, TOP_CONTRIBUTIONS, Contributions, Evidence, Predictions
from schemas.surveys.tables import survey_schema
from streamer.simulate.night import NightPlan, simulate_night
from streamer.sources.memory import MemorySource


class CountingClassifier:
    """Answers from the number of detections and the modalities; remembers what it was given, and fails where told."""

    name, version, bundle_hash = "counting", "1", "0"

    def __init__(self, fails_on: set[int] | None = None) -> None:
        self.evidence: list[Evidence] = []
        self._fails_on = fails_on or set()

    def classify(self, evidence: Evidence) -> Predictions:
        if self._fails_on & set(evidence.alerts.alert_id.tolist()):
            raise ValueError("this alert breaks the classifier")
        self.evidence.append(evidence)
        n = len(evidence)
        scores = np.full((n, 7), 1.0, np.float32)
        scores[:, 0] += evidence.light_curves.n_detections()
        shares = scores / scores.sum(1, keepdims=True)
        modalities = np.ones((n, 4), bool)
        modalities[:, 2] = [triplet.any for triplet in evidence.cutouts]
        modalities[:, 3] = [spectrum is not None for spectrum in evidence.spectra]
        return Predictions(
            self.name,
            self.version,
            self.bundle_hash,
            shares,
            np.repeat(shares[:, :2], 3, axis=1) * np.array([0.5, 0.25, 0.25] * 2, np.float32),
            np.zeros((n, 7), bool),
            np.full((n, EMBEDDING_LENGTH), EMBEDDING_LENGTH**-0.5, np.float32),
            np.zeros(n, np.float32),
            modalities,
            np.full((n, 4), 0.25, np.float32),
            Contributions(("n_detections",), *_counted(evidence)),
            [None] * n,
            [None] * n,
        )


class PlainQuality:
    """Takes every detection for real and finds nothing more in its stamps; keeps how many alerts it was asked about."""

    def __init__(self, real_score: float = 1.0) -> None:
        self.real_score = real_score
        self.assessed = 0

    def assess(self, alerts: AlertBatch, cutouts: Sequence[CutoutTriplet]) -> None:
        self.assessed += len(alerts)
        alerts.real_score = np.full(len(alerts), self.real_score)

    def interest(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        return np.full(len(alerts), 0.5)


def _counted(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The number of detections as the one reason of each answer."""
    count = evidence.light_curves.n_detections()
    feature = np.full((len(count), TOP_CONTRIBUTIONS), NO_FEATURE, np.int16)
    value = np.full(feature.shape, np.nan, np.float32)
    feature[:, 0], value[:, 0] = 0, count
    return feature, value, value.copy()


def night(survey: str, count: int, seed: int = 5) -> list[bytes]:
    """Payloads of ten simulated nights: of all classes, with objects that come back."""
    return [packet.payload for packet in simulate_night(NightPlan(survey, count, seed, nights=10, mixture="rich"))]


def packets(payloads: list[bytes], origin: str = "test") -> list[Packet]:
    """The payloads as packets, each with coordinates of its own."""
    return list(MemorySource(payloads, origin))


def ztf_schema() -> dict[str, Any]:
    return fastavro.parse_schema(survey_schema("ztf", "4.02"))  # type: ignore[return-value]


def write_container(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, schema, [record])
    return out.getvalue()


def bend_ztf(payload: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A ZTF packet with its record changed."""
    record: dict[str, Any] = next(iter(fastavro.reader(io.BytesIO(payload))))  # type: ignore[assignment]
    change(record)
    return write_container(ztf_schema(), record)


def bend_lsst(payload: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """An LSST 11.1 packet with its record changed."""
    schema = fastavro.parse_schema(survey_schema("lsst", "11.1"))
    record: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(payload[5:]), schema, None)  # type: ignore[assignment]
    change(record)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return payload[:5] + out.getvalue()
