"""decode: bytes to alerts, by what the bytes themselves say."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.alert import AlertBatch
from schemas.codec import CONTAINER_MAGIC
from schemas.packet import Packet
from schemas.surveys.lsst import LsstReader, LsstSchemas
from schemas.surveys.reading import Rejected
from schemas.surveys.ztf import ZtfReader


class Decode:
    """Decodes packets of both surveys: an Avro container is read as ZTF's, anything else as Confluent-framed LSST."""

    def __init__(self, lsst_schemas: LsstSchemas | None = None) -> None:
        self._ztf = ZtfReader()
        self._lsst = LsstReader(lsst_schemas)

    def __call__(self, packets: Sequence[Packet]) -> tuple[list[AlertBatch], list[Rejected]]:
        """Alerts, one batch a survey, and the packets that could not be read; nothing else can come of a packet."""
        containers = [packet for packet in packets if packet.payload.startswith(CONTAINER_MAGIC)]
        framed = [packet for packet in packets if not packet.payload.startswith(CONTAINER_MAGIC)]
        batches: list[AlertBatch] = []
        rejected: list[Rejected] = []
        for reader, group in ((self._ztf, containers), (self._lsst, framed)):
            if group:
                alerts, unreadable = reader.read(group)
                rejected += unreadable
                if len(alerts):
                    batches.append(alerts)
        return batches, rejected
