"""`streamer bench decode`, `pipeline` and `classifier`: one core measured, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from classifiers import BundleError
from streamer.bench.classifier import bench_classifier
from streamer.bench.decode import bench_decode
from streamer.bench.pipeline import bench_pipeline
from streamer.errors import UserError


def run_bench_decode(data: Path | None, as_json: bool) -> None:
    """Decode rates beside fastavro's; UserError where `data` holds no packets."""
    report = bench_decode(packets_folder(data))
    if as_json:
        print(json.dumps(report))
        return
    console = Console()
    table = Table(title=f"Decoding {report['packets']} packets, one thread")
    for name in ("packets", "ours [1/s]", "fastavro [1/s]", "ratio"):
        table.add_column(name, justify="left" if name == "packets" else "right")
    for key, title in (
        ("lsst_history", "LSST, 50 + 100 history rows"),
        ("lsst_no_history", "LSST, no history"),
        ("ztf", "ZTF container"),
    ):
        ours, theirs = report[f"{key}_per_s"], report[f"{key}_fastavro_per_s"]
        table.add_row(title, f"{ours:,.0f}", f"{theirs:,.0f}", f"{report[f'{key}_ratio_to_fastavro']:.1f}")
    console.print(table)
    console.print(f"Stamps of an alert: ZTF {report['ztf_triplet_ms']:.3f} ms, LSST {report['lsst_triplet_ms']:.3f} ms")


def run_bench_pipeline(data: Path | None, as_json: bool) -> None:
    """Cost of the whole pipeline on one core; UserError where `data` holds no packets."""
    console = Console(stderr=True)
    with console.status("measuring") as status:
        report = bench_pipeline(packets_folder(data), status.update)
    if as_json:
        print(json.dumps(report))
        return
    table = Table(title="The whole pipeline on one core, packets in memory to Parquet and SQLite")
    table.add_column("")
    names = [name for name in ("lsst_history", "ztf") if name in report]
    for name in names:
        table.add_column(name, justify="right")

    def row(title: str, form: Callable[[dict[str, Any]], str], **style: Any) -> None:
        table.add_row(title, *(form(report[name]) for name in names), **style)

    def milliseconds(group: str, key: str) -> Callable[[dict[str, Any]], str]:
        return lambda part: f"{part[group].get(key, 0.0):.3f}"

    row("packets", lambda part: f"{part['packets']:,} ({part['source']})")
    row("light-curve tokens an alert", lambda part: f"{part['tokens_per_alert']}")
    row("alerts/s with all models", lambda part: f"{part['alerts_per_s']:,.0f}", style="bold")
    row("alerts/s without models", lambda part: f"{part['spine_alerts_per_s']:,.0f}", end_section=True)
    for stage in report[names[0]]["stage_ms"]:
        row(f"{stage} [ms]", milliseconds("stage_ms", stage))
    row("all [ms]", lambda part: f"{part['ms_per_alert']:.3f}", end_section=True, style="bold")
    for kernel in report[names[0]]["kernel_ms"]:
        row(f"of it {kernel} [ms]", milliseconds("kernel_ms", kernel))
    row("cost / kernels", lambda part: f"{part['cost_ratio']:.2f}", style="bold")
    out = Console()
    out.print(table)
    out.print(f"both, in equal parts: {report['alerts_per_s']:,.0f} alerts/s, cost ratio {report['cost_ratio']:.2f}")
    if "tar_gz_ms_per_packet" in report:
        out.print(f"unpacking a tar.gz beside it: {report['tar_gz_ms_per_packet']:.3f} ms a packet")


def run_bench_classifier(bundle: str, data: Path | None, as_json: bool) -> None:
    """Cost of the classifier alone on one core; UserError where there are no packets or the bundle cannot be used."""
    console = Console(stderr=True)
    try:
        with console.status("measuring") as status:
            report = bench_classifier(bundle, packets_folder(data), status.update)
    except BundleError as error:
        raise UserError(str(error)) from None
    if as_json:
        print(json.dumps(report))
        return
    table = Table(title=f"{report['bundle']}: one thread, batches of {report['batch_alerts']}")
    for name in ("", "alerts", "detections", "with", "networks [ms an alert]", "whole answer [ms an alert]"):
        table.add_column(name, justify="left" if name in ("", "with") else "right")
    for key, title in (
        ("points_32", "light curve of 32 points, metadata, stamps"),
        ("own_lengths", "light curve of its own length, metadata, stamps"),
        ("spectrum", "spectrum"),
    ):
        part = report[key]
        parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in part["share_with"].items() if share)
        n, detections = f"{part['alerts']:,} ({part['source']})", f"{part['detections_per_alert']}"
        table.add_row(title, n, detections, parts, f"{part['onnx_ms_per_alert']:.3f}", f"{part['ms_per_alert']:.3f}")
    Console().print(table)


def packets_folder(data: Path | None) -> Path | None:
    """The folder of packets to measure on, None for simulated ones; UserError where there is no such folder."""
    if data is not None and not data.is_dir():
        raise UserError(f"{data} is no folder of packets; leave --data out to measure on simulated ones")
    return data
