"""What must hold of tar archives: whole ones of every format are read whole, and damaged ones never pass for whole."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.sources.tar_archive import BLOCK_BYTES, MAX_EXTENSION_BYTES, ArchiveError, Kind, Member, TarReader

LIMIT = 5_000
FORMATS = {"v7 and ustar": tarfile.USTAR_FORMAT, "GNU": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def info(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made


def tar(files: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, payload in files:
            archive.addfile(info(name, len(payload)), io.BytesIO(payload))
    return out.getvalue()


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    return info(name, size, kind).tobuf(tarfile.GNU_FORMAT)


def pax(record: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("pax", len(record), kind) + record + bytes(-len(record) % BLOCK_BYTES)


def read(archive: bytes) -> tuple[list[Member], str]:
    """What could be read, and what the reader said of the rest ('' where the archive is whole)."""
    members: list[Member] = []
    try:
        for member in TarReader(io.BytesIO(archive)).members((".avro",), LIMIT):
            members.append(member)  # noqa: PERF402  # what comes before an error is kept
    except ArchiveError as error:
        return members, str(error)
    return members, ""


def heads(archive: bytes) -> list[tuple[str, bytes]]:
    members, said = read(archive)
    assert said == ""
    return [(member.name, member.head) for member in members]


def until_broken(archive: bytes) -> tuple[list[str], str]:
    """Names of what was yielded before the archive broke off, and the reason."""
    members, said = read(archive)
    assert said != ""
    return [member.name for member in members], said


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
@given(sizes=st.lists(st.integers(0, 2 * BLOCK_BYTES), max_size=5), length=st.integers(1, 90))
@settings(max_examples=30, deadline=None)
def test_archives_of_every_format_are_read_as_they_were_written(form: int, sizes: list[int], length: int) -> None:
    files = [(f"{'d' * length}/{i:0{length}}.avro", bytes([i + 1]) * size) for i, size in enumerate(sizes)]
    assert heads(tar(files, form)) == files


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_whole(form: int) -> None:
    files = [("long/" * 60 + "ü.avro", b"1"), ("x.avro", b"2")]
    assert heads(tar(files, form)) == files


def test_the_beginning_of_what_is_longer_than_the_limit_is_kept_and_the_rest_passed_over() -> None:
    files = [("a.avro", bytes(range(250)) * 40), ("b.avro", b"2")]
    assert heads(tar(files)) == [("a.avro", files[0][1][:LIMIT]), ("b.avro", b"2")]


def test_only_wanted_members_are_read_and_the_kinds_are_told() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            archive.addfile(info("m.avro", kind=kind))
        archive.addfile(info("m.txt", 3), io.BytesIO(b"abc"))
    members, said = read(out.getvalue())
    assert said == ""
    assert [member.kind for member in members] == [Kind.FOLDER, Kind.OTHER, Kind.OTHER, Kind.OTHER, Kind.FILE]
    assert members[-1].head == b""


def test_sizes_in_base_256_and_in_a_pax_record_are_understood() -> None:
    block = bytearray(header("a.avro"))
    block[124:136] = b"\x80" + (3).to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data = b"abc".ljust(BLOCK_BYTES, b"\0")
    end = bytes(2 * BLOCK_BYTES)
    assert heads(bytes(block) + data + end) == [("a.avro", b"abc")]
    assert heads(pax(b"10 size=3\n") + header("b.avro", 0) + data + end) == [("b.avro", b"abc")]
    assert heads(pax(b"15 path=z.avro\n", tarfile.XGLTYPE) + header("b.avro", 3) + data + end) == [("z.avro", b"abc")]


def test_sparse_files_are_told_apart_and_passed_over() -> None:
    end = bytes(2 * BLOCK_BYTES)
    data = b"x".ljust(BLOCK_BYTES, b"\0")
    old = bytearray(header("a.avro", 1, tarfile.GNUTYPE_SPARSE))
    old[482] = 1
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old)
    new = pax(b"22 GNU.sparse.major=1\n26 GNU.sparse.name=b.avro\n") + header("GNUSparseFile.0/b.avro", 1)
    members, said = read(bytes(old) + bytes(BLOCK_BYTES) + data + new + data + header("c.avro") + end)
    assert said == ""
    assert [(member.name, member.kind) for member in members] == [
        ("a.avro", Kind.SPARSE),
        ("b.avro", Kind.SPARSE),
        ("c.avro", Kind.FILE),
    ]


THREE = [(f"{i}.avro", bytes([i]) * 700) for i in range(3)]
WHOLE = tar(THREE, tarfile.GNU_FORMAT)
MEMBER_BYTES = 3 * BLOCK_BYTES


@pytest.mark.parametrize("kept", range(0, 3 * MEMBER_BYTES + 1, BLOCK_BYTES // 2))
def test_an_archive_cut_anywhere_gives_its_whole_members_and_then_says_so(kept: int) -> None:
    names, said = until_broken(WHOLE[:kept])
    assert len(names) >= kept // MEMBER_BYTES
    assert f"cut off at byte {kept}" in said


@pytest.mark.parametrize("place", [MEMBER_BYTES, MEMBER_BYTES + 100, MEMBER_BYTES + 150])
def test_a_damaged_header_is_said_to_be_where_it_is(place: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= 0xFF
    names, said = until_broken(bytes(damaged))
    assert names == ["0.avro"]
    assert f"at byte {MEMBER_BYTES}" in said


def test_an_overwritten_header_ends_nothing_in_silence() -> None:
    names, said = until_broken(WHOLE[:MEMBER_BYTES] + bytes(BLOCK_BYTES) + WHOLE[MEMBER_BYTES + BLOCK_BYTES :])
    assert names == ["0.avro"]
    assert "follows" in said


def test_one_zero_block_is_an_end_and_zeros_may_follow() -> None:
    assert len(heads(WHOLE[: 3 * MEMBER_BYTES + BLOCK_BYTES])) == 3
    assert len(heads(WHOLE + bytes(3_000_001))) == 3
    assert "follows" in until_broken(WHOLE + WHOLE)[1]


class Counted(io.BytesIO):
    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_huge_extension_header_is_refused_unread(kind: bytes) -> None:
    size = MAX_EXTENSION_BYTES + 1
    stream = Counted(header("x", size, kind) + bytes(2 * size))
    with pytest.raises(ArchiveError, match=f"extension header of {size} bytes"):
        list(TarReader(stream).members((".avro",), LIMIT))
    assert stream.taken == BLOCK_BYTES


def test_ever_so_many_extension_headers_are_no_trouble() -> None:
    many = header("x", 2, tarfile.GNUTYPE_LONGLINK) + b"y".ljust(BLOCK_BYTES, b"\0")
    assert heads(many * 3_000 + WHOLE) == THREE


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"no archive",
        header("x.avro", 2**60) + bytes(10_000),
        header("x.txt", 2**60) + bytes(10_000),
        header("x", 1, tarfile.GNUTYPE_LONGNAME) + b"y".ljust(BLOCK_BYTES, b"\0") + bytes(1024),
        pax(b"99 path=too far\n") + WHOLE,
        pax(b"path\n") + WHOLE,
        pax(b"11 size=-1\n") + WHOLE,
        pax(b"13 size=1e99\n") + WHOLE,
    ],
)
def test_nonsense_is_an_archive_error_and_nothing_else(archive: bytes) -> None:
    assert until_broken(archive)[1]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damage_of_any_kind_is_an_archive_error_and_nothing_else(data: st.DataObject) -> None:
    damaged = bytearray(tar([("long/" * 60 + "0.avro", b"0"), *THREE]))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(damaged))
