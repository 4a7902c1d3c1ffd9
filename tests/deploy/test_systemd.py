"""The units of deploy/systemd: systemd takes them, and what they start does what they count on."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from streamer.commands.check_config import check_config
from streamer.settings import load_settings
from streamer.supervisor import END_S, FINAL, Ended
from tests.deploy.conftest import DEPLOY
from tests.services.running import STREAMER

UNITS = DEPLOY / "systemd"
WORKERS, SINK = "transient-streamer.service", "transient-streamer-sink@.service"
INSTALLED = "/opt/transient-streamer/bin/streamer"
CONFIG = "/etc/transient-streamer/streamer.yaml"

EXPOSURE_MAX = 2.0
"""The most that `systemd-analyze security` may say, of 10: 1.6 with version 252; others may weigh differently."""


def unit(name: str) -> dict[str, list[str]]:
    """The values of each key, in the order of the file."""
    values: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            values.setdefault(key, []).append(value)
    return values


def program(name: str) -> str:
    """The path of one of systemd's programs."""
    if path := shutil.which(name):
        return path
    pytest.skip(f"{name} is not installed: install it (on Debian: apt-get install systemd)")


def asked(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [program(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are installed, with the program that is here."""
    for name in (WORKERS, SINK):
        text = (UNITS / name).read_text()
        assert INSTALLED in text
        (tmp_path / name.replace("@.", "@parquet.")).write_text(text.replace(INSTALLED, str(STREAMER)))
        (tmp_path / name).write_text(text.replace(INSTALLED, str(STREAMER)))
    return tmp_path


def test_systemd_takes_the_units(installed: Path) -> None:
    names = (WORKERS, SINK.replace("@.", "@parquet."))
    taken = asked("systemd-analyze", "verify", "--man=no", *(installed / name for name in names))
    assert (taken.returncode, taken.stderr) == (0, "")


@pytest.mark.parametrize(
    ("given", "broken", "said"),
    [("KillMode=mixed", "KillMode=gentle", "kill mode"), ("RestartSec", "RestartSecs", "RestartSecs")],
)
def test_a_unit_with_a_mistake_is_seen(installed: Path, given: str, broken: str, said: str) -> None:
    text = (installed / WORKERS).read_text()
    assert given in text
    (installed / WORKERS).write_text(text.replace(given, broken))
    assert said in asked("systemd-analyze", "verify", "--man=no", installed / WORKERS).stderr


@pytest.mark.parametrize("name", [WORKERS, SINK])
def test_little_of_the_host_is_open_to_the_service(installed: Path, name: str) -> None:
    bound = f"--threshold={EXPOSURE_MAX * 10:.0f}"
    looked_at = asked("systemd-analyze", "security", "--offline=yes", "--no-pager", bound, installed / name)
    assert looked_at.returncode == 0, looked_at.stdout


def test_the_codes_that_no_new_start_would_change_keep_it_down() -> None:
    def kept_down(name: str) -> set[int]:
        return {int(code) for code in unit(name)["RestartPreventExitStatus"][0].split()}

    assert kept_down(WORKERS) == set(FINAL)
    assert kept_down(SINK) == {Ended.CONFIGURATION}
    for name in (WORKERS, SINK):
        assert unit(name)["Restart"] == ["on-failure"]
        assert "ExecStartPre" not in unit(name)  # its exit code would not keep the service down


@pytest.mark.parametrize(("name", "text"), [(WORKERS, "{}"), (WORKERS, "nonsense: 1"), (SINK, "sinks: {max_rows: -1}")])
def test_what_a_unit_starts_ends_with_2_and_a_line_where_the_configuration_cannot_work(
    tmp_path: Path, name: str, text: str
) -> None:
    config = tmp_path / "streamer.yaml"
    config.write_text(text)
    line = unit(name)["ExecStart"][0].replace(INSTALLED, str(STREAMER)).replace(CONFIG, str(config))
    line = line.replace("%i", "parquet").replace("${STREAMER_WORKERS}", "1")
    assert str(config) in line
    ended = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ended.returncode == Ended.CONFIGURATION
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip()


def test_workers_have_the_time_that_they_take_to_end() -> None:
    assert unit(WORKERS)["KillMode"] == ["mixed"]  # the supervisor ends its workers in order
    assert int(unit(WORKERS)["TimeoutStopSec"][0]) > END_S


def test_the_number_of_workers_has_a_default_and_the_example_another() -> None:
    assert "${STREAMER_WORKERS}" in unit(WORKERS)["ExecStart"][0]
    assert "STREAMER_WORKERS=1" in unit(WORKERS)["Environment"]
    assert "STREAMER_WORKERS=" in (UNITS / "environment").read_text()


def test_systemd_makes_the_user_and_the_folders(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files to another user")
    folder = tmp_path / "etc" / "transient-streamer"
    folder.parent.mkdir()
    made = asked("systemd-sysusers", f"--root={tmp_path}", UNITS / "sysusers.conf")
    assert made.returncode == 0, made.stderr
    assert "streamer:" in (tmp_path / "etc" / "passwd").read_text()
    folder.mkdir()
    (folder / "kafka-password").write_text("secret")
    made = asked("systemd-tmpfiles", f"--root={tmp_path}", "--create", UNITS / "tmpfiles.conf")
    assert made.returncode == 0, made.stderr
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / "kafka-password").stat().st_mode & 0o777 == 0o400
    assert {unit(name)["User"][0] for name in (WORKERS, SINK)} == {"streamer"}


def test_the_example_is_good_and_all_that_it_writes_is_where_the_units_may_write(
    tmp_path: Path,
) -> None:
    config = tmp_path / "streamer.yaml"
    config.write_text((UNITS / "streamer.yaml").read_text())
    for name in ("kafka-password", "mongodb-password"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("secret")
    verdict, code = check_config(config)
    assert code == 0, verdict
    settings = load_settings(config)
    sinks = settings.sinks
    written = [settings.state.folder, sinks.parquet_folder, sinks.lancedb_folder]
    written += [settings.lsst_registry.cache_folder, settings.kafka.registry.cache_folder]
    for name in (WORKERS, SINK):
        state = Path("/var/lib") / unit(name)["StateDirectory"][0]
        assert all(Path(folder).is_relative_to(state) for folder in written)
