"""The tests' schema registry answers as Confluent's documentation says, and fails as it is told."""

from __future__ import annotations

import base64
import json
import math
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.services.registry import SchemaRegistry

TEXT = json.dumps({"type": "record", "name": "a", "fields": []})
OTHER = json.dumps({"type": "record", "name": "b", "fields": []})
SUBJECT = "streamer.scored-value"


def ask(
    registry: SchemaRegistry,
    path: str,
    schema: str | None = None,
    *,
    password: str | None = None,
    timeout_s: float = 10,
) -> tuple[int, Any]:
    """The status and the body that the registry answers; with a schema, to a POST."""
    body = None if schema is None else json.dumps({"schema": schema}).encode()
    request = Request(registry.url + path, data=body)
    if password is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"reader:{password}".encode()).decode())
    try:
        with urlopen(request, timeout=timeout_s) as done:
            return done.status, json.load(done)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_schema_is_found_by_the_id_that_its_maker_chose(schema_registry: SchemaRegistry) -> None:
    schema_registry.add(TEXT, 900)
    assert ask(schema_registry, "/schemas/ids/900") == (200, {"schema": TEXT})
    assert ask(schema_registry, "/schemas/ids/901")[0] == 404
    assert schema_registry.requests == {"GET /schemas/ids/900": 1, "GET /schemas/ids/901": 1}


def test_a_schema_is_registered_once_and_found_by_its_subject(schema_registry: SchemaRegistry) -> None:
    versions = f"/subjects/{SUBJECT}/versions"
    assert [ask(schema_registry, versions, text) for text in (TEXT, OTHER, TEXT)] == [
        (200, {"id": 1}),
        (200, {"id": 2}),
        (200, {"id": 1}),
    ]
    second = {"subject": SUBJECT, "id": 2, "version": 2, "schema": OTHER}
    assert ask(schema_registry, f"{versions}/latest") == ask(schema_registry, f"{versions}/2") == (200, second)
    assert ask(schema_registry, f"/subjects/{SUBJECT}", OTHER) == (200, second)
    assert ask(schema_registry, versions) == (200, [1, 2])
    assert ask(schema_registry, "/subjects") == (200, [SUBJECT])


@pytest.mark.parametrize(
    ("path", "schema", "code"),
    [
        ("/subjects/none/versions/latest", None, 40401),
        (f"/subjects/{SUBJECT}/versions/9", None, 40402),
        (f"/subjects/{SUBJECT}", OTHER, 40403),
    ],
)
def test_what_is_not_there_has_confluents_own_code(
    schema_registry: SchemaRegistry, path: str, schema: str | None, code: int
) -> None:
    schema_registry.add(TEXT, 1, SUBJECT)
    status, body = ask(schema_registry, path, schema)
    assert (status, body["error_code"]) == (404, code)


def test_a_password_is_asked_for(schema_registry: SchemaRegistry) -> None:
    schema_registry.credentials = ("reader", "of mine")
    assert ask(schema_registry, "/subjects")[0] == 401
    assert ask(schema_registry, "/subjects", password="guessed")[0] == 401
    assert ask(schema_registry, "/subjects", password="of mine")[0] == 200


def test_it_fails_as_it_is_told_and_recovers(schema_registry: SchemaRegistry) -> None:
    schema_registry.status = 500
    assert ask(schema_registry, "/subjects")[0] == 500
    schema_registry.status, schema_registry.delay_s = None, math.inf
    with pytest.raises(TimeoutError):
        ask(schema_registry, "/subjects", timeout_s=0.2)
    schema_registry.delay_s = 0.0
    schema_registry.stop()
    with pytest.raises(URLError):
        ask(schema_registry, "/subjects")
    schema_registry.start()
    assert ask(schema_registry, "/subjects")[0] == 200
