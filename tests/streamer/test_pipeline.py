"""What must hold of the whole pipeline: every message ends in exactly one counted outcome, whatever it holds."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.alert import QUALITY_BIT
from schemas.packet import Coordinates, Packet
from schemas.prediction import NO_FEATURE
from schemas.scored import NO_REVISION
from schemas.spectrum import Spectrum
from schemas.wire import scored_alert_records
from streamer.factory.pipeline import build_pipeline
from streamer.pipeline import Pipeline
from streamer.settings import Settings
from streamer.settings.models import ClassifierSettings, Cut, Selection, SelectionSettings
from streamer.sinks.memory import MemoryDeadLetterSink, MemorySink
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.store import Seen
from tests.fakes import CountingClassifier, PlainQuality, bend_lsst, bend_ztf, night, packets, write_container

EVERYTHING = Settings(
    selections=SelectionSettings(
        ztf=(Selection(name="all", solar_system=True),), lsst=(Selection(name="all", solar_system=True),)
    )
)
ZTF, LSST = night("ztf", 60), night("lsst", 60)


class Bench:
    """A pipeline with memory behind it."""

    def __init__(
        self,
        folder: Path,
        fails_on: set[int] | None = None,
        configured: Settings = EVERYTHING,
        revises: bool = False,
    ) -> None:
        self.store = SqliteObjectStore(folder / "state", 10_000_000)
        self.scores, self.letters = MemorySink(), MemoryDeadLetterSink()
        self.classifier, self.quality = CountingClassifier(fails_on), PlainQuality()
        self.pipeline: Pipeline = build_pipeline(
            configured, self.store, [self.scores], self.letters, None, self.classifier, revises, self.quality
        )

    def hashes(self) -> dict[int, str]:
        """Evidence hash of each scored alert, the last one written."""
        return {
            alert_id: digest
            for batch in self.scores.batches
            for alert_id, digest in zip(batch.alert_id.tolist(), batch.evidence_hash, strict=True)
        }


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("payloads", [ZTF, LSST], ids=["ztf", "lsst"])
def test_good_packets_are_all_scored(bench: Bench, payloads: list[bytes]) -> None:
    outcomes = bench.pipeline.process(packets(payloads))
    assert (outcomes.received, outcomes.scored) == (60, 60)
    assert sum(len(batch) for batch in bench.scores.batches) == 60


def _without_record(payload: bytes) -> bytes:
    return write_container({"type": "record", "name": "r", "fields": [{"name": "x", "type": "long"}]}, {"x": 1})


def _wrong_types(payload: bytes) -> bytes:
    candidate = {"type": "record", "name": "c", "fields": [{"name": "ra", "type": "string"}]}
    fields = [{"name": "candid", "type": "long"}, {"name": "candidate", "type": candidate}]
    schema = {"type": "record", "name": "r", "fields": fields}
    return write_container(schema, {"candid": 1, "candidate": {"ra": "here"}})


@pytest.mark.parametrize(
    ("survey", "bend", "reasons"),
    [
        ("lsst", lambda p: p[: len(p) // 2], {"bad_avro", "truncated"}),
        ("ztf", lambda p: p[: len(p) // 2], {"truncated", "bad_container", "bad_avro"}),
        ("ztf", lambda p: p[:3], {"truncated", "wrong_magic"}),
        ("lsst", lambda p: p[:3], {"truncated"}),
        ("lsst", lambda p: b"", {"truncated", "wrong_magic"}),
        ("lsst", lambda p: b"\x07" + p[1:], {"wrong_magic"}),
        ("lsst", lambda p: b"\x00\x00\x00\xff\xff" + p[5:], {"unknown_schema"}),
        ("lsst", lambda p: p + b"more", {"bad_avro"}),
        ("ztf", _without_record, {"missing_field"}),
        ("ztf", _wrong_types, {"bad_avro", "missing_field", "bad_schema"}),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_and_takes_no_neighbour_along(
    bench: Bench, survey: str, bend: Any, reasons: set[str]
) -> None:
    good = ZTF if survey == "ztf" else LSST
    bad = bend(good[1])
    outcomes = bench.pipeline.process(packets([good[0], bad, good[2]]))
    assert (outcomes.scored, outcomes.dead_letter.total()) == (2, 1)
    (letter,) = bench.letters.letters.values()
    assert letter.reason in reasons
    assert letter.payload == bad
    assert letter.detail


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_the_letter_of_an_alert_with_an_absurd_value_names_the_alert(bench: Bench, survey: str) -> None:
    ids: list[int] = []

    def misplace(record: dict[str, Any]) -> None:
        ids.append(record["candid"] if survey == "ztf" else record["diaSource"]["diaSourceId"])
        record["candidate" if survey == "ztf" else "diaSource"]["dec"] = 400.0

    bad = bend_ztf(ZTF[1], misplace) if survey == "ztf" else bend_lsst(LSST[1], misplace)
    bench.pipeline.process(packets([bad]))
    (letter,) = bench.letters.letters.values()
    assert (letter.reason, letter.alert_id) == ("bad_value", ids[0])


def test_the_letter_of_an_alert_without_an_id_names_none(bench: Bench) -> None:
    bench.pipeline.process(packets([_without_record(ZTF[0])]))
    (letter,) = bench.letters.letters.values()
    assert (letter.reason, letter.alert_id) == ("missing_field", None)


def _cutout(stamp: bytes | None) -> Any:
    def change(record: dict[str, Any]) -> None:
        record["cutoutScience"] = None if stamp is None else {"fileName": "x", "stampData": stamp}

    return change


def _fits(pixels: np.ndarray) -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += [f"NAXIS{i}  = {n:>20}" for i, n in ((1, pixels.shape[1]), (2, pixels.shape[0]))] + ["END"]
    header = "".join(card.ljust(80) for card in cards).encode()
    header += b" " * (-len(header) % 2880)
    data = pixels.astype(">f4").tobytes()
    return header + data + bytes(-len(data) % 2880)


@pytest.mark.parametrize(
    ("stamp", "flag"),
    [
        (None, "cutout_missing"),
        (b"no gzip", "cutout_unreadable"),
        (gzip.compress(bytes(200_000_000), 9), "cutout_unreadable"),
        (gzip.compress(_fits(np.ones((513, 512)))), "cutout_unreadable"),
        (gzip.compress(_fits(np.zeros((63, 63)))), "cutout_empty"),
        (gzip.compress(_fits(np.full((63, 63), np.nan))), "cutout_empty"),
        (gzip.compress(_fits(np.ones((1, 63)))), "cutout_odd_size"),
        (gzip.compress(_fits(np.where(np.eye(63) > 0, np.nan, 1.0))), "nan_pixels"),
    ],
    ids=["missing", "no gzip", "bomb", "too many pixels", "zero", "all nan", "one row", "nan"],
)
def test_a_bad_cutout_costs_its_stamp_and_not_the_alert(bench: Bench, stamp: bytes | None, flag: str) -> None:
    outcomes = bench.pipeline.process(packets([bend_ztf(ZTF[0], _cutout(stamp))]))
    assert outcomes.scored == 1
    assert bench.scores.batches[0].quality[0] & QUALITY_BIT[flag]


def test_an_alert_without_object_is_scored_under_an_id_of_its_own(bench: Bench) -> None:
    def change(record: dict[str, Any]) -> None:
        record["diaObject"] = None
        record["diaSource"] |= {"diaObjectId": None, "ssObjectId": None}

    assert bench.pipeline.process(packets([bend_lsst(LSST[0], change)])).scored == 1
    (batch,) = bench.scores.batches
    assert batch.object_id == [f"DS-{batch.alert_id[0]}"]


@pytest.mark.parametrize("history", [None, []], ids=["null", "empty"])
def test_an_empty_history_is_scored_from_the_own_source(bench: Bench, history: list[Any] | None) -> None:
    bent = bend_ztf(ZTF[-1], lambda record: record.update(prv_candidates=history, fp_hists=history))
    assert bench.pipeline.process(packets([bent])).scored == 1
    assert bench.scores.batches[0].n_detections.tolist() == [1]


def test_a_history_of_ten_thousand_rows_is_used_whole(bench: Bench) -> None:
    def change(record: dict[str, Any]) -> None:
        source = record["diaSource"]
        record["prvDiaSources"] = [
            source | {"diaSourceId": i + 1, "visit": i + 1, "midpointMjdTai": source["midpointMjdTai"] - 1 - i / 100}
            for i in range(10_000)
        ]

    assert bench.pipeline.process(packets([bend_lsst(LSST[0], change)])).scored == 1
    assert bench.scores.batches[0].n_detections.tolist() == [10_001]


def test_the_same_alert_from_elsewhere_is_a_duplicate_and_from_the_same_place_a_replay(bench: Bench) -> None:
    assert bench.pipeline.process([*packets(ZTF[:3]), *packets(ZTF[:3], "copy")]).duplicate == 3
    assert bench.pipeline.process(packets(ZTF[:3], "another")).duplicate == 3
    before = bench.hashes()
    again = bench.pipeline.process(packets(ZTF[:3]))
    assert (again.scored, again.duplicate) == (3, 0)
    assert bench.hashes() == before


def test_a_reprocessed_alert_is_processed_and_a_stale_copy_is_a_duplicate(bench: Bench) -> None:
    def later(record: dict[str, Any]) -> None:
        record["diaSource"]["timeProcessedMjdTai"] += 1.0

    def earlier(record: dict[str, Any]) -> None:
        record["diaSource"]["timeProcessedMjdTai"] -= 1.0

    assert bench.pipeline.process(packets([LSST[0]], "a")).scored == 1
    assert bench.pipeline.process(packets([bend_lsst(LSST[0], later)], "b")).scored == 1
    assert bench.pipeline.process(packets([bend_lsst(LSST[0], earlier)], "c")).duplicate == 1


@pytest.mark.parametrize("size", [1, 8])
def test_reprocessed_copies_count_alike_alone_and_in_one_batch(tmp_path: Path, size: int) -> None:
    def at(days: float) -> bytes:
        return bend_lsst(LSST[0], lambda record: record["diaSource"].update(timeProcessedMjdTai=61_200.0 + days))

    bench = Bench(tmp_path)
    stream = packets([at(0.0), at(0.2), at(0.1), at(0.2), at(0.3)])
    taken = [bench.pipeline.process(stream[i : i + size]) for i in range(0, len(stream), size)]
    assert (sum(o.scored for o in taken), sum(o.duplicate for o in taken)) == (3, 2)
    bench.store.begin()
    last = bench.store.see("lsst", bench.scores.batches[-1].alert_id[-1:], [Seen("x|y|0|0", 0.0)])
    bench.store.rollback()
    assert last[0].processed_mjd_tai == 61_200.3
    bench.store.close()


@pytest.mark.parametrize("size", [1, 8])
def test_in_the_service_each_reprocessing_gives_the_next_revision(tmp_path: Path, size: int) -> None:
    def at(days: float) -> bytes:
        return bend_lsst(LSST[0], lambda record: record["diaSource"].update(timeProcessedMjdTai=61_200.0 + days))

    bench = Bench(tmp_path, revises=True)
    stream = packets([at(0.0), at(0.2), at(0.1), at(0.3)])
    for i in range(0, len(stream), size):
        bench.pipeline.process(stream[i : i + size])
    bench.pipeline.process(stream[3:])  # comes again after a crash: the same revision
    made = [
        (int(revision), trigger, int(supersedes))
        for batch in bench.scores.batches
        for revision, trigger, supersedes in zip(batch.revision, batch.trigger, batch.supersedes, strict=True)
    ]
    assert made == [
        (0, "alert", NO_REVISION),
        (1, "reprocessed", 0),
        (2, "reprocessed", 1),
        (2, "reprocessed", 1),
    ]
    bench.store.close()


def test_withdrawn_and_injected_alerts_are_filtered_with_the_reason(bench: Bench) -> None:
    def withdrawn(record: dict[str, Any]) -> None:
        record["diaSource"]["timeWithdrawnMjdTai"] = record["diaSource"]["midpointMjdTai"] + 1

    def injected(record: dict[str, Any]) -> None:
        record["diaSource"]["pixelFlags_injected"] = True

    outcomes = bench.pipeline.process(packets([bend_lsst(LSST[0], withdrawn), bend_lsst(LSST[1], injected)]))
    assert outcomes.filtered == {"withdrawn": 1, "injected": 1}


def test_only_what_the_packet_does_not_rule_out_is_assessed_and_counted(tmp_path: Path) -> None:
    cuts = (Cut(field="real_score", at_least=0.5), Cut(field="candidate.drb", at_least=0.5))
    strict = Settings(selections=SelectionSettings(ztf=(Selection(name="real", solar_system=True, cuts=cuts),)))
    bench = Bench(tmp_path, configured=strict)
    low = [bend_ztf(payload, lambda record: record["candidate"].update(drb=0.4)) for payload in ZTF[:5]]
    high = [bend_ztf(payload, lambda record: record["candidate"].update(drb=0.6)) for payload in ZTF[5:10]]
    outcomes = bench.pipeline.process(packets([*low, *high]))
    assert outcomes.filtered == {"real:candidate.drb": 5}
    assert bench.quality.assessed == outcomes.scored == 5
    assert outcomes.real_scores == {("ztf", 1.0): 5}
    bench.store.close()


def test_what_looks_bogus_is_filtered_before_the_classifier_and_counted_with_its_score(tmp_path: Path) -> None:
    cut = Cut(field="real_score", at_least=0.5)
    strict = Settings(selections=SelectionSettings(ztf=(Selection(name="real", solar_system=True, cuts=(cut,)),)))
    bench = Bench(tmp_path, configured=strict)
    bench.quality.real_score = 0.123
    outcomes = bench.pipeline.process(packets(ZTF[:4]))
    assert outcomes.filtered == {"real:real_score": 4}
    assert outcomes.real_scores == {("ztf", 0.13): 4}
    assert not bench.classifier.evidence
    bench.store.close()


def test_what_is_filtered_still_updates_its_object(tmp_path: Path) -> None:
    bench = Bench(tmp_path, configured=Settings())
    bogus = bend_ztf(ZTF[0], lambda record: record["candidate"].update(drb=0.0, ssdistnr=None))
    outcomes = bench.pipeline.process(packets([bogus]))
    assert outcomes.filtered == {"real:candidate.drb": 1}
    alert_ids = bench.store.latest_alert("ztf", _object_id(bogus))
    assert alert_ids is not None
    rows, _ = bench.store.light_curve_rows("ztf", [_object_id(bogus)])
    assert len(rows) > 0
    bench.store.close()


def _object_id(payload: bytes) -> str:
    seen: list[str] = []
    bend_ztf(payload, lambda record: seen.append(record["objectId"]))
    return seen[0]


def test_an_alert_that_breaks_a_stage_is_alone_in_its_dead_letter(tmp_path: Path) -> None:
    probe = Bench(tmp_path / "probe")
    probe.pipeline.process(packets(ZTF))
    bad = int(probe.scores.batches[0].alert_id[17])
    probe.store.close()
    bench = Bench(tmp_path / "bench", fails_on={bad})
    outcomes = bench.pipeline.process(packets(ZTF))
    assert (outcomes.scored, dict(outcomes.dead_letter)) == (59, {"processing_error": 1})
    (letter,) = bench.letters.letters.values()
    assert "breaks the classifier" in letter.detail
    assert letter.alert_id == bad
    assert letter.payload in ZTF
    bench.store.close()


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_scores_do_not_depend_on_how_the_stream_is_cut(tmp_path: Path, survey: str) -> None:
    stream = packets(night(survey, 150, seed=11))
    found = []
    for size in (1, 7, 150):
        bench = Bench(tmp_path / str(size))
        for start in range(0, len(stream), size):
            bench.pipeline.process(stream[start : start + size])
        found.append(bench.hashes())
        bench.store.close()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("bad", [0, 1])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("later_days", [0.0, 1.0])
def test_a_bad_copy_of_an_alert_never_takes_the_good_one_along(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, bad: int, size: int, later_days: float
) -> None:
    def second(record: dict[str, Any]) -> None:
        record["diaSource"]["timeProcessedMjdTai"] += later_days
        record["diaSource"]["snr"] = 77.0

    stream = packets([LSST[0], bend_lsst(LSST[0], second)])
    answer = bench.classifier.classify

    def fails_on_the_bad_copy(evidence: Any) -> Any:
        if bool(bad) in (evidence.alerts.field("diaSource.snr") == 77.0):
            raise ValueError("this copy breaks the classifier")
        return answer(evidence)

    monkeypatch.setattr(bench.classifier, "classify", fails_on_the_bad_copy)
    taken = [bench.pipeline.process(stream[i : i + size]) for i in range(0, 2, size)]
    counts = (sum(o.scored for o in taken), sum(o.duplicate for o in taken), sum(o.dead_letter.total() for o in taken))
    # a copy of the same processing time from elsewhere is a duplicate of a good alert before it reaches the classifier
    assert counts == ((1, 1, 0) if bad == 1 and later_days == 0.0 else (1, 0, 1))


def test_an_alert_that_breaks_the_decoding_is_alone_in_its_dead_letter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = packets(ZTF[:9])
    decode = bench.pipeline.decode

    def fails_on_one(some: list[Packet]) -> Any:
        if stream[4] in some:
            raise RuntimeError("a bug in the decoder")
        return decode(some)

    monkeypatch.setattr(bench.pipeline, "decode", fails_on_one)
    outcomes = bench.pipeline.process(stream)
    assert (outcomes.scored, dict(outcomes.dead_letter)) == (8, {"processing_error": 1})
    (letter,) = bench.letters.letters.values()
    assert (letter.stage, letter.survey, letter.alert_id, letter.payload) == ("decode", "ztf", None, ZTF[4])


def test_scores_that_are_not_finite_carry_a_reason_and_no_embedding(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = bench.classifier.classify

    def broken(evidence: Any) -> Any:
        predictions = answer(evidence)
        predictions.class_scores[1, 3] = np.nan
        predictions.embedding[2, 5] = np.inf
        return predictions

    monkeypatch.setattr(bench.classifier, "classify", broken)
    outcomes = bench.pipeline.process(packets(ZTF[:4]))
    assert dict(outcomes.unclassified) == {"not_finite": 2}
    (batch,) = bench.scores.batches
    assert [reason is None for reason in batch.unclassified_reason] == [True, False, False, True]
    assert np.isnan(batch.embedding[[1, 2]]).all()
    assert np.isfinite(batch.embedding[[0, 3]]).all()
    assert (batch.contributions.feature != NO_FEATURE).any(axis=1).tolist() == [True, False, False, True]


def test_the_cut_of_the_taxonomy_that_is_asked_for_is_scored_and_every_score_has_its_reasons(tmp_path: Path) -> None:
    cut = ("SN Ia", "SN Ib", "SN Ic", "SN II", "SLSN", "CV", "AGN", "TDE", "other")
    asked = EVERYTHING.model_copy(update={"classifier": ClassifierSettings(taxonomy=cut)})
    for configured, nodes in ((asked, cut), (EVERYTHING, ())):
        made = Bench(tmp_path / str(len(nodes)), configured=configured)
        made.pipeline.process(packets(ZTF[:5]))
        (batch,) = made.scores.batches
        records = scored_alert_records(batch)
        for record, scores in zip(records, batch.class_scores, strict=True):
            assert tuple(record["taxonomy_scores"]) == nodes
            if nodes:
                assert sum(record["taxonomy_scores"].values()) == pytest.approx(1.0, abs=1e-6)
                assert record["taxonomy_scores"]["SN Ia"] == pytest.approx(scores[0] / 2)
            assert [each["name"] for each in record["top_contributions"]] == ["n_detections"]
        made.store.close()


@pytest.mark.parametrize(("own", "history", "expected"), [(1, 1, 0), (2, 1, 1), (1, 3, 2), (3, 2, 2)])
def test_a_score_is_as_restricted_as_the_most_restricted_point_it_used(
    bench: Bench, own: int, history: int, expected: int
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["candidate"]["programid"] = own
        record["prv_candidates"] = [point | {"programid": history} for point in record["prv_candidates"]]
        record["fp_hists"] = []

    with_history = next(payload for payload in reversed(ZTF) if _n_history(payload) > 2)
    bench.pipeline.process(packets([bend_ztf(with_history, change)]))
    assert bench.scores.batches[0].rights.tolist() == [expected]


def _n_history(payload: bytes) -> int:
    seen: list[int] = []
    bend_ztf(payload, lambda record: seen.append(len(record["prv_candidates"] or [])))
    return seen[0]


def test_points_of_other_rights_that_are_not_used_do_not_restrict_a_score(bench: Bench) -> None:
    def change(record: dict[str, Any]) -> None:
        later = {"jd": record["candidate"]["jd"] + 5.0, "programid": 3}
        record["prv_candidates"] = [point | later for point in record["prv_candidates"]]
        record["fp_hists"] = []

    with_history = next(payload for payload in reversed(ZTF) if _n_history(payload) > 2)
    bench.pipeline.process(packets([bend_ztf(with_history, change)]))
    assert bench.scores.batches[0].rights.tolist() == [0]


def test_the_evidence_hash_tells_other_pixels_metadata_and_history_apart(tmp_path: Path) -> None:
    with_history = next(payload for payload in reversed(ZTF) if _n_history(payload) > 2)

    def pixels(record: dict[str, Any]) -> None:
        record["cutoutTemplate"]["stampData"] = gzip.compress(_fits(np.full((63, 63), 7.0)))

    def history(record: dict[str, Any]) -> None:
        record["prv_candidates"] = record["prv_candidates"][1:]
        record["fp_hists"] = None

    def nothing(record: dict[str, Any]) -> None:
        pass

    def metadata(record: dict[str, Any]) -> None:
        record["candidate"]["distnr"] = 77.0

    found = []
    for place, change in enumerate((nothing, nothing, pixels, history, metadata)):
        bench = Bench(tmp_path / str(place))
        bench.pipeline.process(packets([bend_ztf(with_history, change)]))
        found += list(bench.hashes().values())
        bench.store.close()
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_the_newest_known_spectrum_is_used_and_stands_in_the_hash(bench: Bench) -> None:
    stream = packets(ZTF[-1:])
    bench.pipeline.process(stream)
    (batch,) = bench.scores.batches
    name, now = batch.object_id[0], float(batch.mjd_tai[0])
    wavelength = np.linspace(4000, 9000, 50)
    spectra = [Spectrum(name, now - age, wavelength, np.full(50, age, np.float32)) for age in (9.0, 1.0, 5.0, -2.0)]
    bench.store.begin()
    bench.store.put_spectra(spectra, "ztf")
    bench.store.commit()
    bench.pipeline.process(stream)
    (used,) = bench.classifier.evidence[-1].spectra
    assert used is not None
    assert used.mjd_tai == now - 1.0
    assert bench.scores.batches[-1].evidence_hash != batch.evidence_hash


@pytest.mark.parametrize(
    ("survey", "field", "value"),
    [("ztf", "ra", 1e200), ("ztf", "dec", -90.5), ("ztf", "jd", 1e300), ("lsst", "midpointMjdTai", -5e9)],
)
def test_absurd_positions_and_times_are_dead_letters(bench: Bench, survey: str, field: str, value: float) -> None:
    def change(record: dict[str, Any]) -> None:
        record["candidate" if survey == "ztf" else "diaSource"][field] = value

    bent = bend_ztf(ZTF[0], change) if survey == "ztf" else bend_lsst(LSST[0], change)
    assert dict(bench.pipeline.process(packets([bent])).dead_letter) == {"bad_value": 1}


def test_a_spectrum_is_used_from_its_own_time_on(bench: Bench) -> None:
    stream = packets(night("ztf", 150, seed=11))
    bench.pipeline.process(stream)
    (batch,) = bench.scores.batches
    name, count = max(((o, batch.object_id.count(o)) for o in set(batch.object_id)), key=lambda pair: pair[1])
    times = sorted(batch.mjd_tai[[o == name for o in batch.object_id]])
    assert count > 2
    wavelength = np.linspace(4000, 9000, 50)
    bench.store.begin()
    bench.store.put_spectra([Spectrum(name, times[1], wavelength, np.ones(50, np.float32))], "ztf")
    bench.store.commit()
    bench.pipeline.process(stream)
    again = bench.scores.batches[-1]
    used = {t: u for o, t, u in zip(again.object_id, again.mjd_tai, again.modalities[:, 3], strict=True) if o == name}
    assert [bool(used[t]) for t in times] == [False] + [True] * (count - 1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["ztf", "lsst"]), st.integers(0, 59), st.data())
def test_flipped_bytes_never_lose_a_message(bench: Bench, survey: str, which: int, data: st.DataObject) -> None:
    payload = bytearray((ZTF if survey == "ztf" else LSST)[which])
    for place in data.draw(st.lists(st.integers(0, len(payload) - 1), max_size=8)):
        payload[place] = data.draw(st.integers(0, 255))
    where = Coordinates("flip", str(data.draw(st.integers(0, 2**60))))
    outcomes = bench.pipeline.process([Packet(where, bytes(payload), 0.0)])
    assert outcomes.received == 1
