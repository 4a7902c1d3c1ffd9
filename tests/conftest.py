"""Fixtures of every room."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")

pytest_plugins = ["tests.services.fixtures"]

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real packets: $TRANSIENT_STREAMER_DATA, else ../shared/data beside the checkout; skips if none."""
    named = os.environ.get("TRANSIENT_STREAMER_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not (folder / "ztf_alerts").is_dir():
        pytest.skip(f"no real packets at {folder} (set TRANSIENT_STREAMER_DATA to a folder that holds them)")
    return folder.resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests marked `train` where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        skip = pytest.mark.skip(reason="needs torch: run `make test-train`")
        for item in items:
            if item.get_closest_marker("train"):
                item.add_marker(skip)
