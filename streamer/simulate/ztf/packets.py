"""ZTF packets: a whole Avro object container with gzipped FITS stamps, history and, since 4.01, forced photometry."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from isal import isal_zlib

from schemas.light_curve import IntArray
from schemas.surveys.columns import flux_from_magnitude
from schemas.surveys.tables import ZTF_VERSIONS
from streamer.simulate.images import fits as fits_stamps
from streamer.simulate.images.stamps import Stamps, draw_stamps
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.scene import Field, chunks
from streamer.simulate.wire import ContainerFraming, encode_array, encode_bytes, encode_long
from streamer.simulate.ztf.candidate import Candidates
from streamer.simulate.ztf.history import Histories
from streamer.simulate.ztf.names import object_name
from streamer.simulate.ztf.rows import Columns, RowEncoder

_CHUNK = 64

_GZIP = 31
"""zlib's window bits for a gzip member of the largest window; its header holds no time, so a seed repeats."""


@lru_cache(maxsize=64)
def _stamp_header(height: int, width: int) -> bytes:
    """Of a stamp; those at a chip's edge are smaller."""
    return fits_stamps.header([*fits_stamps.image_cards(-32, width, height, False), fits_stamps.card("BUNIT", "DN")])


class ZtfPackets:
    """Writes one field's alerts, in order of time."""

    def __init__(self, field: Field, version: str | None = None) -> None:
        """`version` is one of `schemas.surveys.tables.ZTF_VERSIONS`, the newest where None; KeyError for another."""
        version = version or ZTF_VERSIONS[-1]
        self._field, self._version = field, version
        self._framing = ContainerFraming("ztf", version)
        # Version 3 writes the branches of its unions the other way round.
        self._present, self._absent = (b"\x02", b"\x00") if version.startswith("4") else (b"\x00", b"\x02")

    def packets(self) -> Iterator[SimulatedPacket]:
        """The alerts of the field's nights; earlier detections only enter their objects' histories."""
        field = self._field
        candidates = Candidates(field, self._version)
        histories = Histories(candidates, field, self._version)
        sent = np.flatnonzero(candidates.exposure >= field.exposures.emitted_from)
        bodies = self._bodies(candidates, sent)
        names = self._names(candidates, sent)
        for number, rows in enumerate(chunks(len(sent), _CHUNK)):
            chosen = sent[rows]
            stamps = self._stamps(candidates, number, chosen)
            for i, d in enumerate(chosen.tolist()):
                k, exposure, candid = int(candidates.k[d]), int(candidates.exposure[d]), int(candidates.candid[d])
                name = names[rows.start + i]
                alert = f"candid{candid}_pid{candidates.chips.pid[exposure, candidates.cell[d]]}"
                positive = bool(field.flux_njy[k, exposure] > 0.0)
                body = [
                    encode_bytes(self._version.encode()),
                    encode_bytes(b"ZTF (www.ztf.caltech.edu)"),
                    encode_bytes(name.encode()),
                    encode_long(candid),
                    bodies[rows.start + i],
                    *self._history(histories, k, exposure),
                    *self._cutouts(stamps, i, alert, positive),
                ]
                yield field.packet(k, exposure, candid, name, self._framing.frame(b"".join(body)))

    def _bodies(self, candidates: Candidates, sent: IntArray) -> list[bytes]:
        """The encoded `candidate` of each alert."""
        columns: Columns = {
            name: column[sent] if isinstance(column, np.ndarray) else column
            for name, column in (candidates.row_columns | candidates.alert_columns).items()
        }
        columns["pdiffimfilename"] = candidates.chips.file_names(
            candidates.exposure[sent], candidates.cell[sent], archive=False
        )
        return RowEncoder(self._version, "ztf.alert.candidate").encode(columns, len(sent))

    def _names(self, candidates: Candidates, sent: IntArray) -> list[str]:
        """The objectId of each alert: each place where something moving is seen is a new object to ZTF."""
        field, names = self._field, []
        serials: dict[tuple[int, int], int] = {}
        for d in sent.tolist():
            k, exposure = int(candidates.k[d]), int(candidates.exposure[d])
            moving = bool(field.objects.moving[k])
            serial = serials.setdefault((k, exposure if moving else -1), len(serials))
            first = candidates.chips.jd[exposure] if moving else candidates.first_jd[k]
            names.append(object_name(field, serial, float(first)))
        return names

    def _stamps(self, candidates: Candidates, number: int, chosen: IntArray) -> Stamps:
        """Stamps of the alerts of a chunk."""
        k, exposure, cell = candidates.k[chosen], candidates.exposure[chosen], candidates.cell[chosen]
        rng = self._field.generator(3, number)
        position = np.column_stack([np.asarray(candidates.row_columns[name])[chosen] for name in ("xpos", "ypos")])
        njy_per_dn = flux_from_magnitude(candidates.chips.zero_point[exposure, cell])
        sky = candidates.chips.sky_dn[exposure, cell]
        return draw_stamps(rng, self._field, k, exposure, position, njy_per_dn, sky)

    def _history(self, histories: Histories, k: int, exposure: int) -> list[bytes]:
        """`prv_candidates` and, where the schema has it, `fp_hists`."""
        recent = histories.recent(k, exposure)
        kinds = [histories.previous(k, recent)]
        if histories.has_forced:
            kinds.append(histories.forced(k, exposure, recent))
        return [self._present + encode_array(rows) if rows else self._absent for rows in kinds]

    def _cutouts(self, stamps: Stamps, i: int, alert: str, positive: bool) -> list[bytes]:
        """The three cutouts of an alert, whose file names begin with `alert`."""
        candid = alert.partition("_")[0]
        # What has faded is found in the reference image less the science image.
        difference = "scimref" if positive else "refmsci"
        names = (f"{alert}_targ_sci.fits.gz", f"{candid}_ref.fits.gz", f"{alert}_targ_{difference}.fits.gz")
        parts = []
        for name, pixels in zip(names, stamps.triplet(i), strict=True):
            image = _stamp_header(*pixels.shape) + fits_stamps.data(pixels.astype(">f4").tobytes())
            packed = isal_zlib.compress(image, 1, _GZIP)
            parts += [self._present, encode_bytes(name.encode()), encode_bytes(packed)]
        return parts
