"""A histogram that takes many values at a time: the alerts of a batch cost one call, not one each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

from schemas.light_curve import FloatArray, IntArray


class BatchHistogram(Collector):
    """Counts values by buckets, as prometheus_client's Histogram does. Told by one thread, read by any."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = (),
        *,
        registry: CollectorRegistry,
        buckets: Sequence[float],
    ) -> None:
        """`buckets`: upper bounds, rising; values above the last one are counted too."""
        self._name, self._documentation, self._labels = name, documentation, tuple(labelnames)
        self._bounds = np.array(buckets, dtype=np.float64)
        self._shown_bounds = [
            floatToGoString(bound)  # type: ignore[no-untyped-call]
            for bound in (*buckets, INF)
        ]
        self._counts: dict[tuple[str, ...], IntArray] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        self._lock = Lock()
        if not self._labels:
            self.observe(())
        registry.register(self)

    def observe(self, values: npt.ArrayLike, *labels: str, times: npt.ArrayLike = 1) -> None:
        """Adds values, (n,), each so many `times`, under these labels. NaN is no value and is left out."""
        if len(labels) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}")
        known: FloatArray = np.atleast_1d(np.asarray(values, dtype=np.float64))
        weights: IntArray = np.broadcast_to(np.asarray(times, dtype=np.int64), known.shape)
        is_known = ~np.isnan(known)
        known, weights = known[is_known], weights[is_known]
        counts = np.zeros(len(self._bounds) + 1, dtype=np.int64)
        np.add.at(counts, np.searchsorted(self._bounds, known), weights)
        with self._lock:
            self._counts[labels] = self._counts[labels] + counts if labels in self._counts else counts
            self._sums[labels] = self._sums.get(labels, 0.0) + float(known @ weights)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The counts at this moment."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        with self._lock:
            for labels, counts in self._counts.items():
                buckets = zip(self._shown_bounds, np.cumsum(counts).tolist(), strict=True)
                family.add_metric(labels, list(buckets), self._sums[labels])
        return [family]
