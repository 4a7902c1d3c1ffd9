"""Stamps: FITS images (ZTF's gzipped) to float32 pixels, with what is wrong with them as quality bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from schemas.alert import QUALITY_BIT, EncodedCutouts
from schemas.cutout import STAMPS, CutoutTriplet

MAX_STAMP_BYTES = 4 << 20
"""Most bytes that a stamp may unpack to; ZTF's are 20 kB, LSST's below 100 kB."""

MAX_STAMP_PIXELS = 512 * 512
"""Most pixels of a stamp: those of a whole batch are in memory together. ZTF's have 63 x 63, LSST's 30 x 30 or more."""

MAX_HEADER_BYTES = 100 * 2880
"""Longest FITS header that is searched for its end."""

HUGE = 1e30
"""Pixels beyond this size are no flux (ZTF writes 3.4e38 where the template is saturated): they become NaN."""

ZTF_SIDE = 63
"""Side of a whole ZTF stamp in pixels; at a chip's edge they are smaller."""

Stamp = npt.NDArray[np.float32]

_BLOCK = 2880  # FITS: headers and data come in blocks of this many bytes
_CARD = 80
_FIRST_CARDS = 10 * _CARD  # FITS: SIMPLE, BITPIX, NAXIS and NAXISn come first, in this order
_DTYPE = {-64: ">f8", -32: ">f4", 8: "u1", 16: ">i2", 32: ">i4", 64: ">i8"}
_END = b"END"
_SCALING = (b"BSCALE", b"BZERO", b"BLANK")  # without the spaces behind them: those make a search ten times as slow
_GZIP_MAGIC = b"\x1f\x8b"


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


def read_stamp(encoded: memoryview | bytes) -> Stamp:
    """The primary image of a stamp, shape (height, width), in the survey's own units (ZTF: DN, LSST: nJy).

    Pixels that are not finite, beyond `HUGE` or blank become NaN. Raises StampError where the stamp cannot be read:
    gzip or FITS damaged or cut short, no image, more than `MAX_STAMP_BYTES`. Gzip is known by its first bytes.
    """
    return _pixels(unpack_stamp(encoded))[0]


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
            pixels, huge, flaws = _pixels(unpack_stamp(packed))
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
        quality |= flaws
    return CutoutTriplet(survey, stamps[0], stamps[1], stamps[2]), quality


def primary_images(encoded: EncodedCutouts) -> EncodedCutouts:
    """The stamps as sent without their extensions (LSST's uncertainty and PSF, three quarters of the bytes), uncopied.

    A gzipped stamp stays whole; one that cannot be read becomes None.
    """
    science, template, difference = encoded
    return _primary_image(science), _primary_image(template), _primary_image(difference)


