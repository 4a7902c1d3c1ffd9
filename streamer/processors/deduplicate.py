"""deduplicate: a message met again is processed again; the same alert from elsewhere is a duplicate."""

from __future__ import annotations

import numpy as np

from schemas.alert import AlertBatch
from streamer.state.store import ObjectStore


class Deduplicate:
    """Keeps the alerts that are new, reprocessed, or replayed after a crash (same coordinates as the first time)."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __call__(self, alerts: AlertBatch) -> tuple[AlertBatch, int]:
        """The alerts to go on with, and how many duplicates were left out.

        An alert id with a later processing time than the one seen is a reprocessed alert, not a duplicate.
        """
        coordinates = [packet.coordinates for packet in alerts.packets]
        seen = self._store.see(alerts.survey, alerts.alert_id, alerts.processed_mjd_tai, coordinates)
        replayed = np.array([first.coordinates == str(here) for first, here in zip(seen, coordinates, strict=True)])
        processed = np.array([first.processed_mjd_tai for first in seen])
        reprocessed = ~replayed & (alerts.processed_mjd_tai > processed)
        if reprocessed.any():
            newer = np.flatnonzero(reprocessed)
            self._store.supersede(
                alerts.survey,
                alerts.alert_id[newer],
                alerts.processed_mjd_tai[newer],
                [coordinates[i] for i in newer],
            )
        keep = replayed | reprocessed
        if keep.all():
            return alerts, 0
        return alerts.take(np.flatnonzero(keep)), int(np.count_nonzero(~keep))
