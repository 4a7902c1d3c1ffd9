"""FITS images written by hand: a header of 80-character cards, then big-endian pixels, in blocks of 2,880 bytes."""

from __future__ import annotations

from collections.abc import Iterable

BLOCK = 2880
"""FITS files come in blocks of so many bytes (FITS standard 4.0, section 3.1)."""

Value = bool | int | float | str


def card(key: str, value: Value, comment: str = "") -> bytes:
    """One header card in fixed format (FITS standard 4.0, section 4.2)."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value:<8}'".ljust(20)
    elif isinstance(value, int):
        text = f"{value:>20d}"
    else:
        text = f"{value:>20.13E}" if value and not 1e-4 < abs(value) < 1e12 else f"{value:>20.12f}"
    return f"{key:<8}= {text}{' / ' + comment if comment else ''}".encode("ascii").ljust(80)[:80]


def header(cards: Iterable[bytes]) -> bytes:
    """The cards, END, and blanks up to a whole block."""
    text = b"".join([*cards, b"END".ljust(80)])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def data(pixels: bytes) -> bytes:
    """The pixels, and zeros up to a whole block."""
    return pixels.ljust(-(-len(pixels) // BLOCK) * BLOCK, b"\x00")


def image_cards(bits: int, width: int, height: int, extension: bool) -> list[bytes]:
    """The mandatory cards of a primary image or of an image extension; `bits` is BITPIX (-32 or -64)."""
    first = card("XTENSION", "IMAGE") if extension else card("SIMPLE", True)
    cards = [first, card("BITPIX", bits), card("NAXIS", 2), card("NAXIS1", width), card("NAXIS2", height)]
    return [*cards, card("PCOUNT", 0), card("GCOUNT", 1)] if extension else cards
