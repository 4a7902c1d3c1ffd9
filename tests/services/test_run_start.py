"""What `streamer run` does where something is wrong, away or missing as it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.services import KafkaServer, MongoServer
from scripts.services.process import free_port
from tests.fakes import night
from tests.services.fixtures import Kafka
from tests.services.running import Scores, Service, service, settings, streamer, unique, until

NOBODY = "127.0.0.1:9"
"""Where nothing listens."""


@pytest.mark.parametrize(
    ("more", "workers", "said"),
    [
        ({"streams": []}, 1, "names no topics to score: add"),
        ({"streams": [{"topics": ["a"], "cluster": "rubin"}]}, 1, "a stream names the cluster 'rubin'; known are home"),
        ({}, 2, "the sqlite store serves one worker: set `state: {store: mongodb}`"),
    ],
)
def test_a_configuration_that_cannot_work_ends_with_code_2_and_a_line(
    more: dict[str, Any], workers: int, said: str, tmp_path: Path
) -> None:
    config = tmp_path / "streamer.yaml"
    config.write_text(yaml.safe_dump(settings(NOBODY, tmp_path, ["a"], **more)))
    done = streamer("run", "--config", config, "--workers", workers)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_and_a_topic_that_are_not_there_yet_are_waited_for(
    start_kafka: Callable[..., KafkaServer], tmp_path: Path
) -> None:
    port, topic = free_port(), unique("alerts")
    bootstrap = f"127.0.0.1:{port}"
    with service(tmp_path, settings(bootstrap, tmp_path, [topic])) as running:
        running.wait_said("waiting for it")
        assert f"{bootstrap}) cannot be reached" in running.said()
        assert (running.get("/healthz")[0], running.get("/readyz")[0]) == (200, 503)
        kafka = Kafka(start_kafka(port=port).client())
        running.wait_said(f"has no topic {topic}: waiting for it")
        assert (running.get("/healthz")[0], running.get("/readyz")[0]) == (200, 503)
        kafka.make(topic, partitions=2)
        kafka.produce(topic, [(None, payload) for payload in night("ztf", 5)])
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(5)
        until(running.is_ready, "the service is ready")
        assert "started again" not in running.said()
        assert running.said().count("waiting for it") == 2


def test_a_cluster_that_refuses_us_ends_the_service_with_code_2_and_a_line(
    start_kafka: Callable[..., KafkaServer], tmp_path: Path
) -> None:
    server = start_kafka(users={"admin": "right", "streamer": "right"}, tls=True)
    password = tmp_path / "secret"
    password.write_text("wrong")
    password.chmod(0o600)
    user = {"username": "streamer", "password_file": str(password)}
    cases = {
        "password": (
            {"protocol": "sasl_ssl", "ca_file": str(server.ca_file), **user},
            "refuses the user streamer: check username and password",
        ),
        "authority": (
            {"protocol": "sasl_ssl", **user},
            "shows a certificate that is not trusted: give its authority's as security.ca_file",
        ),
    }
    services = []
    for name, (security, _) in cases.items():
        given = settings(server.bootstrap, tmp_path / name, ["alerts"])
        given["kafka"]["security"] = security
        services.append(Service(tmp_path / name, 1, given))
        services[-1].start()
    for running, (_, line) in zip(services, cases.values(), strict=True):
        assert running.wait() == 2, running.said()
        assert line in running.said()
        assert "Traceback" not in running.said()
        assert "started again" not in running.said()


def test_a_surveys_cluster_that_refuses_us_is_said_and_the_others_are_scored(
    kafka: Kafka, start_kafka: Callable[..., KafkaServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey, topic = start_kafka(users={"admin": "right", "streamer": "right"}, tls=True), kafka.topic("alerts")
    monkeypatch.setenv("SURVEY_PASSWORD", "wrong")
    user = {"username": "streamer", "password_env": "SURVEY_PASSWORD"}
    security = {"protocol": "sasl_ssl", "ca_file": str(survey.ca_file), **user}
    given = settings(kafka.bootstrap, tmp_path, [topic])
    given["clusters"] = [{"name": "survey", "bootstrap": survey.bootstrap, "security": security}]
    given["streams"].append({"cluster": "survey", "topics": ["alerts"]})
    with service(tmp_path, given) as running:
        running.wait_said("refuses the user streamer: check username and password: waiting for it")
        kafka.produce(topic, [(None, payload) for payload in night("ztf", 5)])
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(5)
        assert "started again" not in running.said()


def test_a_second_service_of_a_deployment_on_one_host_ends_with_code_3_and_a_line(tmp_path: Path) -> None:
    given = settings(NOBODY, tmp_path, ["alerts"])
    with service(tmp_path / "first", given) as first:
        first.wait_said("workers start")
        second = Service(tmp_path / "second", 1, given)
        second.start()
        assert second.wait() == 3
        line = f"the deployment {given['deployment']} runs on this host already (process {first.pid})"
        assert line in second.said()
        assert "give this one a `host:` or a `deployment:` of its own" in second.said()


def test_a_database_that_is_away_is_waited_for_at_the_start_and_amid_the_work(
    kafka: Kafka, start_mongodb: Callable[..., MongoServer], tmp_path: Path
) -> None:
    mongodb = start_mongodb()
    mongodb.stop()
    topic = kafka.topic("alerts")
    alerts = [(None, payload) for payload in night("ztf", 30)]
    state = {"store": "mongodb", "mongodb": {"uri": mongodb.uri, "database": "run"}}
    with service(tmp_path, settings(kafka.bootstrap, tmp_path, [topic], state=state)) as running:
        running.wait_said("waiting for it")
        assert (running.get("/healthz")[0], running.get("/readyz")[0]) == (200, 503)
        mongodb.start()
        kafka.produce(topic, alerts[:10])
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(10)
            mongodb.stop()
            kafka.produce(topic, alerts[10:20])
            running.wait_said("the batch is tried again")
            assert (running.get("/healthz")[0], running.get("/readyz")[0]) == (200, 503)
            mongodb.start()
            kafka.produce(topic, alerts[20:])
            scores.wait(30)
            until(running.is_ready, "the service is ready")
            scores.look()
            assert set(scores.seen.values()) == {1}
        assert "started again" not in running.said()
