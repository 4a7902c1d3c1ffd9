from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamer.simulate.ztf.names import NAMES_PER_FIELD, field_number, object_name


def _field(index: int, seed: int = 3) -> Any:
    return SimpleNamespace(index=index, seed=seed)


def test_no_two_objects_of_a_seed_share_a_name() -> None:
    names = {
        object_name(_field(index), serial, 2_459_000.5)
        for index in (*range(0, 2000, 40), 11_602, 11_603, 1_300_000)
        for serial in (0, 1, 2, 1000, NAMES_PER_FIELD - 1)
    }
    assert len(names) == 53 * 5
    assert all(name.startswith("ZTF20") and len(name) == 12 and name[5:].isalpha() for name in names)


def test_the_fields_of_a_usual_night_have_names_as_ztf_gives_them() -> None:
    letters = {object_name(_field(index), index, 2_461_200.5)[5:7] for index in range(2000)}
    assert letters == {"aa", "ab", "ac", "ad"}


def test_names_that_have_run_out_are_refused() -> None:
    with pytest.raises(ValueError, match="more objects than ZTF has names for"):
        object_name(_field(0), NAMES_PER_FIELD, 2_459_000.5)


def test_years_are_those_of_the_first_detection() -> None:
    assert object_name(_field(0), 0, 2_458_200.5).startswith("ZTF18")
    assert object_name(_field(0), 0, 2_461_045.0).startswith("ZTF26")


@pytest.mark.parametrize(
    ("ra_deg", "dec_deg", "number"),
    [(3.0, -24.0, 245), (359.0, -25.0, 293), (1.0, -17.0, 294), (180.0, 11.0, 524), (359.0, 84.0, 880)],
)
def test_fields_are_numbered_by_rows_of_declination_eastwards(ra_deg: float, dec_deg: float, number: int) -> None:
    assert field_number(ra_deg, dec_deg) == number


def test_neighbouring_places_have_neighbouring_fields() -> None:
    numbers = [field_number(ra, 25.0) for ra in range(0, 360, 8)]
    assert numbers == sorted(set(numbers))
