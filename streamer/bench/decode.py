"""How fast packets are decoded, beside fastavro in the same run, and what a triplet of stamps costs. One thread."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import fastavro
import numpy as np
from isal import igzip

from schemas.alert import EncodedCutouts
from schemas.codec import FRAME_BYTES, plain_schema, read_container, write_frame
from schemas.packet import Packet
from schemas.projection import Program, Projection, RowArena, compile_program, warm_up
from schemas.stamps import read_triplet
from schemas.surveys.projections import LSST_PROJECTION, ZTF_PROJECTION
from schemas.surveys.tables import lsst_schema_id, survey_schema
from streamer.bench.random_records import Shape, random_record
from streamer.bench.workloads import LONG_PACKETS, LSST_VERSION, history_packets
from streamer.errors import UserError
from streamer.sources.files import FileSource

TURNS = 7
"""Times that each contender is measured, in turns with the others; the median is given."""

TURN_S = 0.2
"""Least length of one measurement [s]."""

BATCH = 64
"""Packets that are decoded into an arena before it is cleared."""

PACKETS = 64
"""Packets of each kind; those cut from the long LSST packets are LONG_PACKETS."""

EVERY_ZTF = 14
"""One in so many of the shared ZTF packets is taken, which spreads PACKETS over all of them."""

ZTF_VERSION = "4.02"
"""ZTF version of the random packets."""

Contenders = dict[str, Callable[[], object]]


def bench_decode(data_dir: Path | None) -> dict[str, Any]:
    """Decode rates [packets/s] beside fastavro's, and stamps [ms a triplet].

    `data_dir` holds real packets; the history packets are cut from the longest v10 ones. Without it all packets are
    random records of the same layouts, and `packets` says so. fastavro reads every field of the writer's schema, parsed
    once. Raises UserError where `data_dir` holds no packets.
    """
    warm_up()
    history, plain, ztf = _random_packets() if data_dir is None else _real_packets(data_dir)
    lsst = plain_schema(survey_schema("lsst", LSST_VERSION))
    report: dict[str, Any] = {
        "packets": "real" if data_dir is not None else "random",
        "lsst_history_bytes": round(statistics.mean(map(len, history))),
        "ztf_bytes": round(statistics.mean(map(len, ztf))),
    }
    for name, packets in (("lsst_history", history), ("lsst_no_history", plain)):
        report |= _compare(name, len(packets), _lsst_contenders(lsst, packets))
    report |= _compare("ztf", len(ztf), _ztf_contenders(ztf))
    for survey, triplets in (("ztf", _ztf_triplets(ztf)), ("lsst", _lsst_triplets(lsst, plain))):
        rate = _rates(len(triplets), {"ours": _reading(triplets, survey)})["ours"]
        report[f"{survey}_triplet_ms"] = 1e3 / rate
    return report


def _compare(name: str, packets: int, contenders: Contenders) -> dict[str, float]:
    """Rates and ratio under the report's keys."""
    rates = _rates(packets, contenders)
    found = {f"{name}_per_s": rates["ours"], f"{name}_ratio_to_fastavro": rates["ours"] / rates["fastavro"]}
    return found | {f"{name}_{other}_per_s": rate for other, rate in rates.items() if other != "ours"}


