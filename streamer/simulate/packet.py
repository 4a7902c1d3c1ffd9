"""What the simulator hands out: a packet's bytes, and the truth behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class SimulatedPacket:
    """One alert packet as its survey would send it, with the truth that no survey knows."""

    survey: str
    alert_id: int
    """ZTF candid, LSST diaSourceId."""
    object_id: str
    """As the packet names it: ZTF objectId, LSST diaObjectId as text, `SSO-<ssObjectId>` for asteroids in LSST."""
    type: str
    """Fine type, such as `SN Ia`, `RR Lyrae`, `asteroid`, `bogus`."""
    label: str | None
    """Broad class of `schemas.taxonomy.CLASSES`; None for asteroids and bogus detections."""
    redshift: float
    """NaN where it has none."""
    mjd_tai: float
    """Middle of the exposure [d]."""
    band: str
    true_njy: float
    """True difference flux in the band at that moment, through the Galaxy's dust [nJy]."""
    still_njy: float
    """Light of the reference image (host, star, nucleus) under the point-spread function [nJy]."""
    payload: bytes
    parameters: Mapping[str, float] = field(default_factory=dict)
    """What its class drew for the object: `peak_abs_mag`, `stretch`, `ebv_mag`."""

    @property
    def file_name(self) -> str:
        """`<candid>.avro` or `<diaSourceId>.bin`."""
        return f"{self.alert_id}.{'avro' if self.survey == 'ztf' else 'bin'}"

    def without_payload(self) -> SimulatedPacket:
        """The truth alone."""
        return replace(self, payload=b"")
