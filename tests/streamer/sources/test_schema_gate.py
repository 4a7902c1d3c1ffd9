"""A packet waits while nobody has said what its schema is, and the packets of other schemas do not."""

from __future__ import annotations

import copy
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.alert import AlertBatch
from schemas.codec import write_frame
from schemas.surveys.lsst import LsstReader, LsstSchemas
from schemas.surveys.tables import survey_schema
from streamer.kafka.registry import SchemaRegistry
from streamer.sources.schema_gate import SchemaGate, advice
from tests.fakes import night, packets
from tests.services.registry import SchemaRegistry as Server

Schema = dict[str, Any]
WAIT_S = 20.0


class Service:
    """What stands between the bytes and the alerts: a registry's client, the gate, and the decoder behind it."""

    def __init__(self, url: str | None, folder: Path, **options: Any) -> None:
        self.registry = None
        if url is not None:
            self.registry = SchemaRegistry(url, cache_folder=folder / "cache", **({"timeout_s": 5.0} | options))
        self.schemas = LsstSchemas(advice=advice(self.registry))
        self.gate = SchemaGate(self.schemas, self.registry)

    def close(self) -> None:
        if self.registry is not None:
            self.registry.close()

    def settled(self, payload: bytes, *, until: Callable[[str | None], bool] | None = None) -> str | None:
        """What the gate says once the registry was asked, or once it says what is waited for."""
        is_enough = until or (lambda reason: reason is None or "is asked for" not in reason)
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            reason = self.gate.check(payload)
            if is_enough(reason):
                return reason
            time.sleep(0.005)
        raise AssertionError(f"still {reason}")

    def read(self, *payloads: bytes) -> tuple[AlertBatch, list[str]]:
        """The alerts, and the details of what could not be read."""
        alerts, rejected = LsstReader(self.schemas).read(packets(list(payloads)))
        return alerts, [f"{bad.reason}: {bad.detail}" for bad in rejected]


@pytest.fixture
def service(schema_registry: Server, tmp_path: Path) -> Iterator[Service]:
    service = Service(schema_registry.url, tmp_path)
    yield service
    service.close()


@pytest.fixture(scope="module")
def payloads() -> list[bytes]:
    return night("lsst", 5)


@pytest.fixture(scope="module")
def payload(payloads: list[bytes]) -> bytes:
    return payloads[0]


def next_schema(version: str = "11_2", change: Callable[[Schema], object] = lambda schema: None) -> Schema:
    """The schema of 11.1 as a coming version would have it."""
    schema = copy.deepcopy(survey_schema("lsst", "11.1"))
    change(schema)
    renamed: Schema = json.loads(json.dumps(schema).replace("lsst.v11_1.", f"lsst.v{version}."))
    return renamed


def dia_source(schema: Schema) -> list[Schema]:
    fields: list[Schema] = next(f for f in schema["fields"] if f["name"] == "diaSource")["type"]["fields"]
    return fields


def rewritten(payload: bytes, schema_id: int, schema: Schema, renamed: dict[str, str] | None = None) -> bytes:
    """The packet as a writer of this schema would send it."""
    known = fastavro.parse_schema(survey_schema("lsst", "11.1"))
    record: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(payload[5:]), known, None)  # type: ignore[assignment]
    for source in [record["diaSource"], *(record["prvDiaSources"] or [])]:
        source["colour"] = 0.5
        for old, new in (renamed or {}).items():
            source[new] = source[old]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return write_frame(schema_id, out.getvalue())


def assert_same_alert(read: AlertBatch, expected: AlertBatch) -> None:
    assert read.alert_id.tolist() == expected.alert_id.tolist()
    assert read.object_id == expected.object_id
    for name in expected.rows.dtype.names or ():  # one by one: as a record, a NaN equals none
        np.testing.assert_array_equal(read.rows[name], expected.rows[name])
    kept = [read.metadata_names.index(name) for name in expected.metadata_names]
    np.testing.assert_array_equal(read.metadata[:, kept], expected.metadata)
    assert [list(map(bytes, stamps)) for stamps in read.cutouts] == [
        list(map(bytes, stamps)) for stamps in expected.cutouts
    ]


