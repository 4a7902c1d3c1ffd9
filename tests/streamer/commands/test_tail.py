"""What a line of `streamer tail` says of an alert."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from schemas.prediction import Contributions
from schemas.records import ScoredAlert
from schemas.wire import scored_alert_records
from streamer.commands.tail import COLUMNS, Lines, line, magnitude, reasons
from tests import made_up

TDE = np.array([[0, 0, 0, 0, 0.25, 0.75, 0]], np.float32)


def alert(**changes: Any) -> ScoredAlert:
    batch = made_up.scored([1], object_ids=["ZTF26abcdefg"], class_scores=TDE, prediction_set=TDE > 0.5, **changes)
    return ScoredAlert.model_validate(scored_alert_records(batch)[0])


def cells(shown: ScoredAlert) -> list[str]:
    """The line's cells, cut where its columns are."""
    text, found = line(shown).plain, []
    for column in COLUMNS:
        found.append(text[: column.width].strip())
        text = text[column.width + 1 :]
    return found


def test_a_line_holds_what_a_person_looks_for() -> None:
    calibrated = {"calibration": [{"domain": "made up", "n": 10, "method": "temperature"}]}
    flux = {"last_flux_njy": np.array([10_000], np.float32), "last_band": np.array([2], np.int8)}
    novelty = {"novelty": np.array([0.125], np.float32)}
    assert cells(alert(**calibrated, **flux, **novelty)) == [
        "14 22:13:21",
        "ztf:ZTF26abcdefg",
        "-",
        "TDE",
        "████░ 0.75",
        "TDE",
        "0.12",
        "3",
        "r 21.40",
        "default …",
    ]


def test_a_score_without_calibration_stands_in_brackets_and_says_so() -> None:
    shown = cells(alert(calibration=[None], novelty=np.array([np.nan], np.float32)))
    assert shown[4:7] == ["████░ (0.75)", "uncalibrated", "-"]


@pytest.mark.parametrize(
    ("score", "quality", "text"), [(0.034, 0, ".03"), (0.999, 0, "1.0"), (0.999, 4, "1.0!"), (np.nan, 0, "-")]
)
def test_a_line_says_how_real_it_is_and_whether_a_quality_flag_is_set(score: float, quality: int, text: str) -> None:
    assert cells(alert(real_score=np.array([score]), quality=np.array([quality], np.uint32)))[2] == text


def test_an_unclassified_alert_gives_its_reason() -> None:
    batch = made_up.scored([1], unclassified=[0])
    shown = cells(ScoredAlert.model_validate(scored_alert_records(batch)[0]))
    assert shown[3:6] == ["-", "no usable l…", ""]


def test_a_line_fits_the_terminal_of_the_docs() -> None:
    shown = alert(calibration=[None]).model_copy(update={"object_id": "1" * 30, "n_detections": 123_456})
    assert len(line(shown).plain) <= 100


@pytest.mark.parametrize(("flux_njy", "text"), [(None, "-"), (3630.78, "22.50"), (-50.0, "faded"), (0.0, "faded")])
def test_a_flux_is_given_as_a_magnitude_where_it_has_one(flux_njy: float | None, text: str) -> None:
    assert magnitude(flux_njy) == text


def test_the_heading_comes_once_and_before_the_first_alert() -> None:
    out = io.StringIO()
    lines = Lines(Console(file=out, width=60))
    lines.show(alert())
    lines.show(alert())
    heading, *rest = out.getvalue().splitlines()
    assert heading.split()[:2] == ["day,", "UTC"]
    assert len(rest) == 2
    assert rest[0] == rest[1] == line(alert()).plain


def test_a_class_of_a_later_taxonomy_is_shown_by_its_name() -> None:
    assert cells(alert().model_copy(update={"predicted_class": "Iax"}))[3:5] == ["Iax", "?"]


def test_codes_that_would_command_the_terminal_are_made_harmless() -> None:
    shown = line(alert().model_copy(update={"object_id": "\x1b]0;x\x07", "model": "\x1b[2J"})).plain
    assert shown.isprintable()


def test_the_reasons_name_modalities_the_classes_asked_for_and_the_loudest_features() -> None:
    scores = np.array([[0.0625, 0.125, 0.5, 0.3125]], np.float32)
    assert reasons(alert(taxonomy_scores=scores)) == [
        "rests on: light_curve 75%, metadata 25%",
        "classes asked for: SN IIn 0.50, SN IIb 0.31, SN IIP 0.12, SN I 0.06",
        "for or against TDE: fall_days 7.5 (+1.50), rise_days unknown (-1.00), g_minus_r_last -0.25 (+0.50)",
    ]


def test_reasons_stand_below_their_line_when_asked_for_and_there_are_none_without_a_class() -> None:
    unclassified = ScoredAlert.model_validate(
        scored_alert_records(made_up.scored([2], unclassified=[0], contributions=Contributions.none(1)))[0]
    )
    assert [text.split(":")[0] for text in reasons(unclassified)] == ["rests on"]
    for details, count in ((False, 2), (True, 5)):
        out = io.StringIO()
        Lines(Console(file=out, width=200), details).show(alert())
        assert len(out.getvalue().splitlines()) == count
