"""Which packets may go on: those whose schema is known, or is known to be unknown. The others' lanes wait."""

from __future__ import annotations

from schemas.codec import FRAME_BYTES, read_frame
from schemas.surveys.lsst import LsstSchemas, missing_fields
from streamer.kafka.registry import SchemaRegistry


def advice(registry: SchemaRegistry | None) -> str:
    """What to do about a schema that is not known: the end of a dead letter's detail."""
    if registry is None:
        return "set lsst_registry.url to the survey's schema registry, and it is asked for such schemas"
    return f"{registry} does not know it either: is lsst_registry.url the one of this stream?"


class SchemaGate:
    """Holds packets back until the survey's registry has said what their schema is."""

    def __init__(self, schemas: LsstSchemas, registry: SchemaRegistry | None) -> None:
        """`schemas` are the decoder's own: what the registry gives is added to them. Made with `advice(registry)`."""
        self._schemas = schemas
        self._registry = registry
        self._known: set[bytes] = set()
        """Frames whose schema the decoder has."""
        self._unfit: dict[bytes, str] = {}
        """Frames whose schema cannot be read by name, and why."""

    def check(self, payload: bytes) -> str | None:
        """Why this packet, and its lane, must wait; None where it may go on.

        What is no framed packet goes on, and so does one whose schema nobody knows: the pipeline makes the dead letter.
        """
        frame = payload[:FRAME_BYTES]
        if frame in self._known or self._registry is None or frame[:1] != b"\0" or len(frame) < FRAME_BYTES:
            return None
        return self._unfit.get(frame) or self._look_up(frame, self._registry)

    def _look_up(self, frame: bytes, registry: SchemaRegistry) -> str | None:
        schema_id, _ = read_frame(frame)
        if schema_id not in self._schemas:
            answer = registry.lookup(schema_id)
            if answer.state == "unknown":
                return None
            if answer.schema is None:
                return answer.detail
            if missing := missing_fields(answer.schema):
                self._unfit[frame] = _unfit(schema_id, missing)
                return self._unfit[frame]
            self._schemas.add(schema_id, answer.schema)
        self._known.add(frame)
        return None


def _unfit(schema_id: int, fields: list[str]) -> str:
    return (
        f"schema {schema_id} cannot be read by the names of its fields; missing or changed: {', '.join(fields)}. "
        "It needs a newer version of this software"
    )