def add_colour(schema: Schema) -> None:
    dia_source(schema).insert(3, {"name": "colour", "type": ["null", "float"]})


def reverse(schema: Schema) -> None:
    dia_source(schema).reverse()


def test_what_the_decoder_knows_goes_on_without_a_question(
    service: Service, schema_registry: Server, payloads: list[bytes]
) -> None:
    assert [service.gate.check(payload) for payload in payloads] == [None] * len(payloads)
    assert not schema_registry.requests


@pytest.mark.parametrize("foreign", [b"", b"\0", b"\0\0\0\x04", b"Obj\x01\x04", b"{}", b"hello", bytes([7] * 50)])
def test_what_is_no_framed_packet_goes_on_to_the_pipeline(
    service: Service, schema_registry: Server, foreign: bytes
) -> None:
    assert service.gate.check(foreign) is None
    assert not schema_registry.requests


@pytest.mark.parametrize(
    ("schema_id", "name", "version"),
    [(1102, "11_2", "11.2"), (1200, "12_0", "12.0"), (7, "11_1", "11.1"), (4242, "12_3", "12.3")],
)
@pytest.mark.parametrize("change", [add_colour, reverse])
def test_a_schema_that_the_registry_has_flows_with_equal_values_whatever_its_version(
    service: Service,
    schema_registry: Server,
    payload: bytes,
    schema_id: int,
    name: str,
    version: str,
    change: Callable[[Schema], object],
) -> None:
    schema = next_schema(name, change)
    schema_registry.add(schema, schema_id)
    sent = rewritten(payload, schema_id, schema)
    assert service.gate.check(sent) == f"{service.registry} is asked for schema {schema_id}"
    assert service.settled(sent) is None
    read, rejected = service.read(sent)
    assert not rejected
    assert read.schema_version == [version]
    assert_same_alert(read, service.read(payload)[0])


def test_many_packets_of_one_schema_ask_once(service: Service, schema_registry: Server, payloads: list[bytes]) -> None:
    schema = next_schema(change=add_colour)
    schema_registry.add(schema, 1102)
    sent = [rewritten(payload, 1102, schema) for payload in payloads]
    for payload in sent:
        assert service.settled(payload) is None
    assert len(service.read(*sent)[0]) == len(payloads)
    assert schema_registry.requests == {"GET /schemas/ids/1102": 1}


def test_a_schema_without_a_required_field_waits_and_says_which(
    service: Service, schema_registry: Server, payload: bytes
) -> None:
    def rename(schema: Schema) -> None:
        next(f for f in dia_source(schema) if f["name"] == "midpointMjdTai")["name"] = "midpointMjd"

    schema = next_schema("12_0", rename)
    schema_registry.add(schema, 1200)
    sent = rewritten(payload, 1200, schema, {"midpointMjdTai": "midpointMjd"})
    reason = service.settled(sent)
    assert reason is not None
    assert "schema 1200 cannot be read by the names of its fields" in reason
    assert "missing or changed: diaSource.midpointMjdTai, prvDiaSources.midpointMjdTai." in reason
    assert "needs a newer version" in reason
    assert service.gate.check(sent) == reason
    assert service.gate.check(payload) is None
    assert 1200 not in service.schemas


def test_a_kept_field_of_a_type_that_cannot_be_kept_waits(
    service: Service, schema_registry: Server, payload: bytes
) -> None:
    def retype(schema: Schema) -> None:
        next(f for f in dia_source(schema) if f["name"] == "snr")["type"] = "string"

    schema_registry.add(next_schema(change=retype), 1102)
    assert "diaSource.snr (now string)" in str(service.settled(write_frame(1102, payload[5:])))


