"""What the classifier costs by itself: milliseconds an alert, in batches of 64 on one thread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from classifiers import load_bundle
from classifiers.serving import BundleClassifier
from schemas.assembling import assemble
from schemas.light_curve import BANDS, DETECTION, ROW_DTYPE, LightCurves
from schemas.prediction import Evidence
from schemas.spectrum import Spectrum
from schemas.spectrum_files import read_spectra
from schemas.stamps import read_triplet
from schemas.surveys.ztf import ZtfReader
from schemas.taxonomy import MODALITIES
from streamer.bench.pipeline import one_core, onnx_timed
from streamer.bench.workloads import ztf_workload
from streamer.sources.memory import MemorySource

BATCH = 64
"""Alerts that are classified together."""

TURNS = 5
"""Runs of each case, after one that is not timed; the median is given."""

MOST_ALERTS = 1_024
"""Alerts of each case, at most."""

POINTS = 32
"""Length of the light curves of the first case, one detection a night."""

BINS = 210
"""Bins of a made-up spectrum, as SEDM samples."""


def bench_classifier(
    bundle: str, data: Path | None, progress: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Light curve, metadata and stamps at 32 points and at the alerts' own lengths; spectra alone. Pinned to one core.

    Each case tells milliseconds an alert of the whole answer, features included, and of the networks in onnxruntime
    alone. UserError where `data` holds no ZTF packets; BundleError where the bundle cannot be used.
    """
    classifier = load_bundle(bundle)
    classifier.warm_up()
    work = ztf_workload(data, MOST_ALERTS)
    alerts = _evidence(work.payloads)
    spectra, made = _spectra(data)
    said = {"bundle": f"{classifier.name} {classifier.version}", "cores": 1, "batch_alerts": BATCH, "turns": TURNS}
    cases = {
        "points_32": (replace(alerts, light_curves=_curves(len(alerts), POINTS)), work.source),
        "own_lengths": (alerts, work.source),
        "spectrum": (_with_spectra(alerts, spectra), made),
    }
    with one_core():
        for name, (evidence, source) in cases.items():
            progress(f"{name}: {len(evidence)} alerts")
            said[name] = _measured(classifier, evidence) | {"source": source}
    return said


def _measured(classifier: BundleClassifier, evidence: Evidence) -> dict[str, Any]:
    batches = [_rows(evidence, range(i, min(i + BATCH, len(evidence)))) for i in range(0, len(evidence), BATCH)]
    used = np.concatenate([classifier.classify(batch).modalities for batch in batches])
    whole, networks = [], []
    for _ in range(TURNS):
        with onnx_timed() as onnx:
            started = perf_counter()
            for batch in batches:
                classifier.classify(batch)
            whole.append(perf_counter() - started)
        networks.append(onnx[0])
    n = len(evidence)
    return {
        "alerts": n,
        "ms_per_alert": round(1000 * statistics.median(whole) / n, 4),
        "onnx_ms_per_alert": round(1000 * statistics.median(networks) / n, 4),
        "detections_per_alert": round(float(evidence.light_curves.n_detections().mean()), 1),
        "share_with": {name: round(float(used[:, k].mean()), 3) for k, name in enumerate(MODALITIES)},
    }


def _rows(evidence: Evidence, rows: Sequence[int]) -> Evidence:
    index = np.array(rows, np.int64)
    return Evidence(
        evidence.alerts.take(index),
        evidence.light_curves.take(index),
        [evidence.cutouts[i] for i in rows],
        [evidence.spectra[i] for i in rows],
    )


def _evidence(payloads: Sequence[bytes]) -> Evidence:
    """ZTF packets with the light curve that each tells by itself, and its stamps."""
    alerts, _ = ZtfReader().read(list(MemorySource(payloads)))
    n = len(alerts)
    stored = np.empty(0, ROW_DTYPE), np.zeros(n + 1, np.int64)
    assembled = assemble("ztf", alerts.rows, alerts.row_offsets, alerts.mjd_tai, np.arange(n), *stored)
    cutouts = [read_triplet(encoded, "ztf")[0] for encoded in alerts.cutouts]
    return Evidence(alerts, assembled.light_curves, cutouts, [None] * n)


def _curves(n: int, points: int) -> LightCurves:
    """Rising and falling light curves of as many detections, a night apart, in g and r by turns."""
    day = np.arange(points, dtype=np.float64)
    flux = 20_000.0 * np.exp(-0.5 * ((day - 12.0) / 10.0) ** 2) + 3_000.0
    total = n * points
    return LightCurves(
        "ztf",
        np.arange(n + 1, dtype=np.int64) * points,
        59_000.0 + np.tile(day, n),
        np.tile(flux, n).astype(np.float32),
        np.full(total, 400.0, np.float32),
        np.tile(BANDS.index("g") + np.arange(points) % 2, n).astype(np.uint8),
        np.full(total, DETECTION, np.uint8),
    )


def _spectra(data: Path | None) -> tuple[list[Spectrum], str]:
    """Spectra to classify and where they come from: those of `data`, else one made up."""
    path = None if data is None else data / "spectra.parquet"
    if path is not None and path.is_file():
        known = [spectrum for block in read_spectra(path) for spectrum in block if spectrum is not None]
        if known:
            return known[:MOST_ALERTS], "real, of the folder's spectra.parquet"
    wavelength = np.linspace(3_780.0, 9_220.0, BINS)
    flux = (5_000.0 / wavelength) ** 2 * (1.0 - 0.4 * np.exp(-0.5 * ((wavelength - 6_150.0) / 80.0) ** 2))
    return [Spectrum("made-up", 59_000.0, wavelength, flux.astype(np.float32))], "made up"


def _with_spectra(alerts: Evidence, spectra: Sequence[Spectrum]) -> Evidence:
    """As many alerts as there are (at least a batch), with a spectrum and nothing else."""
    n = len(alerts) if len(spectra) > 1 else BATCH
    rows = np.arange(n) % len(alerts)
    bare = alerts.alerts.take(rows)
    bare = replace(bare, metadata=np.full_like(bare.metadata, np.nan))
    return Evidence(
        bare,
        _curves(n, 0),
        [replace(alerts.cutouts[int(i)], science=None, template=None, difference=None) for i in rows],
        [spectra[int(i) % len(spectra)] for i in range(n)],
    )
