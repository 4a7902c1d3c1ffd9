"""A schema registry is asked in the background, believed with care, and not needed for what it once answered."""

from __future__ import annotations

import json
import math
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.services.certificates import Certificates
from streamer.errors import ConfigurationError
from streamer.kafka import registry as registry_module
from streamer.kafka import registry_api
from streamer.kafka.registry import Lookup, SchemaRegistry, next_delay_s
from streamer.kafka.registry_api import RegistryError
from tests.services.registry import SchemaRegistry as Server

SCHEMA = {"type": "record", "name": "alert", "namespace": "lsst.v11_2", "fields": [{"name": "x", "type": "long"}]}
PATH = "GET /schemas/ids/1102"
SUBJECT = "streamer.scored-value"
WAIT_S = 20.0


@pytest.fixture
def registry(schema_registry: Server, tmp_path: Path) -> Iterator[SchemaRegistry]:
    with made(schema_registry.url, tmp_path) as registry:
        yield registry


def made(url: str, folder: Path, **options: Any) -> SchemaRegistry:
    return SchemaRegistry(url, cache_folder=folder / "cache", **({"timeout_s": 5.0} | options))


def settled(registry: SchemaRegistry, schema_id: int = 1102, *, until: str | None = None) -> Lookup:
    """The first lookup that is no longer being asked for, or of the state that is waited for."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        lookup = registry.lookup(schema_id)
        if lookup.state == until or (until is None and lookup.state != "asking"):
            return lookup
        time.sleep(0.005)
    raise AssertionError(f"still {lookup}")


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives the same answer to everything; its url, and the headers of what was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers)
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_a_schema_is_asked_for_once_and_then_known(registry: SchemaRegistry, schema_registry: Server) -> None:
    schema_registry.add(SCHEMA, 1102)
    assert registry.lookup(1102).state == "asking"
    assert settled(registry).schema == SCHEMA
    assert settled(registry).state == "known"
    assert schema_registry.requests == {PATH: 1}


def test_a_lookup_does_not_wait_for_a_registry_that_hangs(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.delay_s = math.inf
    with made(schema_registry.url, tmp_path, timeout_s=3600.0) as registry:
        assert registry.lookup(1102).state == "asking"
        while not schema_registry.requests:  # the question is on its way, and will not be answered
            time.sleep(0.005)
        assert registry.lookup(1102) == Lookup("asking", f"{registry} is asked for schema 1102")
        assert registry.lookup(1103).state == "asking"
        schema_registry.stop()


def test_a_silent_registry_is_given_up_after_the_time_out(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.delay_s = math.inf
    with made(schema_registry.url, tmp_path, timeout_s=0.2) as registry:
        lookup = settled(registry)
    assert lookup.state == "unreachable"
    assert "does not answer within 0.2 s" in lookup.detail


def test_an_answer_that_drips_is_given_up_after_the_time_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter(range(0, 10_000, 3))
    with answering(200, b" " * 1_000_000) as (url, _):
        monkeypatch.setattr(registry_api, "monotonic", lambda: float(next(clock)))  # each look at it costs 3 s
        with made(url, tmp_path, timeout_s=5.0) as registry:
            assert "does not answer within 5 s" in settled(registry).detail


def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry_api, "MAX_ANSWER_BYTES", 1000)
    with answering(200, b" " * 1_000_000) as (url, _), made(url, tmp_path) as registry:
        assert "more than 1000 bytes" in settled(registry).detail


def test_an_id_that_the_registry_does_not_know_is_believed_for_a_minute(
    registry: SchemaRegistry, schema_registry: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    later_s = 0.0
    monkeypatch.setattr(registry_module, "monotonic", lambda: time.monotonic() + later_s)
    assert settled(registry).state == "unknown"
    schema_registry.add(SCHEMA, 1102)
    later_s = 55.0
    assert registry.lookup(1102).state == "unknown"
    assert schema_registry.requests == {PATH: 1}
    later_s = 120.0
    assert settled(registry).schema == SCHEMA
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["1102.avsc"]


def test_an_id_that_no_registry_can_have_is_unknown_without_a_question(
    registry: SchemaRegistry, schema_registry: Server
) -> None:
    assert registry.lookup(2**31).state == "unknown"
    assert registry.lookup(2**31 - 1).state == "asking"
    settled(registry, 2**31 - 1)
    assert schema_registry.requests == {"GET /schemas/ids/2147483647": 1}


def test_it_asks_again_until_the_registry_answers(registry: SchemaRegistry, schema_registry: Server) -> None:
    schema_registry.add(SCHEMA, 1102)
    schema_registry.status = 500
    lookup = settled(registry)
    assert lookup.state == "unreachable"
    assert "is in trouble (HTTP 500)" in lookup.detail
    assert "look at its log" in lookup.detail
    schema_registry.status = None
    assert settled(registry, until="known").schema == SCHEMA
    assert schema_registry.requests[PATH] == 2


def test_it_waits_twice_as_long_after_each_try_up_to_half_a_minute() -> None:
    delays = [0.0]
    while len(delays) < 9:
        delays.append(next_delay_s(delays[-1]))
    assert delays[1:] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_one_bad_schema_does_not_hold_up_another(registry: SchemaRegistry, schema_registry: Server) -> None:
    schema_registry.add("no schema", 1101)
    schema_registry.add(SCHEMA, 1102)
    assert settled(registry, 1101).state == "unreachable"
    assert settled(registry, 1102).state == "known"


@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        (200, b"<html>welcome</html>", "answers nonsense (HTTP 200): is this the address of a schema registry?"),
        (200, b'["schema"]', "answers nonsense"),
        (200, b'{"id": 3}', "gives no Avro record for id 1102"),
        (200, b'{"schema": "{"}', "gives no Avro record for id 1102: JSONDecodeError"),
        (200, b'{"schema": 12}', "gives no Avro record"),
        (200, b'{"schema": "\\"string\\""}', "it defines no record"),
        (200, json.dumps({"schema": json.dumps({**SCHEMA, "fields": [{"name": "a", "type": "b"}]})}).encode(), "b"),
        (200, b'{"schemaType": "PROTOBUF", "schema": "message"}', "a PROTOBUF schema under id 1102"),
        (200, b"[" * 100_000, "answers nonsense"),
        (404, b"<html>no page</html>", "answers nonsense (HTTP 404)"),
        (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}', "answers nonsense (HTTP 404) (HTTP 404 Not"),
        (302, b"", "answers nonsense (HTTP 302)"),
        (403, b"", "refuses the user name or the password (HTTP 403)"),
        (503, b'{"message": "in maintenance"}', "is in trouble (HTTP 503) (in maintenance)"),
    ],
)
def test_a_useless_answer_is_told_apart_from_a_schema_that_is_not_there(
    tmp_path: Path, status: int, body: bytes, line: str
) -> None:
    with answering(status, body) as (url, _), made(url, tmp_path) as registry:
        lookup = settled(registry)
    assert lookup.state == "unreachable"
    assert f"the schema registry at {url} " in lookup.detail
    assert line in lookup.detail
    assert "\n" not in lookup.detail


def test_a_wrong_password_is_said_and_a_right_one_is_taken(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.add(SCHEMA, 1102)
    schema_registry.credentials = ("reader", "pä:ss")
    with made(schema_registry.url, tmp_path, username="reader", password="guess-42") as registry:
        lookup = settled(registry)
    assert lookup.state == "unreachable"
    assert "refuses the user name or the password (HTTP 401): set username, and password_file" in lookup.detail
    assert "guess-42" not in lookup.detail
    with made(schema_registry.url, tmp_path, username="reader", password="pä:ss") as registry:
        assert settled(registry).state == "known"


def test_the_password_does_not_follow_to_another_address(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.add(SCHEMA, 1102)
    with answering(200, json.dumps({"schema": json.dumps(SCHEMA)}).encode()) as (elsewhere, asked):
        with (
            answering(302, b"", {"Location": elsewhere + "/schemas/ids/1102"}) as (url, _),
            made(url, tmp_path, username="reader", password="secret") as registry,
        ):
            assert settled(registry).state == "known"
        assert [headers["Authorization"] for headers in asked] == [None]


def test_a_registry_that_is_down_is_asked_again_when_it_is_up(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.add(SCHEMA, 1102)
    schema_registry.stop()
    with made(schema_registry.url, tmp_path) as registry:
        lookup = settled(registry)
        assert lookup.state == "unreachable"
        assert "cannot be reached (Connection refused): is it up, and is the url right?" in lookup.detail
        schema_registry.start()
        assert settled(registry, until="known").schema == SCHEMA


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://no-such-host.invalid", "has a host name that is not known"),
        ("http://", "cannot be reached (no host given)"),
        ("http://127.0.0.1:port", "answers nonsense"),
        ("http://[::1", "answers nonsense"),
    ],
)
def test_an_address_that_cannot_be_is_said(tmp_path: Path, url: str, line: str) -> None:
    with made(url, tmp_path) as registry:
        assert line in settled(registry).detail


def test_tls_is_spoken_with_the_authority_that_is_named(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.add(SCHEMA, 1102)
    certificates = Certificates(tmp_path / "certificates")
    certificates.make()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_file)
    plain = schema_registry.url
    assert schema_registry._server is not None
    schema_registry._server.socket = context.wrap_socket(schema_registry._server.socket, server_side=True)
    url = plain.replace("http:", "https:")
    with made(url, tmp_path / "1", ca_file=certificates.ca_file) as registry:
        assert settled(registry).schema == SCHEMA
    with made(url, tmp_path / "2") as registry:
        assert "has a certificate that is not trusted" in settled(registry).detail


def test_https_to_a_server_without_tls_is_said(schema_registry: Server, tmp_path: Path) -> None:
    with made(schema_registry.url.replace("http:", "https:"), tmp_path, timeout_s=1.0) as registry:
        assert "is https right, and the port?" in settled(registry).detail


def test_certificates_that_cannot_be_read_are_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the certificates of .*no\.pem"):
        made("https://localhost", tmp_path, ca_file=tmp_path / "no.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"cannot read the certificates of .*bad\.pem"):
        made("https://localhost", tmp_path, ca_file=tmp_path / "bad.pem")


def test_a_user_inside_the_address_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give username and password_file") as caught:
        made("http://reader:secret@localhost:8081", tmp_path)
    assert "secret" not in str(caught.value)


def test_a_restart_needs_no_registry(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.add(SCHEMA, 1102)
    with made(schema_registry.url, tmp_path) as registry:
        settled(registry)
    schema_registry.stop()
    with made(schema_registry.url, tmp_path) as registry:
        assert registry.lookup(1102).schema == SCHEMA
        assert registry.fetch(1102) == SCHEMA


@pytest.mark.parametrize("damaged", [b"", b'{"type": "rec', b"[]", b"\xff\xfe", b'{"type": "record", "name": "a"}'])
def test_a_damaged_file_of_the_cache_is_asked_for_anew_and_mended(
    schema_registry: Server, tmp_path: Path, damaged: bytes
) -> None:
    schema_registry.add(SCHEMA, 1102)
    with made(schema_registry.url, tmp_path) as registry:
        settled(registry)
    (file,) = tmp_path.rglob("1102.avsc")
    file.write_bytes(damaged)
    with made(schema_registry.url, tmp_path) as registry:
        assert settled(registry).schema == SCHEMA
    assert json.loads(file.read_text()) == SCHEMA
    assert schema_registry.requests == {PATH: 2}


def test_what_one_registry_said_is_not_taken_for_anothers(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.add(SCHEMA, 1102)
    with made(schema_registry.url, tmp_path) as registry:
        settled(registry)
    with Server() as other, made(other.url, tmp_path) as registry:
        assert settled(registry).state == "unknown"


def test_a_folder_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ConfigurationError, match="give another cache_folder"):
        made("http://localhost", tmp_path)


def test_a_cache_that_cannot_be_written_is_said_and_done_without(
    registry: SchemaRegistry, schema_registry: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    schema_registry.add(SCHEMA, 1102)
    shutil.rmtree(tmp_path / "cache")
    assert settled(registry).schema == SCHEMA
    assert "for the next start: No such file or directory" in caplog.text


def test_nothing_is_asked_after_the_end(schema_registry: Server, tmp_path: Path) -> None:
    schema_registry.status = 500
    with made(schema_registry.url, tmp_path) as registry:
        settled(registry)
        assert registry._thread is not None
    assert not registry._thread.is_alive()


def test_a_reader_with_nothing_else_to_do_may_wait_for_a_schema(
    registry: SchemaRegistry, schema_registry: Server
) -> None:
    with pytest.raises(RegistryError, match="knows no schema with id 1102"):
        registry.fetch(1102)
    schema_registry.add(SCHEMA, 1102)
    assert registry.fetch(1102) == registry.fetch(1102) == SCHEMA
    assert schema_registry.requests == {PATH: 2}
    schema_registry.stop()
    with pytest.raises(RegistryError, match="cannot be reached"):
        registry.fetch(1103)


def test_a_schema_is_registered_once_however_often_it_is_asked(
    registry: SchemaRegistry, schema_registry: Server
) -> None:
    text = json.dumps(SCHEMA)
    assert registry.register(SUBJECT, text) == registry.register(SUBJECT, text) == 1
    assert registry.register("other/subject", text.replace("x", "y")) == 2
    assert schema_registry.schemas == {1: text, 2: text.replace("x", "y")}
    assert list(schema_registry.subjects) == [SUBJECT, "other/subject"]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (401, "refuses the user name or the password"),
        (409, "relax the compatibility of that subject"),
        (422, "refuses the schema"),
        (500, "is in trouble"),
        (404, "answers nonsense"),
    ],
)
def test_a_schema_that_is_not_registered_is_an_error_in_one_line(
    registry: SchemaRegistry, schema_registry: Server, status: int, line: str
) -> None:
    schema_registry.status = status
    with pytest.raises(RegistryError, match=line):
        registry.register(SUBJECT, json.dumps(SCHEMA))


def test_an_answer_without_an_id_registers_nothing(
    registry: SchemaRegistry, schema_registry: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_registry, "answer", lambda *_: (200, {"version": 1}))
    with pytest.raises(RegistryError, match="gives no id for"):
        registry.register(SUBJECT, json.dumps(SCHEMA))


def test_what_was_registered_before_needs_no_registry_at_the_next_start(
    schema_registry: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps(SCHEMA)
    with made(schema_registry.url, tmp_path) as registry:
        assert registry.register(SUBJECT, text) == 1
    schema_registry.stop()
    with made(schema_registry.url, tmp_path) as registry:
        assert registry.register(SUBJECT, text) == 1
        assert "goes on with id 1 of an earlier start" in caplog.text
        with pytest.raises(RegistryError, match="cannot be reached"):
            registry.register(SUBJECT, text + " ")
        (file,) = tmp_path.rglob("*.json")
        file.write_text("{}")
        with pytest.raises(RegistryError, match="cannot be reached"):
            registry.register(SUBJECT, text)