def test_a_schema_that_nobody_knows_goes_on_to_become_a_dead_letter(
    service: Service, schema_registry: Server, payload: bytes
) -> None:
    sent = write_frame(1102, payload[5:])
    assert service.settled(sent) is None
    alerts, (rejected,) = service.read(sent)
    assert len(alerts) == 0
    assert rejected.startswith("unknown_schema: no LSST schema has id 1102")
    assert f"{service.registry} does not know it either: is lsst_registry.url the one of this stream?" in rejected


def test_without_a_registry_the_dead_letter_says_how_to_name_one(tmp_path: Path, payload: bytes) -> None:
    service = Service(None, tmp_path)
    sent = write_frame(1102, payload[5:])
    assert service.gate.check(sent) is None
    assert service.gate.check(payload) is None
    assert "set lsst_registry.url" in service.read(sent)[1][0]


def test_an_id_that_no_registry_can_have_goes_on_to_become_a_dead_letter(service: Service, payload: bytes) -> None:
    sent = write_frame(2**32 - 1, payload[5:])
    assert service.gate.check(sent) is None
    assert service.read(sent)[1][0].startswith("unknown_schema")


def test_while_the_registry_is_away_one_schema_waits_and_the_others_go_on(
    service: Service, schema_registry: Server, payload: bytes
) -> None:
    schema = next_schema(change=add_colour)
    schema_registry.add(schema, 1102)
    schema_registry.stop()
    sent = rewritten(payload, 1102, schema)
    reason = service.settled(sent)
    assert reason is not None
    assert f"schema 1102 is not known yet: {service.registry} cannot be reached" in reason
    assert service.gate.check(payload) is None
    schema_registry.start()
    service.settled(sent, until=lambda reason: reason is None)
    assert len(service.read(sent)[0]) == 1


@pytest.mark.parametrize(("status", "line"), [(500, "is in trouble (HTTP 500)"), (302, "answers nonsense (HTTP 302)")])
def test_an_answer_that_is_none_is_waited_for(
    service: Service, schema_registry: Server, payload: bytes, status: int, line: str
) -> None:
    schema_registry.add(next_schema(), 1102)
    schema_registry.status = status
    sent = write_frame(1102, payload[5:])
    assert line in str(service.settled(sent))
    schema_registry.status = None
    service.settled(sent, until=lambda reason: reason is None)


def test_a_registry_that_says_nothing_is_waited_for(schema_registry: Server, tmp_path: Path, payload: bytes) -> None:
    schema_registry.add(next_schema(), 1102)
    schema_registry.delay_s = float("inf")
    service = Service(schema_registry.url, tmp_path, timeout_s=0.2)
    sent = write_frame(1102, payload[5:])
    assert "does not answer within 0.2 s" in str(service.settled(sent))
    schema_registry.delay_s = 0.0
    service.settled(sent, until=lambda reason: reason is None)
    service.close()


def test_a_wrong_password_is_waited_for_and_said(schema_registry: Server, tmp_path: Path, payload: bytes) -> None:
    schema_registry.credentials = ("reader", "right")
    service = Service(schema_registry.url, tmp_path, username="reader", password="wrong")
    assert "refuses the user name or the password (HTTP 401)" in str(service.settled(write_frame(1102, payload[5:])))
    service.close()


def test_after_a_restart_nothing_waits_for_a_registry_that_is_down(
    service: Service, schema_registry: Server, tmp_path: Path, payload: bytes
) -> None:
    schema = next_schema(change=add_colour)
    schema_registry.add(schema, 1102)
    sent = rewritten(payload, 1102, schema)
    assert service.settled(sent) is None
    schema_registry.stop()
    restarted = Service(schema_registry.url, tmp_path)
    assert restarted.gate.check(sent) is None
    assert len(restarted.read(sent)[0]) == 1
    restarted.close()
