"""Which scores fit a subscriber's question."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.records import ScoredAlert
from schemas.taxonomy import CLASSES
from schemas.wire import scored_alert_records
from streamer.client.wanted import Wanted
from streamer.errors import ConfigurationError
from tests import made_up

SCORES = {"SN I": 0.5, "SN II": 0.25, "TDE": 0.125, "AGN": 0.125}
"""Numbers that float32 holds exactly."""


def alert(survey: str = "ztf", classified: bool = True) -> ScoredAlert:
    rows = np.array([[SCORES.get(name, 0.0) for name in CLASSES]], np.float32)
    changes = {"class_scores": rows} if classified else {}
    batch = made_up.scored([1], survey=survey, unclassified=[] if classified else [0], **changes)
    return ScoredAlert.model_validate(scored_alert_records(batch)[0])


@pytest.mark.parametrize(
    ("classes", "min_score", "fits"),
    [
        ([], None, True),
        (["SN I"], None, True),
        (["TDE", "SN I"], None, True),
        (["TDE"], None, False),  # not the predicted class
        ([], 0.5, True),
        ([], 0.51, False),
        (["TDE"], 0.125, True),  # an asked class that has the score, predicted or not
        (["TDE"], 0.2, False),
        (["CV", "SN II"], 0.25, True),
    ],
)
def test_classes_and_scores_are_asked_of_the_alert(classes: list[str], min_score: float | None, fits: bool) -> None:
    assert Wanted.of(None, classes, min_score).fits(alert()) is fits


def test_an_unclassified_alert_fits_where_no_class_and_no_score_is_asked() -> None:
    unclassified = alert(classified=False)
    assert Wanted.of("ztf", [], None).fits(unclassified)
    assert not Wanted.of(None, ["SN I"], None).fits(unclassified)
    assert not Wanted.of(None, [], 0.0).fits(unclassified)
    assert not Wanted.of(None, ["SN I"], 0.0).fits(unclassified)


def test_one_survey_can_be_asked_for() -> None:
    assert Wanted.of("LSST", [], None).fits(alert("lsst"))
    assert not Wanted.of("lsst", [], None).fits(alert("ztf"))


@pytest.mark.parametrize("said", ["SN II", "sn ii", "SN_II", "sn-ii", " Sn_Ii "])
def test_a_class_may_be_written_as_one_likes(said: str) -> None:
    assert Wanted.of(None, [said], None).classes == ("SN II",)


def test_what_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(ConfigurationError, match="no class is called 'SN III'; known are SN I, SN II, SLSN"):
        Wanted.of(None, ["SN III"], None)
    with pytest.raises(ConfigurationError, match="no survey is called 'gaia'; known are ztf, lsst"):
        Wanted.of("gaia", [], None)
    with pytest.raises(ConfigurationError, match="between 0 and 1; found 50"):
        Wanted.of(None, [], 50.0)
