"""deploy/helm: Helm renders the chart, Kubernetes' own types take every manifest, and its parts fit each other."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.commands.check_config import check_config
from streamer.settings import load_settings
from tests.deploy.conftest import DEPLOY, Check

CHART = DEPLOY / "helm" / "transient-streamer"

VALUES = Path(__file__).parent / "chart_values"

CASES = ["defaults", *sorted(file.stem for file in VALUES.glob("*.yaml"))]
"""The chart's own values, and each file of values."""

KINDS = ("parquet", "lancedb", "mongodb")

Manifest = dict[str, Any]


def files(case: str) -> list[Path]:
    return [] if case == "defaults" else [VALUES / f"{case}.yaml"]


@pytest.fixture(scope="module")
def rendered(check: Check) -> Callable[[str], list[Manifest]]:
    """The manifests of a case, each decoded strictly into its Kubernetes type by the check."""
    kept: dict[str, list[Manifest]] = {}

    def manifests(case: str) -> list[Manifest]:
        if case not in kept:
            done = check("chart", CHART, *files(case))
            assert done.returncode == 0, done.stderr
            kept[case] = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
        return kept[case]

    return manifests


def of(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """The manifests of one kind, by name."""
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def configuration(manifests: list[Manifest], folder: Path) -> Path:
    """The rendered streamer.yaml as a file."""
    (text,) = [
        one["data"]["streamer.yaml"] for one in of(manifests, "ConfigMap").values() if "streamer.yaml" in one["data"]
    ]
    file = folder / "streamer.yaml"
    file.write_text(text)
    return file


def container(workload: Manifest) -> Manifest:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(only)


def component(workload: Manifest) -> str:
    return str(workload["metadata"]["labels"]["app.kubernetes.io/component"])


def test_its_version_is_the_projects() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (project, project)


@pytest.mark.parametrize("case", CASES)
def test_the_rendered_configuration_is_good(
    rendered: Callable[[str], list[Manifest]], case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = rendered(case)
    for workload in of(manifests, "StatefulSet").values():
        for variable in container(workload).get("env", []):
            monkeypatch.setenv(variable["name"], "a1")
            assert set(variable["valueFrom"]) == {"secretKeyRef"}  # no password stands in a manifest
    file = configuration(manifests, tmp_path)
    text = file.read_text().replace("/etc/streamer/secrets", str(tmp_path))
    file.write_text(text)
    (tmp_path / "ca.pem").touch()
    verdict, code = check_config(file)
    assert code == 0, verdict
    assert load_settings(file).metrics.address == "0.0.0.0"


@pytest.mark.parametrize("case", CASES)
def test_probes_services_and_the_configuration_name_the_same_ports(
    rendered: Callable[[str], list[Manifest]], case: str, tmp_path: Path
) -> None:
    manifests = rendered(case)
    metrics = load_settings(configuration(manifests, tmp_path)).metrics
    listened = {"worker": metrics.port} | {
        f"sink-{kind}": metrics.sinks_port + place for place, kind in enumerate(KINDS)
    }
    services = of(manifests, "Service")
    for name, workload in of(manifests, "StatefulSet").items():
        box = container(workload)
        (port,) = box["ports"]
        assert port["containerPort"] == listened[component(workload)]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert box[probe]["httpGet"]["port"] == port["name"]
        service = services.pop(workload["spec"]["serviceName"])
        assert workload["spec"]["serviceName"] == name
        assert service["spec"]["clusterIP"] == "None"
        (shown,) = service["spec"]["ports"]
        assert (shown["port"], shown["targetPort"]) == (port["containerPort"], port["name"])
    assert services == {}


def test_an_idle_worker_holds_up_nothing_and_a_store_that_is_away_ends_no_pod(
    rendered: Callable[[str], list[Manifest]],
) -> None:
    (worker,) = [one for one in of(rendered("defaults"), "StatefulSet").values() if component(one) == "worker"]
    box = container(worker)
    paths = {name: box[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": "/readyz?exclude=assigned&exclude=store",
        "liveness": "/healthz",
        "readiness": "/readyz?exclude=assigned",
    }
    startup = box["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300  # the first start compiles
    assert worker["spec"]["podManagementPolicy"] == "Parallel"
    assert worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 30


@pytest.mark.parametrize("case", CASES)
def test_what_selects_pods_selects_those_of_one_workload(rendered: Callable[[str], list[Manifest]], case: str) -> None:
    manifests = rendered(case)
    pods = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in of(manifests, "StatefulSet").items()}
    selecting = of(manifests, "StatefulSet") | {
        f"budget of {k}": v for k, v in of(manifests, "PodDisruptionBudget").items()
    }
    found = {name: one["spec"]["selector"]["matchLabels"] for name, one in selecting.items()}
    found |= {f"service {name}": one["spec"]["selector"] for name, one in of(manifests, "Service").items()}
    for name, wanted in found.items():
        hit = [pod for pod, labels in pods.items() if wanted.items() <= labels.items()]
        assert hit == [name.split()[-1]], name


@pytest.mark.parametrize("case", CASES)
def test_no_pod_is_root_has_a_token_or_may_write_to_its_image(
    rendered: Callable[[str], list[Manifest]], case: str
) -> None:
    manifests = rendered(case)
    pods = [one["spec"]["template"]["spec"] for one in of(manifests, "StatefulSet").values()]
    pods += [one["spec"] for one in of(manifests, "Pod").values()]
    assert len(pods) >= 2
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
        assert pod["securityContext"]["runAsNonRoot"] is True
        (box,) = pod["containers"]
        assert box["securityContext"]["readOnlyRootFilesystem"] is True
        assert box["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert box["resources"]["limits"]["memory"]
        mounted = {mount["name"] for mount in box["volumeMounts"]}
        assert {"/tmp", "/var/lib/streamer", "/var/cache/streamer"} <= {one["mountPath"] for one in box["volumeMounts"]}
        claimed = [
            c["metadata"]["name"]
            for one in of(manifests, "StatefulSet").values()
            for c in one["spec"].get("volumeClaimTemplates", [])
        ]
        assert mounted <= {volume["name"] for volume in pod["volumes"]} | set(claimed)


def test_a_table_in_files_has_a_volume_and_one_writer(rendered: Callable[[str], list[Manifest]]) -> None:
    sinks = {component(one): one["spec"] for one in of(rendered("all_sinks"), "StatefulSet").values()}
    assert set(sinks) == {"worker", *(f"sink-{kind}" for kind in KINDS)}
    for kind in ("parquet", "lancedb"):
        (claim,) = sinks[f"sink-{kind}"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "data"
    assert {sinks[f"sink-{kind}"]["replicas"] for kind in KINDS} == {1}


def test_the_sink_writes_to_the_database_of_the_store_unless_another_is_named(
    check: Check, rendered: Callable[[str], list[Manifest]], tmp_path: Path
) -> None:
    settings = load_settings(configuration(rendered("sasl"), tmp_path))
    assert settings.state.mongodb.username == "streamer"
    assert settings.sinks.mongodb == settings.state.mongodb
    values = tmp_path / "values.yaml"
    values.write_text('config: {sinks: {mongodb: {uri: "mongodb://other:27017"}}}')
    other = check("chart", CHART, *files("sasl"), values)
    settings = load_settings(configuration([one for one in yaml.safe_load_all(other.stdout) if one], tmp_path))
    assert (settings.sinks.mongodb.uri, settings.sinks.mongodb.username) == ("mongodb://other:27017", None)


def test_names_leave_room_for_what_kubernetes_appends(check: Check, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(f"nameOverride: {'n' * 60}")
    manifests = [one for one in yaml.safe_load_all(check("chart", CHART, *files("all_sinks"), values).stdout) if one]
    named = of(manifests, "StatefulSet")
    assert len(named) == 4
    assert max(map(len, named)) + len("-0123456789") <= 63  # the label controller-revision-hash of each pod


def test_workers_are_as_many_as_the_lag_asks_for_or_a_fixed_number(
    rendered: Callable[[str], list[Manifest]],
) -> None:
    manifests = rendered("autoscaling")
    ((name, scaler),) = of(manifests, "HorizontalPodAutoscaler").items()
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name}
    assert "replicas" not in of(manifests, "StatefulSet")[name]["spec"]  # an upgrade would set them back
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == "streamer_lag_messages"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 16)
    assert of(rendered("defaults"), "HorizontalPodAutoscaler") == {}
    assert of(rendered("defaults"), "StatefulSet")[name]["spec"]["replicas"] == 2


def test_rules_and_dashboards_are_the_very_files_of_deploy(rendered: Callable[[str], list[Manifest]]) -> None:
    manifests = rendered("monitoring")
    given = [group for one in of(manifests, "PrometheusRule").values() for group in one["spec"]["groups"]]
    there = [
        group
        for file in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    assert given == there
    boards = {
        name: text
        for one in of(manifests, "ConfigMap").values()
        for name, text in one["data"].items()
        if name.endswith(".json")
    }
    assert boards == {file.name: file.read_text() for file in (DEPLOY / "grafana" / "dashboards").glob("*.json")}


def test_prometheus_names_the_jobs_as_the_rules_do(rendered: Callable[[str], list[Manifest]]) -> None:
    manifests = rendered("monitoring")
    (monitor,) = of(manifests, "ServiceMonitor").values()
    label = monitor["spec"]["jobLabel"]
    jobs = {name: one["metadata"]["labels"][label] for name, one in of(manifests, "Service").items()}
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert set(jobs.values()) == {job["job_name"] for job in scraped}
    for service in of(manifests, "Service").values():
        wanted = monitor["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= service["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("workers: {replica: 3}", "replica"),
        ("workers: {replicas: -1}", "replicas"),
        ("sinks: {csv: {enabled: true}}", "csv"),
        ("sinks: {parquet: {enabled: true, storage: big}}", "storage"),
        ("config: {host: node-1}", "config"),
        ("config: {state: {store: sqlite}}", "mongodb"),
        ("config: {state: null}", "state"),
        ("config: {streams: []}", "config.streams names no topics"),
        ("config: {metrics: {port: 1}}", "metrics"),
        ("config: {state: {mongodb: {password_file: secret}}}", "give passwords as password_env"),
        ("config: {state: {mongodb: {password_env: MONGO}}}", "MONGO"),
        ("config: {state: {mongodb: {password: hunter2}}}", "a password in config"),
        ('config: {state: {mongodb: {uri: "mongodb://us:hunter2@mongo:27017"}}}', "a password in config"),
        ("workers: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 3}}", "minReplicas"),
    ],
)
def test_values_that_make_no_sense_are_refused(check: Check, tmp_path: Path, values: str, said: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(values)
    refused = check("chart", CHART, file)
    assert refused.returncode == 1
    assert said in refused.stderr


@pytest.mark.parametrize(
    ("template", "given", "broken", "said"),
    [
        ("workers.yaml", "podManagementPolicy:", "podManagmentPolicy:", 'unknown field "spec.podManagmentPolicy"'),
        ("workers.yaml", "maxReplicas: {{", "maxReplicas: many # {{", "maxReplicas"),
        ("sinks.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"),
    ],
)
def test_a_manifest_that_kubernetes_would_not_take_is_refused(
    check: Check, tmp_path: Path, template: str, given: str, broken: str, said: str
) -> None:
    chart = tmp_path / CHART.name
    shutil.copytree(CHART, chart)
    file = chart / "templates" / template
    assert given in file.read_text()
    file.write_text(file.read_text().replace(given, broken))
    refused = check("chart", chart, VALUES / "autoscaling.yaml")
    assert refused.returncode == 1
    assert said in refused.stderr


def test_the_values_of_the_docs_are_taken_together(check: Check, tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs" / "deploy-kubernetes.md").read_text()
    shown = re.findall(r'```yaml title="my-values.yaml"\n(.*?)```', page, re.DOTALL)
    assert len(shown) == 3
    values = []
    for number, text in enumerate(shown):
        values.append(tmp_path / f"{number}.yaml")
        values[-1].write_text(text)
    done = check("chart", CHART, *values)
    assert done.returncode == 0, done.stderr
    kinds = {manifest["kind"] for manifest in yaml.safe_load_all(done.stdout) if manifest}
    assert {"HorizontalPodAutoscaler", "PrometheusRule", "ServiceMonitor", "StatefulSet"} <= kinds
