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


def broken(path: Path) -> list[int]:
    """Payload lengths of what could be read; exactly one dead letter `broken_archive` must come after them."""
    *packets, last = FileSource([path])
    assert isinstance(last, Rejected)
    assert last.reason == "broken_archive"
    assert last.packet.payload == b""
    assert all(isinstance(packet, Packet) for packet in packets)
    return [len(packet.payload) for packet in packets if isinstance(packet, Packet)]


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("name", ["n.tar", "n.tar.gz"])
def test_an_archive_with_a_damaged_header_or_cut_at_one_is_a_dead_letter(tmp_path: Path, name: str) -> None:
    whole = unpacked(archive(tmp_path / "whole.tar.gz", [(f"{i}.bin", bytes(512)) for i in range(4)]))
    pack = gzip.compress if name.endswith("gz") else bytes
    path = tmp_path / name
    for damaged in (whole[: 2 * 1024], whole[:1024] + b"\xff" + whole[1025:], whole[:1024] + bytes(512) + whole[1536:]):
        path.write_bytes(pack(damaged))
        assert len(broken(path)) in (1, 2)
    path.write_bytes(pack(whole))
    assert len(list(FileSource([path]))) == 4


@pytest.mark.parametrize("place", [-8, -4], ids=["checksum", "length"])
def test_a_gzip_checksum_that_does_not_hold_is_a_dead_letter(tmp_path: Path, place: int) -> None:
    whole = unpacked(archive(tmp_path / "whole.tar.gz", [("1.bin", b"1")]))
    payload = bytearray(gzip.compress(whole + bytes(20_000_000)))  # the checksum lies far behind the last member
    payload[place] ^= 1
    path = tmp_path / "n.tar.gz"
    path.write_bytes(payload)
    assert broken(path) == [1]


def test_a_gzip_without_its_end_is_a_dead_letter_though_every_member_is_there(tmp_path: Path) -> None:
    path = archive(tmp_path / "n.tar.gz", [("1.bin", b"1")])
    path.write_bytes(path.read_bytes()[:-8])
    assert sum(broken(path)) <= 1


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extension_header_of_a_gigabyte_is_a_dead_letter_at_once(tmp_path: Path, kind: bytes) -> None:
    bomb = tarfile.TarInfo("bomb")
    bomb.size, bomb.type = 2**30, kind
    whole = unpacked(archive(tmp_path / "whole.tar.gz", [("1.bin", b"1")]))
    path = tmp_path / "n.tar"
    path.write_bytes(whole[:1024] + bomb.tobuf())
    with path.open("ab") as file:
        file.truncate(1536 + 2**30)  # a hole: zeros that lie nowhere
    source = FileSource([path])
    _, last = source
    assert isinstance(last, Rejected)
    assert last.detail == f"ArchiveError: an extension header of {2**30} bytes at byte 1024"


def test_a_sparse_packet_is_a_dead_letter_and_a_link_in_an_archive_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "n.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("1.bin", tarfile.GNUTYPE_SPARSE), ("2.bin", tarfile.SYMTYPE), ("3.bin", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info)
    source = FileSource([path])
    (item,) = source
    assert isinstance(item, Rejected)
    assert (item.reason, item.packet.coordinates.stream) == ("unreadable_file", "1.bin")
    assert source.skipped == [f"{path}:2.bin"]


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
    source = FileSource([tmp_path, tmp_path / "a.avro", tmp_path], leave_out=[tmp_path / "out"])
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


def reasons(source: FileSource) -> dict[str, str]:
    """The reason of each dead letter, by the file's name."""
    return {Path(i.packet.coordinates.origin).name: i.reason for i in source if isinstance(i, Rejected)}


def test_packets_behind_linked_folders_come_once_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.bin").write_bytes(b"\0body")
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "night" / "other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "night")
    source = FileSource([tmp_path / "night"])
    assert [i.coordinates.origin for i in source if isinstance(i, Packet)] == [str(tmp_path / "night/link/1.bin")]
    assert source.skipped == []


def test_results_behind_a_link_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.avro").write_bytes(container(1))
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "link").symlink_to(tmp_path / "out")
    assert list(FileSource([tmp_path / "night"], leave_out=[tmp_path / "out"])) == []


def test_links_to_nowhere_are_dead_letters_or_listed_by_their_name(tmp_path: Path) -> None:
    for name in ("1.avro", "2.tar.gz", "3.txt"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    (tmp_path / "4.bin").symlink_to("4.bin")
    source = FileSource([tmp_path])
    assert reasons(source) == dict.fromkeys(["1.avro", "2.tar.gz", "4.bin"], "unreadable_file")
    assert source.skipped == [str(tmp_path / "3.txt")]


def test_a_folder_that_cannot_be_listed_is_a_dead_letter_below_and_an_error_at_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0body")
    (tmp_path / "closed").mkdir()
    really = os.scandir

    def scandir(path: str) -> object:  # permissions would not stop a test that runs as root
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    source = FileSource([tmp_path])
    assert reasons(source) == {"closed": "unreadable_file"}
    assert len(list(source)) == 2
    with pytest.raises(PermissionError):
        FileSource([tmp_path / "closed"])


@pytest.mark.parametrize("name", ["a.avro", "n.tar.gz"])
def test_a_file_that_cannot_be_opened_is_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    source = FileSource([tmp_path])

    def refuse(path: Path, mode: str) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert reasons(source) == {name: "unreadable_file"}


def test_a_pipe_in_a_folder_is_listed_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.avro")
    source = FileSource([tmp_path])
    assert list(source) == []
    assert source.skipped == [str(tmp_path / "1.avro")]


def test_a_pipe_or_device_named_outright_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(OSError, match="neither a file nor a folder"):
            FileSource([path])


def test_a_link_keeps_the_name_it_was_given(tmp_path: Path) -> None:
    archive(tmp_path / "blob", [("1.avro", container(1))])
    link = tmp_path / "night.tar.gz"
    link.symlink_to(tmp_path / "blob")
    (item,) = FileSource([link])
    assert isinstance(item, Packet)
    assert (item.coordinates.origin, item.coordinates.stream) == (str(link), "1.avro")


def test_coordinates_are_the_occurrence_of_a_name_and_the_place_in_a_container(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "n.tar.gz", [("1.avro", container(1)), ("2.avro", container(2)), ("1.avro", container(3, 4))]
    )
    places = [(i.coordinates.stream, i.coordinates.partition, i.coordinates.offset) for i in FileSource([path])]  # type: ignore[union-attr]
    assert places == [("1.avro", 0, 0), ("2.avro", 0, 0), ("1.avro", 1, 0), ("1.avro", 1, 1)]
