"""ZTF's names and numbers: objects, the fields of its grid, its programmes."""

from __future__ import annotations

from streamer.simulate.scene import Field

NAMES_PER_FIELD = 4096
"""Objects that one field may name. With 26^7 letters this leaves room for two million fields of a seed."""

_LETTERS = 26**7
_BLOCK = 4 * 26**5
_STEP = 31_415_927
"""Prime to `_BLOCK`, so that its multiples visit every name of a block once."""

_ROW_DEC_DEG, _ROW_STEP_DEG = -24.35, 7.2
_ROW_FIRST = (245, 294, 344, 396, 447, 499, 550, 599, 648, 694, 736, 773, 806, 833, 853, 868, 881)
"""First field number of each row of the grid, south to north: the primary grid of Bellm et al. 2019 (PASP 131, 018002,
section 3.1) tiles rows of constant declination from right ascension 0 eastwards; limits read off 310 fields."""


def field_number(ra_deg: float, dec_deg: float) -> int:
    """Number of the field of ZTF's primary grid around a place [deg], 245 to 880."""
    row = min(max(round((dec_deg - _ROW_DEC_DEG) / _ROW_STEP_DEG), 0), len(_ROW_FIRST) - 2)
    first, end = _ROW_FIRST[row], _ROW_FIRST[row + 1]
    return first + int(ra_deg % 360.0 / 360.0 * (end - first))


def object_name(field: Field, serial: int, first_jd: float) -> str:
    """`ZTF`, the year of the first detection, seven letters; no two serials of a seed's fields share the letters.

    ZTF counts its letters up through each year, from `aaaaaaa`: names begin with `aa` to `ad`, those of ever more
    fields with later letters. ValueError where the letters have run out.
    """
    number = field.index * NAMES_PER_FIELD + serial
    if serial >= NAMES_PER_FIELD or number >= _LETTERS:
        raise ValueError("more objects than ZTF has names for: simulate fewer packets, or more seeds")
    block, place = divmod(number, _BLOCK)
    number = block * _BLOCK + (place * _STEP + field.seed * 7_919) % _BLOCK
    letters = ""
    for _ in range(7):
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
    return f"ZTF{int(18 + max(first_jd - _NEW_YEAR_2018_JD, 0.0) / 365.25):02d}{letters}"


_NEW_YEAR_2018_JD = 2_458_119.5
