"""A batch is one transaction: where the store fails, nothing of the batch stays, and no alert is blamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.factory.pipeline import build_pipeline
from streamer.settings import Settings
from streamer.sinks.memory import MemoryDeadLetterSink, MemorySink
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.store import StoreError
from tests.fakes import CountingClassifier, PlainQuality, night, packets

ZTF = night("ztf", 20)


def fails_the_second_time(write: Callable[..., None], error: Exception) -> Callable[..., None]:
    """Writes once, then raises."""
    calls = 0

    def failing(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise error
        write(*arguments)

    return failing


def everything(store: SqliteObjectStore) -> list[str]:
    """The whole database as text."""
    return list(store._database.iterdump())


@pytest.mark.parametrize("write", ["put_alerts", "put_scores", "put_cutouts"])
def test_a_store_that_fails_in_a_batch_keeps_nothing_of_it_and_the_error_is_raised(
    write: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteObjectStore(tmp_path, 10_000_000) as store:
        scores, letters = MemorySink(), MemoryDeadLetterSink()
        pipeline = build_pipeline(
            Settings(), store, [scores], letters, None, CountingClassifier(), quality=PlainQuality()
        )
        pipeline.process(packets(ZTF[:5], "before"))
        before, ring_end = everything(store), store._ring.end
        handed_on = len(scores.batches)
        two_surveys = packets(ZTF[5:] + night("lsst", 10))  # the first survey is written, the second fails
        with monkeypatch.context() as patch:
            patch.setattr(store, write, fails_the_second_time(getattr(store, write), StoreError("disk full")))
            with pytest.raises(StoreError, match="disk full"):
                pipeline.process(two_surveys)
        assert everything(store) == before
        assert store._ring.end == ring_end
        assert (len(scores.batches), letters.letters) == (handed_on, {})
        # nothing of the failed batch counts as seen: elsewhere it is no duplicate, and none is lost
        outcomes = pipeline.process(packets(ZTF[5:] + night("lsst", 10), "after"))
        assert (outcomes.received, outcomes.duplicate, outcomes.dead_letter.total()) == (25, 0, 0)


def test_a_stop_in_a_batch_keeps_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteObjectStore(tmp_path, 10_000_000) as store:
        pipeline = build_pipeline(
            Settings(), store, [], MemoryDeadLetterSink(), None, CountingClassifier(), quality=PlainQuality()
        )
        before = everything(store)

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(store, "put_cutouts", stop)
            with pytest.raises(KeyboardInterrupt):
                pipeline.process(packets(ZTF))
        assert everything(store) == before
        assert pipeline.process(packets(ZTF, "after")).duplicate == 0
