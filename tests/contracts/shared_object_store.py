"""What an object store must do besides when several workers share it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.state.store import ObjectStore, Seen
from tests import made_up
from tests.contracts.object_store import (
    SEVERAL_CLASSES,
    Change,
    ObjectStoreContract,
    add_rows,
    message,
    put,
    put_score,
    see,
    state,
    stored_rows,
    two_orders,
)


class SharedStoreContract(ObjectStoreContract):
    """A second `open` of a folder is a second worker on the same store."""

    @pytest.fixture
    def two(self, tmp_path: Path) -> Iterator[tuple[ObjectStore, ObjectStore]]:
        with self.open(tmp_path) as first, self.open(tmp_path) as second:
            yield first, second

    @settings(max_examples=30, suppress_health_check=SEVERAL_CLASSES)
    @given(orders=two_orders(), draws=st.data())
    def test_two_workers_in_any_order_give_the_state_of_one(
        self, orders: tuple[list[Change], list[Change]], draws: st.DataObject
    ) -> None:
        with tempfile.TemporaryDirectory() as folder, self.open(Path(folder)) as store:
            put(store, *orders[0])
            alone = state(store)
        with tempfile.TemporaryDirectory() as name, self.open(Path(name)) as first, self.open(Path(name)) as second:
            for store in (first, second):
                store.begin()
            for change in orders[1]:
                store = draws.draw(st.sampled_from([first, second]))
                change(store)
                if draws.draw(st.booleans()):
                    store.commit()
                    store.begin()
            second.commit()
            first.commit()
            assert state(first) == state(second) == alone

    def test_of_two_workers_with_two_copies_of_an_alert_exactly_one_wins(
        self, two: tuple[ObjectStore, ObjectStore]
    ) -> None:
        ids = np.arange(400)
        together = threading.Barrier(2)

        def claims_all(store: ObjectStore, first_offset: int) -> list[Seen]:
            store.begin()
            together.wait()
            seen = [
                s
                for i in range(0, 400, 40)
                for s in see(store, ids[i : i + 40].tolist(), ids[i : i + 40] + first_offset)
            ]
            store.commit()
            return seen

        with ThreadPoolExecutor(2) as pool:
            ours, theirs = pool.map(claims_all, two, (0, 1000))
        assert ours == theirs

    def test_a_worker_that_was_only_frozen_takes_nobodys_claim_away(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as frozen, self.open(tmp_path) as heir:
            for store in (frozen, heir):
                store.begin()
                assert see(store, [1], [1])[0].coordinates == str(made_up.coordinates(1))
            heir.commit()
            frozen.rollback()
            put(frozen, add_rows("a", made_up.rows(1)))
        with self.open(tmp_path) as store:
            store.begin()
            assert see(store, [1], [2])[0].coordinates == str(made_up.coordinates(1))

    def test_a_message_that_comes_again_after_a_crash_has_its_alert_though_its_batch_is_undone(
        self, tmp_path: Path
    ) -> None:
        crashed = self.open(tmp_path)
        crashed.begin()
        see(crashed, [1], [1])
        with self.open(tmp_path) as store:
            for _ in range(2):
                store.begin()
                assert see(store, [1, 2], [1, 2])[0].coordinates == str(made_up.coordinates(1))
                store.rollback()
            put(store, lambda s: see(s, [1], [1]))
            put(store, lambda s: see(s, [1], [1]))
            store.begin()
            assert [s.coordinates for s in see(store, [1, 2], [3, 3])] == [
                str(made_up.coordinates(1)),
                str(made_up.coordinates(3)),
            ]
        crashed.close()

    def test_an_alert_that_two_workers_reprocess_counts_once(self, two: tuple[ObjectStore, ObjectStore]) -> None:
        one = np.array([1], np.int64)
        for offset, store in enumerate(two):
            store.begin()
            store.see("lsst", one, [message(0, 0.0)])
            store.supersede("lsst", one, [message(10 + offset, 60001.0, 1)])
        for store in two:
            assert store.see("lsst", one, [message(9, 0.0)])[0].coordinates == str(made_up.coordinates(10))

    def test_what_one_worker_commits_the_other_knows(self, two: tuple[ObjectStore, ObjectStore]) -> None:
        first, second = two
        put(first, add_rows("a", made_up.rows(1)))
        assert len(stored_rows(second, "a")) == 1
        put(second, add_rows("a", made_up.rows(2)), put_score(1, 0))
        assert stored_rows(first, "a")["source_id"].tolist() == [1, 2]
        assert state(first) == state(second)
