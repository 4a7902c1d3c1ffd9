"""The compose file's configuration on real servers: a night goes in on a survey's cluster and comes out as scores."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import lancedb
import pyarrow.parquet as pq
import pymongo
import pytest
import yaml

from scripts.deploy_by_hand import Deployment, fetch
from scripts.services import KafkaServer, UnavailableError
from scripts.services.registry import newer_java
from tests.services.registry import SchemaRegistry
from tests.services.running import STREAMER, until

ALERTS = {"ztf": 20, "lsst": 20}

USER, PASSWORD = "our-team", "survey-secret"

VARIABLES = {"MONGODB_PASSWORD": "a1", "MONGODB_ROOT_PASSWORD": "b2", "STREAMER_WORKERS": "2"}

MESSAGES = "streamer_messages_total"

SOON = {"\nsinks:\n": "\nsinks:\n  max_wait_s: 1\n"}
"""A test does not wait 30 s for a sink."""


@dataclass
class Deployed:
    """What the test looks at."""

    deployment: Deployment
    registry_url: str


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The services of the compose file with its profile `mirror`, and a survey whose night has been sent."""
    folder = tmp_path_factory.mktemp("deployed")
    with ExitStack() as stack:
        try:
            fetch()
            registry_url = None
        except UnavailableError as error:
            registry_url = _stand_in(stack, error)
        survey = stack.enter_context(KafkaServer(folder / "survey", users={USER: PASSWORD}))
        nights = stack.enter_context(ThreadPoolExecutor(1)).submit(_send_nights, folder, survey)
        variables = VARIABLES | {
            "SURVEY_BOOTSTRAP": survey.bootstrap,
            "SURVEY_SECURITY_PROTOCOL": survey.security_protocol,
            "SURVEY_USERNAME": USER,
            "SURVEY_PASSWORD": PASSWORD,
        }
        deployment = stack.enter_context(Deployment(folder, variables, frozenset({"mirror"}), registry_url, SOON))
        nights.result()
        print(f"ready after {deployment.took_s}; changed {dict(deployment.changes)}")
        own = f"http://127.0.0.1:{deployment.ports['schema-registry:8080']}/apis/ccompat/v7"
        yield Deployed(deployment, registry_url or own)


def _stand_in(stack: ExitStack, error: UnavailableError) -> str:
    """The tests' registry, where the deployed one has no Java; skips where more is missing."""
    try:
        newer_java()
    except UnavailableError:
        return stack.enter_context(SchemaRegistry()).url
    pytest.skip(str(error))


def _send_nights(folder: Path, survey: KafkaServer) -> None:
    config = folder / "survey.yaml"
    security = {"protocol": "sasl_plaintext", "username": USER, "password_env": "SURVEY_PASSWORD"}
    config.write_text(yaml.safe_dump({"kafka": {"bootstrap": survey.bootstrap, "security": security}}))

    def send(name: str) -> None:
        wanted = ["--survey", name, "--rate", str(ALERTS[name]), "--duration", "1", "--to", "kafka", "--unpaced"]
        command = [str(STREAMER), "simulate", *wanted, "--config", str(config)]
        environment = os.environ | {"SURVEY_PASSWORD": PASSWORD}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(send, ALERTS))


def test_a_night_of_a_survey_comes_out_as_rows_of_every_table(deployed: Deployed) -> None:
    deployment = deployed.deployment
    state = deployment.folder / "state"

    def written() -> dict[str, int] | None:
        deployment.check()
        found = {"parquet": 0, "lancedb": 0}
        if (state / "scores" / "scores.parquet").exists():
            found["parquet"] = pq.read_table(state / "scores" / "scores.parquet").num_rows
        if (state / "embeddings" / "embeddings.lance").exists():
            found["lancedb"] = lancedb.connect(state / "embeddings").open_table("embeddings").count_rows()
        with pymongo.MongoClient[dict[str, Any]](deployment.mongodb_uri) as client:
            found["mongodb"] = client["transient-streamer"]["scored_alerts"].count_documents({})
        ended = sum(_count(deployment.worker_port + index, MESSAGES) for index in range(2))
        whole = ended == sum(ALERTS.values()) and found["parquet"] > 0 and len(set(found.values())) == 1
        return found if whole else None

    began = monotonic()
    try:
        rows = until(written, "all alerts are kept and each table holds the same scores", 60.0)
    finally:
        print(f"{monotonic() - began:.1f} s after the services were ready")
    assert set(rows) == {"parquet", "lancedb", "mongodb"}


def test_the_registry_of_the_deployment_knows_our_schemas(deployed: Deployed) -> None:
    with urlopen(f"{deployed.registry_url}/subjects", timeout=10.0) as answer:
        subjects = json.load(answer)
    assert {f"streamer.{name}-value" for name in ("scored", "embeddings")} <= set(subjects)


def test_prometheus_reaches_every_target_and_has_its_rules(deployed: Deployed) -> None:
    deployment = deployed.deployment
    targets = {name for name in deployment.ports if name.startswith(("workers:", "sink-"))}

    def up() -> set[str]:
        return {sample["metric"]["instance"] for sample in _query(deployment, "up == 1")}

    expected = {f"127.0.0.1:{deployment.ports[name]}" for name in targets}
    until(lambda: up() == expected, "all targets are up", 40.0)
    with urlopen(f"{deployment.prometheus_url}/api/v1/rules", timeout=10.0) as answer:
        groups = json.load(answer)["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 10
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


def test_little_is_changed_to_run_it_by_hand(deployed: Deployed) -> None:
    changes = deployed.deployment.changes
    assert changes["settings"] == 1
    assert changes["users of MongoDB"] == 2
    assert sum(changes.values()) < 40, changes


def test_the_status_is_well(deployed: Deployed) -> None:
    command = [str(STREAMER), "status", "--config", str(deployed.deployment.config)]
    environment = os.environ | {"MONGODB_PASSWORD": "a1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _count(port: int, name: str) -> float:
    """The sum of a worker's metric over its labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10.0) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


def _query(deployment: Deployment, query: str) -> list[dict[str, Any]]:
    with urlopen(f"{deployment.prometheus_url}/api/v1/query?{urlencode({'query': query})}", timeout=10.0) as answer:
        return list(json.load(answer)["data"]["result"])
