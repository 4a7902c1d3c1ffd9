"""The MongoDB-protocol server that the tests start keeps its data, and does what our store asks of a MongoDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymongo

from scripts.services import MongoServer


def connect(uri: str) -> pymongo.MongoClient[dict[str, Any]]:
    return pymongo.MongoClient(uri, serverSelectionTimeoutMS=30_000)


def test_what_was_written_is_there_after_a_stop_and_a_new_start(start_mongodb: Callable[..., MongoServer]) -> None:
    server = start_mongodb()
    row = {"_id": 2**62, "jpeg": b"\x00\xff", "flux_njy": 1.5}
    with connect(server.uri) as client:
        client.a.b.insert_one(row)
        server.stop()
        server.start()
        assert list(client.a.b.find()) == [row]


def test_rows_are_merged_in_one_round_trip(mongodb_uri: str, mongodb_database: str) -> None:
    upserts = [
        pymongo.UpdateOne(
            {"_id": number % 2},
            {
                "$max": {"newest_mjd_tai": float(number)},
                "$addToSet": {"rows": number},
                "$setOnInsert": {"first": number},
            },
            upsert=True,
        )
        for number in range(4)
    ]
    with connect(mongodb_uri) as client:
        table = client[mongodb_database].objects
        assert table.bulk_write(upserts, ordered=False).upserted_count == 2
        assert list(table.find({"_id": {"$in": [0, 1]}}).sort("_id")) == [
            {"_id": 0, "newest_mjd_tai": 2.0, "rows": [0, 2], "first": 0},
            {"_id": 1, "newest_mjd_tai": 3.0, "rows": [1, 3], "first": 1},
        ]


def test_each_test_has_a_database_of_its_own(mongodb_uri: str, mongodb_database: str) -> None:
    with connect(mongodb_uri) as client:
        assert mongodb_database not in client.list_database_names()
