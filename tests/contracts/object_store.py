"""What every object store must do: one suite, run on each of them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.alert import AlertBatch
from schemas.rows import merge_rows
from streamer.state.store import ObjectStore, Seen, StoreBusy, StoreError
from tests import made_up

Change = Callable[[ObjectStore], object]

OBJECTS = ("ZTF18aaaaaaa", "ZTF18aaaaaab", "SSO-12")
STAMPS = (b"science" * 3, None, b"difference")

SEVERAL_CLASSES = [HealthCheck.differing_executors]
"""Each store runs the suite in a class of its own: hypothesis takes that for a mistake."""


def put(store: ObjectStore, *changes: Change) -> None:
    """Makes changes in one transaction."""
    store.begin()
    for change in changes:
        change(store)
    store.commit()


def fail(store: ObjectStore, *changes: Change) -> None:
    """Makes changes in a try that fails."""
    with suppress(RuntimeError), store.trial():
        for change in changes:
            change(store)
        raise RuntimeError


def see(store: ObjectStore, alert_ids: Sequence[int], offsets: Sequence[int], survey: str = "ztf") -> list[Seen]:
    places = [made_up.coordinates(offset) for offset in offsets]
    return store.see(survey, np.array(alert_ids, np.int64), [Seen(str(place), 0.0) for place in places])


def message(offset: int, processed_mjd_tai: float, revision: int = 0) -> Seen:
    return Seen(str(made_up.coordinates(offset)), processed_mjd_tai, revision)


def add_rows(object_id: str, rows: np.ndarray, survey: str = "ztf") -> Change:
    return lambda store: store.add_light_curve_rows(survey, [object_id], rows, np.array([0, len(rows)]))


def stored_rows(store: ObjectStore, object_id: str, survey: str = "ztf") -> np.ndarray:
    rows, _ = store.light_curve_rows(survey, [object_id])
    return merge_rows(rows)


def columns_of(alert: AlertBatch | None) -> Any:
    """All that an alert holds but its rows and cutouts, comparable."""
    if alert is None:
        return None
    columns = [
        *(alert.alert_id, alert.mjd_tai, alert.processed_mjd_tai, alert.ra_deg, alert.dec_deg, alert.rights),
        *(alert.survey_real_score, alert.quality, alert.solar_system, alert.withdrawn, alert.metadata),
    ]
    times = [(packet.received_unix_s, packet.published_unix_s) for packet in alert.packets]
    names = (alert.survey, alert.object_id, alert.schema_version, alert.metadata_names, times)
    return [(column.dtype.str, column.tobytes()) for column in columns], names


def state(store: ObjectStore) -> Any:
    """All that the store holds of the objects of this suite, comparable."""
    known: list[Any] = []
    for survey in ("ztf", "lsst"):
        known += [stored_rows(store, object_id, survey).tobytes() for object_id in OBJECTS]
        for spectra in store.spectra(survey, OBJECTS):
            known += [(s.mjd_tai, s.wavelength_aa.tobytes(), s.flux.tobytes(), s.redshift) for s in spectra]
        for score in store.last_scores(survey, OBJECTS):
            known.append(None if score is None else (score._replace(class_scores=None), score.class_scores.tobytes()))
        known += [columns_of(store.alert(survey, alert_id)) for alert_id in range(4)]
        known += [store.alert_ids(survey, object_id) for object_id in OBJECTS]
    return known


def put_alert(alert_id: int, processed: float) -> Change:
    alerts = made_up.alerts([alert_id], [OBJECTS[alert_id % 3]], processed_mjd_tai=processed)
    return lambda store: store.put_alerts(alerts)


def put_score(alert_id: int, revision: int) -> Change:
    scored = made_up.scored([alert_id], [OBJECTS[alert_id // 3]], revision=revision, mjd_tai=60000.0 + alert_id // 2)
    return lambda store: store.put_scores(scored)


def put_spectrum(object_id: str, mjd_tai: float, level: float) -> Change:
    return lambda store: store.put_spectra([made_up.spectrum(object_id, mjd_tai, level)], "ztf")


source_ids = st.lists(st.integers(1, 6), max_size=4)
changes = st.one_of(
    st.builds(
        lambda object_id, sources, known: add_rows(object_id, made_up.rows(*sources, known_mjd_tai=known)),
        st.sampled_from(OBJECTS),
        source_ids,
        st.sampled_from([60001.0, 60002.0, 60003.0]),
    ),
    st.builds(put_alert, st.integers(0, 3), st.sampled_from([0.0, 60001.0, 60002.0])),
    st.builds(put_score, st.integers(0, 3), st.integers(0, 2)),
    st.builds(put_spectrum, st.sampled_from(OBJECTS), st.sampled_from([60000.0, 60001.0]), st.sampled_from([1.0, 2.0])),
)


@st.composite
def two_orders(draw: st.DrawFn) -> tuple[list[Change], list[Change]]:
    """Some changes, and the same ones in another order with some of them twice."""
    first = draw(st.lists(changes, min_size=1, max_size=8))
    again = draw(st.lists(st.sampled_from(first), max_size=4))
    return first, draw(st.permutations(first + again))


class ObjectStoreContract:
    """Subclass it and say how a store is opened; `open` on a folder used before must find what was put there."""

    def open(self, folder: Path, cutouts_max_bytes: int = 2**20) -> ObjectStore:
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ObjectStore]:
        with self.open(tmp_path) as store:
            yield store

    def test_the_first_message_that_carried_an_alert_is_remembered(self, store: ObjectStore) -> None:
        store.begin()
        assert [seen.coordinates for seen in see(store, [1, 2], [10, 11])] == [
            str(made_up.coordinates(10)),
            str(made_up.coordinates(11)),
        ]
        store.commit()
        store.begin()
        assert [seen.coordinates for seen in see(store, [3, 1], [12, 13])] == [
            str(made_up.coordinates(12)),
            str(made_up.coordinates(10)),
        ]

    def test_a_second_copy_within_a_batch_gets_the_coordinates_of_the_first(self, store: ObjectStore) -> None:
        store.begin()
        first, other, second = see(store, [1, 2, 1], [10, 11, 12])
        assert (first.coordinates, second.coordinates) == (str(made_up.coordinates(10)),) * 2
        assert other.coordinates == str(made_up.coordinates(11))

    def test_a_reprocessed_alert_replaces_what_was_seen_and_an_older_one_does_not(self, store: ObjectStore) -> None:
        one = np.array([7], np.int64)
        store.begin()
        store.see("lsst", one, [message(1, 60001.0)])
        store.supersede("lsst", one, [message(3, 60003.0, 1)])
        store.supersede("lsst", one, [message(2, 60002.0, 1)])
        store.supersede("lsst", one, [message(4, 60003.0, 2)])
        held = store.see("lsst", one, [message(5, 60001.0)])
        assert held == [message(3, 60003.0, 1)]

    def test_ids_past_the_precision_of_a_float_stay_apart(self, store: ObjectStore) -> None:
        big = made_up.BIG_ID
        store.begin()
        see(store, [big, big + 1], [1, 2])
        store.put_alerts(made_up.alerts([big, big + 1], ["ZTF18aaaaaaa"] * 2))
        store.put_cutouts("ztf", np.array([big, big + 1]), [STAMPS, (b"other", None, None)])
        store.commit()
        assert store.alert_ids("ztf", "ZTF18aaaaaaa") == sorted([big, big + 1], key=lambda alert_id: alert_id % 1000)
        assert store.cutouts("ztf", big) == STAMPS
        assert store.cutouts("ztf", big + 1) == (b"other", None, None)
        store.begin()
        assert [s.coordinates for s in see(store, [big + 1], [9])] == [str(made_up.coordinates(2))]

    def test_equal_ids_of_two_surveys_are_kept_apart(self, store: ObjectStore) -> None:
        put(store, add_rows("12", made_up.rows(1)), add_rows("12", made_up.rows(2), "lsst"))
        store.begin()
        see(store, [5], [1], "ztf")
        assert see(store, [5], [2], "lsst")[0].coordinates == str(made_up.coordinates(2))
        store.put_alerts(made_up.alerts([5], ["12"], "lsst"))
        store.put_scores(made_up.scored([5], ["12"], "lsst"))
        store.put_spectra([made_up.spectrum("12", 60000.0)], "lsst")
        store.put_cutouts("lsst", np.array([5]), [STAMPS])
        store.commit()
        assert stored_rows(store, "12")["source_id"].tolist() == [1]
        assert stored_rows(store, "12", "lsst")["source_id"].tolist() == [2]
        assert store.alert("ztf", 5) is None
        assert store.alert_ids("ztf", "12") == []
        assert store.last_scores("ztf", ["12"]) == [None]
        assert store.spectra("ztf", ["12"]) == [[]]
        assert store.cutouts("ztf", 5) is None
        assert len(store.spectra("lsst", ["12"])[0]) == 1

    def test_rows_come_back_by_object_in_the_order_asked_for(self, store: ObjectStore) -> None:
        rows = made_up.rows(1, 2, 3, 4)
        put(store, lambda s: s.add_light_curve_rows("ztf", ["a", "empty", "b"], rows, np.array([0, 1, 1, 4])))
        put(store, add_rows("a", made_up.rows(5)))
        found, offsets = store.light_curve_rows("ztf", ["b", "unknown", "a", "b", "empty"])
        sources = [set(found["source_id"][start:end].tolist()) for start, end in itertools.pairwise(offsets)]
        assert sources == [{2, 3, 4}, set(), {1, 5}, {2, 3, 4}, set()]
        assert found.dtype == rows.dtype

    def test_no_object_has_no_rows(self, store: ObjectStore) -> None:
        rows, offsets = store.light_curve_rows("ztf", [])
        assert len(rows) == 0
        assert offsets.tolist() == [0]

    def test_many_small_additions_keep_every_row_once_with_its_first_time(self, store: ObjectStore) -> None:
        for turn in range(60):
            put(store, add_rows("a", made_up.rows(turn % 25, known_mjd_tai=60100.0 - turn)))
            store.light_curve_rows("ztf", ["a"])
        merged = stored_rows(store, "a")
        assert sorted(merged["source_id"].tolist()) == list(range(25))
        for row in merged:
            last_turn = max(turn for turn in range(60) if turn % 25 == row["source_id"])
            assert row["known_mjd_tai"] == 60100.0 - last_turn

    def test_spectra_come_back_whole_by_time(self, store: ObjectStore) -> None:
        late, early = made_up.spectrum("a", 60002.0), made_up.spectrum("a", 60001.0, with_var=False)
        assert store.spectra("ztf", ["a", "b"]) == [[], []]
        put(store, lambda s: s.put_spectra([late, early], "ztf"), lambda s: s.put_spectra([late], "ztf"))
        found, none = store.spectra("ztf", ["a", "b"])
        assert none == []
        assert [s.mjd_tai for s in found] == [60001.0, 60002.0]
        assert found[0].flux_var is None
        assert found[0].redshift is None
        assert found[1].redshift == 0.05
        np.testing.assert_array_equal(found[1].wavelength_aa, late.wavelength_aa)
        np.testing.assert_array_equal(found[1].flux, late.flux)
        np.testing.assert_array_equal(found[1].flux_var, late.flux_var)

    def test_an_alert_comes_back_as_decoded_with_its_coordinates_and_its_cutouts_apart(
        self, store: ObjectStore
    ) -> None:
        alerts = made_up.alerts([5, 6], ["a", "a"], cutouts=STAMPS)
        store.begin()
        see(store, [5, 6], [0, 1])
        store.put_alerts(alerts)
        store.put_cutouts("ztf", alerts.alert_id, alerts.cutouts)
        store.commit()
        for place, alert_id in enumerate((5, 6)):
            found = store.alert("ztf", alert_id)
            assert found is not None
            assert columns_of(found) == columns_of(alerts.take(np.array([place])))
            assert found.packets[0].coordinates == made_up.coordinates(place)
            assert len(found.rows) == 0
            assert found.cutouts == [(None, None, None)]
            assert store.cutouts("ztf", alert_id) == STAMPS
        assert store.alert("ztf", 7) is None

    def test_of_two_decodings_of_an_alert_the_one_processed_last_stays(self, store: ObjectStore) -> None:
        for order in ((1, 60001.0), (1, 60002.0), (2, 60002.0), (2, 60001.0)):
            put(store, put_alert(*order))
        for alert_id in (1, 2):
            alert = store.alert("ztf", alert_id)
            assert alert is not None
            assert alert.processed_mjd_tai.tolist() == [60002.0]
            assert alert.field("candidate.drb").tolist() == [alert_id + 60002.0]

    def test_an_objects_alerts_are_listed_by_time(self, store: ObjectStore) -> None:
        # made-up times go with the id modulo 1000
        put(store, lambda s: s.put_alerts(made_up.alerts([9, 1003, 6, 8], ["a", "a", "b", "a"])))
        assert store.alert_ids("ztf", "a") == [1003, 8, 9]
        assert store.latest_alert("ztf", "a") == 9
        put(store, lambda s: s.put_alerts(made_up.alerts([2009], ["a"])))
        assert store.latest_alert("ztf", "a") == 2009
        assert store.latest_alert("ztf", "c") is None

    def test_the_last_score_is_the_newest_by_alert_time_then_revision(self, store: ObjectStore) -> None:
        put(store, lambda s: s.put_scores(made_up.scored([1], ["a"], mjd_tai=60002.0)))
        put(store, lambda s: s.put_scores(made_up.scored([1], ["a"], mjd_tai=60002.0, revision=1)))
        put(store, lambda s: s.put_scores(made_up.scored([2], ["a"], mjd_tai=60001.0, revision=5)))
        put(store, lambda s: s.put_scores(made_up.scored([9], ["a"], mjd_tai=60002.0)))
        score, none = store.last_scores("ztf", ["a", "b"])
        assert none is None
        assert score is not None
        assert (score.alert_id, score.revision, score.mjd_tai, score.model) == (1, 1, 60002.0, "default")
        np.testing.assert_array_equal(score.class_scores, made_up.scored([1]).class_scores[0])

    @pytest.mark.parametrize("newer_first", [True, False])
    @pytest.mark.parametrize(
        ("older", "newer"),
        [
            ((60001.0, 5, 9, 9.0), (60002.0, 0, 1, 1.0)),
            ((60001.0, 0, 9, 9.0), (60001.0, 1, 1, 1.0)),
            ((60001.0, 1, 2, 9.0), (60001.0, 1, 3, 1.0)),
            ((60001.0, 1, 2, 1.0), (60001.0, 1, 2, 2.0)),
        ],
        ids=["time", "revision", "alert", "scored"],
    )
    def test_of_two_scores_the_larger_by_time_revision_alert_and_scoring_stays_in_any_order(
        self, store: ObjectStore, older: tuple[Any, ...], newer: tuple[Any, ...], newer_first: bool
    ) -> None:
        for mjd_tai, revision, alert_id, scored_at in (newer, older) if newer_first else (older, newer):
            at = {"mjd_tai": mjd_tai, "revision": revision, "scored_unix_s": np.array([scored_at])}
            put(store, lambda s, i=alert_id, at=at: s.put_scores(made_up.scored([i], ["a"], **at)))
        score = store.last_scores("ztf", ["a"])[0]
        assert score is not None
        assert (score.mjd_tai, score.revision, score.alert_id, score.scored_unix_s) == newer

    def test_of_two_scores_of_an_object_in_a_batch_the_newer_stays(self, store: ObjectStore) -> None:
        put(store, lambda s: s.put_scores(made_up.scored([8, 7], ["a", "a"], unclassified=[0])))
        score = store.last_scores("ztf", ["a"])[0]
        assert score is not None
        assert score.alert_id == 8
        assert np.isnan(score.class_scores).all()
        assert np.isnan(score.novelty)

    @settings(max_examples=30, suppress_health_check=SEVERAL_CLASSES)
    @given(orders=two_orders())
    def test_any_order_and_repetition_of_the_same_changes_gives_the_same_state(
        self, orders: tuple[list[Change], list[Change]]
    ) -> None:
        states = []
        for order in orders:
            with tempfile.TemporaryDirectory() as folder, self.open(Path(folder)) as store:
                for change in order:
                    put(store, change)
                states.append(state(store))
        assert states[0] == states[1]

    def test_a_bound_of_nothing_keeps_no_cutouts(self, tmp_path: Path) -> None:
        with self.open(tmp_path, cutouts_max_bytes=0) as store:
            put(store, lambda s: s.put_cutouts("ztf", np.array([1, 2]), [STAMPS, (None, None, None)]))
            assert store.cutouts("ztf", 1) is None

    def test_cutouts_put_again_take_no_more_room(self, tmp_path: Path) -> None:
        with self.open(tmp_path, cutouts_max_bytes=16384) as store:
            put(store, lambda s: s.put_cutouts("ztf", np.array([1]), [(b"a" * 30, None, None)]))
            for _ in range(9):
                put(store, lambda s: s.put_cutouts("ztf", np.array([2]), [(b"b" * 30, None, None)]))
            assert store.cutouts("ztf", 1) == (b"a" * 30, None, None)

    def test_cutouts_of_batches_that_were_undone_take_no_room(self, tmp_path: Path) -> None:
        with self.open(tmp_path, cutouts_max_bytes=16384) as store:
            put(store, lambda s: s.put_cutouts("ztf", np.array([1]), [(b"a" * 30, None, None)]))
            for alert_id in range(2, 12):
                store.begin()
                store.put_cutouts("ztf", np.array([alert_id]), [(b"b" * 30, None, None)])
                store.rollback()
            put(store, lambda s: s.put_cutouts("ztf", np.array([12]), [(b"c" * 30, None, None)]))
            assert store.cutouts("ztf", 1) == (b"a" * 30, None, None)

    def test_all_is_there_after_closing_and_opening(self, tmp_path: Path) -> None:
        alerts = made_up.alerts([1, 2], OBJECTS[:2], cutouts=STAMPS)
        with self.open(tmp_path) as store:
            put(
                store,
                add_rows(OBJECTS[0], made_up.rows(1, 2)),
                lambda s: s.put_alerts(alerts),
                lambda s: s.put_cutouts("ztf", alerts.alert_id, alerts.cutouts),
                put_spectrum(OBJECTS[1], 60000.0, 1.0),
                put_score(1, 0),
                lambda s: see(s, [1], [4]),
            )
            before = state(store)
        with self.open(tmp_path) as store:
            assert state(store) == before
            assert store.cutouts("ztf", 2) == STAMPS
            store.begin()
            assert see(store, [1], [5])[0].coordinates == str(made_up.coordinates(4))
            store.put_cutouts("ztf", np.array([3]), [(b"third", None, None)])
            store.commit()
            assert store.cutouts("ztf", 2) == STAMPS
            assert store.cutouts("ztf", 3) == (b"third", None, None)

    def test_a_rollback_leaves_nothing_behind(self, store: ObjectStore) -> None:
        put(store, add_rows(OBJECTS[0], made_up.rows(1)), lambda s: s.put_cutouts("ztf", np.array([1]), [STAMPS]))
        before = state(store)
        store.begin()
        see(store, [1], [1])
        for change in (add_rows(OBJECTS[0], made_up.rows(2)), put_alert(1, 0.0), put_score(1, 0)):
            change(store)
        put_spectrum(OBJECTS[1], 60000.0, 1.0)(store)
        store.put_cutouts("ztf", np.array([2]), [STAMPS])
        store.rollback()
        assert state(store) == before
        assert store.cutouts("ztf", 2) is None
        store.begin()
        assert see(store, [1], [2])[0].coordinates == str(made_up.coordinates(2))
        store.put_alerts(made_up.alerts([1], [OBJECTS[0]]))
        store.put_cutouts("ztf", np.array([2]), [(b"afterwards", None, None)])
        store.commit()
        assert columns_of(store.alert("ztf", 1)) == columns_of(made_up.alerts([1], [OBJECTS[0]], cutouts=STAMPS))
        assert store.cutouts("ztf", 1) == STAMPS
        assert store.cutouts("ztf", 2) == (b"afterwards", None, None)

    def test_closing_undoes_an_open_transaction(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as store:
            store.begin()
            see(store, [1], [1])
        with self.open(tmp_path) as store:
            store.begin()
            assert see(store, [1], [2])[0].coordinates == str(made_up.coordinates(2))

    def test_a_rollback_without_a_transaction_does_nothing(self, store: ObjectStore) -> None:
        store.rollback()
        put(store, add_rows("a", made_up.rows(1)))
        store.rollback()
        assert len(stored_rows(store, "a")) == 1

    def test_a_transaction_knows_the_rows_and_spectra_that_it_has_written(self, store: ObjectStore) -> None:
        put(store, add_rows("a", made_up.rows(1)))
        store.begin()
        with store.trial():
            add_rows("a", made_up.rows(2))(store)
            put_spectrum("a", 60001.0, 1.0)(store)
        put_spectrum("a", 60000.0, 1.0)(store)
        fail(store, add_rows("a", made_up.rows(3)), put_spectrum("a", 60002.0, 1.0))
        for is_open in (True, False):
            assert stored_rows(store, "a")["source_id"].tolist() == [1, 2]
            assert [one.mjd_tai for one in store.spectra("ztf", ["a"])[0]] == [60000.0, 60001.0]
            if is_open:
                store.commit()

    def test_a_failed_try_gives_its_claims_back_and_no_others(self, store: ObjectStore) -> None:
        one = np.array([7], np.int64)
        store.begin()
        with store.trial():
            see(store, [1, 7], [1, 7])
        fail(
            store,
            lambda s: see(s, [2, 3], [2, 3]),
            lambda s: s.supersede("ztf", one, [message(70, 60001.0, 1)]),
        )
        with store.trial():
            assert see(store, [2], [2])[0].coordinates == str(made_up.coordinates(2))
        store.commit()
        store.begin()
        seen = [seen.coordinates for seen in see(store, [1, 2, 3, 7], [11, 12, 13, 77])]
        assert seen == [str(made_up.coordinates(offset)) for offset in (1, 2, 13, 7)]

    def test_a_copy_elsewhere_has_what_a_failed_try_had_claimed(self, store: ObjectStore) -> None:
        store.begin()
        fail(store, lambda s: see(s, [1], [1]))
        assert see(store, [1], [2])[0].coordinates == str(made_up.coordinates(2))
        store.commit()
        store.begin()
        assert see(store, [1], [1])[0].coordinates == str(made_up.coordinates(2))

    def test_writing_outside_a_transaction_is_refused(self, store: ObjectStore) -> None:
        with pytest.raises(StoreError, match="begin"):
            see(store, [1], [1])

    def test_an_unknown_survey_is_refused_by_name(self, store: ObjectStore) -> None:
        with pytest.raises(StoreError, match="'gaia'"):
            store.light_curve_rows("gaia", ["a"])

    def test_a_large_batch_is_taken_whole(self, store: ObjectStore) -> None:
        n = 5000
        ids = list(range(n))
        store.begin()
        assert len(see(store, ids, ids)) == n
        assert len(see(store, ids, [n + i for i in ids])) == n
        names = [f"object {i}" for i in ids]
        store.add_light_curve_rows("ztf", names, made_up.rows(*ids), np.arange(n + 1))
        store.commit()
        rows, offsets = store.light_curve_rows("ztf", names)
        assert rows["source_id"].tolist() == ids
        assert offsets[-1] == n


class EmbeddedStoreContract(ObjectStoreContract):
    """What a store in files of its own must do besides."""

    def test_a_second_opener_is_refused_until_the_first_lets_go(self, tmp_path: Path) -> None:
        with self.open(tmp_path), pytest.raises(StoreBusy, match=r"is open in process \d+"):
            self.open(tmp_path)
        self.open(tmp_path).close()

    def test_cutouts_stay_within_their_bound_and_the_oldest_go_first(self, tmp_path: Path) -> None:
        with self.open(tmp_path, cutouts_max_bytes=65536) as store:
            for alert_id in range(40):
                stamps = (bytes([alert_id]) * 3000, b"", None)
                put(store, lambda s, i=alert_id, c=stamps: s.put_cutouts("ztf", np.array([i]), [c]))
            kept = [alert_id for alert_id in range(40) if store.cutouts("ztf", alert_id) is not None]
            assert kept == list(range(40 - len(kept), 40))
            assert 10 <= len(kept) <= 65536 // 3000
            assert store.cutouts("ztf", 39) == (bytes([39]) * 3000, b"", None)

    def test_cutouts_that_cannot_be_kept_are_left_out_and_their_neighbours_stay(self, tmp_path: Path) -> None:
        with self.open(tmp_path, cutouts_max_bytes=8192) as store:
            stamps = [(b"x" * 9000, None, None), (None, None, None), STAMPS]
            put(store, lambda s: s.put_cutouts("ztf", np.array([1, 2, 3]), stamps))
            assert store.cutouts("ztf", 1) is None
            assert store.cutouts("ztf", 2) in (None, (None, None, None))
            assert store.cutouts("ztf", 3) == STAMPS
