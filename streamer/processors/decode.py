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
        batches: list[AlertBatch] = []
        rejected: list[Rejected] = []
        for reader in (self._ztf, self._lsst):
            group = [packet for packet in packets if survey_of(packet) == reader.survey]
            if group:
                alerts, unreadable = reader.read(group)
                rejected += unreadable
                if len(alerts):
                    batches.append(alerts)
        return batches, rejected


def survey_of(packet: Packet) -> str:
    """Whose packet this is, by its first bytes."""
    return "ztf" if packet.payload.startswith(CONTAINER_MAGIC) else "lsst"
