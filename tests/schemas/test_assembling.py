"""What must hold of a light curve that is cut from a set of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.assembling import Assembled, assemble
from schemas.light_curve import (
    DETECTION,
    FLAG_BAD,
    FLAG_OWN,
    FLAG_WITHDRAWN,
    FORCED,
    LIMIT,
    ROW_DTYPE,
)

NOTHING = np.zeros(0, dtype=ROW_DTYPE)


def row(exposure: int, **fields: object) -> np.ndarray:
    """A good detection of 1,000 nJy in r on day 60,000 + exposure."""
    out = np.zeros(1, dtype=ROW_DTYPE)
    defaults = {
        "source_id": exposure,
        "exposure_id": exposure,
        "mjd_tai": 60_000.0 + exposure,
        "known_mjd_tai": 60_000.0 + exposure,
        "flux_njy": 1000.0,
        "flux_err_njy": 10.0,
        "separation_arcsec": np.nan,
        "band": 2,
        "kind": DETECTION,
    }
    for name, value in (defaults | fields).items():
        out[name] = value
    return out


def one(packet: list[np.ndarray], at: float, stored: list[np.ndarray] = []) -> Assembled:  # noqa: B006  not changed
    rows = np.concatenate(packet)
    held = np.concatenate([NOTHING, *stored])
    return assemble(
        "lsst",
        rows,
        np.array([0, len(rows)]),
        np.array([at]),
        np.array([0]),
        held,
        np.array([0, len(held)]),
    )


def times(assembled: Assembled) -> list[float]:
    return assembled.light_curves.mjd_tai.tolist()


def test_rows_later_than_the_alert_are_left_out() -> None:
    result = one([row(5, flags=FLAG_OWN), row(4, known_mjd_tai=60_005.0), row(9, known_mjd_tai=60_005.0)], 60_005.0)
    assert times(result) == [60_004.0, 60_005.0]


def test_rows_that_became_known_after_the_alert_are_left_out() -> None:
    result = one([row(5, flags=FLAG_OWN)], 60_005.0, stored=[row(3, known_mjd_tai=60_007.0)])
    assert times(result) == [60_005.0]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [((DETECTION, FORCED, LIMIT), DETECTION), ((LIMIT, FORCED), FORCED), ((LIMIT,), LIMIT)],
)
def test_an_exposure_is_its_detection_else_forced_else_limit(kinds: tuple[int, ...], expected: int) -> None:
    fluxes = {DETECTION: 1000.0, FORCED: 900.0, LIMIT: np.nan}
    earlier = [row(1, kind=kind, flux_njy=fluxes[kind]) for kind in kinds]
    result = one([row(2, flags=FLAG_OWN), *earlier], 60_002.0)
    assert result.light_curves.kind.tolist() == [expected, DETECTION]


def test_bad_forced_photometry_gives_way_to_the_limit() -> None:
    rows = [row(1, kind=FORCED, flags=FLAG_BAD), row(1, kind=LIMIT, flux_njy=np.nan)]
    assert one(rows, 60_001.0).light_curves.kind.tolist() == [LIMIT]


def test_of_two_sources_in_an_exposure_the_nearest_counts() -> None:
    near, far = (row(1, source_id=i, separation_arcsec=s, flux_njy=f) for i, s, f in ((8, 0.1, 1.0), (7, 0.9, 2.0)))
    result = one([row(2, flags=FLAG_OWN), far, near], 60_002.0)
    assert result.light_curves.flux_njy.tolist() == [1.0, 1000.0]


def test_the_alerts_own_source_counts_before_a_nearer_one() -> None:
    own = row(1, source_id=8, separation_arcsec=0.9, flux_njy=1.0, flags=FLAG_OWN)
    near = row(1, source_id=7, separation_arcsec=0.1, flux_njy=2.0)
    assert one([own, near], 60_001.0).light_curves.flux_njy.tolist() == [1.0]


def test_the_latest_processing_of_a_source_counts() -> None:
    old, new = (row(1, processed_mjd_tai=p, flux_njy=f) for p, f in ((60_001.1, 1.0), (60_001.2, 2.0)))
    for order in ([old, new], [new, old]):
        result = one([row(2, flags=FLAG_OWN), *order], 60_002.0)
        assert result.light_curves.flux_njy.tolist() == [2.0, 1000.0]


def test_a_withdrawn_source_is_gone_and_its_forced_point_takes_its_place() -> None:
    kept = row(1, processed_mjd_tai=60_001.1)
    tombstone = row(1, processed_mjd_tai=60_001.5, flags=FLAG_WITHDRAWN, known_mjd_tai=60_002.0)
    forced = row(1, kind=FORCED, source_id=99, flux_njy=5.0)
    result = one([row(2, flags=FLAG_OWN), tombstone, forced], 60_002.0, stored=[kept])
    assert result.light_curves.kind.tolist() == [FORCED, DETECTION]


@pytest.mark.parametrize(
    "broken", [{"flux_njy": np.nan}, {"flux_err_njy": 0.0}, {"flux_err_njy": np.inf}, {"band": 255}]
)
def test_a_row_without_a_good_value_costs_only_itself(broken: dict[str, float]) -> None:
    result = one([row(2, flags=FLAG_OWN), row(1, **broken)], 60_002.0)
    assert times(result) == [60_002.0]


def test_an_empty_history_gives_the_own_source_alone() -> None:
    result = one([row(1, flags=FLAG_OWN)], 60_001.0)
    assert result.light_curves.n_detections().tolist() == [1]


def test_ten_thousand_rows_are_all_used() -> None:
    packet = [row(10_000, flags=FLAG_OWN), *(row(i, known_mjd_tai=70_000.0) for i in range(10_000))]
    result = one(packet, 70_000.0)
    assert result.light_curves.n_detections().tolist() == [10_001]
    assert np.all(np.diff(result.light_curves.mjd_tai) > 0)


def test_only_rows_that_the_store_lacks_are_new() -> None:
    stored = row(1, flux_njy=np.nan)
    result = one([row(2, flags=FLAG_OWN), stored, stored, row(3), row(3)], 60_009.0, stored=[stored])
    assert result.is_new.tolist() == [True, False, False, True, False]


def test_a_row_known_earlier_than_stored_is_new() -> None:
    result = one([row(2, flags=FLAG_OWN), row(1, known_mjd_tai=60_002.0)], 60_002.0, [row(1, known_mjd_tai=60_008.0)])
    assert result.is_new.tolist() == [True, True]


def test_summary_says_what_the_light_curve_holds() -> None:
    rows = [
        row(3, flags=FLAG_OWN, flux_njy=50.0, band=3, rights=2),
        row(1, flux_njy=-20.0, band=1),
        row(2, flux_njy=70.0, band=2),
        row(4, kind=FORCED, band=4, known_mjd_tai=60_001.0, mjd_tai=60_000.5),
        row(5, kind=LIMIT, flux_njy=np.nan, known_mjd_tai=60_001.0, mjd_tai=60_000.7),
    ]
    (summary,) = one(rows, 60_003.0).summary
    assert (summary["n_detections"], summary["n_forced"], summary["n_limits"]) == (3, 1, 1)
    assert (summary["first_detection_mjd_tai"], summary["last_detection_mjd_tai"]) == (60_001.0, 60_003.0)
    assert (summary["peak_flux_njy"], summary["peak_band"]) == (70.0, 2)
    assert (summary["last_flux_njy"], summary["last_band"]) == (50.0, 3)
    assert summary["bands_used"] == 0b11110
    assert summary["rights"] == 2


measurements = st.builds(
    row,
    st.integers(0, 5),
    source_id=st.integers(0, 6),
    known_mjd_tai=st.sampled_from([60_001.0, 60_003.0, 60_005.0]),
    processed_mjd_tai=st.sampled_from([0.0, 60_001.0, 60_002.0]),
    band=st.sampled_from([1, 2]),
    flux_err_njy=st.sampled_from([1.0, 2.0]),
    flux_njy=st.sampled_from([1.0, 2.0, np.nan]),
    separation_arcsec=st.sampled_from([0.1, 0.5, np.nan]),
    kind=st.sampled_from([DETECTION, FORCED, LIMIT]),
    flags=st.sampled_from([0, FLAG_BAD, FLAG_WITHDRAWN, FLAG_OWN]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(measurements, max_size=8), st.lists(measurements, max_size=8), st.randoms())
def test_the_order_and_repetition_of_rows_do_not_matter(history, stored, random) -> None:  # type: ignore[no-untyped-def]
    own = row(5, source_id=50, flags=FLAG_OWN)
    expected = one([own, *history], 60_005.0, stored)
    history, stored = history * 2, stored * 2
    random.shuffle(history)
    random.shuffle(stored)
    result = one([own, *history], 60_005.0, stored)
    assert result.summary["hash"] == expected.summary["hash"]
    assert times(result) == times(expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(measurements, max_size=6), min_size=2, max_size=4))
def test_how_the_stream_is_cut_into_batches_does_not_matter(histories) -> None:  # type: ignore[no-untyped-def]
    packets = []
    for place, history in enumerate(histories):
        rows = np.concatenate([row(place, source_id=50 + place, flags=FLAG_OWN), *history])
        rows["known_mjd_tai"] = 60_000.0 + place
        packets.append(rows)
    at = 60_000.0 + np.arange(len(packets))
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in packets])])
    objects = np.zeros(len(packets), dtype=np.int64)
    together = assemble("lsst", np.concatenate(packets), offsets, at, objects, NOTHING, np.array([0, 0]))
    stored = NOTHING
    for place, rows in enumerate(packets):
        alone = one([rows], at[place], [stored])
        assert alone.summary[0] == together.summary[place] or np.array_equal(
            alone.summary[0].tobytes(), together.summary[place].tobytes()
        )
        assert alone.is_new.tolist() == together.is_new[offsets[place] : offsets[place + 1]].tolist()
        stored = np.concatenate([stored, rows[alone.is_new]])
