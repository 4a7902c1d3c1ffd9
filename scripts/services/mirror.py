"""Kafka's MirrorMaker, which copies topics from one cluster to another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.services.process import Server
from scripts.services.programs import JVM, class_path, java

POM = Path(__file__).resolve().parent / "mirror_jars" / "pom.xml"


class MirrorMaker(Server):
    """MirrorMaker over a properties file; it listens nowhere."""

    name = "MirrorMaker"
    ready_line = "Kafka MirrorMaker started"

    def __init__(self, folder: Path, properties: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._properties = properties.resolve()
        self._environment = dict(environment)

    def command(self) -> list[str]:
        """Java over the properties."""
        return [
            *("env", *(f"{key}={value}" for key, value in self._environment.items())),
            *(java(), *JVM, "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", f"{POM.parent}:{class_path(POM)}"),
            *("org.apache.kafka.connect.mirror.MirrorMaker", str(self._properties)),
        ]
