"""Commands that measure."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.options import AsJson, Config, settings_of

PANEL = "Measuring"
"""Title of these commands in the help."""


class StoreName(StrEnum):
    """Object stores of the service."""

    mongodb = "mongodb"
    sqlite = "sqlite"


bench = typer.Typer(help="Measure this machine: rates, latencies, and what each stage costs.", no_args_is_help=True)

BenchData = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Real packets, laid out as the shared data; else simulated ones."),
]


@bench.command("decode")
def bench_decode_command(data: BenchData = None, as_json: AsJson = False) -> None:
    """Decode rates beside fastavro's in the same run."""
    from streamer.commands.bench import run_bench_decode

    run_bench_decode(data, as_json)


@bench.command("pipeline")
def bench_pipeline_command(data: BenchData = None, as_json: AsJson = False) -> None:
    """Alerts a second on one core, milliseconds for each stage and kernel, and their ratio."""
    from streamer.commands.bench import run_bench_pipeline

    run_bench_pipeline(data, as_json)


@bench.command("classifier")
def bench_classifier_command(
    data: BenchData = None,
    bundle: Annotated[
        str, typer.Option("--bundle", metavar="DIR", help="Bundle folder, or 'default' for the shipped one.")
    ] = "default",
    as_json: AsJson = False,
) -> None:
    """Milliseconds an alert of a bundle's classifier, in batches of 64 on one thread: all but spectra, and spectra."""
    from streamer.commands.bench import run_bench_classifier

    run_bench_classifier(bundle, data, as_json)


Store = Annotated[StoreName, typer.Option("--store", help="Where the workers keep objects.")]


@bench.command("kafka")
def bench_kafka_command(
    config: Config = None,
    data: BenchData = None,
    alerts: Annotated[int, typer.Option("--alerts", metavar="N", min=500, help="Alerts of each case.")] = 6_000,
    workers: Annotated[
        str, typer.Option("--workers", metavar="N,...", help="Numbers of workers, one case after the other.")
    ] = "1,2",
    store: Store = StoreName.mongodb,
    as_json: AsJson = False,
) -> None:
    """Alerts a second through Kafka and the stores, over an empty store and a filled one.

    Needs Kafka, and MongoDB: those of the configuration, or of `make services`. Names of its own; nothing is left.
    """
    from streamer.commands.bench_service import run_bench_kafka

    run_bench_kafka(settings_of(config), data, alerts, workers, store.value, as_json)


@bench.command("latency")
def bench_latency_command(
    config: Config = None,
    data: BenchData = None,
    rate: Annotated[float, typer.Option("--rate", metavar="R", min=1.0, help="Alerts a second.")] = 270.0,
    duration: Annotated[float, typer.Option("--duration", metavar="S", min=1.0, help="For so many seconds.")] = 60.0,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, max=256, help="Workers.")] = 1,
    store: Store = StoreName.mongodb,
    as_json: AsJson = False,
) -> None:
    """Time from an alert's publishing until a subscriber has its score, at a given rate.

    Needs Kafka, and MongoDB: those of the configuration, or of `make services`. Names of its own; nothing is left.
    """
    from streamer.commands.bench_service import run_bench_latency

    run_bench_latency(settings_of(config), data, rate, duration, workers, store.value, as_json)


@bench.command("sizes")
def bench_sizes_command(config: Config = None, data: BenchData = None, as_json: AsJson = False) -> None:
    """Bytes of an alert on each topic, in each collection and in each table: what `streamer size` reckons with.

    Needs MongoDB: that of the configuration, or of `make services`. A database of its own; nothing is left.
    """
    from streamer.commands.bench_service import run_bench_sizes

    run_bench_sizes(settings_of(config), data, as_json)
