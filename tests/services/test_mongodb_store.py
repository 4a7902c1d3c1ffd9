"""The object store on a MongoDB server: the suite of every store, and what several workers and a weak network ask."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pymongo
import pytest

from scripts.services import MongoServer
from streamer.errors import ConfigurationError
from streamer.state import mongodb_reading
from streamer.state.mongodb import COMPACT_CHUNKS, STAMPS_MAX_BYTES, MongodbObjectStore
from streamer.state.mongodb_database import Retention
from streamer.state.mongodb_reading import MongodbObjectReader
from streamer.state.store import ObjectStore, StoreAway, StoreError
from tests import made_up
from tests.contracts.object_store import (
    OBJECTS,
    STAMPS,
    add_rows,
    fail,
    message,
    put,
    put_score,
    put_spectrum,
    see,
    state,
    stored_rows,
)
from tests.contracts.shared_object_store import SharedStoreContract
from tests.services.proxy import Proxy
from tests.services.refusing_mongodb import refusing_mongodb

RETENTION = Retention(seen_days=30, alerts_days=365, light_curves_days=730, cutouts_days=14)

TIMEOUT_S = 60.0


class TestMongodbObjectStore(SharedStoreContract):
    """Each folder of the suite stands for a database."""

    @pytest.fixture(autouse=True)
    def _databases(self, mongodb_uri: str) -> Iterator[None]:
        self.uri, self.databases = mongodb_uri, set[str]()
        yield
        with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
            for name in self.databases:
                client.drop_database(name)

    def open(self, folder: Path, cutouts_max_bytes: int = 2**20) -> MongodbObjectStore:
        name = f"test_{hashlib.blake2b(str(folder).encode(), digest_size=6).hexdigest()}"
        self.databases.add(name)
        retention = RETENTION if cutouts_max_bytes else Retention(30, 365, 730, 0)
        return MongodbObjectStore(self.uri, name, retention=retention, timeout_s=TIMEOUT_S)


def open_store(uri: str, database: str, timeout_s: float = TIMEOUT_S, **changes: int) -> MongodbObjectStore:
    return MongodbObjectStore(uri, database, retention=replace(RETENTION, **changes), timeout_s=timeout_s)


def a_batch(store: ObjectStore) -> None:
    """Something of everything, in an open transaction."""
    see(store, [1, 2], [1, 2])
    store.put_alerts(made_up.alerts([1, 2], OBJECTS[:2]))
    store.put_cutouts("ztf", np.array([1]), [STAMPS])
    for change in (add_rows(OBJECTS[0], made_up.rows(1, 2)), put_spectrum(OBJECTS[1], 60000.0, 1.0), put_score(1, 0)):
        change(store)


@pytest.fixture
def proxy(mongodb_uri: str) -> Iterator[Proxy]:
    """A weak network before the run's server."""
    with Proxy(pymongo.uri_parser.parse_uri(mongodb_uri)["nodelist"][0][1]) as made:
        yield made


@pytest.mark.parametrize("is_answer_cut", [False, True], ids=["request", "answer"])
@pytest.mark.parametrize("where", ["metadata_names", "seen", "objects", "alerts", "spectra", "cutouts"])
def test_a_batch_that_loses_its_connection_anywhere_is_whole_when_it_comes_again(
    where: str, is_answer_cut: bool, mongodb_uri: str, mongodb_database: str, proxy: Proxy
) -> None:
    with open_store(f"mongodb://127.0.0.1:{proxy.port}/?retryWrites=false", mongodb_database) as store:
        proxy.cut_at, proxy.is_answer_cut = where.encode() + (b"" if "_" in where else b"_ztf"), is_answer_cut
        with pytest.raises(StoreAway):
            put(store, a_batch)
        assert proxy.cut_at is None
        store.rollback()
        put(store, a_batch)
        held = state(store)
        assert store.cutouts("ztf", 1) == STAMPS
        put(store, a_batch)
        assert state(store) == held
    with open_store(mongodb_uri, mongodb_database) as other:
        assert len(stored_rows(other, OBJECTS[0])) == 2
        assert [other.alert_ids("ztf", name) for name in OBJECTS] == [[1], [2], []]
        assert other.last_scores("ztf", OBJECTS[:1])[0] is not None
        assert len(other.spectra("ztf", OBJECTS[1:2])[0]) == 1
        other.begin()
        assert see(other, [1], [5])[0].coordinates == str(made_up.coordinates(1))


def test_while_the_server_is_away_a_batch_is_undone_in_memory_and_its_claims_are_given_back_later(
    mongodb_uri: str, mongodb_database: str, proxy: Proxy
) -> None:
    with open_store(f"mongodb://127.0.0.1:{proxy.port}/", mongodb_database, timeout_s=1.0) as store:
        store.begin()
        see(store, [1, 2], [1, 2])
        proxy.is_open = False
        with pytest.raises(StoreAway):
            store.light_curve_rows("ztf", ["a"])
        store.rollback()
        with pytest.raises(StoreAway):
            put(store, a_batch)
        store.rollback()
        proxy.is_open = True
        put(store, lambda s: see(s, [1], [1]))  # one message comes again here, the other one elsewhere
        with open_store(mongodb_uri, mongodb_database) as other:
            other.begin()
            assert [seen.coordinates for seen in see(other, [1, 2], [3, 4])] == [
                str(made_up.coordinates(1)),
                str(made_up.coordinates(4)),
            ]


