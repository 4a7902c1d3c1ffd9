"""Stamps: FITS images (ZTF's gzipped) to float32 pixels, with what is wrong with them as quality bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from schemas.alert import QUALITY_BIT, EncodedCutouts
from schemas.cutout import STAMPS, CutoutTriplet

MAX_STAMP_BYTES = 16 << 20
"""Most bytes that a stamp may unpack to; ZTF's are 20 kB, LSST's below 100 kB."""

HUGE = 1e30
"""Pixels beyond this size are no flux (ZTF writes 3.4e38 where the template is saturated): they become NaN."""

ZTF_SIDE = 63
"""Side of a whole ZTF stamp in pixels; at a chip's edge they are smaller."""

Stamp = npt.NDArray[np.float32]

_BLOCK = 2880  # FITS: headers and data come in blocks of this many bytes
_CARD = 80
_DTYPE = {-64: ">f8", -32: ">f4", 8: "u1", 16: ">i2", 32: ">i4", 64: ">i8"}
_GZIP_MAGIC = b"\x1f\x8b"
_END = re.compile(rb"END {77}")


class StampError(Exception):
    """A stamp that cannot be read; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Image:
    """What a FITS header says of the primary image."""

    height: int
    width: int
    dtype: str
    scale: float
    zero: float
    blank: int | None
    data_start: int


def read_stamp(encoded: memoryview | bytes, survey: str) -> Stamp:
    """The primary image of a stamp, shape (height, width), in the survey's own units (ZTF: DN, LSST: nJy).

    Pixels that are not finite, beyond `HUGE` or blank become NaN. Raises StampError where the stamp cannot be read:
    gzip or FITS damaged or cut short, no image, more than `MAX_STAMP_BYTES`. `survey` is ztf or lsst; either's stamps
    may be gzipped or plain.
    """
    pixels, _ = _pixels(_unpack(encoded))
    return pixels


def read_triplet(encoded: EncodedCutouts, survey: str) -> tuple[CutoutTriplet, int]:
    """The stamps of one alert and the quality bits they set (see `schemas.alert.QUALITY_BIT`).

    A stamp that is absent or cannot be read is None, with the bit `cutout_missing` or `cutout_unreadable`. Others:
    `cutout_odd_size` (ZTF: not 63x63; LSST: not square), `nan_pixels`, `cutout_empty` (all pixels 0 or NaN),
    `saturated` (the template holds pixels beyond `HUGE`).
    """
    stamps: list[Stamp | None] = []
    quality = 0
    for name, packed in zip(STAMPS, encoded, strict=True):
        if packed is None or len(packed) == 0:
            quality |= QUALITY_BIT["cutout_missing"]
            stamps.append(None)
            continue
        try:
            pixels, huge = _pixels(_unpack(packed))
        except StampError:
            quality |= QUALITY_BIT["cutout_unreadable"]
            stamps.append(None)
            continue
        stamps.append(pixels)
        height, width = pixels.shape
        if height != width or (survey == "ztf" and height != ZTF_SIDE):
            quality |= QUALITY_BIT["cutout_odd_size"]
        if huge and name == "template":
            quality |= QUALITY_BIT["saturated"]
        quality |= _blemishes(pixels)
    return CutoutTriplet(survey, stamps[0], stamps[1], stamps[2]), quality


def _blemishes(pixels: Stamp) -> int:
    """Bits for NaN and for stamps without any flux."""
    # The largest pixel tells both: NaN runs through, and a stamp of zeros alone has 0 as its largest and least.
    largest = pixels.max()
    if np.isnan(largest):
        empty = not np.any(np.nan_to_num(pixels))
        return QUALITY_BIT["nan_pixels"] | (QUALITY_BIT["cutout_empty"] if empty else 0)
    return QUALITY_BIT["cutout_empty"] if largest == 0 and pixels.min() == 0 else 0


def _unpack(encoded: memoryview | bytes) -> memoryview | bytes:
    """Undoes gzip where there is any; never more than `MAX_STAMP_BYTES` are unpacked, whatever the trailer claims."""
    if bytes(encoded[:2]) != _GZIP_MAGIC:
        return encoded
    unpacker = isal_zlib.decompressobj(31)
    try:
        unpacked: bytes = unpacker.decompress(encoded, MAX_STAMP_BYTES + 1)
    except isal_zlib.error as bad:  # type: ignore[misc]  # isal's stub declares the class as an instance
        raise StampError(f"gzip: {bad}") from None
    if len(unpacked) > MAX_STAMP_BYTES:
        raise StampError(f"unpacks to more than {MAX_STAMP_BYTES} bytes")
    if not unpacker.eof:
        raise StampError("gzip: cut short")
    return unpacked


def _pixels(fits: memoryview | bytes) -> tuple[Stamp, bool]:
    """The primary image as float32, and whether it held pixels beyond `HUGE`."""
    image = _parse_header(_header(fits))
    count = image.height * image.width
    if count * np.dtype(image.dtype).itemsize > len(fits) - image.data_start:
        raise StampError("FITS: the image is cut short")
    stored = np.frombuffer(fits, dtype=image.dtype, count=count, offset=image.data_start)
    if image.dtype == ">f4" and image.scale == 1 and image.zero == 0:
        pixels = stored.astype(np.float32)
    else:
        values = stored.astype(np.float64) * image.scale + image.zero
        if image.blank is not None and stored.dtype.kind != "f":
            values[stored == image.blank] = np.nan
        with np.errstate(over="ignore"):  # what is too large for float32 is beyond HUGE as well
            pixels = values.astype(np.float32)
    huge = False
    # One dot product finds the rare stamp with pixels to mend: it is not finite where any pixel is not, or is huge.
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = not np.isfinite(np.dot(pixels, pixels))
    if suspect:
        with np.errstate(invalid="ignore"):
            beyond = np.abs(pixels) > HUGE
        huge = bool(beyond.any())
        pixels[beyond] = np.nan
    return pixels.reshape(image.height, image.width), huge


def _header(fits: memoryview | bytes) -> bytes:
    """The primary header, whole blocks, from the stamp's own bytes."""
    for end in range(_BLOCK, len(fits) + 1, _BLOCK):
        block = bytes(fits[end - _BLOCK : end])
        # Looked for at the start of cards only, since a comment may hold the word.
        place = block.rfind(b"END" + b" " * (_CARD - 3))
        if place >= 0 and place % _CARD == 0:
            return bytes(fits[:end])
        if end >= MAX_STAMP_BYTES:
            break
    raise StampError("FITS: the header has no END")


