"""assemble: joins an alert with all that is known of its object, cut at the alert's own time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.assembling import Assembled, assemble
from schemas.cutout import CutoutTriplet
from schemas.light_curve import IntArray
from schemas.spectrum import Spectrum
from streamer.state.store import ObjectStore


@dataclass(slots=True)
class AssembledAlerts:
    """n alerts of one survey with their light curves and spectra."""

    alerts: AlertBatch
    curves: Assembled
    spectra: list[Spectrum | None]
    cutouts: dict[int, CutoutTriplet] = field(default_factory=dict)
    """Stamps by the place of their alert, of those that have been looked at."""


class Assemble:
    """Reads the object store and cuts each alert's light curve; `remember` writes what the packets brought."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __call__(self, alerts: AlertBatch) -> AssembledAlerts:
        """Evidence of each alert; the newest spectrum not later than the alert."""
        object_ids = list(dict.fromkeys(alerts.object_id))
        place = {object_id: index for index, object_id in enumerate(object_ids)}
        object_of_alert = np.array([place[object_id] for object_id in alerts.object_id], dtype=np.int64)
        stored, stored_offsets = self._store.light_curve_rows(alerts.survey, object_ids)
        curves = assemble(
            alerts.survey,
            alerts.rows,
            alerts.row_offsets,
            alerts.mjd_tai,
            object_of_alert,
            stored,
            stored_offsets,
        )
        spectra = self._store.spectra(alerts.survey, object_ids)
        chosen = [
            _newest(spectra[index], mjd_tai) if spectra[index] else None
            for index, mjd_tai in zip(object_of_alert.tolist(), alerts.mjd_tai.tolist(), strict=True)
        ]
        return AssembledAlerts(alerts, curves, chosen)

    def remember(self, assembled: AssembledAlerts) -> None:
        """Writes the rows that the store does not hold yet, and the alerts as decoded."""
        alerts, is_new = assembled.alerts, assembled.curves.is_new
        total: IntArray = np.concatenate([[0], np.cumsum(is_new)]).astype(np.int64)
        rows: npt.NDArray[np.void] = alerts.rows[is_new]
        self._store.add_light_curve_rows(alerts.survey, alerts.object_id, rows, total[alerts.row_offsets])
        self._store.put_alerts(alerts)


def _newest(spectra: list[Spectrum], at_mjd_tai: float) -> Spectrum | None:
    known = [spectrum for spectrum in spectra if spectrum.mjd_tai <= at_mjd_tai]
    return max(known, key=lambda spectrum: spectrum.mjd_tai, default=None)
