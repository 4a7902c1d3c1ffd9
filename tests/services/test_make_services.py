"""`make services` as a person uses it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pymongo
import pytest
from confluent_kafka.admin import AdminClient

from scripts.services.process import check_port, free_port
from streamer.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent.parent


def command(folder: Path, *ports: int) -> list[str]:
    named = [f"--{name}-port={port}" for name, port in zip(("kafka", "mongodb", "prometheus"), ports, strict=True)]
    return [sys.executable, "-m", "scripts.services", "run", "--folder", str(folder), *named]


@pytest.mark.usefixtures("service_parts")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_servers_run_as_the_written_configuration_says_until_they_are_stopped(
    ending: signal.Signals, tmp_path: Path
) -> None:
    ports = [free_port() for _ in range(3)]
    with subprocess.Popen(command(tmp_path, *ports), cwd=ROOT, stdout=subprocess.PIPE, text=True) as services:
        try:
            assert services.stdout is not None
            assert any("Ctrl-C" in line for line in services.stdout)
            settings = load_settings(tmp_path / "streamer.yaml")
            assert AdminClient({"bootstrap.servers": settings.kafka.bootstrap}).list_topics(timeout=30).brokers
            assert settings.sinks.mongodb.uri == settings.state.mongodb.uri
            with pymongo.MongoClient[dict[str, Any]](settings.state.mongodb.uri) as client:
                assert client.admin.command("ping")["ok"] == 1
            with urlopen(f"http://127.0.0.1:{ports[2]}/api/v1/status/config", timeout=30) as answer:
                shown = answer.read()
                assert b"127.0.0.1:9464" in shown
                assert b"127.0.0.1:9454" in shown
        finally:
            services.send_signal(ending)
            services.communicate()
    assert services.returncode == 0
    for port in ports:
        check_port(port, "another")


@pytest.mark.parametrize("place", range(3))
def test_a_taken_port_is_named_with_the_option_that_changes_it(place: int, tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    with socket.create_server(("127.0.0.1", ports[place])):
        done = subprocess.run(command(tmp_path, *ports), cwd=ROOT, capture_output=True, text=True, check=False)
    server = ("Kafka", "MongoDB", "Prometheus")[place]
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"services: {server} cannot listen on 127.0.0.1:{ports[place]}, which is taken: stop what listens there, or "
        f"name another port (make services SERVICES_ARGS='--{server.lower()}-port {ports[place] + 10}')\n"
    )
