"""deploy/compose.yaml beside what it mounts, builds and asks for health."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.image.build import DOCKERFILE, ROOT
from scripts.image.dockerfile import read_stages
from scripts.services.kafka import POM as KAFKA_POM
from streamer.settings import load_settings
from tests.deploy.conftest import DEPLOY, Check
from tests.services.running import streamer

SECRETS = {"MONGODB_PASSWORD": "a1", "MONGODB_ROOT_PASSWORD": "b2", "GRAFANA_ADMIN_PASSWORD": "c3"}

CONFIG = DEPLOY / "config" / "streamer.yaml"

OURS = {"topics", "workers", "sink-parquet", "sink-lancedb", "sink-mongodb"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as they are written, YAML's anchors followed."""
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"])


@pytest.fixture(scope="module")
def env_example() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_compose_takes_it_and_every_password_must_be_given(check: Check) -> None:
    taken = check("compose", DEPLOY / "compose.yaml", **SECRETS)
    assert (taken.returncode, taken.stderr) == (0, "")
    assert set(yaml.safe_load(taken.stdout)["services"]) >= OURS | {"mirror", "kafka", "grafana"}
    for name in SECRETS:
        refused = check("compose", DEPLOY / "compose.yaml", **(SECRETS | {name: ""}))
        assert refused.returncode == 1
        assert name in refused.stderr


def test_every_variable_is_in_the_example_and_no_password_has_a_value(env_example: dict[str, str]) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(env_example)
    assert [name for name, value in env_example.items() if "PASSWORD" in name and value] == []
    assert re.findall(r"PASSWORD\w*: (?!\$\{)\S+", text.replace('"', "")) == []


def test_what_is_mounted_from_here_is_here_and_what_is_kept_has_a_volume(services: dict[str, Any]) -> None:
    volumes = set(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"])
    mounts = [mount.split(":") for service in services.values() for mount in service.get("volumes", [])]
    assert len(mounts) > 10
    for source, *_ in mounts:
        assert (DEPLOY / source).exists() if source.startswith(".") else source in volumes, source
    assert {source for source, *_ in mounts if not source.startswith(".")} == volumes
    assert all(mount[-1] == "ro" for mount in mounts if mount[0].startswith("."))


def test_our_services_are_one_stage_of_the_dockerfile_and_others_have_a_version(services: dict[str, Any]) -> None:
    built = {name for name, service in services.items() if "build" in service}
    assert built == OURS
    stages = {stage.name for stage in read_stages(DOCKERFILE)}
    for name in built:
        build = services[name]["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).resolve() == DOCKERFILE
        assert build["target"] in stages
    assert [
        service["image"] for service in services.values() if not re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    ] == []
    assert f"<version>{services['kafka']['image'].partition(':')[2]}</version>" in KAFKA_POM.read_text()
    assert services["mirror"]["image"] == services["kafka"]["image"]


def test_every_service_comes_back_is_watched_and_has_bounds(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("on-failure:3" if name == "topics" else "unless-stopped"), name
        assert service["logging"]["options"]["max-size"], name
        assert service["mem_limit"], name
        watched = service.get("healthcheck", {"in the image": True})
        assert ("disable" in watched) == (name == "topics"), name
        assert ("in the image" in watched) == (name in OURS - {"topics"}), name
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            ends = needed == "topics"
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy"), (name, needed)


def test_no_port_is_open_to_other_machines(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_configuration_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_PASSWORD", "a1")
    done = streamer("check-config", CONFIG)
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout


def test_health_is_asked_where_the_configuration_shows_it_and_prometheus_scrapes_the_same(
    services: dict[str, Any], env_example: dict[str, str]
) -> None:
    metrics = load_settings(CONFIG).metrics
    asked = {name: int(services[name]["environment"]["STREAMER_HEALTH_PORT"]) for name in OURS - {"topics"}}
    sinks = {f"sink-{kind}": metrics.sinks_port + place for place, kind in enumerate(("parquet", "lancedb", "mongodb"))}
    assert asked == {"workers": metrics.port} | sinks
    assert metrics.address == "0.0.0.0"
    scraped = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    }
    workers = int(env_example["STREAMER_WORKERS"])
    assert scraped["streamer"] == [f"workers:{metrics.port + index}" for index in range(workers)]
    assert set(scraped["streamer-sinks"]) == {f"{name}:{port}" for name, port in sinks.items()}
    said = services["workers"]
    assert said["command"][-1] == said["environment"]["STREAMER_WORKERS"] == f"${{STREAMER_WORKERS:-{workers}}}"


def test_addresses_inside_are_services_on_the_ports_that_they_listen_on(services: dict[str, Any]) -> None:
    kafka = properties(DEPLOY / "config" / "kafka" / "server.properties")
    mirror = properties(DEPLOY / "config" / "mirror" / "mirror.properties")
    inside = kafka["advertised.listeners"].split(",")[0].removeprefix("PLAINTEXT://")
    settings = load_settings(CONFIG)
    registry = services["schema-registry"]["environment"]["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"]
    assert {settings.kafka.bootstrap, mirror["home.bootstrap.servers"], registry} == {inside}
    assert f"{services['kafka']['hostname']}:9092" == inside
    assert inside in services["kafka"]["healthcheck"]["test"][1]
    assert services["workers"]["hostname"] == settings.host  # stable slots
    assert {settings.state.mongodb.uri, settings.sinks.mongodb.uri} == {"mongodb://mongodb:27017"}
    assert "27017" in services["mongodb"]["healthcheck"]["test"]
    assert int(kafka["message.max.bytes"]) >= settings.kafka.message_max_mb * 1_000_000
    for name, value in mirror.items():
        if name.endswith(("max.partition.fetch.bytes", "max.request.size")):
            assert value == kafka["message.max.bytes"], name


def test_the_user_of_mongodb_may_use_the_database_of_the_configuration() -> None:
    settings = load_settings(CONFIG)
    text = (DEPLOY / "config" / "mongodb" / "users.js").read_text()
    for given in (settings.state.mongodb, settings.sinks.mongodb):
        assert f'user: "{given.username}"' in text
        assert f'db: "{given.database}"' in text
        assert f"process.env.{given.password_env}" in text


def properties(file: Path) -> dict[str, str]:
    """A Java properties file without continuation lines."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
