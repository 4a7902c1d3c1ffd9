"""The object store on a MongoDB server: the suite of every store, and what several workers and a weak network ask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from streamer.state.mongodb import MongodbObjectStore
from streamer.state.mongodb_database import Retention
from tests.contracts.object_store import ObjectStoreContract

RETENTION = Retention(seen_days=30, alerts_days=365, light_curves_days=730, cutouts_days=14)

TIMEOUT_S = 20.0


class TestMongodbObjectStore(ObjectStoreContract):
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
