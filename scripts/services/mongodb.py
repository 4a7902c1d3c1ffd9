"""A server that speaks MongoDB's protocol and keeps its data in one file: a stand-in where no MongoDB is at hand."""

from __future__ import annotations

from pathlib import Path

from scripts.services.process import Server
from scripts.services.programs import JVM, class_path, java

HERE = Path(__file__).resolve().parent
POM = HERE / "mongodb_jars" / "pom.xml"


class MongoServer(Server):
    """mongo-java-server over an H2 file: no sessions, transactions, change streams or updates by pipeline.

    What was written in the last second before a `kill` is lost.
    """

    name = "MongoDB"
    ready_line = "MongoServer is ready"

    @property
    def uri(self) -> str:
        """Where clients connect."""
        return f"mongodb://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Java, running the launcher's source as it is."""
        return [
            *(java(), *JVM, "-Xms64m", "-Xmx512m", "-cp", class_path(POM)),
            *(str(HERE / "MongoServer.java"), str(self.port), str(self.folder / "data.h2")),
        ]
