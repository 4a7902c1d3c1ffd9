"""A simulated night goes to a folder or to Kafka, and options belong to one of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streamer.commands.simulate import KAFKA, check_options
from streamer.commands.simulate_kafka import topic_of
from streamer.errors import UserError

NONE: dict[str, Any] = {"topic": None, "truth": None, "config": None, "unpaced": False}


def test_tonights_topics_are_called_as_the_surveys_call_them() -> None:
    assert topic_of("ztf", date(2026, 11, 21)) == "ztf_20261121_programid1"
    assert topic_of("lsst", date(2026, 11, 21)) == "lsst-alerts-v11"


@pytest.mark.parametrize(
    ("name", "value"), [("topic", "a"), ("truth", Path("t.parquet")), ("config", Path("c.yaml")), ("unpaced", True)]
)
def test_what_is_for_kafka_is_refused_with_a_folder(name: str, value: Any) -> None:
    check_options(KAFKA, **NONE | {name: value})
    with pytest.raises(UserError, match=f"^--{name} is for `--to kafka`"):
        check_options(f"./{KAFKA}", **NONE | {name: value})


def test_a_folder_needs_no_option() -> None:
    check_options("night", **NONE)
