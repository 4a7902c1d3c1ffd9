"""What must hold of packets from files: each comes once, with coordinates of its own, and none is lost in silence."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import fastavro
import pytest

from schemas.packet import Packet
from schemas.surveys.reading import Rejected
from streamer.sources import files
from streamer.sources.files import FileSource

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "long"}]}


def container(*values: int) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, SCHEMA, [{"x": value} for value in values])
    return out.getvalue()


def archive(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, payload in members:
            info = tarfile.TarInfo(name)
            info.size = len(payload)
            tar.addfile(info, io.BytesIO(payload))
    return path


def test_a_folder_is_read_recursively_and_other_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "b.avro").write_bytes(container(1))
    (tmp_path / "deep" / "er" / "a.bin").write_bytes(b"\0body")
    (tmp_path / "notes.txt").write_text("no packet", encoding="utf-8")
    archive(tmp_path / "night.tar.gz", [("1.avro", container(1)), ("readme.md", b"x"), ("2.avro", container(2))])
    source = FileSource([tmp_path])
    packets = list(source)
    assert len(packets) == 4
    assert all(isinstance(packet, Packet) for packet in packets)
    assert len(source.skipped) == 2
    assert source.bytes_read == source.bytes_total > 0


def test_a_file_named_outright_counts_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "packet.dat"
    path.write_bytes(b"\0body")
    assert [item.payload for item in FileSource([path]) if isinstance(item, Packet)] == [b"\0body"]


def test_a_name_of_any_bytes_gives_coordinates_that_can_be_stored(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    Path(os.fsdecode(folder + b"/\xff\xfe.bin")).write_bytes(b"\0body")
    Path(os.fsdecode(folder + b"/\xfd.txt")).write_bytes(b"no packet")
    archive(tmp_path / "night.tar.gz", [("\udcff.avro", container(1)), ("\udcff.txt", b"no packet")])
    source = FileSource([tmp_path])
    names = [part for item in source for part in (item.coordinates.origin, item.coordinates.stream)]
    assert any(name.endswith("\\xff\\xfe.bin") for name in names)
    for name in (*names, *source.skipped):
        name.encode("utf-8")


def test_coordinates_are_equal_over_runs_and_different_within_one(tmp_path: Path) -> None:
    archive(tmp_path / "n.tar.gz", [("1.avro", container(1)), ("2.avro", container(2)), ("1.avro", container(1))])
    (tmp_path / "x.avro").write_bytes(container(1, 2, 3))
    first, second = ([item.coordinates for item in FileSource([tmp_path]) if isinstance(item, Packet)] for _ in "ab")
    assert first == second
    assert len(set(first)) == len(first) == 6


def test_a_container_of_several_alerts_gives_one_packet_each(tmp_path: Path) -> None:
    (tmp_path / "x.avro").write_bytes(container(7, 8))
    read = [next(iter(fastavro.reader(io.BytesIO(item.payload)))) for item in FileSource([tmp_path])]  # type: ignore[union-attr]
    assert read == [{"x": 7}, {"x": 8}]


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_a_broken_archive_is_one_dead_letter_after_what_could_be_read(tmp_path: Path, kept: float) -> None:
    path = archive(tmp_path / "n.tar.gz", [(f"{i}.avro", container(i) + bytes(range(256)) * 40) for i in range(20)])
    payload = gzip.decompress(path.read_bytes())
    whole = gzip.compress(payload, mtime=0)
    path.write_bytes(whole[: int(len(whole) * kept)])
    items = list(FileSource([path]))
    assert isinstance(items[-1], Rejected)
    assert items[-1].reason == "broken_archive"
    assert sum(isinstance(item, Rejected) and item.reason == "broken_archive" for item in items) == 1


def test_what_is_no_archive_is_one_dead_letter(tmp_path: Path) -> None:
    (tmp_path / "n.tar.gz").write_bytes(b"this is no gzip")
    (item,) = FileSource([tmp_path])
    assert isinstance(item, Rejected)
    assert item.reason == "broken_archive"


def test_a_file_over_the_limit_is_a_dead_letter_with_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_PACKET_BYTES", 1000)
    monkeypatch.setattr(files, "KEPT_OF_TOO_LARGE", 10)
    (tmp_path / "x.bin").write_bytes(bytes(1001))
    (item,) = FileSource([tmp_path])
    assert isinstance(item, Rejected)
    assert item.reason == "too_large"
    assert len(item.packet.payload) == 10


def test_a_missing_file_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        FileSource([tmp_path / "nowhere.tar.gz"])
    assert "nowhere.tar.gz" in str(caught.value.filename)


def test_an_empty_file_is_a_packet_that_will_not_decode(tmp_path: Path) -> None:
    (tmp_path / "x.avro").write_bytes(b"")
    (item,) = FileSource([tmp_path])
    assert isinstance(item, Packet)
    assert item.payload == b""


def test_a_file_named_twice_comes_once_and_results_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(container(1))
    (tmp_path / "out" / "dead_letters").mkdir(parents=True)
    (tmp_path / "out" / "dead_letters" / "1.avro").write_bytes(container(2))
    source = FileSource([tmp_path, tmp_path / "a.avro", tmp_path], leave_out=tmp_path / "out")
    assert len(list(source)) == 1
    assert source.skipped == []


def test_a_file_that_vanishes_on_the_way_is_a_dead_letter(tmp_path: Path) -> None:
    for name in ("a.avro", "b.avro"):
        (tmp_path / name).write_bytes(container(1))
    source = FileSource([tmp_path])
    (tmp_path / "b.avro").unlink()
    first, second = source
    assert isinstance(first, Packet)
    assert isinstance(second, Rejected)
    assert second.reason == "unreadable_file"
