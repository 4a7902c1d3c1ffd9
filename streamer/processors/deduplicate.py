"""deduplicate: a message met again is processed again; the same alert from elsewhere is a duplicate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from streamer.state.store import ObjectStore, Seen


class Fresh(NamedTuple):
    """The alerts of a batch to go on with."""

    alerts: AlertBatch
    revision: npt.NDArray[np.int32]
    """(n,) 0 for an alert's own score, 1 where its first reprocessing leads to a score, and so on."""
    duplicates: int
    """How many messages were left out."""


class Deduplicate:
    """Keeps the alerts that are new, reprocessed, or replayed after a crash (same coordinates as the first time).

    With `revises` the score of a reprocessed alert is the next revision; over files every score is revision 0.
    """

    def __init__(self, store: ObjectStore, revises: bool = False) -> None:
        self._store = store
        self._revises = revises

    def __call__(self, alerts: AlertBatch) -> Fresh:
        """An alert id with a later processing time than the one seen is a reprocessed alert, not a duplicate."""
        ids = alerts.alert_id.tolist()
        mine = [
            Seen(str(packet.coordinates), at)
            for packet, at in zip(alerts.packets, alerts.processed_mjd_tai.tolist(), strict=True)
        ]
        known = dict(zip(ids, self._store.see(alerts.survey, alerts.alert_id, mine), strict=True))
        keep, revision, newer = [], [], []
        for index, (alert_id, here) in enumerate(zip(ids, mine, strict=True)):
            held = known[alert_id]  # earlier copies of this batch count, as if each came alone
            if here.processed_mjd_tai > held.processed_mjd_tai:
                held = known[alert_id] = here._replace(revision=held.revision + 1)
                newer.append(index)
            elif held.coordinates != here.coordinates:
                continue
            keep.append(index)
            revision.append(held.revision)
        if newer:
            self._store.supersede(alerts.survey, alerts.alert_id[newer], [known[ids[index]] for index in newer])
        kept = alerts if len(keep) == len(alerts) else alerts.take(np.array(keep, dtype=np.int64))
        numbered = np.array(revision, dtype=np.int32) if self._revises else np.zeros(len(kept), dtype=np.int32)
        return Fresh(kept, numbered, len(alerts) - len(kept))
