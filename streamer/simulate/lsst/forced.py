"""Rubin's forced photometry: the flux at an object's place on every visit since it was known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import IntArray
from streamer.simulate.lsst.identity import Identity
from streamer.simulate.lsst.object import ObjectStates
from streamer.simulate.lsst.rows import Columns, Rows
from streamer.simulate.lsst.source import BAND_NAMES, Detections, processed_mjd, science_over_template
from streamer.simulate.lsst.subtraction import still_njy
from streamer.simulate.lsst.versions import Layouts
from streamer.simulate.scene import Field

KNOWN_SOURCES = 2
"""Forced photometry begins with an object's second source: in packets of February 2026 a new object has none, and the
list of an older one starts at the visit of its second source and ends with the packet's own visit."""


@dataclass(frozen=True, slots=True)
class ForcedSources:
    """The forced photometry of a field, by object and then by time."""

    rows: Rows
    exposure: IntArray
    """(F,) of each row."""
    begins: IntArray
    """(K + 1,) where each object's rows begin."""

    def history(self, k: int, exposure: int, since: int) -> tuple[int, bytes]:
        """How many rows object k has from exposure `since` up to `exposure`, and their bodies."""
        begin, end = int(self.begins[k]), int(self.begins[k + 1])
        own = self.exposure[begin:end]
        first = begin + int(np.searchsorted(own, since))
        last = begin + int(np.searchsorted(own, exposure, side="right"))
        return max(last - first, 0), self.rows.slice(first, max(last, first))


def force(identity: Identity, detections: Detections, states: ObjectStates, layouts: Layouts) -> ForcedSources:
    """Measures each object at its place wherever it is covered, from its second source on; nothing that moves."""
    field = identity.field
    known_at = np.full(len(field.objects), len(field.exposures))
    second = np.flatnonzero(states.count == KNOWN_SOURCES)
    known_at[detections.k[second]] = detections.exposure[second]
    known_at[field.objects.moving] = len(field.exposures)
    wanted = (field.covered | field.detected) & (np.arange(len(field.exposures)) >= known_at[:, None])
    k, exposure = (part.astype(np.int64) for part in np.nonzero(wanted))
    begins = np.searchsorted(k, np.arange(len(field.objects) + 1))
    rows = layouts.rows("diaForcedSource", _columns(field, identity, detections, states, k, exposure), len(k))
    return ForcedSources(rows, exposure, begins)


def _columns(
    field: Field,
    identity: Identity,
    detections: Detections,
    states: ObjectStates,
    k: IntArray,
    exposure: IntArray,
) -> Columns:
    rng = field.generator(5)
    n = len(k)
    mjd = field.exposures.mjd_tai[exposure]
    error = field.error_njy[k, exposure] * rng.normal(1.02, 0.01, n)
    flux = field.flux_njy[k, exposure] + rng.normal(0.0, 0.2, n) * error
    # The place is the object's as it was known then, after the latest source up to that visit.
    epochs = len(field.exposures)
    latest = np.searchsorted(detections.k * epochs + detections.exposure, k * epochs + exposure, side="right") - 1
    return {
        "diaForcedSourceId": identity.ids(k, exposure),
        "diaObjectId": detections.source_id[detections.first[latest]],
        "ra": states.ra_deg[latest],
        "dec": states.dec_deg[latest],
        "visit": identity.visit[exposure],
        "detector": identity.detector(k, exposure),
        "psfFlux": flux,
        "psfFluxErr": error,
        "midpointMjdTai": mjd,
        "scienceFlux": still_njy(field, k, exposure) + science_over_template(rng, flux, error),
        "scienceFluxErr": error * rng.normal(0.99, 0.015, n),
        "band": BAND_NAMES[field.exposures.band[exposure]],
        "timeProcessedMjdTai": processed_mjd(rng, mjd),
    }
