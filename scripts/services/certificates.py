"""A certificate for a server on this machine, and the authority that signed it, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.services.programs import program
from streamer.errors import UserError

DAYS = "30"
"""How long a certificate holds [days]: longer than a test, too short to be mistaken for a real one."""


class Certificates:
    """In `folder`: `ca_file`, the authority's certificate, and `server_file`, the server's key and chain [PEM]."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self.server_file = folder / "server.pem"

    def make(self) -> None:
        """Makes them unless they are there."""
        if self.server_file.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        key = ("-newkey", "rsa:2048", "-nodes", "-days", DAYS)
        ca = self.folder / "ca.key"
        self._openssl("req", "-x509", *key, "-subj", "/CN=test authority", "-keyout", ca, "-out", self.ca_file)
        self._openssl(
            *("req", "-x509", *key, "-subj", "/CN=localhost", "-CA", self.ca_file, "-CAkey", ca),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", self.folder / "server.key", "-out", self.folder / "server.crt"),
        )
        parts = [self.folder / "server.key", self.folder / "server.crt", self.ca_file]
        self.server_file.write_text("".join(part.read_text() for part in parts))

    def _openssl(self, *arguments: object) -> None:
        command = [program("openssl"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"openssl cannot make a certificate in {self.folder}; it says: {done.stderr.strip()}")
