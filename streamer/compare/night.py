"""A simulated night in a folder, read back by the readers of the stream, for the page of figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.alert import AlertBatch
from schemas.columns import TRUTH_FILE
from schemas.light_curve import LIMIT, ByteArray, FloatArray, LightCurves
from schemas.packet import Coordinates, Packet
from schemas.stamps import read_triplet
from schemas.taxonomy import CLASSES
from streamer.compare.histories import light_curves, magnitudes
from streamer.compare.sample import METADATA, Names, Sample, describe, join, reader_of
from streamer.errors import UserError
from streamer.pictures.subject import Subject

MOST_PACKETS = 10_000
"""Of a larger night so many packets are read, chosen by chance."""

EXAMPLES = 4
"""Alerts of each type that are shown, those with the most detections."""

SUFFIX = {"ztf": ".avro", "lsst": ".bin"}

_CHUNK = 400
"""Packets in memory at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How deep exposures went, one row for each that packets tell of."""

    mjd_tai: FloatArray
    band: ByteArray
    mag: FloatArray
    """5-sigma AB magnitude."""


@dataclass(slots=True)
class SimulatedNight:
    """The packets of one survey in a folder, n of them read."""

    survey: str
    packets: int
    """In the folder."""
    objects: Counter[str]
    """Objects of each type, of all packets."""
    alerts: Counter[str]
    """Alerts of each type, of all packets."""
    redshift: dict[str, FloatArray]
    """By broad class, of all objects that have one."""
    sample: Sample
    """Without stamps; `keys.kind` is the fine type."""
    label: Names
    """(n,) broad class; empty for asteroids and bogus."""
    mjd_tai: FloatArray
    ra_deg: FloatArray
    dec_deg: FloatArray
    real_score: FloatArray
    limits: Limits
    examples: dict[str, list[Subject]] = field(default_factory=dict)
    """By type."""


def read_nights(folder: Path) -> list[SimulatedNight]:
    """What `streamer simulate` wrote into a folder, one for each survey; UserError where it wrote nothing there."""
    path = folder / TRUTH_FILE
    try:
        truth = pq.read_table(path, columns=["survey", "type", "class", "redshift", "alert_ids"]).to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UserError(f"{path} cannot be read: name a folder that `streamer simulate --to` wrote") from error
    nights = []
    for survey in SUFFIX:
        rows = [row for row in truth if row["survey"] == survey]
        files = {alert: folder / f"{alert}{SUFFIX[survey]}" for row in rows for alert in row["alert_ids"]}
        there = [alert for alert, file in files.items() if file.is_file()]
        if there:
            nights.append(_read(survey, rows, {alert: files[alert] for alert in there}))
    if not nights:
        raise UserError(f"{folder} holds no packets beside its {TRUTH_FILE}")
    return nights


def _read(survey: str, truth: list[Mapping[str, object]], files: Mapping[int, Path]) -> SimulatedNight:
    types, labels = {}, {}
    for row in truth:
        for alert in row["alert_ids"]:  # type: ignore[attr-defined]
            types[alert], labels[alert] = row["type"], row["class"] or ""
    chosen = sorted(files)
    if len(chosen) > MOST_PACKETS:
        picked = np.random.default_rng(0).choice(len(chosen), MOST_PACKETS, replace=False)
        chosen = [chosen[i] for i in np.sort(picked)]
    reader = reader_of(survey)
    examples = _Examples()
    samples: list[Sample] = []
    columns: list[list[FloatArray]] = []
    limits: list[Limits] = []
    ids: list[int] = []
    for alerts in _batches(survey, [files[alert] for alert in chosen]):
        kind = np.array([types[alert] for alert in alerts.alert_id.tolist()], dtype=np.str_)
        samples.append(describe(reader, alerts, kind, with_stamps=False))
        columns.append([alerts.mjd_tai, alerts.ra_deg, alerts.dec_deg, alerts.survey_real_score])
        limits.append(_limits(alerts, samples[-1]))
        examples.look(alerts, kind)
        ids += alerts.alert_id.tolist()
    mjd, ra, dec, score = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    redshift = {
        name: np.array(
            [row["redshift"] for row in truth if row["class"] == name and row["redshift"] is not None], float
        )
        for name in CLASSES
    }
    return SimulatedNight(
        survey,
        len(files),
        Counter(str(row["type"]) for row in truth),
        Counter(str(types[alert]) for alert in files),
        {name: values for name, values in redshift.items() if len(values)},
        join(samples),
        np.array([labels[alert] for alert in ids], dtype=np.str_),
        mjd,
        ra,
        dec,
        score,
        Limits(*(np.concatenate([getattr(one, name) for one in limits]) for name in ("mjd_tai", "band", "mag"))),
        examples.by_type(),
    )


def _batches(survey: str, files: list[Path]) -> Iterator[AlertBatch]:
    reader = reader_of(survey)
    for begin in range(0, len(files), _CHUNK):
        chunk = files[begin : begin + _CHUNK]
        alerts, rejected = reader.read([Packet(Coordinates(file.name, ""), file.read_bytes(), 0.0) for file in chunk])
        if rejected:
            bad = rejected[0]
            raise UserError(f"{bad.packet.coordinates.origin} cannot be read: {bad.reason}, {bad.detail}")
        yield alerts


def _limits(alerts: AlertBatch, sample: Sample) -> Limits:
    """Depths from the alerts themselves, and from the non-detections in their histories."""
    own = alerts.rows[alerts.row_offsets[:-1]]
    if alerts.survey == "ztf":
        depth = sample.groups[METADATA].column("diffmaglim")
    else:
        depth = magnitudes(5.0 * own["flux_err_njy"])
    history = alerts.rows[alerts.rows["kind"] == LIMIT]
    _, once = np.unique(history["exposure_id"], return_index=True)
    history = history[once]
    return Limits(
        np.concatenate([own["mjd_tai"], history["mjd_tai"]]),
        np.concatenate([own["band"], history["band"]]),
        np.concatenate([depth, magnitudes(5.0 * history["flux_err_njy"])]),
    )


class _Examples:
    """Keeps the objects of most detections of each type, each as one of its alerts."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Subject]] = {}

    def look(self, alerts: AlertBatch, kind: Names) -> None:
        """Takes from a batch what beats the kept ones."""
        curves = light_curves(alerts)
        counts = curves.n_detections()
        for i in np.argsort(-counts, kind="stable").tolist():
            kept = self._kept.setdefault(str(kind[i]), {})
            rivals = [kept[alerts.object_id[i]]] if alerts.object_id[i] in kept else list(kept.values())
            if len(rivals) < EXAMPLES and alerts.object_id[i] not in kept:
                rivals = []
            if counts[i] > min((_detections(one) for one in rivals), default=-1):
                kept[alerts.object_id[i]] = _subject(alerts, curves, i)
                if len(kept) > EXAMPLES:
                    del kept[min(kept, key=lambda name: _detections(kept[name]))]

    def by_type(self) -> dict[str, list[Subject]]:
        """Those of each type, most detections first."""
        return {name: sorted(kept.values(), key=_detections, reverse=True) for name, kept in sorted(self._kept.items())}


def _subject(alerts: AlertBatch, curves: LightCurves, i: int) -> Subject:
    return Subject(
        alerts.survey,
        int(alerts.alert_id[i]),
        alerts.object_id[i],
        float(alerts.mjd_tai[i]),
        float(alerts.ra_deg[i]),
        float(alerts.dec_deg[i]),
        curves.take(np.array([i])),
        read_triplet(alerts.cutouts[i], alerts.survey)[0],
    )


def _detections(subject: Subject) -> int:
    return int(subject.light_curve.n_detections()[0])