def test_a_store_goes_on_after_its_server_has_restarted(start_mongodb: Callable[..., MongoServer]) -> None:
    server = start_mongodb()
    with open_store(server.uri, "test", timeout_s=2.0) as store:
        put(store, add_rows("a", made_up.rows(1)))
        store.begin()
        see(store, [1], [1])
        server.stop()
        with pytest.raises(StoreAway, match="MongoDB database test at mongodb://"):
            store.light_curve_rows("ztf", ["a"])
        store.rollback()
        server.start()
        put(store, a_batch, add_rows("a", made_up.rows(2)))
        assert len(stored_rows(store, "a")) == 2
        assert store.alert_ids("ztf", OBJECTS[0]) == [1]


def test_a_server_that_is_away_at_the_start_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(StoreAway, match=r"database nights at mongodb://127.0.0.1:1 did not answer within 0.5 s: is it"):
        open_store("mongodb://127.0.0.1:1", "nights", timeout_s=0.5)


def test_a_wrong_password_is_one_line_without_the_password() -> None:
    with refusing_mongodb() as uri, pytest.raises(StoreError, match="refuses the user 'ann': check") as refused:
        MongodbObjectStore(uri, "nights", username="ann", password="a secret", retention=RETENTION, timeout_s=TIMEOUT_S)
    assert "a secret" not in str(refused.value)
    assert not isinstance(refused.value, StoreAway)


def test_an_address_that_cannot_be_read_is_one_line_without_the_password() -> None:
    for uri in ("mongodb://ann:a%secret@/", "mongodb://ann:hidden@host:99999999"):
        with pytest.raises(ConfigurationError, match="cannot be used") as refused:
            open_store(uri, "nights")
        assert "secret" not in str(refused.value)
        assert "hidden" not in str(refused.value)


