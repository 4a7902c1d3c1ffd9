"""What a command reads from is named by people, who err."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from streamer.commands.sources import Sources, open_sources
from streamer.errors import UserError
from streamer.settings import Settings


def opened(names: Sequence[str], begin: str | None = None, until: str | None = None) -> Sources:
    return open_sources(names, Settings(), begin, until, [])


@pytest.mark.parametrize(
    ("names", "begin", "until", "expected"),
    [
        (["no-such-file"], None, None, r"no such file or folder: .*no-such-file$"),
        (
            ["x.avro"],
            "2026-11-21",
            None,
            r"^--from and --until are for topics \(kafka://TOPIC\): over files all is read$",
        ),
        (["x.avro"], None, "2026-11-21", r"^--from and --until are for topics"),
        (["kafka://a"], "yesterday", None, r"^--from yesterday: expected a date such as 2026-11-21 or 2026-"),
        (["kafka://a"], None, "21.11.2026", r"^--until 21.11.2026: expected a date"),
        (["kafka://a"], "2999-01-01", None, r"^--from 2999-01-01 lies in the future$"),
        (["kafka://a"], "2026-02-02", "2026-02-01T20:00", r"^--until 2026-02-01T20:00 is not after --from 2026-02-02$"),
        (["kafka://b/a"], None, None, r"^kafka://b/a names the cluster b; the configuration knows home$"),
        (["kafka://"], None, None, r"^kafka:// names no topic: write kafka://TOPIC or kafka://CLUSTER/TOPIC$"),
        (["kafka://home/"], None, None, r"^kafka://home/ names no topic"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    names: list[str], begin: str | None, until: str | None, expected: str
) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        opened(names, begin, until)
    assert "\n" not in str(caught.value)


def test_files_alone_ask_no_cluster(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(b"1")
    (tmp_path / "readme").write_bytes(b"2")
    with opened([str(tmp_path)]) as sources:
        assert sources.fraction_read == 0.0
        assert [item.payload for item in sources if hasattr(item, "payload")] == [b"1"]
        assert sources.fraction_read == 1.0
        assert sources.skipped == [str(tmp_path / "readme")]
