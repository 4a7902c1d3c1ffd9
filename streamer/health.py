"""A small web server of each worker and sink: /metrics for Prometheus, /healthz and /readyz for who keeps them up."""

from __future__ import annotations

import errno
import json
import logging
import socket
import socketserver
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamer.errors import ConfigurationError
from streamer.metrics.definitions import READY

log = logging.getLogger(__name__)

SILENCE_MAX_S = 30.0
"""A worker that has not polled for this long [s] is not alive: a batch takes less than a second, and a worker that
backs off polls on."""

REQUEST_TIMEOUT_S = 5.0
"""A client that sends or takes nothing for this long [s] is hung up on."""

CONTENT_JSON = "application/json"
CONTENT_TEXT = "text/plain; charset=utf-8"

Answer = tuple[int, str, bytes]
"""Status code, content type, body."""


class Health:
    """Whether polling goes on, and which conditions of being ready hold. Told by one thread, read by any."""

    def __init__(
        self,
        conditions: Iterable[str],
        silence_max_s: float = SILENCE_MAX_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.conditions = dict.fromkeys(conditions, False)
        """Whether each holds, by its name."""
        self.silence_max_s = silence_max_s
        self._clock = clock
        self._polled_s: float | None = None

    def polled(self) -> None:
        """The worker has polled just now."""
        self._polled_s = self._clock()

    def ready(self, name: str, is_ready: bool) -> None:
        """Whether one condition holds from now on; KeyError where `name` was not announced."""
        if name not in self.conditions:
            raise KeyError(name)
        self.conditions[name] = is_ready

    def holds(self, name: str) -> bool:
        """Whether one condition holds now."""
        return self.conditions[name]

    @property
    def silence_s(self) -> float:
        """Time since the last poll [s]; 0 before the first one, while a worker compiles."""
        return 0.0 if self._polled_s is None else self._clock() - self._polled_s

    @property
    def is_alive(self) -> bool:
        """Whether the last poll is young enough."""
        return self.silence_s <= self.silence_max_s

    def is_ready(self, excluded: Iterable[str] = ()) -> bool:
        """Whether every condition holds, or every one but those; KeyError where one of those was not announced."""
        left_out = set(excluded)
        if unknown := left_out - self.conditions.keys():
            raise KeyError(*unknown)
        return all(holds for name, holds in self.conditions.items() if name not in left_out)


class HealthServer:
    """Serves one worker's figures and health over HTTP, in threads of its own; port 0 takes a free one.

    ConfigurationError where it cannot listen there.
    """

    def __init__(self, address: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        self._address = address
        self._registry = registry
        self._health = health
        self._server = _listen(address, port, self)
        self._ready = READY.made(registry)
        for condition in health.conditions:
            self._ready.labels(condition).set_function(partial(health.holds, condition))
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, and gives the port back."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        with suppress(KeyError):  # stopped before
            self._registry.unregister(self._ready)

    def answer(self, target: str, accept: str) -> Answer:
        """What is said to a GET of `target`, a path and its query, in a form that the header Accept takes."""
        path, _, query = target.partition("?")
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return 200, content_type, encode(self._registry)
        if path == "/healthz":
            return self._liveness()
        if path == "/readyz":
            return self._readiness(parse_qs(query).get("exclude", []))
        return 404, CONTENT_TEXT, b"there are /metrics, /healthz and /readyz\n"

    def _readiness(self, excluded: list[str]) -> Answer:
        try:
            is_ready = self._health.is_ready(excluded)
        except KeyError:
            names = ", ".join(self._health.conditions)
            return 400, CONTENT_TEXT, f"what can be excluded: {names}\n".encode()
        body = json.dumps({"ready": is_ready, "conditions": self._health.conditions})
        return 200 if is_ready else 503, CONTENT_JSON, f"{body}\n".encode()

    def _liveness(self) -> Answer:
        silence_s = self._health.silence_s
        if self._health.is_alive:
            return 200, CONTENT_TEXT, f"polled {silence_s:.1f} s ago\n".encode()
        limit_s = self._health.silence_max_s
        return 503, CONTENT_TEXT, f"not polled for {silence_s:.0f} s; the limit is {limit_s:.0f} s\n".encode()


def software_version() -> str:
    """The version of transient-streamer that runs."""
    return version("transient-streamer")


def metrics_url(address: str, port: int, host: str) -> str:
    """Where others find the metrics of a worker that listens on `address`; `host` stands in for all addresses."""
    name = host if address in ("0.0.0.0", "::") else f"[{address}]" if ":" in address else address
    return f"http://{name}:{port}/metrics"


class _Server(socketserver.ThreadingTCPServer):
    """As http.server's, which would also ask the name service for this machine's name and wait for the answer."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up is nobody's concern
            log.exception("a request to the health server could not be answered")


def _listen(address: str, port: int, owner: HealthServer) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            code, content_type, body = owner.answer(self.path, self.headers.get("Accept", ""))
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: a scrape every few seconds is no news."""

    class Server(_Server):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    try:
        return Server((address, port), Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {address} is taken: stop what listens there, or set metrics.port"
        else:
            what = (
                f"cannot listen on {address}:{port} ({error.strerror or error}): set metrics.address and metrics.port"
            )
        raise ConfigurationError(what) from None