def expiry_s(uri: str, database: str) -> dict[str, int]:
    """After how long the documents of each collection expire [s]."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        collections = client[database]
        indexes = {name: collections[name].index_information().values() for name in collections.list_collection_names()}
    return {
        name: index["expireAfterSeconds"]
        for name, several in indexes.items()
        for index in several
        if "expireAfterSeconds" in index
    }


def test_whatever_grows_expires_after_the_days_that_were_asked_for_last(
    mongodb_uri: str, mongodb_database: str
) -> None:
    for seen_days in (30, 60):
        with open_store(mongodb_uri, mongodb_database, seen_days=seen_days) as store:
            put(store, a_batch)
        days = {"seen": seen_days, "alerts": 365, "objects": 730, "spectra": 730, "cutouts": 14}
        wanted = {f"{name}_{survey}": 86400 * kept for name, kept in days.items() for survey in ("ztf", "lsst")}
        assert expiry_s(mongodb_uri, mongodb_database) == wanted
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        collections = client[mongodb_database]
        for name in wanted:
            for document in collections[name].find():
                assert abs((document["x"] - datetime.now(UTC)).total_seconds()) < 3600, name


def test_an_object_that_many_alerts_add_to_is_kept_in_few_chunks_without_repeats(
    mongodb_uri: str, mongodb_database: str
) -> None:
    with (
        open_store(mongodb_uri, mongodb_database) as first,
        open_store(mongodb_uri, mongodb_database) as second,
        pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client,
    ):
        for turn in range(60):
            for store in (first, second):
                store.begin()
                store.light_curve_rows("ztf", ["a"])
            add_rows("a", made_up.rows(turn % 10, known_mjd_tai=60100.0 + turn))(first)
            add_rows("a", made_up.rows(turn % 10 + 10, known_mjd_tai=60100.0 + turn))(second)
            second.commit()
            first.commit()
            document = client[mongodb_database].objects_ztf.find_one("a") or {}
            assert len(document["c"]) <= COMPACT_CHUNKS + 4
        assert sum(len(chunk) for chunk in document["c"]) <= (20 + 2 * COMPACT_CHUNKS) * made_up.rows(1).itemsize
        held = stored_rows(first, "a")
    assert sorted(held["source_id"].tolist()) == list(range(20))
    assert held["known_mjd_tai"].max() == 60109.0


def test_a_spectrum_of_another_process_is_found_while_there_is_one_and_soon_after_there_was_none(
    mongodb_uri: str, mongodb_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(mongodb_reading, "monotonic", lambda: now_s)
    with open_store(mongodb_uri, mongodb_database) as one, open_store(mongodb_uri, mongodb_database) as other:
        assert one.spectra("ztf", ["a"]) == [[]]
        put(other, put_spectrum("a", 60000.0, 1.0))
        now_s += mongodb_reading.SPECTRA_CHECK_S
        assert len(one.spectra("ztf", ["a"])[0]) == 1
        put(other, put_spectrum("a", 60001.0, 1.0))
        assert len(one.spectra("ztf", ["a"])[0]) == 2


def test_whoever_only_looks_sees_what_is_committed_and_makes_nothing(mongodb_uri: str, mongodb_database: str) -> None:
    with pytest.raises(StoreError, match="there is no object store in the MongoDB database test_"):
        MongodbObjectReader(mongodb_uri, mongodb_database, timeout_s=TIMEOUT_S)
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        assert client[mongodb_database].list_collection_names() == []
    with open_store(mongodb_uri, mongodb_database) as store:
        put(store, a_batch)
        with MongodbObjectReader(mongodb_uri, mongodb_database, timeout_s=TIMEOUT_S) as reader:
            assert state(reader) == state(store)
            assert reader.cutouts("ztf", 1) == STAMPS


def test_another_layout_is_refused(mongodb_uri: str, mongodb_database: str) -> None:
    open_store(mongodb_uri, mongodb_database).close()
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[mongodb_database].layout.update_one({"_id": "layout"}, {"$set": {"version": 99}})
    for opener in (open_store, lambda *where: MongodbObjectReader(*where, timeout_s=TIMEOUT_S)):
        with pytest.raises(StoreError, match="has layout 99, this version reads 3: use another database"):
            opener(mongodb_uri, mongodb_database)


def test_an_alert_with_more_stamps_than_a_document_takes_is_kept_without_them(
    mongodb_uri: str, mongodb_database: str
) -> None:
    with open_store(mongodb_uri, mongodb_database) as store:
        stamps = [(bytes(STAMPS_MAX_BYTES), b"x", None), (None, None, None), STAMPS]
        put(store, lambda s: s.put_cutouts("ztf", np.array([1, 2, 3]), stamps))
        assert [store.cutouts("ztf", alert_id) for alert_id in (1, 2, 3)] == [None, None, STAMPS]


def test_a_try_that_claimed_an_alert_twice_leaves_no_claim_behind(mongodb_uri: str, mongodb_database: str) -> None:
    one = np.array([1], np.int64)
    with open_store(mongodb_uri, mongodb_database) as store, open_store(mongodb_uri, mongodb_database) as other:
        store.begin()
        fail(
            store,
            lambda s: s.see("lsst", one, [message(1, 60001.0)]),
            lambda s: s.supersede("lsst", one, [message(2, 60002.0, 1)]),
        )
        store.commit()
        other.begin()
        assert other.see("lsst", one, [message(3, 60001.0)]) == [message(3, 60001.0)]


def test_an_older_reprocessing_never_replaces_a_newer_one_that_came_in_between(
    mongodb_uri: str, mongodb_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = np.array([1], np.int64)
    with open_store(mongodb_uri, mongodb_database) as slow, open_store(mongodb_uri, mongodb_database) as fast:
        put(fast, lambda s: s.see("lsst", one, [message(1, 60001.0)]))
        apply = slow._database.apply

        def after_the_other(name: str, changes: Sequence[Any]) -> None:
            monkeypatch.undo()
            put(fast, lambda s: s.supersede("lsst", one, [message(3, 60003.0, 1)]))
            apply(name, changes)

        slow.begin()
        monkeypatch.setattr(slow._database, "apply", after_the_other)
        slow.supersede("lsst", one, [message(2, 60002.0, 1)])
        assert slow.see("lsst", one, [message(4, 60001.0)]) == [message(3, 60003.0, 1)]


def test_a_second_transaction_at_once_is_refused(mongodb_uri: str, mongodb_database: str) -> None:
    with open_store(mongodb_uri, mongodb_database) as store:
        store.begin()
        with pytest.raises(StoreError, match="open in the object store already"):
            store.begin()


@pytest.mark.parametrize("is_answer_cut", [False, True], ids=["request", "answer"])
@pytest.mark.parametrize("command", [b"insert", b"find"])
def test_an_alert_of_another_message_stays_its_own_when_the_connection_is_cut_while_it_is_claimed(
    command: bytes, is_answer_cut: bool, mongodb_uri: str, mongodb_database: str, proxy: Proxy
) -> None:
    cut = f"mongodb://127.0.0.1:{proxy.port}/?retryWrites=false&retryReads=false"
    with open_store(mongodb_uri, mongodb_database) as first, open_store(cut, mongodb_database) as second:
        put(first, lambda store: see(store, [1], [10]))
        second.begin()
        proxy.cut_at, proxy.is_answer_cut = command, is_answer_cut
        with pytest.raises(StoreAway):
            see(second, [1], [20])
        second.rollback()
        second.begin()
        assert see(second, [1], [20])[0].coordinates == str(made_up.coordinates(10))
        second.rollback()
    with open_store(mongodb_uri, mongodb_database) as later:
        later.begin()
        assert see(later, [1], [30])[0].coordinates == str(made_up.coordinates(10))
