"""What the whole pipeline costs on one core: alerts a second, each stage, each kernel, and their ratio."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime

from classifiers import load_bundle
from schemas.codec import read_container, read_frame
from schemas.packet import Packet
from schemas.prediction import EMBEDDING_LENGTH, Classifier, Contributions, Evidence, Predictions
from schemas.projection import RowArena, compile_program
from schemas.stamps import unpack_stamp
from schemas.surveys.lsst import LsstSchemas
from schemas.surveys.projections import LSST_PROJECTION, ZTF_PROJECTION
from schemas.surveys.ztf import ZtfReader
from schemas.taxonomy import CLASSES, FINE_LEAVES, MODALITIES
from streamer.bench.workloads import Workload, workloads
from streamer.factory.pipeline import build_pipeline
from streamer.pipeline import Pipeline
from streamer.replay import replay
from streamer.settings import Settings
from streamer.settings.models import Selection, SelectionSettings
from streamer.sinks.dead_letters import AvroDeadLetterSink
from streamer.sinks.parquet import ParquetSink
from streamer.sources.files import FileSource
from streamer.sources.memory import MemorySource
from streamer.state.sqlite import SqliteObjectStore

TURNS = 5
"""Runs of each case, in turns with the others; the median is given."""

WARM_UP_ALERTS = 256
"""The first alerts of each run are not timed: buffers grow and caches fill once in a long life."""

CUTOUTS_MAX_BYTES = 512_000_000
"""Cutouts kept by the measured store, as in the default settings [byte]."""

EVERYTHING = Settings(
    selections=SelectionSettings(
        ztf=(Selection(name="all", solar_system=True),), lsst=(Selection(name="all", solar_system=True),)
    )
)
"""Nothing is filtered, so that every alert costs what a scored one costs."""


class NoModel:
    """Answers nothing, at once: what is left is the spine."""

    name, version, bundle_hash = "none", "0", "none"

    def classify(self, evidence: Evidence) -> Predictions:
        """No scores for any alert."""
        n, classes, modalities = len(evidence), len(CLASSES), len(MODALITIES)
        return Predictions(
            model=self.name,
            version=self.version,
            bundle_hash=self.bundle_hash,
            class_scores=np.full((n, classes), np.nan, np.float32),
            fine_scores=np.full((n, len(FINE_LEAVES)), np.nan, np.float32),
            prediction_set=np.zeros((n, classes), np.bool_),
            embedding=np.full((n, EMBEDDING_LENGTH), np.nan, np.float32),
            novelty=np.full(n, np.nan, np.float32),
            modalities=np.zeros((n, modalities), np.bool_),
            modality_weights=np.zeros((n, modalities), np.float32),
            contributions=Contributions.none(n),
            calibration=[None] * n,
            unclassified_reason=["no_model"] * n,
        )


def bench_pipeline(data: Path | None, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Measures LSST alerts with history and ZTF alerts, with and without models, pinned to one core.

    End to end is packets in memory in, Parquet and SQLite out, on an empty store. `cost_ratio` is that cost over the
    sum of its kernels (decode, gunzip, ONNX), for each survey and, as one number, for equal parts of both.
    """
    classifier = load_bundle()
    classifier.warm_up()
    result: dict[str, Any] = {"cores": 1, "batch_alerts": EVERYTHING.batch.max_alerts, "turns": TURNS}
    costs: list[tuple[float, float]] = []
    with one_core():
        for work in workloads(data):
            progress(f"{work.name}: {len(work.payloads)} packets")
            measured = _measure(work, classifier)
            result[work.name] = measured
            result[f"{work.name}_alerts_per_s"] = measured["alerts_per_s"]
            result[f"{work.name}_spine_alerts_per_s"] = measured["spine_alerts_per_s"]
            costs.append((measured["ms_per_alert"], sum(measured["kernel_ms"].values())))
        if data is not None:
            result["tar_gz_ms_per_packet"] = round(_tar_ms(data), 4)
    result["cost_ratio"] = round(sum(cost for cost, _ in costs) / sum(kernels for _, kernels in costs), 3)
    result["alerts_per_s"] = round(len(costs) / sum(cost / 1000 for cost, _ in costs), 1)
    return result


