"""What the pipeline asks of an object store, and what every store must promise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch, EncodedCutouts
from schemas.light_curve import Float32Array, IntArray
from schemas.scored import ScoredBatch
from schemas.spectrum import Spectrum
from streamer.errors import ConfigurationError, UserError


class StoreError(UserError):
    """The store cannot do what was asked: no alert is to blame."""


class StoreBusy(StoreError):  # noqa: N818  (a state of the store, nobody's error)
    """Another process has this store open."""


class StoreAway(StoreError):  # noqa: N818  (a state of the store, nobody's error)
    """The store cannot be reached now: nothing is lost, try again later."""


class StoreRefused(StoreError, ConfigurationError):  # noqa: N818  (as StoreAway)
    """The store does not let us in as we are configured: waiting does not help."""


class Seen(NamedTuple):
    """Which message carries an alert."""

    coordinates: str
    """`str(Coordinates)` of the message."""
    processed_mjd_tai: float
    """When the survey processed it [d]; 0 where it does not say."""
    revision: int = 0
    """How many messages of the alert it replaced: the revision of the score that it leads to."""


class LastScore(NamedTuple):
    """The newest score of an object."""

    alert_id: int
    revision: int
    model: str
    version: str
    mjd_tai: float
    """Time of the alert that was scored [d]."""
    scored_unix_s: float
    class_scores: Float32Array
    """(7,) in the order of `CLASSES`; NaN where the alert was not classified."""
    novelty: float
    n_detections: int
    evidence_hash: str


class ObjectReader(Protocol):
    """What is known of objects between alerts, to be looked at. Every call is for one survey."""

    def close(self) -> None:
        """Lets go of the store."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def light_curve_rows(self, survey: str, object_ids: Sequence[str]) -> tuple[npt.NDArray[np.void], IntArray]:
        """All rows of m objects, (total,) of ROW_DTYPE in no order, equal ones possible, and offsets (m + 1,)."""
        ...

    def spectra(self, survey: str, object_ids: Sequence[str]) -> list[list[Spectrum]]:
        """The spectra of each of m objects, by time."""
        ...

    def alert(self, survey: str, alert_id: int) -> AlertBatch | None:
        """One alert as decoded (a batch of 1), without rows, cutouts and payload; None if unknown."""
        ...

    def alert_ids(self, survey: str, object_id: str) -> list[int]:
        """All alerts of an object, by time."""
        ...

    def latest_alert(self, survey: str, object_id: str) -> int | None:
        """The last alert of an object, by time; None if the object is unknown."""
        ...

    def last_scores(self, survey: str, object_ids: Sequence[str]) -> list[LastScore | None]:
        """The newest score of each of m objects; None where there is none."""
        ...

    def cutouts(self, survey: str, alert_id: int) -> EncodedCutouts | None:
        """The stamps of an alert; None where they were never put, or dropped."""
        ...


class ObjectStore(ObjectReader, Protocol):
    """What is known of objects between alerts. Every call is for one survey; surveys share no key space.

    **The rule of merges.** Whatever is put is merged by an operation that is commutative, associative and idempotent,
    so that two workers may touch one object in any order, and a replay after a crash changes nothing:

    - light-curve rows and spectra are sets; of equal rows the smallest `known_mjd_tai` counts (`schemas.rows`);
    - of two decodings of one alert the one that the survey processed last stays;
    - of the scores of an object the one with the largest (mjd_tai, revision, alert_id, scored_unix_s) stays;
    - cutouts of an alert are written once.

    Only `see` and `supersede` are claims, where the first one wins: they say which copy of an alert counts. Of workers
    that share a store exactly one wins, at once; a message that comes again has what it claimed before.

    Writing is done between `begin` and `commit`, one transaction a batch; `rollback` undoes all since `begin`. Inside
    it `see`, `light_curve_rows` and `spectra` know what was written before. StoreAway from any call means that the
    batch is to be taken again, from `begin`; what a failed `commit` has written already does no harm then.
    """

    def begin(self) -> None:
        """Starts a transaction."""
        ...

    def commit(self) -> None:
        """Makes all since `begin` lasting, together."""
        ...

    def trial(self) -> AbstractContextManager[None]:
        """Inside a transaction: what is written in this context is undone if it fails, and nothing else."""
        ...

    def rollback(self) -> None:
        """Undoes all since `begin`; does nothing where no transaction is open."""
        ...

    def close(self) -> None:
        """Undoes an open transaction and lets go of the store."""
        ...

    def see(self, survey: str, alert_ids: IntArray, messages: Sequence[Seen]) -> list[Seen]:
        """Records the messages that carry n alerts unless others are recorded, in order; answers what is recorded.

        A second copy within the batch gets the first one's message.
        """
        ...

    def supersede(self, survey: str, alert_ids: IntArray, messages: Sequence[Seen]) -> None:
        """Records reprocessed alerts: a later processing time than the recorded one replaces what was seen."""
        ...

    def add_light_curve_rows(
        self, survey: str, object_ids: Sequence[str], rows: npt.NDArray[np.void], offsets: IntArray
    ) -> None:
        """Adds `rows[offsets[i]:offsets[i + 1]]` to object i. Pass only rows that add something: it costs space."""
        ...

    def put_spectra(self, spectra: Sequence[Spectrum], survey: str) -> None:
        """Adds spectra; equal ones are one."""
        ...

    def put_alerts(self, alerts: AlertBatch) -> None:
        """Keeps alerts as decoded, for a re-score: all columns but rows and cutouts."""
        ...

    def put_scores(self, scored: ScoredBatch) -> None:
        """Keeps the newest score of each object."""
        ...

    def put_cutouts(self, survey: str, alert_ids: IntArray, cutouts: Sequence[EncodedCutouts]) -> None:
        """Keeps the stamps of n alerts as sent, within the store's bound of size or age, the oldest dropped first."""
        ...
