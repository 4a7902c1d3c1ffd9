"""ZTF packets, schema 4.02: a whole Avro object container with gzipped FITS stamps, history and forced photometry."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from isal import isal_zlib

from schemas.light_curve import FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.images import fits as fits_stamps
from streamer.simulate.images.stamps import Stamps, draw_stamps
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.scene import Field, chunks
from streamer.simulate.wire import PRESENT, ContainerFraming, RecordWriter, encode_array, encode_bytes, encode_long
from streamer.simulate.ztf.candidate import Candidates

VERSION = "4.02"
_CHUNK = 64
_NIGHT_DAYS = 0.5
"""Forced photometry of a night comes after the night: a packet's fp_hists ends so long before it [d]."""

_GZIP = 31
"""zlib's window bits for a gzip member of the largest window; its header holds no time, so a seed repeats."""


@lru_cache(maxsize=64)
def _stamp_header(height: int, width: int) -> bytes:
    """Of a stamp; those at a chip's edge are smaller."""
    return fits_stamps.header([*fits_stamps.image_cards(-32, width, height, False), fits_stamps.card("BUNIT", "DN")])


class ZtfPackets:
    """Writes one field's alerts, in order of time."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._candidates = Candidates(field)
        self._framing = ContainerFraming("ztf", VERSION)
        self._candidate = RecordWriter("ztf", VERSION, "ztf.alert.candidate")
        self._previous = RecordWriter("ztf", VERSION, "ztf.alert.prv_candidate")
        self._forced = RecordWriter("ztf", VERSION, "ztf.alert.fp_hist")
        self._detection_rows: dict[tuple[int, int], bytes] = {}
        self._limit_rows: dict[tuple[int, int], bytes] = {}
        self._forced_rows: dict[tuple[int, int], bytes] = {}
        self._moving = np.any(field.objects.motion_arcsec_per_day != 0.0, axis=1)

    def packets(self) -> Iterator[SimulatedPacket]:
        """The alerts of the field's nights; earlier detections only enter their objects' histories."""
        field = self._field
        all_k, all_exposure = field.detections()
        for number, rows in enumerate(chunks(len(all_k), _CHUNK)):
            k, exposure = all_k[rows], all_exposure[rows]
            rng = field.generator(3, number)
            records = self._candidates.records(rng, k, exposure)
            position = np.array([(record["xpos"], record["ypos"]) for record in records])
            stamps = self._stamps(rng, k, exposure, position) if exposure[-1] >= field.exposures.emitted_from else None
            for i, record in enumerate(records):
                if stamps is not None and exposure[i] >= field.exposures.emitted_from:
                    yield self._packet(int(k[i]), int(exposure[i]), record, stamps, i)
                self._remember(int(k[i]), int(exposure[i]), record)

    def _stamps(self, rng: np.random.Generator, k: IntArray, exposure: IntArray, position: FloatArray) -> Stamps:
        zero_point = self._candidates.zero_point[exposure]
        njy_per_dn = flux_from_magnitude(zero_point)
        return draw_stamps(rng, self._field, k, exposure, position, njy_per_dn, self._candidates.sky_dn[exposure])

    def _packet(self, k: int, exposure: int, record: dict[str, Any], stamps: Stamps, i: int) -> SimulatedPacket:
        field, candidates = self._field, self._candidates
        candid = int(record["candid"])
        # Each place where something moving is seen is a new object to ZTF.
        object_id = candidates.object_id(k, exposure if self._moving[k] else None)
        history = self._history(k, exposure)
        forced = self._forced_history(k, exposure)
        name = f"candid{candid}_pid{record['pid']}_targ_"
        # What has faded is found in the reference image less the science image.
        difference = "scimref" if record["isdiffpos"] == "t" else "refmsci"
        names = (f"{name}sci.fits.gz", f"candid{candid}_ref.fits.gz", f"{name}{difference}.fits.gz")
        parts = [
            encode_bytes(VERSION.encode()),
            encode_bytes(b"ZTF (www.ztf.caltech.edu)"),
            encode_bytes(object_id.encode()),
            encode_long(candid),
            self._candidate.encode(record),
            PRESENT + encode_array(history) if history else b"\x00",
            PRESENT + encode_array(forced) if forced else b"\x00",
        ]
        for file_name, pixels in zip(names, stamps.triplet(i), strict=True):
            image = _stamp_header(*pixels.shape) + fits_stamps.data(pixels.astype(">f4").tobytes())
            parts += [PRESENT, encode_bytes(file_name.encode()), encode_bytes(isal_zlib.compress(image, 1, _GZIP))]
        return field.packet(k, exposure, candid, object_id, self._framing.frame(b"".join(parts)))

    def _remember(self, k: int, exposure: int, record: dict[str, Any]) -> None:
        if not self._moving[k]:
            row = {name: record.get(name) for name in self._previous.field_names}
            row["pdiffimfilename"] = self._candidates.file_name(k, exposure, archive=True)
            self._detection_rows[k, exposure] = self._previous.encode(row)

    def _recent(self, k: int, exposure: int) -> IntArray:
        """Exposures of the thirty days before this one that hold the object."""
        mjd = self._field.exposures.mjd_tai
        begin = int(np.searchsorted(mjd, mjd[exposure] - self._field.survey.lookback_days))
        recent: IntArray = begin + np.flatnonzero(self._field.covered[k, begin:exposure])
        return recent

    def _history(self, k: int, exposure: int) -> list[bytes]:
        rows = []
        cell = int(self._field.objects.cell[k])
        for earlier in map(int, self._recent(k, exposure)):
            row = self._detection_rows.get((k, earlier))
            if row is None:
                row = self._limit_rows.get((cell, earlier))
            if row is None:
                row = self._previous.encode(self._candidates.limit_record(k, earlier, self._previous.field_names))
                self._limit_rows[cell, earlier] = row
            rows.append(row)
        return rows

    def _forced_history(self, k: int, exposure: int) -> list[bytes]:
        if self._moving[k]:
            return []
        mjd = self._field.exposures.mjd_tai
        rows = []
        for earlier in map(int, self._recent(k, exposure)):
            if mjd[earlier] > mjd[exposure] - _NIGHT_DAYS:
                break
            row = self._forced_rows.get((k, earlier))
            if row is None:
                row = self._forced.encode(self._candidates.forced_record(k, earlier))
                self._forced_rows[k, earlier] = row
            rows.append(row)
        return rows
