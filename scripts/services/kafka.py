"""Apache Kafka, one node without ZooKeeper, with or without passwords and TLS."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.services.certificates import Certificates
from scripts.services.process import Server, free_port
from scripts.services.programs import JVM, class_path, java
from streamer.errors import UserError

POM = Path(__file__).resolve().parent / "kafka_jars" / "pom.xml"

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",  # a missing topic is an error to be seen
    "message.max.bytes": "8388608",
    # One node holds every copy.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Few partitions of the inner topics, and no wait for more members: ready sooner.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "2000",  # a test can wait for a dead member to be missed
}
"""What every node is started with, beside its listeners and folder."""


class KafkaServer(Server):
    """A Kafka cluster of one node.

    `users`, passwords by name, asks for SASL with SCRAM-SHA-512; they are those given when the folder was first used.
    The first of them is the broker's own. `tls` encrypts, with a certificate of a maker of its own (`ca_file`).
    `properties` override those of the broker. After a `kill` the next `start` takes 12 s: Kafka waits until the broker
    that is gone is given up.
    """

    name = "Kafka"
    ready_line = "Kafka Server started"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        users: Mapping[str, str] | None = None,
        tls: bool = False,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, port)
        self.users = dict(users or {})
        self.properties = dict(properties or {})
        self._certificates = Certificates(self.folder / "tls") if tls else None
        self._controller_port = free_port()

    @property
    def bootstrap(self) -> str:
        """Where clients connect first, `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def security_protocol(self) -> str:
        """How clients must speak: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        transport = "SSL" if self._certificates else "PLAINTEXT"
        return f"SASL_{transport}" if self.users else transport

    @property
    def ca_file(self) -> Path:
        """The certificate [PEM] that clients must trust; RuntimeError without TLS."""
        if self._certificates is None:
            raise RuntimeError("this Kafka was started without tls=True")
        return self._certificates.ca_file

    def client(self, user: str | None = None) -> dict[str, Any]:
        """The properties with which a client (librdkafka's names) connects, as `user` if there are users."""
        found = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security_protocol}
        if self._certificates:
            found["ssl.ca.location"] = str(self.ca_file)
        if self.users:
            name = user or next(iter(self.users))
            found |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": name, "sasl.password": self.users[name]}
        return found

    def command(self) -> list[str]:
        """Java over properties written anew; formats the data folder the first time."""
        if self._certificates:
            self._certificates.make()
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in self._server_properties().items()))
        kafka = ["-cp", f"{POM.parent}:{class_path(POM)}"]
        if not (self.folder / "data" / "meta.properties").exists():
            self._format([java(), *JVM, *kafka], path)
        return [java(), *JVM, "-Xms256m", "-Xmx512m", *kafka, "kafka.Kafka", str(path)]

    def _format(self, kafka: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*kafka, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
        for name, password in self.users.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UserError(
                f"Kafka cannot use the folder {self.folder}; it says: {(done.stdout + done.stderr).strip()}"
            )

    def _server_properties(self) -> dict[str, str]:
        protocol = self.security_protocol
        controller = f"127.0.0.1:{self._controller_port}"
        found = PROPERTIES | {
            "log.dirs": str(self.folder / "data"),
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"{protocol}://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"{protocol}://{self.bootstrap}",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{protocol}:{protocol}",
            "inter.broker.listener.name": protocol,
        }
        if self.users:
            name, password = next(iter(self.users.items()))
            module = "org.apache.kafka.common.security.scram.ScramLoginModule"
            found |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
                f"listener.name.{protocol.lower()}.scram-sha-512.sasl.jaas.config": (
                    f'{module} required username="{name}" password="{password}";'
                ),
            }
        if self._certificates:
            found |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self._certificates.server_file),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self._certificates.ca_file),
            }
        return found | self.properties
