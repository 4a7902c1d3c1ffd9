"""A folder of results, read: names are found, the latest score counts, the best are worth a look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from schemas.scored import ScoredBatch
from schemas.taxonomy import CLASSES
from streamer.errors import UserError
from streamer.factory.replay import STATE_FOLDER, open_store_for_reading
from streamer.results import MIN_DETECTIONS, Results
from streamer.sinks.parquet import PARTS_FOLDER, SCORES_FILE, ParquetSink
from streamer.state.sqlite import SqliteObjectStore
from tests import made_up
from tests.contracts.object_store import put

ZTF_OBJECT, TWIN = "ZTF18aaaaaaa", 77
"""TWIN is the number of an alert of both surveys."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """ZTF alerts 5, 6, TWIN of one object; LSST alerts 8 and TWIN of the objects 313 and 77."""
    with SqliteObjectStore(tmp_path / STATE_FOLDER, 2**20) as store:
        put(
            store,
            lambda s: s.put_alerts(made_up.alerts([5, 6, TWIN], [ZTF_OBJECT] * 3)),
            lambda s: s.put_alerts(made_up.alerts([8, TWIN], ["313", "77"], "lsst")),
        )
    return tmp_path


@pytest.fixture
def results(folder: Path) -> Iterator[Results]:
    with open_store_for_reading(folder) as store:
        yield Results(folder, store)


def write(folder: Path, *batches: ScoredBatch) -> None:
    sink = ParquetSink(folder)
    for batch in batches:
        sink.write(batch)
    sink.close()


def sure_of(name: str, scores: list[float]) -> np.ndarray:
    """Class scores with `scores` for one class, the rest shared among the others."""
    made = np.repeat((1 - np.array(scores, np.float32))[:, None] / 6, 7, axis=1)
    made[:, CLASSES.index(name)] = scores
    return made


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("5", ("ztf", 5)),
        ("ZTF:5", ("ztf", 5)),
        (ZTF_OBJECT, ("ztf", TWIN)),
        (f"ztf:{ZTF_OBJECT}", ("ztf", TWIN)),
        ("313", ("lsst", 8)),
        ("lsst:313", ("lsst", 8)),
        (f"ztf:{TWIN}", ("ztf", TWIN)),
        (f"lsst:{TWIN}", ("lsst", TWIN)),
    ],
)
def test_an_alert_or_an_object_is_found_by_its_name(results: Results, name: str, found: tuple[str, int]) -> None:
    assert results.find(name) == found


def test_a_name_of_both_surveys_is_asked_back(results: Results) -> None:
    with pytest.raises(UserError, match=f"{TWIN} is in both surveys: write ztf:{TWIN} or lsst:{TWIN}"):
        results.find(str(TWIN))


@pytest.mark.parametrize("name", ["²", "٣", "9" * 19, "9" * 5000, "-5", "", "lsst:5", f"lsst:{ZTF_OBJECT}", "\udcff"])
def test_what_names_nothing_is_said_to_be_unknown(results: Results, name: str) -> None:
    with pytest.raises(UserError, match="no alert and no object"):
        results.find(name)


def test_an_unknown_survey_is_named(results: Results) -> None:
    with pytest.raises(UserError, match="no survey 'des'"):
        results.find("des:5")


def test_the_score_that_was_made_last_is_shown(folder: Path, results: Results) -> None:
    first, last = 1.7e9, 1.7e9 + 100
    for survey, order in (("ztf", (first, last)), ("lsst", (last, first))):
        for scored_at in order:
            name = "TDE" if scored_at == last else "CV"
            batch = made_up.scored(
                [TWIN],
                survey=survey,
                model=f"model of {name}",
                scored_unix_s=np.array([scored_at]),
                class_scores=sure_of(name, [0.9]),
            )
            write(folder, batch)
    for survey in ("ztf", "lsst"):
        subject = results.subject(survey, TWIN)
        assert subject.best == ("TDE", pytest.approx(0.9))
        assert subject.model == "model of TDE 1.0"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_revisions_scored_at_one_time_the_higher_is_shown(
    folder: Path, results: Results, order: tuple[int, int]
) -> None:
    for revision in order:
        scores = sure_of("AGN" if revision else "CV", [0.9])
        write(folder, made_up.scored([5], revision=revision, class_scores=scores))
    assert results.subject("ztf", 5).best == ("AGN", pytest.approx(0.9))


def test_an_alert_without_a_score_says_why(folder: Path, results: Results) -> None:
    write(folder, made_up.scored([5]))
    assert results.subject("ztf", 6).unclassified_reason == "not scored: no selection passed it"
    running = ParquetSink(folder)
    assert "is running, or was stopped" in (results.subject("ztf", 6).unclassified_reason or "")
    assert results.subject("ztf", 5).classified
    running.close()


def test_an_unknown_alert_is_one_clear_line(results: Results) -> None:
    with pytest.raises(UserError, match="no ZTF alert 9"):
        results.subject("ztf", 9)


def test_the_stamps_of_an_alert_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store_for_reading(folder) as store:
        read: list[int] = []
        original = type(store)._stamps  # type: ignore[attr-defined]
        stamps = (b"no FITS", None, None)
        monkeypatch.setattr(type(store), "_stamps", lambda self, slot: read.append(1) or original(self, slot))
        with SqliteObjectStore(folder / STATE_FOLDER, 2**20) as writer:
            put(writer, lambda s: s.put_cutouts("ztf", np.array([5]), [stamps]))
        results = Results(folder, store)
        subject = results.subject(*results.find("5"))
    assert len(read) == 1
    assert subject.cutouts is not None


def test_the_best_are_the_surest_of_each_class_the_last_alert_of_each_object(folder: Path, results: Results) -> None:
    alerts = made_up.scored([1, 2, 3, 4], ["a", "b", "c", "d"], class_scores=sure_of("TDE", [0.5, 0.9, 0.7, 0.8]))
    later = made_up.scored([102, 903], ["b", "c"], class_scores=sure_of("TDE", [0.6, 0.95]))
    write(folder, alerts, made_up.scored([9], ["e"], class_scores=sure_of("CV", [0.6])), later)
    # b's last alert is less sure than its first, c's is surer
    assert results.best(2, ["TDE", "CV", "AGN"]) == [("ztf", 903), ("ztf", 4), ("ztf", 9)]


def test_an_object_is_judged_by_its_last_alert_and_not_by_its_surest(folder: Path, results: Results) -> None:
    write(folder, made_up.scored([20], ["a"], class_scores=sure_of("TDE", [0.5])))
    write(folder, made_up.scored([10], ["a"], class_scores=sure_of("TDE", [0.9])))
    assert results.best(2, ["TDE"]) == [("ztf", 20)]


def test_objects_with_few_detections_are_not_among_the_best(folder: Path, results: Results) -> None:
    counts = np.array([MIN_DETECTIONS - 1, MIN_DETECTIONS, MIN_DETECTIONS + 1])
    batch = made_up.scored(
        [1, 2, 3], ["a", "b", "c"], class_scores=sure_of("TDE", [0.9, 0.8, 0.7]), n_detections=counts
    )
    write(folder, batch)
    assert results.best(5, ["TDE"]) == [("ztf", 2), ("ztf", 3)]
    assert results.best(1, ["TDE"]) == [("ztf", 2)]


def test_a_folder_without_scores_has_no_best(results: Results) -> None:
    assert results.best(2, CLASSES) == []


def test_a_table_of_scores_that_cannot_be_read_is_one_clear_line(folder: Path, results: Results) -> None:
    (folder / SCORES_FILE).write_text("something else")
    with pytest.raises(UserError, match=rf"cannot read .*{SCORES_FILE}") as raised:
        results.subject("ztf", 5)
    assert len(str(raised.value).splitlines()) == 1


def test_the_sink_writes_what_the_results_read(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path)
    sink.write(made_up.scored([1]))
    sink.flush()
    assert [path.name for path in tmp_path.iterdir()] == [PARTS_FOLDER]
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == [SCORES_FILE]
