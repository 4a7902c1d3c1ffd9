"""`streamer tail` as a person and as a program has it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from schemas.records import ScoredAlert
from tests.services.fixtures import Kafka
from tests.services.running import STREAMER, streamer
from tests.services.scores import Stream, made


@pytest.fixture(scope="module")
def stream(kafka: Kafka) -> Stream:
    """A deployment with 30 scores of ZTF and 5 of LSST."""
    stream = made(kafka)
    stream.publish(range(30))
    stream.publish(range(5), survey="lsst")
    return stream


@pytest.fixture
def config(stream: Stream, tmp_path: Path) -> Path:
    return config_of(stream, tmp_path)


def config_of(stream: Stream, folder: Path) -> Path:
    file = folder / "streamer.yaml"
    file.write_text(yaml.safe_dump({"kafka": {"bootstrap": stream.kafka.bootstrap, "topic_prefix": stream.prefix}}))
    return file


ALL = ("--start-at", "earliest", "--until-eos")


def test_programs_get_a_json_object_a_line_with_the_records_keys(stream: Stream, config: Path) -> None:
    done = streamer("tail", "--config", config, *ALL, "--json", "--survey", "lsst")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(text) for text in done.stdout.splitlines()]
    assert all(list(row) == list(ScoredAlert.model_fields) for row in rows)
    expected = stream.alerts(survey="lsst", start_at="earliest", until_eos=True)
    assert {row["alert_id"]: ScoredAlert.model_validate(row) for row in rows} == {a.alert_id: a for a in expected}


def test_people_get_a_heading_and_a_line_for_each_alert(config: Path) -> None:
    done = streamer("tail", "--config", config, *ALL, "--limit", "4")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    assert heading.startswith("day, UTC")
    assert len(lines) == 4
    assert all(text.startswith("14 22:13:21 ") for text in lines)


def test_nothing_found_is_said_aside_and_what_is_no_score_too(kafka: Kafka, tmp_path: Path) -> None:
    stream = made(kafka)
    stream.publish([1])
    stream.publish_values([(None, b"foreign")])
    done = streamer("tail", "--config", config_of(stream, tmp_path), *ALL, "--class", "sn_i", "--min-score", "1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no score fits" in done.stderr
    assert "1 messages were no scored alerts" in done.stderr
    assert f"{stream.prefix}.scored, partition" in done.stderr


def test_a_wrong_class_ends_with_2_and_the_classes_that_there_are(config: Path) -> None:
    done = streamer("tail", "--config", config, "--class", "SN III")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("streamer: no class is called 'SN III'; known are SN I, SN II, SLSN, CV, AGN, TDE, other\n")


def test_a_reader_that_has_enough_is_no_error(config: Path) -> None:
    shell = (
        f"{STREAMER} tail --config {config} --start-at earliest --json --limit 30 | head -1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=120, check=False)
    line, code = done.stdout.splitlines()
    assert json.loads(line)["survey"] in ("ztf", "lsst")
    assert (code, done.stderr) == ("0", "")


@pytest.mark.parametrize("has_group", [False, True])
def test_ctrl_c_ends_it_with_130_and_no_traceback(stream: Stream, config: Path, has_group: bool) -> None:
    group = ("--group", f"group-{stream.prefix}") if has_group else ()
    command = [STREAMER, "tail", "--config", config, "--start-at", "earliest", *group]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        first = tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        _, said = tail.communicate(timeout=60)
    assert first.startswith("day, UTC"), said
    assert tail.returncode == 130
    assert "Traceback" not in said