def _measure(work: Workload, classifier: Classifier) -> dict[str, Any]:
    packets = list(MemorySource(work.payloads, f"bench:{work.name}"))
    _run(packets, NoModel())  # compiles what is compiled on first use
    spine, whole = [], []
    for _ in range(TURNS):
        spine.append(_run(packets, NoModel()))
        whole.append(_run(packets, classifier))
    n = len(packets) - WARM_UP_ALERTS
    middle = sorted(whole, key=lambda run: run["seconds"])[TURNS // 2]
    seconds = middle["seconds"]
    kernels = {
        "decode": _median_ms(lambda: _decode(work), len(packets)),
        "gunzip": _median_ms(lambda: _gunzip(work), len(packets)) if work.survey == "ztf" else 0.0,
        "onnx": 1000 * middle["onnx"] / n,
    }
    ms = 1000 * seconds / n
    return {
        "packets": n,
        "source": work.source,
        "alerts_per_s": round(n / seconds, 1),
        "spine_alerts_per_s": round(n / statistics.median(run["seconds"] for run in spine), 1),
        "ms_per_alert": round(ms, 4),
        "stage_ms": {name: round(1000 * value / n, 4) for name, value in middle["stages"].items()},
        "kernel_ms": {name: round(value, 4) for name, value in kernels.items()},
        "cost_ratio": round(ms / sum(kernels.values()), 3),
        "tokens_per_alert": round(middle["tokens"] / n, 1),
    }


def _run(packets: Sequence[Packet], classifier: Classifier) -> dict[str, Any]:
    """One replay into a new folder: seconds end to end, by stage, and inside ONNX."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with SqliteObjectStore(folder / "state", CUTOUTS_MAX_BYTES) as store:
            scores, letters = ParquetSink(folder), AvroDeadLetterSink(folder)
            watched = _Watched(classifier)
            pipeline: Pipeline = build_pipeline(EVERYTHING, store, [scores], letters, None, watched)
            replay(packets[:WARM_UP_ALERTS], pipeline, EVERYTHING.batch.max_alerts)
            pipeline.seconds.clear()
            watched.tokens = 0
            measured = packets[WARM_UP_ALERTS:]
            with onnx_timed() as onnx:
                started = perf_counter()
                report = replay(measured, pipeline, EVERYTHING.batch.max_alerts)
                scores.close()
                letters.close()
                seconds = perf_counter() - started
        if report.outcomes.scored != len(measured):
            raise RuntimeError(f"the bench scored {report.outcomes.scored} of {len(measured)} packets")
        return {"seconds": seconds, "onnx": onnx[0], "stages": dict(pipeline.seconds), "tokens": watched.tokens}


class _Watched:
    """Counts the light-curve tokens that go to a classifier: what a rate was measured on."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.name, self.version, self.bundle_hash = classifier.name, classifier.version, classifier.bundle_hash
        self.tokens = 0

    def classify(self, evidence: Evidence) -> Predictions:
        self.tokens += len(evidence.light_curves.mjd_tai)
        return self._classifier.classify(evidence)


@contextmanager
def onnx_timed() -> Iterator[list[float]]:
    """Seconds spent in onnxruntime while the context is open, in a list of one."""
    spent = [0.0]
    original = onnxruntime.InferenceSession.run

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        started = perf_counter()
        try:
            return original(self, *args, **kwargs)
        finally:
            spent[0] += perf_counter() - started

    onnxruntime.InferenceSession.run = timed
    try:
        yield spent
    finally:
        onnxruntime.InferenceSession.run = original


@contextmanager
def one_core() -> Iterator[None]:
    """Pins the process, with every thread that it starts, to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _decode(work: Workload) -> None:
    """The compiled decoder alone, over all packets."""
    arena = RowArena(ZTF_PROJECTION if work.survey == "ztf" else LSST_PROJECTION)
    schemas = LsstSchemas()
    programs: dict[Any, Any] = {}
    for place, payload in enumerate(work.payloads):
        if place % EVERYTHING.batch.max_alerts == 0:
            arena.clear()
        if work.survey == "ztf":
            body = read_container(payload)
            key, schema, data, start, end = body.schema_key, body.schema, body.buffer, body.start, body.end
        else:
            schema_id, start = read_frame(payload)
            key, schema, data, end = str(schema_id), schemas.schema(schema_id), payload, len(payload)
        if key not in programs:
            programs[key] = compile_program(schema, arena.projection)
        arena.decode(programs[key], data, start, end)


def _gunzip(work: Workload) -> None:
    """Unpacking the stamps alone, over all packets; the stamps are found once and kept."""
    if not work.stamps:
        alerts, _ = ZtfReader().read(list(MemorySource(work.payloads)))
        work.stamps.extend(bytes(stamp) for encoded in alerts.cutouts for stamp in encoded if stamp is not None)
    for stamp in work.stamps:
        unpack_stamp(stamp)


def _median_ms(work: Callable[[], None], n: int) -> float:
    times = []
    work()
    for _ in range(TURNS):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return 1000 * statistics.median(times) / n


def _tar_ms(data: Path) -> float:
    """Unpacking a nightly archive, which loose files and Kafka do not need: ms a packet."""
    archives = sorted(data.rglob("*.tar.gz"))
    if not archives:
        return float("nan")
    started = perf_counter()
    count = sum(1 for _ in FileSource(archives))
    return 1000 * (perf_counter() - started) / max(count, 1)
