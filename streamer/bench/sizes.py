"""What an alert takes in each store: written by the real pipeline into the real sinks, and looked at."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bson
import numpy as np
import pyarrow as pa

from schemas.light_curve import DETECTION, ROW_DTYPE
from schemas.messages import ContainerEncoder, FramedEncoder
from schemas.packet import Packet
from schemas.scored import ScoredBatch
from schemas.surveys.lsst import LsstSchemas
from schemas.wire import EMBEDDING, SCORED_ALERT, scored_alert_records
from streamer.bench.deployment import ADVICE, REACH_S
from streamer.bench.pipeline import EVERYTHING
from streamer.bench.workloads import Workload, ztf_workload
from streamer.errors import UserError
from streamer.factory.clusters import password_of
from streamer.factory.pipeline import build_pipeline
from streamer.factory.worker import open_store
from streamer.kafka.topics import Topics
from streamer.replay import replay
from streamer.settings import Settings
from streamer.simulate.night import NightPlan, simulate_night
from streamer.sinks.base import Sink
from streamer.sinks.dead_letters import AvroDeadLetterSink
from streamer.sinks.kafka import Encoder, KafkaSink
from streamer.sinks.lance import TABLE as EMBEDDINGS_TABLE
from streamer.sinks.lance import LanceSink
from streamer.sinks.mongodb import COLLECTION, MongodbSink
from streamer.sinks.parquet import SCORES_FILE, ParquetSink
from streamer.sources.files import FileSource
from streamer.sources.memory import MemorySource
from streamer.state.mongodb_database import MongodbDatabase
from streamer.state.store import StoreAway

PACKETS = 768
"""Packets of each survey that are written."""

PAGE_BYTES = 32_768
"""WiredTiger packs so much of a collection together, by default with snappy [byte]."""

ZSTD_LEVEL = 3
"""librdkafka's default for zstd."""

TOGETHER = 10
"""Messages that are packed together. A broker kept 307 bytes of a score and 377 of an embedding where a backlog drained
(containers, batches of 256 alerts; 26 November 2026); with 10 at once the same messages come to 294 and 443."""

RECORD_BYTES = 12
"""What Kafka adds to key and value of each message in a compressed batch, about [byte]."""

LSST_VERSIONS = ("v10_0", "v11_0", "v11_1")
"""Folders of the real LSST packets that are measured."""

COLLECTIONS = ("seen", "alerts", "objects", "cutouts")
"""Collections of the object store of which every alert has its part."""


def bench_sizes(settings: Settings, data: Path | None, progress: Callable[[str], None]) -> dict[str, Any]:
    """Bytes of an alert on each topic, in each collection and in each table, by survey.

    Nothing is timed, so other programs do no harm. It needs MongoDB, in which a database of its own comes and goes.
    UserError where that is away.
    """
    report: dict[str, Any] = {}
    for work in (_lsst(data), ztf_workload(data, PACKETS) if data else _simulated("ztf")):
        progress(f"{len(work.payloads):,} {work.survey.upper()} packets are scored and written")
        try:
            report[work.survey] = _measure(settings, work)
        except StoreAway as error:
            raise UserError(f"{error} ({ADVICE})") from None
    return report


def _lsst(data: Path | None) -> Workload:
    """The real packets of the newest layouts as they came, each once: what repeats would pack too well."""
    if data is None:
        return _simulated("lsst")
    folders = [folder for version in LSST_VERSIONS if (folder := data / "lsst_alerts" / version).is_dir()]
    payloads = [item.payload for item in FileSource(folders) if isinstance(item, Packet)] if folders else []
    if not payloads:
        raise UserError(f"{data} holds no LSST packets of v10 or v11 (lsst_alerts/v10_0/*.bin)")
    return Workload("lsst", "lsst", "real v10 and v11", payloads)


def _simulated(survey: str) -> Workload:
    payloads = [packet.payload for packet in simulate_night(NightPlan(survey, PACKETS))]
    return Workload(survey, survey, "simulated, one night", payloads)


def _measure(settings: Settings, work: Workload) -> dict[str, Any]:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    mongodb = settings.state.mongodb.model_copy(update={"database": name})
    state = settings.state.model_copy(update={"store": "mongodb", "mongodb": mongodb})
    own = settings.model_copy(update={"state": state, "selections": EVERYTHING.selections})
    login = {"username": mongodb.username, "password": password_of(mongodb)}
    database = MongodbDatabase(mongodb.uri, name, timeout_s=REACH_S, **login)
    try:
        with TemporaryDirectory(prefix=f"{name}-") as place:
            folder = Path(place)
            tables = _Tables(folder, MongodbSink(mongodb.uri, name, **login))
            topics = _Topics()
            with open_store(own) as store:
                letters = AvroDeadLetterSink(folder / "letters")
                sinks: list[Sink] = [tables, *topics.sinks]
                pipeline = build_pipeline(own, store, sinks, letters, LsstSchemas(), revises=True)
                outcomes = replay(
                    list(MemorySource(work.payloads, f"bench:{work.survey}")), pipeline, own.batch.max_alerts
                ).outcomes
                letters.close()
            tables.finish()
            if not outcomes.scored or outcomes.dead_letter:
                raise UserError(f"{outcomes.scored:,} of {outcomes.received:,} {work.survey} packets were scored")
            return {
                "source": work.source,
                "alerts": outcomes.scored,
                "packet": _packets(work.payloads),
                "topics": topics.bytes_per_alert(),
                "mongodb": _collections(database, work.survey, outcomes.scored),
                "tables": {
                    "scores.parquet": round(_size(folder / SCORES_FILE) / outcomes.scored),
                    "embeddings.lance": round(_size(folder / f"{EMBEDDINGS_TABLE}.lance") / max(topics.embeddings, 1)),
                },
            }
    finally:
        with suppress(StoreAway):
            database.drop()
        database.close()