def _rates(packets: int, contenders: Contenders) -> dict[str, float]:
    """Packets a second of each contender, a call of which handles `packets`: medians of turns taken one by one."""
    passes = {name: _passes(work) for name, work in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(TURNS):
        for name, work in contenders.items():
            begun = perf_counter()
            for _ in range(passes[name]):
                work()
            seconds[name].append((perf_counter() - begun) / passes[name])
    return {name: packets / statistics.median(times) for name, times in seconds.items()}


def _passes(work: Callable[[], object]) -> int:
    """Calls that fill a turn; the first call, which warms up, does not count."""
    work()
    begun = perf_counter()
    work()
    return 1 + int(TURN_S / max(perf_counter() - begun, 1e-6))


def _lsst_contenders(schema: dict[str, Any], packets: Sequence[bytes]) -> Contenders:
    program = compile_program(schema, LSST_PROJECTION)
    parsed = fastavro.parse_schema(schema)
    arena = RowArena(LSST_PROJECTION)

    def ours() -> None:
        for packet in packets:
            _make_room(arena)
            arena.decode(program, packet, FRAME_BYTES)

    def by_fastavro() -> None:
        for packet in packets:
            stream = io.BytesIO(packet)
            stream.seek(FRAME_BYTES)
            fastavro.schemaless_reader(stream, parsed, None)

    return {"ours": ours, "fastavro": by_fastavro}


def _ztf_contenders(packets: Sequence[bytes]) -> Contenders:
    programs = _programs(packets)
    arena = RowArena(ZTF_PROJECTION)

    def ours() -> None:
        for packet in packets:
            _make_room(arena)
            body = read_container(packet)
            arena.decode(programs[body.schema_key], body.buffer, body.start, body.end)

    def by_fastavro() -> None:
        for packet in packets:
            body = read_container(packet)
            stream = io.BytesIO(packet)
            stream.seek(body.start)
            fastavro.schemaless_reader(stream, body.schema, None)

    def by_its_reader() -> None:
        for packet in packets:
            next(fastavro.reader(io.BytesIO(packet)))

    return {"ours": ours, "fastavro": by_fastavro, "fastavro_parsing_the_schema": by_its_reader}


def _make_room(arena: RowArena) -> None:
    if arena.n_packets == BATCH:
        arena.clear()


def _reading(triplets: Sequence[EncodedCutouts], survey: str) -> Callable[[], None]:
    def read() -> None:
        for encoded in triplets:
            read_triplet(encoded, survey)

    return read


def _ztf_triplets(packets: Sequence[bytes]) -> list[EncodedCutouts]:
    programs = _programs(packets)

    def decode(arena: RowArena, packet: bytes) -> None:
        body = read_container(packet)
        arena.decode(programs[body.schema_key], body.buffer, body.start, body.end)

    return list(_triplets(ZTF_PROJECTION, packets, decode, "cutout{}.stampData"))


def _lsst_triplets(schema: dict[str, Any], packets: Sequence[bytes]) -> list[EncodedCutouts]:
    program = compile_program(schema, LSST_PROJECTION)

    def decode(arena: RowArena, packet: bytes) -> None:
        arena.decode(program, packet, FRAME_BYTES)

    return list(_triplets(LSST_PROJECTION, packets, decode, "cutout{}"))


def _triplets(
    projection: Projection, packets: Sequence[bytes], decode: Callable[[RowArena, bytes], None], name: str
) -> Iterator[EncodedCutouts]:
    arena = RowArena(projection)
    for row, packet in enumerate(packets):
        decode(arena, packet)
        science, template, difference = (
            arena.span("alert", row, name.format(stamp)) for stamp in ("Science", "Template", "Difference")
        )
        yield science, template, difference


def _programs(packets: Sequence[bytes]) -> dict[str, Program]:
    schemas = {body.schema_key: body.schema for body in map(read_container, packets)}
    return {key: compile_program(schema, ZTF_PROJECTION) for key, schema in schemas.items()}


def _real_packets(data: Path) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """LSST packets with and without history, ZTF packets."""
    history = list(history_packets(data, LONG_PACKETS))
    program = compile_program(survey_schema("lsst", LSST_VERSION), LSST_PROJECTION)
    plain = []
    for path in sorted((data / "lsst_alerts" / "v10_0").glob("*.bin")):
        arena = RowArena(LSST_PROJECTION)
        payload = path.read_bytes()
        arena.decode(program, payload, FRAME_BYTES)
        bare = not len(arena["prvDiaSources"]) and not len(arena["prvDiaForcedSources"])
        if bare and arena.span("alert", 0, "cutoutScience"):
            plain.append(payload)
    ztf = []
    if (data / "ztf_alerts").is_dir():
        found = FileSource([data / "ztf_alerts"])
        ztf = list(islice((item.payload for item in found if isinstance(item, Packet)), 0, None, EVERY_ZTF))[:PACKETS]
    for packets, what in ((plain, "LSST v10 packets without history"), (ztf, "ZTF packets")):
        if not packets:
            raise UserError(f"{data} holds no {what}")
    return history, plain[:PACKETS], ztf


def _random_packets() -> tuple[list[bytes], list[bytes], list[bytes]]:
    """As `_real_packets`, from random records: history of 50 + 100 rows, stamps of pixels without meaning."""
    rng = np.random.default_rng(0)
    lsst = plain_schema(survey_schema("lsst", LSST_VERSION))
    written: dict[int, list[bytes]] = {50: [], 0: []}
    for length, packets in written.items():
        for _ in range(LONG_PACKETS if length else PACKETS):
            record = random_record(lsst, rng, Shape(0.1, length))
            while length and not (record["prvDiaSources"] and record["prvDiaForcedSources"]):
                record = random_record(lsst, rng, Shape(0.1, length))
            record["prvDiaForcedSources"] = 2 * (record["prvDiaForcedSources"] or [])
            record |= dict.fromkeys(("cutoutDifference", "cutoutScience", "cutoutTemplate"), _stamp(rng, 30))
            stream = io.BytesIO()
            fastavro.schemaless_writer(stream, fastavro.parse_schema(lsst), record)
            packets.append(write_frame(lsst_schema_id(LSST_VERSION), stream.getvalue()))
    ztf = []
    for _ in range(PACKETS):
        record = random_record(survey_schema("ztf", ZTF_VERSION), rng, Shape(0.1, 20))
        for name in ("cutoutDifference", "cutoutScience", "cutoutTemplate"):
            record[name] = {"fileName": name, "stampData": igzip.compress(_stamp(rng, 63))}
        stream = io.BytesIO()
        fastavro.writer(stream, survey_schema("ztf", ZTF_VERSION), [record], codec="null")
        ztf.append(stream.getvalue())
    return written[50], written[0], ztf


def _stamp(rng: np.random.Generator, side: int) -> bytes:
    """A square FITS image of noise, float32."""
    values = {"SIMPLE": "T", "BITPIX": -32, "NAXIS": 2, "NAXIS1": side, "NAXIS2": side}
    cards = [f"{name:8}={value:>21}" for name, value in values.items()] + ["END"]
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    return header + rng.normal(0, 10, (side, side)).astype(">f4").tobytes()
