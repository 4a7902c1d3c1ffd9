"""Confluent's schema registry over HTTP: one question, one answer, or one line that says why there is none.

The client that confluent-kafka brings is not taken: it wants four packages more, waits and tries again by itself in the
caller's thread, and does not tell a registry that does not know an id from one that is not the right address.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPSHandler, Request, build_opener

import fastavro

from streamer.errors import ConfigurationError, UserError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
"""Media type of questions and answers (Confluent Schema Registry, API reference)."""

MAX_ANSWER_BYTES = 16 * 2**20
"""A longer answer is nonsense: LSST's schema of 550 values is 140 KB with all its descriptions [byte]."""

NOT_IMPORTING = 42205
"""What a registry says to an id of its client's choice, unless the subject's mode is IMPORT."""

Schema = dict[str, Any]


class RegistryError(UserError):
    """A schema registry gives no answer that can be used: one line says why, and what to do."""


class IdsNotTakenError(RegistryError):
    """A schema registry gives ids itself; one line says how it would take ours."""


class RegistryApi:
    """The REST paths of a registry that are used here; each call blocks, but no longer than the time-out a step."""

    def __init__(
        self, url: str, *, timeout_s: float, username: str | None, password: str | None, ca_file: Path | None
    ) -> None:
        """ConfigurationError where the address or the certificates make no sense."""
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._authorization = None
        if "@" in url.partition("//")[2].partition("/")[0]:
            raise ConfigurationError(
                "the url of a schema registry holds a user: give username and password_file instead"
            )
        if username is not None:
            credentials = f"{username}:{password or ''}".encode()
            self._authorization = f"Basic {base64.b64encode(credentials).decode('ascii')}"
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ConfigurationError(f"cannot read the certificates of {ca_file}: {error.strerror or error}") from None
        self._opener = build_opener(HTTPSHandler(context=context))

    def __str__(self) -> str:
        return f"the schema registry at {self.url}"

    def schema(self, schema_id: int) -> Schema | None:
        """The Avro schema with this id, None where the registry says that it knows none; else RegistryError."""
        status, document = self._exchange(f"/schemas/ids/{schema_id}")
        if status == 404 and _error_code(document) // 100 == 404:  # its own 40403; a wrong address answers 404 alone
            return None
        answer = self._accepted(status, document)
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise RegistryError(f"{self} has a {kind} schema under id {schema_id} where an Avro one is needed")
        try:
            return parse_record(answer["schema"])
        except (KeyError, ValueError) as error:
            raise RegistryError(f"{self} gives no Avro record for id {schema_id}: {error}") from None

    def register(self, subject: str, schema_text: str) -> int:
        """The id of a schema under this subject, given anew where it had none; else RegistryError."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._accepted(*self._exchange(path, {"schema": schema_text}))
        schema_id = answer.get("id")
        if not isinstance(schema_id, int):
            raise RegistryError(f"{self} gives no id for {subject}: is this the address of a schema registry?")
        return schema_id

    def registered(self, subject: str, schema_text: str) -> int | None:
        """The id of a schema under this subject, None where it has none; RegistryError."""
        status, document = self._exchange(f"/subjects/{quote(subject, safe='')}", {"schema": schema_text})
        if status == 404 and _error_code(document) // 100 == 404:
            return None
        schema_id = self._accepted(status, document).get("id")
        return schema_id if isinstance(schema_id, int) else None

    def register_as(self, subject: str, schema_text: str, schema_id: int) -> None:
        """Registers a schema under an id of our choice, which is its version's number too; RegistryError.

        IdsNotTakenError where the registry does not import under this subject.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        status, document = self._exchange(path, {"schema": schema_text, "id": schema_id, "version": schema_id})
        if status == 422 and _error_code(document) == NOT_IMPORTING:
            put = "curl -X PUT -H 'Content-Type: application/json' -d '{\"mode\": \"IMPORT\"}'"
            raise IdsNotTakenError(
                f"{self} takes no id of ours for {subject}; it does after {put} {self.url}/mode/{subject}"
            )
        given = self._accepted(status, document).get("id")
        if given != schema_id:
            raise RegistryError(f"{self} gives {subject} the id {given} where {schema_id} was asked for")

    def _accepted(self, status: int, document: Any) -> dict[str, Any]:
        """The document of a good answer; RegistryError for any other."""
        if status == 200 and isinstance(document, dict):
            return document
        said = f" ({document['message']})" if isinstance(document, dict) and "message" in document else ""
        if status in (401, 403):
            raise RegistryError(
                f"{self} refuses the user name or the password (HTTP {status}): set username, and password_file or "
                "password_env, beside its url"
            )
        if status in (409, 422):
            raise RegistryError(
                f"{self} refuses the schema (HTTP {status}){said}: relax the compatibility of that subject, or choose "
                "another kafka.topic_prefix"
            )
        if status >= 500:
            raise RegistryError(f"{self} is in trouble (HTTP {status}){said}: look at its log")
        raise RegistryError(f"{self} answers nonsense (HTTP {status}){said}: is this the address of a schema registry?")

    def _exchange(self, path: str, question: dict[str, str | int] | None = None) -> tuple[int, Any]:
        """Status and document of an answer, None where it is no JSON; RegistryError where there is no answer."""
        data = None if question is None else json.dumps(question).encode()
        deadline = monotonic() + self._timeout_s
        try:
            request = Request(self.url + path, data, {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE})
            if self._authorization is not None:
                request.add_unredirected_header("Authorization", self._authorization)
            try:
                response = self._opener.open(request, timeout=self._timeout_s)
            except HTTPError as refused:  # an answer like any other
                response = refused
            with response:
                status, text = response.status, _read(response, deadline)
        except (OSError, HTTPException, ValueError) as error:
            raise RegistryError(f"{self} {_explain(error, self._timeout_s)}") from None
        try:
            return status, json.loads(text)
        except (ValueError, RecursionError):
            return status, None


