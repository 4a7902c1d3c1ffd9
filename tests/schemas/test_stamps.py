"""Stamps are read by what their header says, as astropy reads them; what is wrong with one is said."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zlib
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from astropy.io import fits

from schemas import stamps
from schemas.alert import QUALITY_FLAGS
from schemas.codec import read_container, read_record
from schemas.stamps import MAX_STAMP_BYTES, StampError, read_stamp, read_triplet


def _fits(pixels: Any, cards: dict[str, Any] | None = None) -> bytes:
    """A plain FITS image by astropy, native dtype kept; `cards` go into its header."""
    header = fits.Header()
    for name, value in (cards or {}).items():
        header[name] = value
    stream = io.BytesIO()
    fits.PrimaryHDU(np.asarray(pixels), header).writeto(stream)
    return stream.getvalue()


def _flags(bits: int) -> set[str]:
    return {name for bit, name in enumerate(QUALITY_FLAGS) if bits >> bit & 1}


RNG = np.random.default_rng(2)
SQUARE = RNG.normal(100, 10, (63, 63)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i2", "i4", "i8"])
@pytest.mark.parametrize("shape", [(63, 63), (1, 40), (40, 1), (65, 33), (1, 1)])
def test_pixels_of_every_type_and_size_are_read_as_astropy_reads_them(dtype: str, shape: tuple[int, int]) -> None:
    pixels = RNG.uniform(0, 200, shape).astype(dtype)
    for encoded in (_fits(pixels), gzip.compress(_fits(pixels)), memoryview(_fits(pixels))):
        found = read_stamp(encoded)
        assert found.dtype == np.float32
        assert found.dtype.isnative
        assert found.shape == shape
        np.testing.assert_array_equal(found, pixels.astype(np.float32))


@pytest.mark.parametrize("n_cards", [0, 30, 31, 32, 33, 67, 200])
def test_a_header_of_several_blocks_is_read_to_its_end(n_cards: int) -> None:
    cards = {f"KEY{k}": f"END     {k}" for k in range(n_cards)}
    np.testing.assert_array_equal(read_stamp(_fits(SQUARE, cards)), SQUARE)


def test_scale_zero_and_blank_are_applied_wherever_their_cards_stand() -> None:
    pixels = np.array([[1, 2, -99], [4, 5, 6]], dtype=np.int16)
    cards = {f"KEY{k}": k for k in range(50)} | {"BLANK": -99}
    encoded = bytearray(_fits(pixels, cards))
    for name, value in (("KEY40", "BSCALE  =                  2.5"), ("KEY41", "BZERO   =               1.0D+1")):
        place = encoded.index(name.encode().ljust(8) + b"=")
        encoded[place : place + 80] = value.encode().ljust(80)
    np.testing.assert_array_equal(read_stamp(bytes(encoded)), np.float32([[12.5, 15, np.nan], [20, 22.5, 25]]))


def test_the_primary_image_is_read_and_further_images_are_left() -> None:
    stream = io.BytesIO()
    hdus = [fits.PrimaryHDU(SQUARE), fits.ImageHDU(SQUARE * 2), fits.ImageHDU(np.ones((5, 5)))]
    fits.HDUList(hdus).writeto(stream)
    np.testing.assert_array_equal(read_stamp(stream.getvalue()), SQUARE)


def test_a_third_axis_of_one_plane_is_no_matter_and_of_two_is_refused() -> None:
    np.testing.assert_array_equal(read_stamp(_fits(SQUARE[None])), SQUARE)
    with pytest.raises(StampError, match="two axes"):
        read_stamp(_fits(np.stack([SQUARE, SQUARE])))


def test_pixels_that_are_no_flux_become_nan() -> None:
    pixels = SQUARE.copy()
    pixels[0, :5] = [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38]
    found = read_stamp(_fits(pixels))
    assert np.isnan(found[0, :5]).all()
    np.testing.assert_array_equal(found[1:], pixels[1:])
    double = SQUARE.astype(np.float64)
    double[3, 3] = 1e300
    assert np.isnan(read_stamp(_fits(double))[3, 3])


def test_the_stamp_may_be_written_to_and_its_packet_is_left_alone() -> None:
    encoded = _fits(SQUARE)
    before = bytes(encoded)
    read_stamp(encoded)[:] = 0
    assert encoded == before


def _without(encoded: bytes, keyword: bytes) -> bytes:
    place = encoded.index(keyword.ljust(8))
    return encoded[:place] + b"COMMENT " + encoded[place + 8 :]


def _no_image() -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU().writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"", "no END"),
        (b"not a stamp", "no END"),
        (b"x" * 2880, "no END"),
        (b"END".ljust(2880), "SIMPLE"),
        (_fits(SQUARE)[:2880], "cut short"),
        (_fits(SQUARE)[: 2880 + 63 * 63 * 4 - 1], "cut short"),
        (_fits(SQUARE)[:400], "no END"),
        (_no_image(), "two axes"),
        (_fits(np.ones(5, np.float32)), "two axes"),
        (_without(_fits(SQUARE), b"BITPIX"), "no BITPIX"),
        (_without(_fits(SQUARE), b"NAXIS2"), "no NAXIS2"),
        (_fits(SQUARE).replace(b"-32", b"-33"), "BITPIX -33"),
        (_fits(SQUARE).replace(b"-32", b"abc"), "cannot be read"),
        (_fits(SQUARE).replace(b"  63 ", b"   0 "), "two axes"),
        (_fits(SQUARE).replace(b"  63 ", b"  -1 "), "two axes"),
        (_fits(SQUARE).replace(b"       63 ", b"999999999 "), "at most"),
        (_fits(SQUARE).replace(b"       63 ", b"  9999999 "), "at most"),
        (gzip.compress(_fits(SQUARE), mtime=0)[:-1], "cut short"),
        (gzip.compress(_fits(SQUARE), mtime=0)[:2000], "cut short"),
        (gzip.compress(_fits(SQUARE), mtime=0)[:12], "gzip"),
        (b"\x1f\x8b", "gzip"),
        (b"\x1f\x8b" + b"?" * 100, "gzip"),
        (gzip.compress(_fits(SQUARE), mtime=0)[:-8] + b"\0" * 8, "gzip"),
        (gzip.compress(b"no fits", mtime=0), "no END"),
    ],
)
def test_a_stamp_that_cannot_be_read_says_why(encoded: bytes, message: str) -> None:
    with pytest.raises(StampError, match=message) as caught:
        read_stamp(encoded)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize("claimed", [None, 100])
def test_a_gzip_bomb_is_refused_whatever_size_it_claims(claimed: int | None) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(40)) + packer.flush()
    assert len(bomb) < 1 << 20
    if claimed is not None:
        bomb = bomb[:-4] + claimed.to_bytes(4, "little")
    with pytest.raises(StampError, match=f"more than {MAX_STAMP_BYTES}"):
        read_stamp(bomb)


def test_a_stamp_cut_or_flipped_anywhere_is_read_or_refused() -> None:
    for whole in (_fits(SQUARE), gzip.compress(_fits(SQUARE))):
        for _ in range(400):
            damaged = bytearray(whole[: int(RNG.integers(len(whole) + 1))])
            for place in RNG.integers(max(len(damaged), 1), size=3):
                if len(damaged):
                    damaged[place] ^= 1 << int(RNG.integers(8))
            _, bits = read_triplet((bytes(damaged), None, None), "ztf")
            assert bits


def test_a_good_triplet_sets_no_bit_and_keeps_the_order() -> None:
    packed = tuple(gzip.compress(_fits(SQUARE + k)) for k in range(3))
    triplet, bits = read_triplet(packed, "ztf")  # type: ignore[arg-type]
    assert bits == 0
    assert triplet.any
    assert triplet.survey == "ztf"
    for k, found in enumerate((triplet.science, triplet.template, triplet.difference)):
        np.testing.assert_array_equal(found, SQUARE + np.float32(k))


def _with(place: Any, value: float) -> bytes:
    pixels = SQUARE.copy()
    pixels[place] = value
    return _fits(pixels)


GOOD = _fits(SQUARE)


@pytest.mark.parametrize(
    ("survey", "stamp", "flags"),
    [
        ("ztf", None, {"cutout_missing"}),
        ("ztf", b"", {"cutout_missing"}),
        ("ztf", b"rubbish", {"cutout_unreadable"}),
        ("ztf", gzip.compress(GOOD, mtime=0)[:-20], {"cutout_unreadable"}),
        ("ztf", _with((0, 0), np.nan), {"nan_pixels"}),
        ("ztf", _with((0, 0), 3.4e38), {"nan_pixels", "saturated"}),
        ("ztf", _with(slice(None), 0), {"cutout_empty"}),
        ("ztf", _with(slice(None), np.nan), {"cutout_empty", "nan_pixels"}),
        ("ztf", _fits(SQUARE[:60]), {"cutout_odd_size"}),
        ("ztf", _fits(np.ones((65, 65), np.float32)), {"cutout_odd_size"}),
        ("ztf", _fits(np.ones((1, 63), np.float32)), {"cutout_odd_size"}),
        ("lsst", _fits(np.ones((65, 65), np.float32)), set()),
        ("lsst", _fits(np.ones((30, 31), np.float32)), {"cutout_odd_size"}),
        ("lsst", _fits(np.zeros((30, 30))), {"cutout_empty"}),
        ("ztf", _with((slice(None), 0), 0), set()),
        ("lsst", _fits(-np.ones((30, 30), np.float32)), set()),
    ],
)
def test_what_is_wrong_with_a_stamp_is_a_quality_bit(survey: str, stamp: bytes | None, flags: set[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        triplet, bits = read_triplet((GOOD, stamp, GOOD), survey)
    assert _flags(bits) == flags
    unreadable = bool(flags & {"cutout_missing", "cutout_unreadable"})
    assert (triplet.template is None) == unreadable
    np.testing.assert_array_equal(triplet.science, SQUARE)


def test_only_the_templates_huge_pixels_are_called_saturated() -> None:
    huge = _with((0, 0), 3.4e38)
    assert _flags(read_triplet((huge, GOOD, huge), "ztf")[1]) == {"nan_pixels"}


def test_no_stamp_at_all_is_a_triplet_of_nothing() -> None:
    triplet, bits = read_triplet((None, None, None), "lsst")
    assert not triplet.any
    assert _flags(bits) == {"cutout_missing"}


def test_equal_headers_are_parsed_once_though_their_wcs_differ() -> None:
    stamps._parse_cards.cache_clear()
    for k in range(20):
        cards = {f"PAD{j}": 0 for j in range(5)} | {"CRVAL1": 150.0 + k}
        read_stamp(_fits(SQUARE, cards))
    assert stamps._parse_cards.cache_info().misses == 1


def test_every_real_stamp_is_read_as_astropy_reads_it(shared_data: Path) -> None:
    count = 0
    with tarfile.open(shared_data / "ztf_alerts" / "ztf_public_v4_sample.tar.gz") as archive:
        for member in list(archive)[:60]:
            stream = archive.extractfile(member)
            assert stream is not None
            body = read_container(stream.read())
            record = read_record(body.schema, body.buffer, body.start, body.end)
            for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
                count += _as_astropy(record[name]["stampData"], gzip.decompress(record[name]["stampData"]))
    schema = fastavro.schema.load_schema(shared_data / "lsst_alerts" / "schemas" / "1000.avsc")
    for path in sorted((shared_data / "lsst_alerts" / "v10_0").glob("*.bin")):
        record = fastavro.schemaless_reader(io.BytesIO(path.read_bytes()[5:]), schema, None)
        for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
            if record[name]:
                count += _as_astropy(record[name], record[name])
    assert count > 300


def _as_astropy(encoded: bytes, plain: bytes) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy on padding and on cards that are out of the ordinary
        with fits.open(io.BytesIO(plain)) as hdus:
            theirs = np.array(hdus[0].data, dtype=np.float32)
    theirs[np.abs(theirs) > stamps.HUGE] = np.nan
    np.testing.assert_array_equal(read_stamp(encoded), theirs)
    return 1
