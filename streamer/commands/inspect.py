"""`streamer inspect`: what a packet is and holds, or why it cannot be read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from classifiers.quality import Quality
from schemas.alert import DATA_RIGHTS, QUALITY_FLAGS, AlertBatch
from schemas.cutout import STAMPS, CutoutTriplet
from schemas.light_curve import BANDS, DETECTION, FORCED, LIMIT
from schemas.packet import Packet
from schemas.stamps import read_triplet
from schemas.surveys.lsst import LsstSchemas
from schemas.times import unix_from_mjd_tai
from streamer.commands.sources import open_files
from streamer.errors import UserError
from streamer.factory.pipeline import load_configured_quality
from streamer.processors.decode import Decode
from streamer.settings import Settings

PACKETS_SHOWN = 50
"""Of an archive or folder so many packets are described; `replay` is the command for all."""


def run_inspect(path: Path, schemas: Path | None, as_json: bool) -> bool:
    """Describes the packets of a file, judged by the shipped bundle; returns whether all of them could be read."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name one file (or use `streamer replay` for all of it)")
    source = open_files([path])
    decode = Decode(LsstSchemas(schemas))
    quality = load_configured_quality(Settings())
    described: list[dict[str, Any]] = []
    more = False
    for item in source:
        if len(described) == PACKETS_SHOWN:
            more = True
            break
        described.append(_describe(item, decode, quality) if isinstance(item, Packet) else _broken(item))
    if as_json:
        print(json.dumps({"file": str(path), "packets": described, "more": more}))
    else:
        console = Console()
        for packet in described:
            _print(console, packet)
        if not described:
            console.print(f"{path} holds no packets (names ending in .avro or .bin)")
        if more:
            console.print(f"... and more; only the first {PACKETS_SHOWN} are shown")
    return bool(described) and all("error" not in packet for packet in described)


def _broken(rejected: Any) -> dict[str, Any]:
    return {
        "where": str(rejected.packet.coordinates),
        "bytes": len(rejected.packet.payload),
        "error": rejected.reason,
        "detail": rejected.detail,
    }


def _describe(packet: Packet, decode: Decode, quality: Quality) -> dict[str, Any]:
    batches, rejected = decode([packet])
    if rejected:
        return _broken(rejected[0])
    alerts = batches[0]
    triplet, bits = read_triplet(alerts.cutouts[0], alerts.survey)
    alerts.quality |= np.uint32(bits)
    quality.assess(alerts, [triplet])
    own = alerts.rows[0]
    return {
        "where": str(packet.coordinates),
        "bytes": len(packet.payload),
        "survey": alerts.survey,
        "schema_version": alerts.schema_version[0],
        "alert_id": int(alerts.alert_id[0]),
        "object_id": alerts.object_id[0],
        "mjd_tai": float(alerts.mjd_tai[0]),
        "time_utc": str(np.datetime64(round(float(unix_from_mjd_tai(alerts.mjd_tai)[0]) * 1000), "ms")) + "Z",
        "ra_deg": float(alerts.ra_deg[0]),
        "dec_deg": float(alerts.dec_deg[0]),
        "band": BANDS[own["band"]] if own["band"] < len(BANDS) else None,
        "flux_njy": _number(own["flux_njy"]),
        "flux_err_njy": _number(own["flux_err_njy"]),
        "real_score": _number(alerts.real_score[0]),
        "survey_real_score": _number(alerts.survey_real_score[0]),
        "history": _history(alerts),
        "cutouts": _stamps(triplet),
        "quality_flags": [name for bit, name in enumerate(QUALITY_FLAGS) if int(alerts.quality[0]) >> bit & 1],
        "data_rights": DATA_RIGHTS[alerts.rights[0]],
        "solar_system": bool(alerts.solar_system[0]),
        "withdrawn": bool(alerts.withdrawn[0]),
        "metadata": {
            name: float(value)
            for name, value in zip(alerts.metadata_names, alerts.metadata[0], strict=True)
            if np.isfinite(value)
        },
    }


def _history(alerts: AlertBatch) -> dict[str, Any]:
    rows = alerts.rows[1:]
    kinds = Counter(rows["kind"].tolist())
    span = float(rows["mjd_tai"].max() - rows["mjd_tai"].min()) if len(rows) else 0.0
    return {
        "detections": kinds[DETECTION],
        "forced": kinds[FORCED],
        "limits": kinds[LIMIT],
        "span_days": round(span, 3),
    }


def _stamps(triplet: CutoutTriplet) -> dict[str, str | None]:
    shapes: dict[str, str | None] = {}
    for name in STAMPS:
        stamp = getattr(triplet, name)
        masked = (
            "" if stamp is None or np.isfinite(stamp).all() else f", {np.count_nonzero(~np.isfinite(stamp))} masked"
        )
        shapes[name] = None if stamp is None else f"{stamp.shape[0]} x {stamp.shape[1]} pixels{masked}"
    return shapes


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _print(console: Console, packet: dict[str, Any]) -> None:
    if "error" in packet:
        console.print(f"[red]cannot be read[/red]  {packet['where']}", highlight=False)
        console.print(f"  {packet['error']}: {packet['detail']} ({packet['bytes']:,} bytes)", highlight=False)
        return
    title = f"{packet['survey'].upper()} alert {packet['alert_id']} of {packet['object_id']}"
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_row("from", packet["where"])
    table.add_row("schema", f"version {packet['schema_version']}, {packet['bytes']:,} bytes")
    table.add_row("time", f"MJD {packet['mjd_tai']:.6f} TAI at mid-exposure = {packet['time_utc']}")
    table.add_row("position", f"RA {packet['ra_deg']:.6f} deg, Dec {packet['dec_deg']:+.6f} deg")
    if packet["flux_njy"] is not None and packet["flux_err_njy"] is not None:
        flux = f"{packet['flux_njy']:,.1f} +- {packet['flux_err_njy']:,.1f} nJy in {packet['band']}"
        table.add_row("difference flux", flux)
    survey_score = packet["survey_real_score"]
    own = "the survey gives none" if survey_score is None else f"the survey's own: {survey_score:.3f}"
    table.add_row("real score", f"{packet['real_score']:.3f} ({own})")
    history = packet["history"]
    counts = f"{history['detections']} detections, {history['forced']} forced, {history['limits']} limits"
    table.add_row("history", f"{counts} over {history['span_days']:.1f} days")
    for name, shape in packet["cutouts"].items():
        table.add_row(f"{name} stamp", shape or "none")
    table.add_row("quality flags", ", ".join(packet["quality_flags"]) or "none")
    table.add_row("data rights", packet["data_rights"])
    if packet["solar_system"]:
        table.add_row("solar system", "a known object")
    table.add_row("metadata", f"{len(packet['metadata'])} numbers (--json prints them)")
    console.print(table)
