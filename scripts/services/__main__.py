"""The servers for a person to play with: `make services`."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from scripts.services.kafka import POM as KAFKA_POM
from scripts.services.kafka import KafkaServer
from scripts.services.mongodb import POM as MONGODB_POM
from scripts.services.mongodb import MongoServer
from scripts.services.process import PortTakenError, Server, check_port
from scripts.services.programs import class_path, java, program
from scripts.services.prometheus import PrometheusServer
from streamer.errors import UserError

WORKER_PORTS = range(9464, 9468)
"""Where the workers of this machine show their metrics: four of them, from the configuration's default port on."""

SINK_PORTS = range(9454, 9457)
"""Where the sinks of this machine show theirs, from the configuration's default port on."""

CONFIGURATION_NOTE = "# Written by `make services` whenever it starts: copy this file before you change it.\n"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    folder: Annotated[Path, typer.Option(help="Where the data, logs and configuration are kept.")] = Path(".services"),
    kafka_port: Annotated[int, typer.Option(help="Port of Kafka.")] = 9092,
    mongodb_port: Annotated[int, typer.Option(help="Port of the MongoDB-protocol server.")] = 27017,
    prometheus_port: Annotated[int, typer.Option(help="Port of Prometheus.")] = 9090,
) -> None:
    """Start Kafka, a MongoDB-protocol server and Prometheus on 127.0.0.1, and stop them on Ctrl-C."""
    kafka = KafkaServer(folder / "kafka", kafka_port)
    mongodb = MongoServer(folder / "mongodb", mongodb_port)
    prometheus = PrometheusServer(
        folder / "prometheus",
        [f"127.0.0.1:{port}" for port in WORKER_PORTS],
        prometheus_port,
        sinks=[f"127.0.0.1:{port}" for port in SINK_PORTS],
    )
    servers: dict[str, Server] = {kafka.bootstrap: kafka, mongodb.uri: mongodb, prometheus.url: prometheus}
    for server in servers.values():
        _check_port(server)
    console = Console()
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        for server in servers.values():
            console.print(f"starting {server.name} ...")
            stack.enter_context(server)
        configuration = _write_configuration(folder, kafka, mongodb)
        console.print(_table(servers))
        console.print(f"configuration for them: {configuration}\nCtrl-C stops them", soft_wrap=True)
        while True:
            time.sleep(0.5)
            for server in servers.values():
                server.check()
    console.print("stopped")


@app.command()
def fetch() -> None:
    """Fetch the jars now, and see that the programs are there, so that nothing is left to wait for later."""
    java()
    program("prometheus")
    for pom in (KAFKA_POM, MONGODB_POM):
        class_path(pom)


def _check_port(server: Server) -> None:
    try:
        check_port(server.port, server.name)
    except PortTakenError as error:
        option = f"--{server.name.lower()}-port"
        raise PortTakenError(f"{error} (make services SERVICES_ARGS='{option} {server.port + 10}')") from None


def _write_configuration(folder: Path, kafka: KafkaServer, mongodb: MongoServer) -> Path:
    path = folder / "streamer.yaml"
    content = {
        "kafka": {"bootstrap": kafka.bootstrap},
        "state": {"store": "mongodb", "mongodb": {"uri": mongodb.uri}},
        "sinks": {"mongodb": {"uri": mongodb.uri}},
    }
    path.write_text(CONFIGURATION_NOTE + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def _table(servers: dict[str, Server]) -> Table:
    table = Table("server", "address", "process", "data and log")
    for address, server in servers.items():
        table.add_row(server.name, address, str(server.pid), os.path.relpath(server.folder))
    return table


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command line; what the caller can mend is said on stderr, with exit code 2."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: it is ignored in a shell's background
        signal.signal(number, _stop)
    try:
        app()
    except UserError as error:
        print(f"services: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
