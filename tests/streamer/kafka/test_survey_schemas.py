"""LSST's schemas in a registry: where a reader that knows Rubin's looks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fastavro
import pytest

from schemas.codec import plain_schema
from schemas.surveys.tables import lsst_schema_id, survey_schema
from streamer.kafka.registry import SchemaRegistry
from streamer.kafka.registry_api import IdsNotTakenError, RegistryError
from streamer.kafka.survey_schemas import SUBJECT, register_lsst_schema
from tests.services.registry import SchemaRegistry as Server


@pytest.fixture
def registry(schema_registry: Server, tmp_path: Path) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(schema_registry.url, cache_folder=tmp_path / "cache", timeout_s=5.0) as registry:
        yield registry


def test_a_version_has_its_number_as_id_under_both_of_rubins_subjects(
    registry: SchemaRegistry, schema_registry: Server
) -> None:
    schema_registry.importing.add(SUBJECT)
    for version in ("10.0", "11.1", "10.0"):
        assert register_lsst_schema(registry, version) == ("alert-packet", f"lsst-alerts-v{version}-value")
    assert schema_registry.subjects == {
        "alert-packet": [1000, 1101],
        "lsst-alerts-v10.0-value": [1000],
        "lsst-alerts-v11.1-value": [1101],
    }
    for version in ("10.0", "11.1"):
        found = registry.fetch(lsst_schema_id(version))
        assert fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(found), "CRC-64-AVRO") == (
            fastavro.schema.fingerprint(
                fastavro.schema.to_parsing_canonical_form(plain_schema(survey_schema("lsst", version))), "CRC-64-AVRO"
            )
        )


def test_what_is_registered_needs_no_import_mode_the_second_time(
    registry: SchemaRegistry, schema_registry: Server
) -> None:
    schema_registry.importing.add(SUBJECT)
    register_lsst_schema(registry, "11.1")
    schema_registry.importing.clear()
    register_lsst_schema(registry, "11.1")
    assert schema_registry.subjects["alert-packet"] == [1101]


def test_a_registry_that_gives_ids_itself_is_told_apart_with_what_to_do(
    registry: SchemaRegistry, schema_registry: Server
) -> None:
    with pytest.raises(IdsNotTakenError, match=rf"PUT .*IMPORT.* {schema_registry.url}/mode/alert-packet$"):
        register_lsst_schema(registry, "11.1")
    assert schema_registry.schemas == {}


def test_a_registry_in_trouble_is_one_line(registry: SchemaRegistry, schema_registry: Server) -> None:
    schema_registry.status = 500
    with pytest.raises(RegistryError, match="is in trouble"):
        register_lsst_schema(registry, "11.1")


def test_another_id_than_the_packets_is_refused(
    registry: SchemaRegistry, schema_registry: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_registry, "answer", lambda *_: (200, {"id": 7}))
    with pytest.raises(RegistryError, match="gives alert-packet the id 7 where 1101 was asked for"):
        register_lsst_schema(registry, "11.1")
