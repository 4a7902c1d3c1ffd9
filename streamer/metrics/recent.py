"""What was of late: a rate and quantiles over a window of time, bounded in memory."""

from __future__ import annotations

from collections import deque

import numpy as np

from schemas.light_curve import FloatArray


class RecentRate:
    """Events a second over the last `window_s` seconds, counted by whole seconds."""

    def __init__(self, window_s: int, start_unix_s: float) -> None:
        self._window_s = window_s
        self._start_unix_s = start_unix_s
        self._counts: deque[tuple[int, int]] = deque()

    def add(self, count: int, now_unix_s: float) -> None:
        """Counts `count` events at `now_unix_s`."""
        second = int(now_unix_s)
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        self._forget(now_unix_s)

    def per_second(self, now_unix_s: float) -> float:
        """The rate [1/s] over the window, or since the start where that is shorter (a second at least)."""
        self._forget(now_unix_s)
        span_s = min(self._window_s, now_unix_s - self._start_unix_s)
        return sum(count for _, count in self._counts) / max(span_s, 1.0)

    def _forget(self, now_unix_s: float) -> None:
        while self._counts and self._counts[0][0] <= now_unix_s - self._window_s:
            self._counts.popleft()


class RecentValues:
    """The last values, none older than `window_s` seconds and `most` of them at most."""

    def __init__(self, window_s: float, most: int) -> None:
        self._window_s = window_s
        self._values = np.full(most, np.nan)
        self._added_unix_s = np.full(most, -np.inf)
        self._next = 0

    def add(self, values: FloatArray, now_unix_s: float) -> None:
        """Adds values, the oldest giving way."""
        most = len(self._values)
        values = values[-most:]
        places = (self._next + np.arange(len(values))) % most
        self._values[places] = values
        self._added_unix_s[places] = now_unix_s
        self._next = (self._next + len(values)) % most

    def quantiles(self, fractions: tuple[float, ...], now_unix_s: float) -> list[float | None]:
        """The values below which these fractions lie; each None where there is no value."""
        recent = self._values[self._added_unix_s > now_unix_s - self._window_s]
        if not len(recent):
            return [None] * len(fractions)
        return [float(value) for value in np.quantile(recent, fractions)]
