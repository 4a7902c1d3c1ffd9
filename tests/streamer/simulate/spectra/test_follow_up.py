"""What must hold of follow-up spectra: bright objects some days later, through their photometry, as a replay reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.records import Spectrum
from schemas.spectrum_files import read_spectra, write_spectra
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.spectra.follow_up import KINDS, LONGEST_DAYS, draw_spectra
from streamer.simulate.spectra.spectrograph import WAVELENGTH_AA
from streamer.simulate.truth import Truth
from tests.streamer.simulate.conftest import Night

BRIGHT_NJY, FAINT_NJY = 10.0 ** (0.4 * (31.4 - 17.0)), 10.0 ** (0.4 * (31.4 - 22.0))
"""17 and 22 mag."""

PACKET = SimulatedPacket(
    survey="ztf",
    alert_id=1,
    object_id="ZTF26aaaaaaa",
    type="SN Ia",
    label="SN I",
    redshift=0.03,
    mjd_tai=61_000.25,
    band="r",
    true_njy=BRIGHT_NJY,
    still_njy=0.0,
    payload=b"",
    parameters={"epoch_mjd": 61_001.0, "ebv_mag": 0.05, "stretch": 1.0},
)


def truth_of(*packets: SimulatedPacket) -> Truth:
    truth = Truth()
    for packet in packets:
        truth.add(packet)
    return truth


def many(n: int, **changes: object) -> Truth:
    return truth_of(*(replace(PACKET, object_id=f"ZTF26{k:07d}", **changes) for k in range(n)))  # type: ignore[arg-type]


def magnitude(spectrum: Spectrum, low_aa: float, high_aa: float) -> float:
    """AB magnitude of a spectrum between two wavelengths."""
    wavelength, flux = np.array(spectrum.wavelength_aa), np.array(spectrum.flux)
    inside = (wavelength > low_aa) & (wavelength < high_aa)
    return float(-2.5 * np.log10(np.mean((flux * wavelength**2)[inside]) / 2.998e18) - 48.6)


@pytest.fixture(scope="module")
def spectra(ztf_night: Night) -> list[tuple[Spectrum, Truth]]:
    truth = truth_of(*(packet for packet, _ in ztf_night))
    return [(spectrum, truth) for spectrum in draw_spectra(truth, 1.0, 3)]


def test_a_night_gives_spectra_by_time_each_some_days_after_an_alert_of_its_object(
    spectra: list[tuple[Spectrum, Truth]],
) -> None:
    assert len(spectra) > 20
    times = [spectrum.mjd_tai for spectrum, _ in spectra]
    assert times == sorted(times)
    for spectrum, truth in spectra:
        known = truth.objects[spectrum.survey, spectrum.object_id]
        assert known.type in KINDS
        assert min(known.mjd_tai) < spectrum.mjd_tai <= max(known.mjd_tai) + LONGEST_DAYS
        assert spectrum.redshift == (known.redshift if known.redshift == known.redshift else 0.0)
        assert np.isfinite(spectrum.flux).all()
        assert (np.array(spectrum.flux_var) > 0.0).all()


def test_the_same_seed_gives_the_same_spectra_and_another_does_not() -> None:
    truth = many(20)
    first, again, other = (list(draw_spectra(truth, 0.5, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_fraction_is_that_of_the_bright_and_the_faint_get_none() -> None:
    assert len(list(draw_spectra(many(400), 0.25, 1))) == pytest.approx(100, abs=30)
    assert list(draw_spectra(many(400, true_njy=FAINT_NJY), 1.0, 1)) == []
    assert list(draw_spectra(many(20), 0.0, 1)) == []


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_what_is_no_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        list(draw_spectra(many(1), fraction, 1))


@pytest.mark.parametrize("kind", ["asteroid", "bogus"])
def test_nobody_takes_a_spectrum_of_what_is_no_transient(kind: str) -> None:
    assert list(draw_spectra(many(20, type=kind, label=None), 1.0, 1)) == []


def test_a_spectrum_is_as_bright_as_its_photometry_in_every_band() -> None:
    green = replace(PACKET, alert_id=2, band="g", true_njy=1.4 * BRIGHT_NJY)
    differences = []
    for seed in range(30):
        (spectrum,) = draw_spectra(truth_of(PACKET, green), 1.0, seed)
        assert magnitude(spectrum, 5_700.0, 6_900.0) == pytest.approx(17.0, abs=0.35)
        differences.append(magnitude(spectrum, 4_450.0, 5_250.0) - magnitude(spectrum, 5_700.0, 6_900.0))
    assert np.median(differences) == pytest.approx(-2.5 * np.log10(1.4), abs=0.1)


def test_noise_is_larger_in_the_blue_and_for_the_faint() -> None:
    def noise(njy: float) -> np.ndarray:
        taken = list(draw_spectra(many(60, true_njy=njy), 1.0, 1))
        return np.median([np.sqrt(s.flux_var) / np.median(s.flux) for s in taken], axis=0)

    bright, fainter = noise(BRIGHT_NJY), noise(BRIGHT_NJY / 5.0)
    assert bright[:10].mean() > 4.0 * bright[90:110].mean()
    assert np.median(fainter) > 1.3 * np.median(bright)


def test_a_bright_host_shows_beside_the_supernova() -> None:
    def narrow_line(still_njy: float) -> float:
        found = []
        for spectrum in draw_spectra(many(60, type="SN IIP", label="SN II", still_njy=still_njy, redshift=0.02,
                                          parameters={"epoch_mjd": 60_998.0}), 1.0, 1):  # fmt: skip
            rest, flux = WAVELENGTH_AA / 1.02, np.array(spectrum.flux)
            near, peak = np.interp([6_450.0, 6_680.0], rest, flux).mean(), np.interp(6_565.0, rest, flux)
            found.append(peak / near - 1.0)
        return float(np.median(found))

    assert narrow_line(3.0 * BRIGHT_NJY) > narrow_line(0.0) + 0.05


def test_lsst_reaches_deeper() -> None:
    faint = {"survey": "lsst", "object_id": "1", "true_njy": FAINT_NJY}
    (spectrum,) = draw_spectra(truth_of(replace(PACKET, **faint)), 1.0, 1)  # type: ignore[arg-type]
    assert (spectrum.survey, spectrum.object_id) == ("lsst", "1")


def test_a_replay_reads_them_as_they_were(tmp_path: Path) -> None:
    drawn = list(draw_spectra(many(5), 1.0, 1))
    write_spectra(tmp_path / "spectra.parquet", drawn)
    (block,) = read_spectra(tmp_path / "spectra.parquet")
    for spectrum, read in zip(drawn, block, strict=True):
        assert read is not None
        assert read.object_id == spectrum.object_id
        assert read.mjd_tai == pytest.approx(spectrum.mjd_tai, abs=1e-8)
        np.testing.assert_allclose(read.flux, spectrum.flux, rtol=1e-6)
