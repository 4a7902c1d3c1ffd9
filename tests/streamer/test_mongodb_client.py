"""How the store and the sink speak to MongoDB: lastingly, to the primary, and never without an end."""

from __future__ import annotations

import pytest
from pymongo import ReadPreference

from schemas.wire import scored_alert_records
from streamer.errors import ConfigurationError
from streamer.mongodb_client import open_client
from streamer.sinks import mongodb
from streamer.sinks.base import Away, SinkError
from streamer.sinks.mongodb import MongodbSink
from streamer.state.mongodb_database import MongodbDatabase
from streamer.state.store import StoreAway
from tests import made_up
from tests.services.refusing_mongodb import refusing_mongodb

CARELESS = "mongodb://127.0.0.1:1/?readPreference=secondary&w=1&journal=false&timeoutMS=0"
"""An address that asks for less than the service needs."""


def filled(uri: str, username: str | None = None, password: str | None = None) -> MongodbSink:
    sink = MongodbSink(uri, "nights", username, password)
    sink.take(scored_alert_records(made_up.scored([1])))
    return sink


def test_writes_are_lasting_and_reads_from_the_primary_whatever_the_address_says() -> None:
    store = MongodbDatabase(CARELESS, "nights", username=None, password=None, timeout_s=5.0)
    sink = MongodbSink(CARELESS, "nights")
    try:
        for collection in (store._database["seen_ztf"], sink._collection):
            assert collection.write_concern.document == {"w": "majority", "j": True}
            assert collection.read_preference == ReadPreference.PRIMARY
    finally:
        store.close()
        sink.close()


def test_an_address_that_cannot_be_used_is_one_line_without_the_password() -> None:
    for uri in ("mongodb://ann:a%secret@/", "mongodb://ann:hidden@host:99999999", "mongodb://ann:se/cret@host"):
        with pytest.raises(ConfigurationError, match="cannot be used") as refused:
            open_client(uri, None, None, 5.0)
        assert not any(word in str(refused.value) for word in ("secret", "hidden", "se/cret"))


def test_a_server_that_greets_and_then_says_nothing_is_away_for_the_sink_and_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mongodb, "ANSWER_TIMEOUT_S", 0.5)
    with refusing_mongodb(is_silent=True) as uri:
        sink = filled(uri)
        with pytest.raises(Away, match=r"nights\.scored_alerts did not answer within 0\.5 s"):
            sink.flush()
        sink.close()
        store = MongodbDatabase(uri, "nights", username=None, password=None, timeout_s=0.5)
        with pytest.raises(StoreAway, match=r"did not answer within 0\.5 s"):
            store.layout()
        store.close()


def test_a_refused_password_ends_the_sink_with_a_line() -> None:
    with refusing_mongodb() as uri:
        sink = filled(uri, "ann", "a secret")
        with pytest.raises(SinkError, match="refuses the user 'ann': check") as refused:
            sink.flush()
        sink.close()
    assert not isinstance(refused.value, Away)
    assert "a secret" not in str(refused.value)
