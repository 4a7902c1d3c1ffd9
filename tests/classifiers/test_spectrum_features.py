"""What must hold of spectra as arrays: any scale, order and gap, with a redshift and without, and never a NaN."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.data import changed_spectra, read_moved_spectra, read_spectra_both_ways
from classifiers.features import spectrum_channels
from classifiers.features.spectra import (
    FEATURE_RANGE,
    GRID_AA,
    GRID_BINS,
    GRID_STEP,
    SPECTRUM_CHANNELS,
    TELLURIC_AA,
    usable_redshift,
)
from schemas.spectrum import Spectrum
from tests.classifiers import made_up

FEATURE, CONTINUUM, NOISE, MASK, REST_FRAME = range(len(SPECTRUM_CHANNELS))


def place(wavelength_aa: float) -> int:
    """The bin of a wavelength."""
    return int(np.log(wavelength_aa / GRID_AA[0]) / GRID_STEP)


def at(redshift: float | None, observed: float) -> Spectrum:
    """A flat spectrum with one absorption, at 6,150 angstrom times 1 + `observed`, whose redshift is said to be so."""
    wavelength = np.linspace(3780.0, 9220.0, 430)
    line = 6150.0 * (1.0 + observed)
    flux = 1.0 - 0.5 * np.exp(-0.5 * ((wavelength - line) / 60.0) ** 2)
    return Spectrum("a", 0.0, wavelength, flux.astype(np.float32), None, redshift)


def test_lines_of_a_known_redshift_lie_where_they_are_at_rest() -> None:
    channels, usable = spectrum_channels([at(0.0, 0.0), at(0.08, 0.08), at(None, 0.08)])
    assert usable.all()
    deepest = channels[:, FEATURE].argmin(1)
    assert abs(int(deepest[0]) - int(deepest[1])) <= 1
    assert deepest[2] - deepest[0] == pytest.approx(np.log(1.08) / GRID_STEP, abs=1.0)


def test_the_rest_frame_is_marked_and_nothing_else_tells_the_redshift() -> None:
    known, unknown = spectrum_channels([at(0.0, 0.0), at(None, 0.0)])[0]
    np.testing.assert_array_equal(known[REST_FRAME], known[MASK])
    assert not unknown[REST_FRAME].any()
    np.testing.assert_array_equal(known[:REST_FRAME], unknown[:REST_FRAME])


@pytest.mark.parametrize("absurd", [np.nan, np.inf, -np.inf, -0.5, -1.0, 99.0, 1e30])
def test_an_absurd_redshift_is_none(absurd: float) -> None:
    assert not usable_redshift(absurd)
    np.testing.assert_array_equal(
        spectrum_channels([at(absurd, 0.0)])[0],
        spectrum_channels([at(None, 0.0)])[0],
    )


def test_a_line_falls_on_its_bin_and_the_unseen_ends_are_masked() -> None:
    (channels,) = spectrum_channels([made_up.spectrum()])[0]
    assert abs(int(channels[FEATURE].argmin()) - place(6150.0)) <= 4
    assert channels[MASK, 0] == channels[MASK, -1] == 0.0
    assert channels[MASK, GRID_BINS // 2] == 1.0


def test_the_order_of_bins_does_not_matter() -> None:
    one = made_up.spectrum()
    turned = replace(one, wavelength_aa=one.wavelength_aa[::-1], flux=one.flux[::-1])
    first, second = spectrum_channels([one, turned])[0]
    np.testing.assert_array_equal(first, second)


def test_the_scale_of_flux_and_noise_does_not_matter() -> None:
    one = replace(made_up.spectrum(), flux_var=np.full(210, 1e-4, np.float32))
    tiny = replace(one, flux=one.flux * np.float32(1e-15), flux_var=np.full(210, 1e-34, np.float32))
    first, second = spectrum_channels([one, tiny])[0]
    np.testing.assert_allclose(first, second, atol=2e-3)
    assert first[NOISE].any()


@pytest.mark.parametrize("variance", [0.0, -1.0, np.nan, np.inf])
def test_noise_that_is_not_known_is_zero(variance: float) -> None:
    one = replace(made_up.spectrum(), flux_var=np.full(210, variance, np.float32))
    channels, usable = spectrum_channels([one, replace(one, flux_var=None)])
    assert usable.all()
    np.testing.assert_array_equal(channels[0], channels[1])


def test_a_cosmic_ray_bends_the_continuum_little() -> None:
    one = made_up.spectrum()
    struck = one.flux.copy()
    struck[100] *= 30.0
    clean, hit = spectrum_channels([one, replace(one, flux=struck)])[0]
    far = np.abs(np.arange(GRID_BINS) - place(float(one.wavelength_aa[100]))) > 3
    assert np.abs(clean - hit)[:, far].max() < 0.1


def test_oxygen_is_left_out() -> None:
    wavelength = np.linspace(3780.0, 9220.0, 430)
    flux = np.ones(430, np.float32)
    bitten = np.where((wavelength > TELLURIC_AA[0]) & (wavelength < TELLURIC_AA[1]), np.float32(0.2), flux)
    one, other = spectrum_channels([Spectrum("a", 0.0, wavelength, each) for each in (flux, bitten)])[0]
    np.testing.assert_array_equal(one, other)


def test_nothing_that_a_file_may_hold_gives_nan() -> None:
    rng = np.random.default_rng(1)
    good = made_up.spectrum()
    wavelength, n = good.wavelength_aa, len(good.flux)
    holes = np.where(rng.random(n) < 0.3, np.nan, good.flux).astype(np.float32)
    cases = [
        replace(good, flux=holes),
        replace(good, flux=np.zeros(n, np.float32)),
        replace(good, flux=-good.flux),
        replace(good, flux=rng.normal(size=n).astype(np.float32)),
        replace(good, flux=np.full(n, np.inf, np.float32)),
        replace(good, flux=np.full(n, 1e38, np.float32)),
        replace(good, wavelength_aa=np.where(np.arange(n) % 2 == 0, np.nan, wavelength)),
        replace(good, wavelength_aa=np.zeros(n)),
        replace(good, wavelength_aa=np.full(n, 5000.0)),
        replace(good, wavelength_aa=wavelength / 1e4),
        replace(good, wavelength_aa=wavelength[::-1], redshift=0.9),
        Spectrum("a", 0.0, np.array([]), np.array([], np.float32)),
        Spectrum("a", 0.0, wavelength[:5], good.flux[:5]),
    ]
    channels, usable = spectrum_channels(cases)
    assert np.isfinite(channels).all()
    assert usable.tolist() == [True, False] + [True] * 2 + [False] * 2 + [True] + [False] * 3 + [True] + [False] * 2
    assert not channels[~usable].any()


def test_a_spectrum_is_the_same_alone_and_among_others() -> None:
    spectra = [replace(made_up.spectrum(i), redshift=0.02 * i if i % 2 else None) for i in range(6)]
    together, _ = spectrum_channels(spectra)
    for i, spectrum in enumerate(spectra):
        np.testing.assert_array_equal(spectrum_channels([spectrum])[0][0], together[i])


def test_changes_keep_the_form_of_the_arrays() -> None:
    channels, _ = spectrum_channels([replace(made_up.spectrum(i), redshift=0.05 if i % 2 else None) for i in range(32)])
    before = channels.copy()
    (changed,) = changed_spectra((channels,), np.random.default_rng(1))
    np.testing.assert_array_equal(channels, before)
    assert changed.dtype == np.float32
    assert changed.shape == channels.shape
    seen = changed[:, MASK] > 0
    assert set(np.unique(changed[:, MASK])) == {0.0, 1.0}
    assert not (changed * ~seen[:, None, :]).any()
    assert seen.sum(1).min() > 0.6 * (channels[:, MASK] > 0).sum(1).min()
    np.testing.assert_array_equal(changed[1::2, REST_FRAME], changed[1::2, MASK])
    assert not changed[::2, REST_FRAME].any()
    assert FEATURE_RANGE[0] <= changed[:, FEATURE].min()
    assert changed[:, FEATURE].max() <= FEATURE_RANGE[1]
    assert (changed != channels).any(axis=(1, 2)).all()


def test_training_spectra_come_without_redshift_and_with_it_and_only_what_is_far_away_moves(tmp_path: Path) -> None:
    one = made_up.spectrum()
    row = {
        "type": "Ia",
        "object_type": None,
        "uncertain": False,
        "spectrum_mjd": 59_000.0,
        "wavelength_aa": one.wavelength_aa.tolist(),
        "flux": one.flux.tolist(),
    }
    rows = [
        row | {"object_id": name, "label": label, "object_label": label, "redshift": redshift}
        for name, label, redshift in [("a", "SN I", 0.05), ("b", "CV", None), ("c", "other", None)]
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "spectra.parquet")
    read = read_spectra_both_ways(tmp_path)
    assert read.object_id == ["a", "b", "c", "a", "b"]
    assert [each.redshift for each in read.spectra] == [None, None, None, 0.05, 0.0]
    moved = read_moved_spectra(tmp_path).spectra
    assert [each.redshift for each in moved] == [None] * 3
    assert [np.array_equal(each.wavelength_aa, one.wavelength_aa) for each in moved] == [False, True, False]