@lru_cache(maxsize=256)
def _parse_header(header: bytes) -> _Image:
    """Reads the cards that say how the image is stored; equal headers are parsed once."""
    cards: dict[bytes, bytes] = {}
    for place in range(0, len(header), _CARD):
        card = header[place : place + _CARD]
        if card[8:10] == b"= ":
            cards.setdefault(card[:8].rstrip(), card[10:].split(b"/")[0].strip())
        elif card.startswith(b"END "):
            break
    if not header.startswith(b"SIMPLE  ="):
        raise StampError("FITS: does not begin with SIMPLE")
    try:
        axes = int(cards[b"NAXIS"])
        bits = int(cards[b"BITPIX"])
        sides = [int(cards[b"NAXIS%d" % axis]) for axis in range(1, axes + 1)] if 0 <= axes <= 9 else []
        scale = _number(cards.get(b"BSCALE", b"1"))
        zero = _number(cards.get(b"BZERO", b"0"))
        blank = int(cards[b"BLANK"]) if b"BLANK" in cards else None
    except KeyError as missing:
        raise StampError(f"FITS: the header has no {missing.args[0].decode()}") from None
    except ValueError:
        raise StampError("FITS: a header card cannot be read") from None
    while len(sides) > 2 and sides[-1] == 1:
        sides.pop()
    if len(sides) != 2 or min(sides) < 1 or max(sides) > MAX_STAMP_BYTES:
        raise StampError(f"FITS: no image of two axes (axes: {sides})")
    if bits not in _DTYPE:
        raise StampError(f"FITS: BITPIX {bits}")
    return _Image(sides[1], sides[0], _DTYPE[bits], scale, zero, blank, len(header))


def _number(text: bytes) -> float:
    return float(text.replace(b"D", b"E"))
