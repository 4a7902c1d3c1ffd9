"""LSST's alert schemas in a registry, under the names and the ids that Rubin's own has them."""

from __future__ import annotations

from fastavro.schema import to_parsing_canonical_form

from schemas.codec import plain_schema
from schemas.surveys.tables import lsst_schema_id, survey_schema
from streamer.kafka.registry import SchemaRegistry
from streamer.kafka.registry_api import RegistryError

SUBJECT = "alert-packet"
"""Holds every version, each under its id as the number of its version (lsst/alert_packet, syncAllSchemasToRegistry)."""

TOPIC_SUBJECT = "lsst-alerts-v{version}-value"
"""Holds one version, for readers that look by a topic's name (same source)."""


def register_lsst_schema(registry: SchemaRegistry, version: str) -> tuple[str, str]:
    """Registers an alert version under its own id, MAJOR * 100 + MINOR, and returns the subjects; RegistryError.

    IdsNotTakenError where the registry gives ids itself: the packets' id would be another schema's there.
    """
    text = to_parsing_canonical_form(plain_schema(survey_schema("lsst", version)))
    schema_id, of_topic = lsst_schema_id(version), TOPIC_SUBJECT.format(version=version)
    registry.register_as(SUBJECT, text, schema_id)
    given = registry.register(of_topic, text)  # the same schema, and so the same id
    if given != schema_id:
        raise RegistryError(f"{registry} gives {of_topic} the id {given} where it has that schema as {schema_id}")
    return SUBJECT, of_topic
