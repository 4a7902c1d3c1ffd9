"""deduplicate: a message met again is processed again; the same alert from elsewhere is a duplicate."""

from __future__ import annotations

import numpy as np

from schemas.alert import AlertBatch
from streamer.state.store import ObjectStore, Seen


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
        newest: dict[int, Seen] = {}
        keep, newer = [], []
        arrivals = zip(alerts.alert_id.tolist(), alerts.processed_mjd_tai.tolist(), coordinates, seen, strict=True)
        for index, (alert_id, processed_mjd_tai, here, recorded) in enumerate(arrivals):
            known = newest.get(alert_id, recorded)  # earlier copies of this batch count, as if each came alone
            if processed_mjd_tai > known.processed_mjd_tai:
                newest[alert_id] = Seen(str(here), processed_mjd_tai)
                newer.append(index)
            elif known.coordinates != str(here):
                continue
            keep.append(index)
        if newer:
            self._store.supersede(
                alerts.survey,
                alerts.alert_id[newer],
                alerts.processed_mjd_tai[newer],
                [coordinates[i] for i in newer],
            )
        if len(keep) == len(alerts):
            return alerts, 0
        return alerts.take(np.array(keep, dtype=np.int64)), len(alerts) - len(keep)