class _Tables:
    """The tables of the sinks, filled by the pipeline itself."""

    def __init__(self, folder: Path, documents: MongodbSink) -> None:
        self._parquet, self._lance, self._documents = ParquetSink(folder), LanceSink(folder), documents
        self._documents.begin("0")

    def write(self, scored: ScoredBatch) -> None:
        """Takes a batch."""
        self._parquet.write(scored)
        self._documents.take(scored_alert_records(scored))
        self._lance.write(scored)

    def flush(self) -> None:
        """`finish` does it."""

    def close(self) -> None:
        """`finish` does it."""

    def finish(self) -> None:
        """Writes everything, files joined as a sink joins them in quiet time."""
        self._parquet.close()
        self._lance.close()
        self._documents.flush()
        self._documents.close()


class _Topics:
    """The messages that the pipeline would send, once as containers and once in frames."""

    def __init__(self) -> None:
        self._sent: dict[str, dict[str, list[tuple[bytes, bytes]]]] = {}
        self.sinks = [
            self._sink("container", ContainerEncoder(SCORED_ALERT), ContainerEncoder(EMBEDDING)),
            self._sink("framed", FramedEncoder(SCORED_ALERT, 1), FramedEncoder(EMBEDDING, 1)),
        ]

    @property
    def embeddings(self) -> int:
        """How many alerts have an embedding."""
        return sum(len(sent) for topic, sent in self._sent["framed"].items() if ".embeddings" in topic)

    def bytes_per_alert(self) -> dict[str, dict[str, dict[str, int]]]:
        """Bytes of a message, and as a topic keeps it, by form of the messages and topic."""
        return {
            form: {
                kind: _messages([one for topic in sent if topic.split(".")[1] == kind for one in sent[topic]])
                for kind in ("scored", "embeddings")
            }
            for form, sent in self._sent.items()
        }

    def _sink(self, form: str, scored: Encoder, embeddings: Encoder) -> KafkaSink:
        sent = self._sent[form] = defaultdict(list)
        return KafkaSink(
            lambda topic, key, value: sent[topic].append((key, value)), Topics("bench"), scored, embeddings
        )


def _messages(sent: Sequence[tuple[bytes, bytes]]) -> dict[str, int]:
    zstd = pa.Codec("zstd", compression_level=ZSTD_LEVEL)
    whole = [key + value for key, value in sent]
    parts = [zstd.compress(b"".join(whole[start : start + TOGETHER])) for start in range(0, len(whole), TOGETHER)]
    count = max(len(sent), 1)
    packed = round(sum(map(len, parts)) / count + RECORD_BYTES)
    return {"bytes": round(sum(map(len, whole)) / count), "packed": packed}


def _packets(payloads: Sequence[bytes]) -> dict[str, int]:
    snappy = pa.Codec("snappy")
    count = len(payloads)
    return {
        "bytes": round(sum(map(len, payloads)) / count),
        "packed": round(sum(len(snappy.compress(payload)) for payload in payloads) / count),
    }


def _collections(database: MongodbDatabase, survey: str, alerts: int) -> dict[str, Any]:
    """Bytes of the documents of each collection, an alert, and packed as WiredTiger packs a page."""
    report: dict[str, Any] = {}
    for name in (*(f"{name}_{survey}" for name in COLLECTIONS), COLLECTION):
        documents = database.find(name, {})
        encoded = [bson.encode(document) for document in documents]
        report[name.removesuffix(f"_{survey}")] = {
            "documents": len(documents),
            "bytes": round(sum(map(len, encoded)) / alerts),
            "packed": round(sum(map(_snappy_size, _pages(encoded))) / alerts),
        }
        if name.startswith("objects"):
            report["objects"] |= _objects(documents, encoded)
    return report


def _objects(documents: Sequence[dict[str, Any]], encoded: Sequence[bytes]) -> dict[str, float]:
    """What an object takes beside its light curve, and how many rows a detection comes with."""
    chunks = [b"".join(document.get("c", ())) for document in documents]
    rows = np.frombuffer(b"".join(chunks), ROW_DTYPE)
    count, detections = max(len(documents), 1), max(int((rows["kind"] == DETECTION).sum()), 1)
    packed = sum(map(_snappy_size, _pages(encoded)))
    bare = [bson.encode({name: value for name, value in one.items() if name != "c"}) for one in documents]
    return {
        "without_rows": round(sum(map(len, bare)) / count),
        "rows": round(len(rows) / count, 1),
        "rows_per_detection": round(len(rows) / detections, 2),
        "row_bytes": ROW_DTYPE.itemsize,
        "packed_share": round(packed / max(sum(map(len, encoded)), 1), 3),
    }


def _pages(documents: Sequence[bytes]) -> Iterator[bytes]:
    page, size = list[bytes](), 0
    for document in documents:
        page.append(document)
        size += len(document)
        if size >= PAGE_BYTES:
            yield b"".join(page)
            page, size = [], 0
    if page:
        yield b"".join(page)


def _snappy_size(page: bytes) -> int:
    return len(pa.Codec("snappy").compress(page))


def _size(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.is_file())
