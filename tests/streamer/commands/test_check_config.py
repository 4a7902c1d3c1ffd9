"""`streamer check-config` says whether a configuration can be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamer.commands.check_config import check_config
from streamer.settings import Settings, load_settings

NO_FILE = "No such file or directory"


def test_the_printed_default_is_good_and_is_the_default(tmp_path: Path) -> None:
    text, code = check_config(None, print_default=True)
    assert code == 0
    file = tmp_path / "streamer.yaml"
    file.write_text(text)
    settings = load_settings(file).model_dump_json().replace(f"{tmp_path}/", "")  # paths start at the file
    assert Settings.model_validate_json(settings) == Settings()
    assert check_config(file) == (f"{file}: good; 2 ZTF and 1 LSST selections, bundle default", 0)


def test_a_wrong_file_ends_with_2_and_one_line_for_each_problem(tmp_path: Path) -> None:
    file = tmp_path / "streamer.yaml"
    file.write_text("batch: {max_alerts: 0}\nstate: {cutouts_mb: 1}\n")
    text, code = check_config(file)
    assert code == 2
    assert [line.split(": ")[1] for line in text.splitlines()] == ["batch.max_alerts", "state.cutouts_mb"]


def test_a_password_must_be_there_and_its_file_be_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, password = tmp_path / "streamer.yaml", tmp_path / "secret"
    file.write_text(
        "kafka: {security: {username: a, password_file: secret}}\n"
        "clusters:\n- {name: b, bootstrap: x, security: {protocol: ssl, ca_file: no.pem}}\n"
        "state:\n  mongodb: {username: c, password_env: NOT_THERE}\n"
    )
    monkeypatch.delenv("NOT_THERE", raising=False)
    others = [
        f"{file}:3:62: clusters[0].security.ca_file: the file {tmp_path}/no.pem cannot be read: {NO_FILE}",
        f"{file}:5:40: state.mongodb.password_env: the environment variable NOT_THERE holds no password: set it",
    ]

    def problems() -> list[str]:
        text, code = check_config(file)
        assert code == 2
        return text.splitlines()

    first = f"{file}:1:48: kafka.security.password_file: "
    assert problems() == [
        f"{first}the password file {password} cannot be read: {NO_FILE}",
        *others,
    ]
    password.write_text("")
    password.chmod(0o644)
    assert problems()[0] == f"{first}others may read the password file {password}: `chmod 600 {password}`"
    password.chmod(0o600)
    assert problems()[0] == f"{first}the password file {password} is empty"
    password.write_text("it\n")
    assert problems() == others
    monkeypatch.setenv("NOT_THERE", "it")
    (tmp_path / "no.pem").touch()
    assert check_config(file)[1] == 0


@pytest.mark.parametrize("name", ["absent.yaml", None])
def test_without_a_file_the_message_says_what_to_do(tmp_path: Path, name: str | None) -> None:
    text, code = check_config(tmp_path / name if name else None)
    assert code == 2
    assert "--print-default" in text
    assert "\n" not in text


def test_the_command_prints_one_line_and_no_traceback_for_a_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "streamer.yaml"
    file.write_text("batch: {max_alert: 1}\n")
    command = [sys.executable, "-m", "streamer", "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{file}:1:9: batch.max_alert: unknown key")
    assert done.stderr.count("\n") == 1


def test_the_command_prints_the_default_on_stdout() -> None:
    command = [sys.executable, "-m", "streamer", "check-config", "--print-default"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == check_config(None, print_default=True)[0] + "\n"
    assert done.stderr == ""
