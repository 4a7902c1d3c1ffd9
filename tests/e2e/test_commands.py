"""What must hold of the other commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Streamer

PNG = b"\x89PNG\r\n"


@pytest.fixture
def results(streamer: Streamer, night: Path, tmp_path: Path) -> Path:
    assert streamer("replay", night, "--out", tmp_path / "results").code == 0
    return tmp_path / "results"


def test_show_draws_an_alert_or_an_object_with_or_without_its_survey(
    streamer: Streamer, results: Path, tmp_path: Path
) -> None:
    table = pq.read_table(results / "scores.parquet").to_pylist()
    for survey in ("ztf", "lsst"):
        row = next(row for row in table if row["survey"] == survey)
        for name in (row["alert_id"], row["object_id"], f"{survey}:{row['alert_id']}", f"{survey}:{row['object_id']}"):
            out = tmp_path / "picture.png"
            said = streamer("show", name, "--in", results, "--out", out)
            assert said.code == 0, said.err
            assert out.read_bytes().startswith(PNG)
            assert row["object_id"] in said.err.replace("\n", "")
            out.unlink()


def test_show_draws_a_filtered_alert_and_says_that_it_was_not_scored(
    streamer: Streamer, results: Path, night: Path, tmp_path: Path
) -> None:
    scored = {row["alert_id"] for row in pq.read_table(results / "scores.parquet").to_pylist()}
    filtered = next(int(p.stem) for p in sorted((night / "ztf").glob("*.avro")) if int(p.stem) not in scored)
    said = streamer("show", filtered, "--in", results, "--out", tmp_path / "x.png")
    assert said.code == 0, said.err
    assert "not scored" in said.err


@pytest.mark.parametrize(("name", "said"), [("123", "no alert and no object 123"), ("des:1", "no survey")])
def test_show_says_in_one_line_what_it_does_not_know(streamer: Streamer, results: Path, name: str, said: str) -> None:
    result = streamer("show", name, "--in", results)
    assert result.code == 2
    assert said in result.err


def test_show_of_a_folder_without_results_says_how_to_make_them(streamer: Streamer, tmp_path: Path) -> None:
    result = streamer("show", "1", "--in", tmp_path)
    assert result.code == 2
    assert "streamer replay" in result.err


def test_inspect_says_what_a_packet_holds(streamer: Streamer, night: Path) -> None:
    for survey, pattern in (("ztf", "*.avro"), ("lsst", "*.bin")):
        path = sorted((night / survey).glob(pattern))[-1]
        said = streamer("inspect", path)
        assert said.code == 0
        assert path.stem in said.out
        (packet,) = json.loads(streamer("inspect", path, "--json").out)["packets"]
        assert (packet["survey"], str(packet["alert_id"])) == (survey, path.stem)
        assert packet["cutouts"]["science"]


def test_inspect_says_why_a_packet_cannot_be_read(streamer: Streamer, night: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(next((night / "lsst").glob("*.bin")).read_bytes()[:500])
    said = streamer("inspect", path)
    assert said.code == 1
    assert "cannot be read" in said.out
    assert "error" in json.loads(streamer("inspect", path, "--json").out)["packets"][0]


def test_simulate_gives_the_same_night_for_the_same_seed(streamer: Streamer, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        arguments = ("--survey", "lsst", "--rate", 5, "--duration", 4, "--seed", 9, "--to", tmp_path / folder)
        assert streamer("simulate", *arguments).code == 0
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / f).glob("*.bin")} for f in "ab")
    assert len(first) == 20
    assert first == second


def test_simulate_into_an_archive_with_spectra_and_a_replay_of_it(streamer: Streamer, tmp_path: Path) -> None:
    archive = tmp_path / "night" / "ztf_public_20260301.tar.gz"
    options = ("--mixture", "rich", "--nights", 4, "--only", "SN Ia,AGN", "--spectra", 1, "--schema", "4.01", "--json")
    said = streamer("simulate", "--survey", "ztf", "--rate", 10, "--duration", 3, "--to", archive, *options)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["packets"], told["survey"], told["to"]) == (30, "ztf", str(archive))
    assert set(told["types"]) == {"SN Ia", "AGN"}
    spectra = archive.parent / "spectra.parquet"
    assert pq.read_table(spectra).num_rows == told["spectra"] > 0
    said = streamer("replay", archive, "--spectra", spectra, "--out", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["received"], told["dead_letter"]) == (30, 0)
    versions = {row["schema_version"] for row in pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()}
    assert versions == {"4.01"}


def test_simulate_draws_its_page_of_figures(streamer: Streamer, tmp_path: Path) -> None:
    options = ("--survey", "ztf", "--rate", 40, "--duration", 1, "--to", tmp_path / "night")
    said = streamer("simulate", *options, "--report", "--json")
    assert said.code == 0, said.err
    assert Path(json.loads(said.out)["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "is an archive" in streamer("simulate", *options[:-1], tmp_path / "n.tar.gz", "--report").err


def test_simulate_says_what_it_needs(streamer: Streamer) -> None:
    said = streamer("simulate", "--survey", "ztf")
    assert said.code == 2
    assert "needs --survey, --rate, --duration and --to" in said.err


def test_demo_scores_a_night_and_draws_its_best(streamer: Streamer, tmp_path: Path) -> None:
    for _ in range(2):  # a demo may be run again into its own folder
        said = streamer("demo", "--alerts", 60, "--out", tmp_path / "demo")
        assert said.code == 0, said.err
        assert (tmp_path / "demo" / "night.png").read_bytes().startswith(PNG)
    assert re.search(r"│ ZTF .* \d\.\d\d │ +yes │ +\d\.\d\d │", said.out)
    assert re.search(r"│ LSST .* \(\d\.\d\d\) │ +no │ +- │", said.out)
    assert "LSST scores are uncalibrated" in said.out
    for row in pq.read_table(tmp_path / "demo" / "scores.parquet").to_pylist():
        assert (row["novelty"] is None) is (row["calibration"] is None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert streamer("demo", "--alerts", 60, "--out", tmp_path / "mine").code == 2
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_help_names_the_commands_as_a_person_meets_them(streamer: Streamer) -> None:
    said = streamer("--help")
    assert said.code == 0
    archives = ["demo", "replay", "inspect", "show", "simulate", "check-config", "score-truth"]
    service = ["topics", "run", "status", "tail", "size", "sink"]
    assert re.findall(r"^│ ([a-z][a-z-]*) ", said.out, re.MULTILINE) == [*archives, *service, "bench"]


def test_a_wrong_option_ends_with_code_2(streamer: Streamer) -> None:
    assert streamer("replay", "--nonsense").code == 2
