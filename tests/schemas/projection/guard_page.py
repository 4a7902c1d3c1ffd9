"""Decodes whole, cut and flipped packets that end where readable memory ends: a read beyond kills this process."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

from schemas.projection import DecodeError, RowArena, compile_program
from schemas.surveys.projections import LSST_PROJECTION, ZTF_PROJECTION
from schemas.surveys.tables import survey_schema
from streamer.bench.random_records import Shape, random_record
from tests.schemas.projection.reading import written

READABLE = 1 << 18


def main() -> None:
    memory = mmap.mmap(-1, READABLE + mmap.PAGESIZE)
    guard = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + READABLE
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(guard), mmap.PAGESIZE, 0) != 0:
        raise SystemExit("the guard page cannot be protected")
    rng = np.random.default_rng(0)
    refused = 0
    cases = [("lsst", "11.1", LSST_PROJECTION), ("lsst", "7.2", LSST_PROJECTION), ("ztf", "4.02", ZTF_PROJECTION)]
    for survey, version, projection in cases:
        schema = survey_schema(survey, version)
        program = compile_program(schema, projection)
        whole = written(schema, random_record(schema, rng, Shape(0.2, 3)))
        arena = RowArena(projection)
        for turn in range(3000):
            packet = bytearray(whole)
            if turn % 2:
                for place in rng.integers(len(packet), size=3):
                    packet[place] ^= 1 << int(rng.integers(8))
            if turn % 3:
                del packet[int(rng.integers(1, len(packet) + 1)) :]
            memory[READABLE - len(packet) : READABLE] = bytes(packet)
            arena.clear()
            try:
                arena.decode(program, memoryview(memory)[READABLE - len(packet) : READABLE])
            except DecodeError:
                refused += 1
    print(f"refused {refused}")


if __name__ == "__main__":
    main()
