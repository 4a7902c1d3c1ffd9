"""Made-up real packets, which the simulator made too, look like simulated ones; where one field differs it is named."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from streamer.commands.compare import RESULT_FILE, print_comparison, run_compare
from streamer.compare.comparison import ALL, Comparison, compare
from streamer.compare.real import ON_SKY, PUBLISHED, REENCODED
from streamer.compare.sample import FORCED, GROUPS, HISTORY, METADATA, STAMPS
from streamer.errors import UserError
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from tests.streamer.compare.conftest import NIGHTS, PACKETS, write_lsst, write_ztf


def hush(_: str) -> None:
    pass


def blurred(candidate: dict[str, Any]) -> None:
    candidate["fwhm"] += 3.0


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory, ztf_nights: list[SimulatedPacket]) -> Comparison:
    folder = tmp_path_factory.mktemp("alike")
    write_ztf(folder / "ztf_alerts", ztf_nights, PUBLISHED)
    return compare(folder, None, 3, hush)


def test_nights_of_the_same_sky_are_hardly_told_apart(alike: Comparison) -> None:
    for figure in alike.figures:
        assert figure.told is not None
        assert figure.told.low < 0.7, figure
        assert figure.told.auc < 0.85, figure
    assert [figure.group for figure in alike.figures] == [*GROUPS, ALL]


def test_what_is_printed_names_features_whole(alike: Comparison) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    print_comparison(console, alike)
    said = console.export_text()
    for figure in alike.figures:
        assert figure.told is not None
        for tell in figure.told.tells:
            assert tell.name in said


def test_simulated_packets_are_as_many_of_a_class_and_brightness_as_real_ones(alike: Comparison) -> None:
    matched = alike.matched["ZTF as published"]
    real, simulated = matched.real.keys, matched.simulated.keys
    assert len(matched.real) + sum(matched.unmatched.values()) == NIGHTS * PACKETS
    assert matched.weight.sum() == pytest.approx(len(matched.real))
    for kind in set(real.kind):
        for bright in (True, False):
            wanted = ((real.kind == kind) & ((real.mag < 18.0) == bright)).sum()
            got = matched.weight[(simulated.kind == kind) & ((simulated.mag < 18.0) == bright)].sum()
            assert got == pytest.approx(wanted)


def test_a_field_that_differs_is_named_first(tmp_path: Path, ztf_nights: list[SimulatedPacket]) -> None:
    write_ztf(tmp_path / "ztf_alerts", ztf_nights, PUBLISHED, blurred)
    found = {figure.group: figure.told for figure in compare(tmp_path, "ztf", 3, hush).figures}
    metadata = found[METADATA]
    assert metadata is not None
    assert metadata.auc > 0.95
    assert metadata.tells[0].name == metadata.alone[0].name == "fwhm"
    for group in (HISTORY, STAMPS):
        told = found[group]
        assert told is not None
        assert told.auc < 0.85


def test_what_reencoding_lost_is_not_compared(
    tmp_path: Path, ztf_nights: list[SimulatedPacket], capsys: pytest.CaptureFixture[str]
) -> None:
    write_ztf(tmp_path / "ztf_alerts", ztf_nights[::3], REENCODED)
    run_compare(tmp_path, None, 3, None, True)
    said = json.loads(capsys.readouterr().out)
    assert {figure["packets"] for figure in said["figures"]} == {"ZTF re-encoded"}
    assert FORCED not in {figure["group"] for figure in said["figures"]}
    names = {tell["name"] for figure in said["figures"] for tell in figure["tells"] + figure["alone"]}
    assert not [name for name in names if name.startswith("forced")]
    assert not names & {"candid", "jd", "ra", "dec", "field", "rcid", "nid", "jdstarthist", "objectidps1"}


def test_lsst_packets_from_the_sky_are_compared_and_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packets = [
        packet
        for seed in range(12)
        for packet in simulate_night(NightPlan("lsst", 4, seed, mixture="rich", schema="10.0"))
    ]
    write_lsst(tmp_path / "lsst_alerts", packets, ON_SKY)
    out = tmp_path / "out"
    run_compare(tmp_path, out, 3, None, False)
    assert "LSST as published" in capsys.readouterr().out
    said = json.loads((out / RESULT_FILE).read_text())
    assert [figure["group"] for figure in said["figures"]] == [*GROUPS, ALL]
    for name in ("distributions", "profiles", "cutouts"):
        with Image.open(out / f"lsst_as_published_{name}.png") as image:
            assert image.width > 500
    rehearsal = tmp_path / "rehearsal"
    write_lsst(rehearsal / "lsst_alerts", packets[:3], "simulated (operations rehearsal)")
    assert compare(rehearsal, None, 3, hush).left_out == {
        "LSST: simulated (operations rehearsal), not what the telescope saw": 3
    }


def test_few_packets_give_no_figure_and_say_so(
    tmp_path: Path, ztf_nights: list[SimulatedPacket], capsys: pytest.CaptureFixture[str]
) -> None:
    write_ztf(tmp_path / "ztf_alerts", ztf_nights[:6], PUBLISHED)
    run_compare(tmp_path, None, 3, None, False)
    assert "too few: fewer than 10 packets" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_folder_without_packets_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"ztf_alerts.*light_curves.parquet"):
        run_compare(tmp_path / name, None, 3, None, False)


def test_real_packets_are_compared(shared_data: Path) -> None:
    found = compare(shared_data, "lsst", 1, hush)
    told = {figure.group: figure for figure in found.figures}
    assert told[METADATA].n_real >= 30
    assert told[METADATA].halves is not None
    assert told[METADATA].halves[1] < 0.6
    assert any("rehearsal" in reason for reason in found.left_out)
