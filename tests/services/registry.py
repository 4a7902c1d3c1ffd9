"""A schema registry with Confluent's REST paths, that fails on demand."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

Answer = tuple[int, Any]
"""HTTP status and what the body holds as JSON."""

NO_SUBJECT: Answer = (404, {"error_code": 40401, "message": "Subject not found."})
NO_VERSION: Answer = (404, {"error_code": 40402, "message": "Version not found."})
NO_SCHEMA: Answer = (404, {"error_code": 40403, "message": "Schema not found"})
NOT_IMPORTING: Answer = (422, {"error_code": 42205, "message": "Subject is not in import mode"})
UNAUTHORIZED: Answer = (401, {"error_code": 40101, "message": "Unauthorized"})

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
"""What Confluent's registry answers with."""


@dataclass
class SchemaRegistry:
    """Schemas by id and by subject, served on 127.0.0.1; a context manager, and `stop` and `start` by hand.

    Set the first three at any time: they hold for whatever is asked from then on.
    """

    delay_s: float = 0.0
    """How long each answer is held back [s]; inf answers nothing."""
    status: int | None = None
    """A status, such as 500, that is answered to everything."""
    credentials: tuple[str, str] | None = None
    """User and password that are asked for."""

    requests: Counter[str] = field(default_factory=Counter)
    """How often each thing was asked for, such as `GET /schemas/ids/900`."""
    schemas: dict[int, str] = field(default_factory=dict)
    """Each schema's text by its id."""
    subjects: dict[str, list[int]] = field(default_factory=dict)
    """The ids of each subject's versions; version 1 comes first."""
    importing: set[str] = field(default_factory=set)
    """Subjects that take ids of their client's choice, and only such (mode IMPORT)."""

    _port: int = 0
    _server: ThreadingHTTPServer | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def add(self, schema: str | dict[str, Any], schema_id: int, subject: str | None = None) -> None:
        """Takes a schema under an id of its maker's choice, as a survey's registry does."""
        self.schemas[schema_id] = schema if isinstance(schema, str) else json.dumps(schema)
        if subject is not None:
            self.subjects.setdefault(subject, []).append(schema_id)

    def start(self) -> None:
        """Serves on the port that it had, if it had one."""
        self._stopping.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Goes down: requests that wait get no answer, and connections are refused."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> bool:
        """Holds an answer back; whether it may still be given."""
        return not self._stopping.wait(None if self.delay_s == float("inf") else self.delay_s)

    def answer(self, method: str, path: str, body: Any, authorization: str | None) -> Answer:
        """What the registry says to one request."""
        self.requests[f"{method} {path}"] += 1
        if self.status is not None:
            return self.status, {"error_code": self.status * 100 + 1, "message": "Error on demand"}
        if self.credentials is not None and authorization != _basic(*self.credentials):
            return UNAUTHORIZED
        for wanted, pattern, reply in _ROUTES:
            if method == wanted and (found := re.fullmatch(pattern, path)):
                return reply(self, *map(unquote, found.groups()), *([body] if body is not None else []))
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _by_id(self, schema_id: str) -> Answer:
        schema = self.schemas.get(int(schema_id))
        return NO_SCHEMA if schema is None else (200, {"schema": schema})

    def _names(self) -> Answer:
        return 200, sorted(self.subjects)

    def _versions(self, subject: str) -> Answer:
        return (200, list(range(1, len(self.subjects[subject]) + 1))) if subject in self.subjects else NO_SUBJECT

    def _version(self, subject: str, version: str) -> Answer:
        if subject not in self.subjects:
            return NO_SUBJECT
        newest = len(self.subjects[subject])
        number = newest if version == "latest" else int(version)
        return self._described(subject, number) if 1 <= number <= newest else NO_VERSION

    def _set_mode(self, subject: str, body: dict[str, Any]) -> Answer:
        (self.importing.add if body["mode"] == "IMPORT" else self.importing.discard)(subject)
        return 200, {"mode": body["mode"]}

    def _register(self, subject: str, body: dict[str, Any]) -> Answer:
        schema, chosen = body["schema"], body.get("id")
        if (chosen is not None) is not (subject in self.importing):
            return NOT_IMPORTING
        if chosen is not None:
            self.add(schema, chosen, subject)
            return 200, {"id": chosen}
        known = self._look_up(subject, body)
        if known[0] == 200:
            return 200, {"id": known[1]["id"]}
        same = [schema_id for schema_id, text in self.schemas.items() if text == schema]
        schema_id = same[0] if same else max(self.schemas, default=0) + 1
        self.add(schema, schema_id, subject)
        return 200, {"id": schema_id}

    def _look_up(self, subject: str, body: dict[str, Any]) -> Answer:
        schema = body["schema"]
        if subject not in self.subjects:
            return NO_SUBJECT
        for version, schema_id in enumerate(self.subjects[subject], start=1):
            if self.schemas[schema_id] == schema:
                return self._described(subject, version)
        return NO_SCHEMA

    def _described(self, subject: str, version: int) -> Answer:
        schema_id = self.subjects[subject][version - 1]
        return 200, {"subject": subject, "id": schema_id, "version": version, "schema": self.schemas[schema_id]}


_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"/schemas/ids/(\d+)", SchemaRegistry._by_id),
    ("GET", r"/subjects", SchemaRegistry._names),
    ("GET", r"/subjects/([^/]+)/versions", SchemaRegistry._versions),
    ("GET", r"/subjects/([^/]+)/versions/(\d+|latest)", SchemaRegistry._version),
    ("POST", r"/subjects/([^/]+)/versions", SchemaRegistry._register),
    ("POST", r"/subjects/([^/]+)", SchemaRegistry._look_up),
    ("PUT", r"/mode/([^/]+)", SchemaRegistry._set_mode),
]


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _handler(registry: SchemaRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_PUT(self) -> None:
            self.do_POST()

        def _reply(self, body: Any) -> None:
            path = self.path.partition("?")[0]
            status, content = registry.answer(self.command, path, body, self.headers["Authorization"])
            if not registry.wait():
                self.close_connection = True
                return
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", MEDIA_TYPE)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing: the test counts requests."""

    return Handler