def parse_record(text: str) -> Schema:
    """The Avro record that a text of JSON defines; ValueError says why it is none."""
    try:
        schema = json.loads(text)
        fastavro.parse_schema(schema)
    except Exception as error:  # noqa: BLE001  json's, fastavro's, and Python's own for a schema nested too deep
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if not isinstance(schema, dict) or schema.get("type") != "record" or "fields" not in schema:
        raise ValueError("it defines no record")
    return schema


def _error_code(document: Any) -> int:
    code = document.get("error_code") if isinstance(document, dict) else None
    return code if isinstance(code, int) else 0


def _read(response: HTTPResponse, deadline: float) -> bytes:
    """The whole body; TimeoutError past the deadline, however slowly it drips. ValueError where it is too long."""
    text = bytearray()
    while block := response.read1(65_536):
        text += block
        if monotonic() > deadline:
            raise TimeoutError
        if len(text) > MAX_ANSWER_BYTES:
            raise ValueError(f"more than {MAX_ANSWER_BYTES} bytes")
    return bytes(text)


def _explain(error: Exception, timeout_s: float) -> str:
    """Why there was no answer, and what to do."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"does not answer within {timeout_s:g} s: is it up, and does a firewall stand between?"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({cause.verify_message}): give its authority's as ca_file"
    if isinstance(cause, ssl.SSLError):
        return f"does not speak TLS ({cause.reason}): is https right, and the port?"
    if isinstance(cause, socket.gaierror):
        return f"has a host name that is not known ({cause.strerror}): is the url right?"
    if isinstance(cause, OSError | str):
        return f"cannot be reached ({getattr(cause, 'strerror', None) or cause}): is it up, and is the url right?"
    return f"answers nonsense ({type(cause).__name__}: {cause}): is this the address of a schema registry?"
