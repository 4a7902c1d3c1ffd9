"""Training and serving see the same arrays: real alerts down both paths, compared bit for bit."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest

from classifiers.data import read_ztf_alerts
from classifiers.features import LENGTH_BUCKETS, bucket_lengths, light_curve_statistics, light_curve_tokens, pool_nights
from classifiers.serving import BundleClassifier, Encoded
from classifiers.training.examples import arrays_of
from schemas.packet import Coordinates, Packet
from schemas.taxonomy import CLASSES, MODALITIES
from streamer.factory.pipeline import build_pipeline
from streamer.settings import Settings
from streamer.settings.models import Selection, SelectionSettings
from streamer.sinks.memory import MemoryDeadLetterSink, MemorySink
from streamer.state.sqlite import SqliteObjectStore
from tests.fakes import PlainQuality

Arrays = tuple[np.ndarray, ...]

EVERYTHING = Settings(selections=SelectionSettings(ztf=(Selection(name="all", solar_system=True),)))


class Overheard:
    """A bundle's classifier that keeps what each encoder is given, by alert and modality."""

    def __init__(self, classifier: BundleClassifier, patch: pytest.MonkeyPatch) -> None:
        self.heard: dict[int, dict[str, Arrays]] = {}
        self.statistics: dict[int, np.ndarray] = {}
        self._ids = np.empty(0, np.int64)
        put, encode = BundleClassifier._put, BundleClassifier.encode

        def keep(
            inner: BundleClassifier, encoded: Encoded, modality: int, rows: np.ndarray, *arrays: np.ndarray
        ) -> None:
            for k, row in enumerate(rows.tolist()):
                given = tuple(array[k].copy() for array in arrays)
                self.heard.setdefault(int(self._ids[row]), {})[MODALITIES[modality]] = given
            put(inner, encoded, modality, rows, *arrays)

        def name(inner: BundleClassifier, evidence: object) -> Encoded:
            self._ids = evidence.alerts.alert_id  # type: ignore[attr-defined]
            encoded = encode(inner, evidence)  # type: ignore[arg-type]
            self.statistics |= dict(zip(self._ids.tolist(), encoded.statistics, strict=True))
            return encoded

        patch.setattr(BundleClassifier, "_put", keep)
        patch.setattr(BundleClassifier, "encode", name)


def first_packets(folder: Path) -> list[Packet]:
    """The first labelled packet of each object: the stream knows no more of an object than that packet tells."""
    with (folder / "ztf_alerts" / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in CLASSES]
    first: dict[str, tuple[float, str]] = {}
    for row in rows:
        first[row["object_id"]] = min(first.get(row["object_id"], (np.inf, "")), (float(row["jd"]), row["candid"]))
    wanted = {candid for _, candid in first.values()}
    packets: list[Packet] = []
    for archive in sorted((folder / "ztf_alerts").glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            packets += [
                Packet(Coordinates(archive.name, member.name), file.read(), 0.0)
                for member in members
                if Path(member.name).stem in wanted and (file := members.extractfile(member))
            ]
    return packets


def test_the_stream_and_training_give_each_encoder_the_same_bits(
    shared_data: Path, classifier: BundleClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every encoder is asked, those too that the shipped bundle has off.
    monkeypatch.setattr(classifier, "_surveys", {name: ["ztf"] for name in MODALITIES})
    overheard = Overheard(classifier, monkeypatch)
    store = SqliteObjectStore(tmp_path / "state", 100_000_000)
    sinks = [MemorySink()], MemoryDeadLetterSink()
    pipeline = build_pipeline(EVERYTHING, store, *sinks, None, classifier, False, PlainQuality())
    packets = first_packets(shared_data)
    for start in range(0, len(packets), 37):  # batches unlike those of training, so that no row leans on its neighbours
        pipeline.process(packets[start : start + 37])
    store.close()

    alerts = read_ztf_alerts(shared_data)
    pooled = pool_nights(alerts.curves)
    buckets = bucket_lengths(pooled)
    statistics = light_curve_statistics(pooled)
    arrays = {name: arrays_of(name, alerts) for name in ("metadata", "cutouts")}
    compared = dict.fromkeys(("light_curve", *arrays), 0)
    for i, alert_id in enumerate(alerts.alerts.alert_id.tolist()):
        if alert_id not in overheard.heard:
            continue
        expected = {name: tuple(array[i] for array in held) for name, (held, usable) in arrays.items() if usable[i]}
        if buckets[i] in LENGTH_BUCKETS:
            tokens = light_curve_tokens(pooled, np.array([i]), int(buckets[i]))
            expected["light_curve"] = tuple(array[0] for array in tokens)
            assert overheard.statistics[alert_id].tobytes() == statistics[i].tobytes()
        assert overheard.heard[alert_id].keys() == expected.keys()
        for name, both in expected.items():
            for ours, theirs in zip(overheard.heard[alert_id][name], both, strict=True):
                assert ours.tobytes() == theirs.tobytes(), (alert_id, name)
            compared[name] += 1
    assert min(compared.values()) > 200