def _primary_image(encoded: memoryview | bytes | None) -> memoryview | bytes | None:
    if encoded is None or bytes(encoded[:2]) == _GZIP_MAGIC:
        return encoded
    try:
        image = _header(encoded)
    except StampError:
        return None
    size = image.height * image.width * np.dtype(image.dtype).itemsize
    return encoded[: image.data_start + -(-size // _BLOCK) * _BLOCK]


def unpack_stamp(encoded: memoryview | bytes) -> memoryview | bytes:
    """A stamp's FITS bytes: undoes gzip where there is any; StampError where that is damaged.

    Never more than `MAX_STAMP_BYTES` are unpacked, whatever the trailer claims.
    """
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


def _pixels(fits: memoryview | bytes) -> tuple[Stamp, bool, int]:
    """The primary image as float32, whether it held pixels beyond `HUGE`, and bits for NaN and for no flux at all."""
    image = _header(fits)
    count = image.height * image.width
    if count * np.dtype(image.dtype).itemsize > len(fits) - image.data_start:
        raise StampError("FITS: the image is cut short")
    stored = np.frombuffer(fits, image.dtype, count, image.data_start)
    if image.dtype == ">f4" and image.scale == 1 and image.zero == 0:
        pixels = stored.astype(np.float32)
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # too large for float32 is beyond HUGE as well
            values = stored.astype(np.float64) * image.scale + image.zero
            if image.blank is not None and stored.dtype.kind != "f":
                values[stored == image.blank] = np.nan
            pixels = values.astype(np.float32)
    huge, flaws = _mend(pixels)
    return pixels.reshape(image.height, image.width), huge, flaws


def _mend(pixels: Stamp) -> tuple[bool, int]:
    """Turns what is no flux into NaN, in place; whether any was beyond `HUGE`, and the bits of what is left."""
    least, most = pixels.min(), pixels.max()  # NaN runs through both
    if least > -HUGE and most < HUGE:
        return False, QUALITY_BIT["cutout_empty"] if least == most == 0 else 0
    beyond = np.abs(pixels) > HUGE
    pixels[beyond] = np.nan
    empty = not np.any(np.nan_to_num(pixels))
    return bool(beyond.any()), QUALITY_BIT["nan_pixels"] | (QUALITY_BIT["cutout_empty"] if empty else 0)


def _header(fits: memoryview | bytes) -> _Image:
    """What the primary header says; it may fill several blocks."""
    scaled = False
    for block_start in range(0, min(len(fits), MAX_HEADER_BYTES), _BLOCK):
        block = bytes(fits[block_start : block_start + _BLOCK])
        end = block.find(_END)
        while end >= 0 and (end % _CARD or block[end : end + 8].rstrip() != _END):  # inside another card
            end = block.find(_END, end + 1)
        cards = block if end < 0 else block[:end]
        scaled = scaled or any(keyword in cards for keyword in _SCALING)
        if end >= 0:
            # LSST's differ from stamp to stamp in their WCS; how pixels are stored stands in the first cards.
            length = block_start + end if scaled else min(block_start + end, _FIRST_CARDS)
            return _parse_cards(bytes(fits[:length]), block_start + _BLOCK)
    raise StampError("FITS: the header has no END")


@lru_cache(maxsize=256)
def _parse_cards(header: bytes, data_start: int) -> _Image:
    """Reads the cards that say how the image is stored; equal cards are parsed once."""
    if not header.startswith(b"SIMPLE  ="):
        raise StampError("FITS: does not begin with SIMPLE")
    cards: dict[bytes, bytes] = {}
    for place in range(0, len(header), _CARD):
        card = header[place : place + _CARD]
        if card[8:10] == b"= ":
            cards.setdefault(card[:8].rstrip(), card[10:].split(b"/")[0].strip())
    try:
        axes = int(cards[b"NAXIS"])
        bits = int(cards[b"BITPIX"])
        sides = [int(cards[b"NAXIS%d" % axis]) for axis in range(1, axes + 1)] if 0 <= axes <= 4 else []
        scale = _number(cards.get(b"BSCALE", b"1"))
        zero = _number(cards.get(b"BZERO", b"0"))
        blank = int(cards[b"BLANK"]) if b"BLANK" in cards else None
    except KeyError as missing:
        raise StampError(f"FITS: the header has no {missing.args[0].decode()}") from None
    except ValueError:
        raise StampError("FITS: a header card cannot be read") from None
    while len(sides) > 2 and sides[-1] == 1:
        sides.pop()
    if len(sides) != 2 or min(sides) < 1:
        raise StampError(f"FITS: no image of two axes (axes: {sides})")
    if sides[0] * sides[1] > MAX_STAMP_PIXELS:
        raise StampError(f"an image of {sides[1]} x {sides[0]} pixels; at most {MAX_STAMP_PIXELS} are read")
    if bits not in _DTYPE:
        raise StampError(f"FITS: BITPIX {bits}")
    return _Image(sides[1], sides[0], _DTYPE[bits], scale, zero, blank, data_start)


def _number(text: bytes) -> float:
    return float(text.replace(b"D", b"E"))
