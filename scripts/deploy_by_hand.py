"""deploy/compose.yaml without Docker: for each service the program that it stands for, with what the file gives it.

A copy of the mounted files is made, in which the names of the compose network are addresses of this machine, on free
ports, and its volumes are folders; `Deployment.changes` counts what was changed. Grafana is left out, since it cannot
be had here, and MongoDB is the stand-in of scripts/services, which knows no users.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import yaml

from scripts.services import KafkaServer, MongoServer
from scripts.services.kafka import POM as KAFKA_POM
from scripts.services.mirror import POM as MIRROR_POM
from scripts.services.mirror import MirrorMaker
from scripts.services.process import READY_TIMEOUT_S, PortTakenError, Server, check_port, free_port
from scripts.services.programs import JVM, UnavailableError, class_path, java, program
from scripts.services.registry import RegistryServer, newer_java, unpacked
from streamer.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"

LEFT_OUT = {"grafana"}
"""Services whose program is not to be had."""

OURS_READY_S = 180.0
"""How long a worker may take to its first answer [s]: it loads the bundle, and compiles where nothing is kept."""

VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")

WITHOUT_USERS = re.compile(r"^ +(username: streamer|password_env: MONGODB_PASSWORD)\n", re.MULTILINE)
"""The lines of streamer.yaml that the stand-in for MongoDB cannot take."""


class ComposedKafka(KafkaServer):
    """Kafka with the properties file that is mounted into its container."""

    def __init__(self, folder: Path, port: int, properties: Path, cluster_id: str) -> None:
        super().__init__(folder, port)
        self._file, self._cluster_id = properties.resolve(), cluster_id

    def command(self) -> list[str]:
        """As the image's entry point: formats the data folder the first time, then the server."""
        kafka = [
            java(),
            *JVM,
            "-XX:TieredStopAtLevel=1",
            "-Xms256m",
            "-Xmx512m",
            "-cp",
            f"{KAFKA_POM.parent}:{class_path(KAFKA_POM)}",
        ]
        tool = [*kafka, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", self._cluster_id]
        done = subprocess.run([*tool, "-c", str(self._file)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"Kafka cannot format its folder; it says: {(done.stdout + done.stderr).strip()}")
        return [*kafka, "kafka.Kafka", str(self._file)]


class ComposedPrometheus(Server):
    """Prometheus with the file and the flags of its container."""

    name = "Prometheus"
    ready_line = "Server is ready to receive web requests"

    def __init__(self, folder: Path, port: int, flags: list[str]) -> None:
        super().__init__(folder, port)
        self._flags = flags

    def command(self) -> list[str]:
        """Prometheus."""
        return [program("prometheus"), *self._flags, f"--web.listen-address=127.0.0.1:{self.port}"]


class Ours(Server):
    """A container of our image: `streamer` with the command and the environment of the file."""

    name = "streamer"
    ready_line = ""

    def __init__(self, folder: Path, port: int, arguments: list[str], environment: Mapping[str, str]) -> None:
        super().__init__(folder, port)
        self._arguments, self._environment = arguments, dict(environment)

    def command(self) -> list[str]:
        """The image's entry point."""
        given = {"OMP_NUM_THREADS": "1"} | self._environment
        streamer = str(Path(sys.executable).parent / "streamer")
        return ["env", *(f"{key}={value}" for key, value in given.items()), streamer, *self._arguments]

    def is_healthy(self) -> bool:
        """Whether the image's health check says so."""
        check = [sys.executable, str(DEPLOY / "healthy.py")]
        environment = os.environ | {"STREAMER_WORKERS": "1"} | self._environment
        return subprocess.run(check, env=environment, capture_output=True, check=False).returncode == 0


class Deployment:
    """The services of the compose file, started in the order of their `depends_on`; a context manager.

    `variables` are those of .env. `profiles` are started too. `registry_url` names a schema registry to use in place of
    the file's. `took_s` says when each was ready [s].
    """

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str],
        profiles: frozenset[str] = frozenset(),
        registry_url: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.changes: Counter[str] = Counter()
        """How often each kind of change was made to the copied files."""
        self.took_s: dict[str, float] = {}
        self.servers: dict[str, Server] = {}
        self._variables = dict(variables)
        self._registry_url = registry_url
        self._extra = dict(settings or {})
        found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
        left_out = LEFT_OUT | ({"schema-registry"} if registry_url else set())
        self.services: dict[str, Any] = {
            name: service
            for name, service in found.items()
            if name not in left_out and set(service.get("profiles", profiles)) <= profiles
        }
        self._workers = int(self._filled(found["workers"]["command"][-1]))
        self.worker_port, self.sinks_port = _ports(self._workers), _ports(3)
        fixed = "kafka:9092 kafka:9093 localhost:9094 mongodb:27017 schema-registry:8080 prometheus:9090"
        self.ports = {name: free_port() for name in fixed.split()}
        self.ports |= {f"workers:{9464 + index}": self.worker_port + index for index in range(self._workers)}
        sinks = ("sink-parquet", "sink-lancedb", "sink-mongodb")
        self.ports |= {f"{name}:{9454 + index}": self.sinks_port + index for index, name in enumerate(sinks)}
        self.config = self.folder / "config" / "streamer.yaml"

    @property
    def bootstrap(self) -> str:
        """Kafka, as a program outside the compose network has it."""
        return f"127.0.0.1:{self.ports['localhost:9094']}"

    @property
    def prometheus_url(self) -> str:
        """Prometheus."""
        return f"http://127.0.0.1:{self.ports['prometheus:9090']}"

    @property
    def mongodb_uri(self) -> str:
        """MongoDB's stand-in."""
        return f"mongodb://127.0.0.1:{self.ports['mongodb:27017']}"

    def __enter__(self) -> Self:
        self._render()
        with ThreadPoolExecutor(len(self.services)) as threads:
            began = time.monotonic()
            running: dict[str, Future[None]] = {}
            for name in self._order():
                needs = [running[need] for need in self.services[name].get("depends_on", {}) if need in running]
                running[name] = threads.submit(self._start, name, needs, began)
        try:
            for future in running.values():
                future.result()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends ours first, then the servers that they use."""
        ours = [server for server in self.servers.values() if isinstance(server, (Ours, MirrorMaker))]
        for some in (ours, list(self.servers.values())):  # a second stop does nothing
            with ThreadPoolExecutor(len(self.services)) as threads:
                list(threads.map(lambda server: server.stop(), some))

    def check(self) -> None:
        """UserError where one of them ended by itself."""
        for server in self.servers.values():
            server.check()

    def _order(self) -> list[str]:
        """The services, each after those that it depends on."""
        found: list[str] = []
        waiting = list(self.services)
        while waiting:
            name = waiting.pop(0)
            needs = set(self.services[name].get("depends_on", {})) & set(self.services)
            (found if needs <= set(found) else waiting).append(name)
        return found

    def _start(self, name: str, needs: list[Future[None]], began: float) -> None:
        for need in needs:
            need.result()
        server = self._server(name)
        if name == "topics":
            _to_its_end(server)
        else:
            self.servers[name] = server
            server.start()
            if isinstance(server, (Ours, RegistryServer)):
                _healthy(server, name)
        self.took_s[name] = time.monotonic() - began

    def _server(self, name: str) -> Server:
        service, folder = self.services[name], self.folder / name
        given = {key: self._filled(str(value)) for key, value in service.get("environment", {}).items()}
        if name == "kafka":
            file = self.folder / "config" / "kafka" / "server.properties"
            return ComposedKafka(folder, self.ports["localhost:9094"], file, given["CLUSTER_ID"])
        if name == "mongodb":
            return MongoServer(folder, self.ports["mongodb:27017"])
        if name == "schema-registry":
            del given["JAVA_OPTS_APPEND"]
            return RegistryServer(
                folder, {key: self._local(value) for key, value in given.items()}, self.ports["schema-registry:8080"]
            )
        if name == "mirror":
            del given["KAFKA_HEAP_OPTS"]
            return MirrorMaker(folder, self.folder / "config" / "mirror" / "mirror.properties", given)
        if name == "prometheus":
            places = {"/etc/prometheus": str(self.folder / "prometheus-config"), "=/prometheus": f"={folder / 'data'}"}
            flags = [_replaced(flag, places) for flag in service["command"]]
            return ComposedPrometheus(folder, self.ports["prometheus:9090"], flags)
        arguments = [
            self._filled(word).replace("/etc/streamer/streamer.yaml", str(self.config)) for word in service["command"]
        ]
        port = given.get("STREAMER_HEALTH_PORT")
        if port is None:
            return Ours(folder, free_port(), arguments, given)
        own = self.ports[f"{service['hostname']}:{port}"]
        return Ours(folder, own, arguments, given | {"STREAMER_HEALTH_PORT": str(own)})

    def _filled(self, text: str) -> str:
        """As Compose fills in variables; UserError where one that is needed is missing."""

        def value(found: re.Match[str]) -> str:
            name, kind, other = found[1], found[2], found[3] or ""
            given = self._variables.get(name, "")
            if not given and kind == "?":
                raise UserError(f"{name}: {other}")
            return given or (other if kind == "-" else "")

        return VARIABLE.sub(value, text)

    def _local(self, text: str) -> str:
        """With addresses of this machine for those of the compose network."""
        for name, port in self.ports.items():
            found = re.compile(rf"\b{re.escape(name)}\b")
            text, count = found.subn(f"127.0.0.1:{port}", text)
            self.changes["addresses"] += count
        return text

    def _render(self) -> None:
        """Copies what the containers mount, with places of this machine in it."""
        shutil.copytree(DEPLOY / "config", self.folder / "config", dirs_exist_ok=True)
        shutil.copytree(DEPLOY / "prometheus", self.folder / "prometheus-config", dirs_exist_ok=True)
        for file in sorted([*self.folder.rglob("*.properties"), self.config, *self.folder.rglob("prometheus.yml")]):
            file.write_text(self._local(file.read_text()))
        listens = {
            f"://:{old}": f"://127.0.0.1:{self.ports[name]}"
            for old, name in ((9092, "kafka:9092"), (9093, "kafka:9093"), (9094, "localhost:9094"))
        }
        kafka = self.folder / "config" / "kafka" / "server.properties"
        self._change(kafka, listens, "addresses")
        self._change(kafka, {"/var/lib/kafka": str(self.folder / "kafka")}, "folders")
        self._change(self.config, {"/var/lib/streamer": str(self.folder / "state")}, "folders")
        ports = {"port: 9464": f"port: {self.worker_port}", "sinks_port: 9454": f"sinks_port: {self.sinks_port}"}
        self._change(self.config, ports, "ports")
        if self._registry_url:
            old = f"http://127.0.0.1:{self.ports['schema-registry:8080']}/apis/ccompat/v7"
            self._change(self.config, {old: self._registry_url}, "addresses")
        if self._extra:
            self._change(self.config, self._extra, "settings")
        text, count = WITHOUT_USERS.subn("", self.config.read_text())
        self.changes["users of MongoDB"] += count
        self.config.write_text(text)

    def _change(self, file: Path, changes: Mapping[str, str], kind: str) -> None:
        text = file.read_text()
        for old, new in changes.items():
            if old not in text:
                raise UserError(f"{file.name} has no {old}: deploy/ has changed, and so must what runs it by hand")
            self.changes[kind] += text.count(old)
            text = text.replace(old, new)
        file.write_text(text)


def fetch() -> None:
    """Fetches what is started, so that nothing is left to wait for later; UnavailableError where it cannot."""
    for pom in (KAFKA_POM, MIRROR_POM):
        class_path(pom)
    unpacked()
    newer_java()


def _ports(count: int) -> int:
    """The first of so many free ports that follow each other."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                check_port(port, "a worker")
        except PortTakenError:
            continue
        return first


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def _to_its_end(server: Server) -> None:
    server.folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(server.command(), capture_output=True, text=True, timeout=READY_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise UserError(f"{' '.join(server.command()[-4:])} ends with {done.returncode}: {done.stderr.strip()}")


def _healthy(server: Ours | RegistryServer, name: str) -> None:
    end = time.monotonic() + OURS_READY_S
    while not server.is_healthy():
        server.check()
        if time.monotonic() > end:
            raise UserError(f"{name} is not healthy within {OURS_READY_S:.0f} s: see {server.log}")
        time.sleep(0.2)


def main() -> int:
    """`fetch`, or runs the services with the variables of deploy/.env until Ctrl-C."""
    if sys.argv[1:] == ["fetch"]:
        try:
            fetch()
        except UnavailableError as error:
            print(f"{error}; the test that needs it will skip", file=sys.stderr)
        return 0
    if len(sys.argv) != 2:
        print("usage: python -m scripts.deploy_by_hand fetch|FOLDER", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        file = DEPLOY / ".env"
        lines = file.read_text().splitlines() if file.exists() else []
        variables = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        profiles = frozenset({"mirror"} if variables.get("SURVEY_BOOTSTRAP") else ())
        with Deployment(Path(sys.argv[1]), variables, profiles) as deployment:
            for name, seconds in deployment.took_s.items():
                print(f"{name}: ready after {seconds:.1f} s")
            print(
                f"changed in the copies: {dict(deployment.changes)}\nconfiguration: {deployment.config}\nCtrl-C stops"
            )
            while True:
                time.sleep(0.5)
                deployment.check()
    except KeyboardInterrupt:
        return 0
    except UserError as error:
        print(f"deploy_by_hand: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
