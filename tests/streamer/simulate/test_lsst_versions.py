from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.light_curve import BANDS, DETECTION, FORCED
from schemas.packet import Coordinates, Packet
from schemas.surveys.tables import LSST_VERSIONS, Schema, survey_schema
from streamer.processors.decode import Decode
from streamer.simulate.lsst.versions import layouts
from streamer.simulate.night import NightPlan, check_plan, simulate_night
from streamer.simulate.packet import SimulatedPacket

Record = dict[str, Any]


def _night(version: str) -> list[SimulatedPacket]:
    return list(simulate_night(NightPlan("lsst", 80, 11, mixture="rich", schema=version)))


def _read(packet: SimulatedPacket, schema: Schema) -> Record:
    body = io.BytesIO(packet.payload[5:])
    record: Record = fastavro.schemaless_reader(body, schema, None)  # type: ignore[assignment]
    assert not body.read()
    return record


def _is_valid(packets: list[SimulatedPacket], schema: Schema) -> None:
    for packet in packets:
        again = io.BytesIO()
        fastavro.schemaless_writer(again, schema, _read(packet, schema), strict=True)
        assert again.getvalue() == packet.payload[5:]


@pytest.mark.parametrize("version", LSST_VERSIONS)
def test_every_packet_is_valid_by_rubins_own_schema_of_its_version(version: str) -> None:
    library = pytest.importorskip("lsst.alert.packet", reason="needs lsst-alert-packet")
    major, minor = (int(part) for part in version.split("."))
    folder = Path(library.get_schema_path(major, minor))
    packets = _night(version)
    assert {packet.payload[:5] for packet in packets} == {b"\x00" + (major * 100 + minor).to_bytes(4, "big")}
    assert {"asteroid", "bogus"} <= {packet.type for packet in packets}
    _is_valid(packets, fastavro.schema.load_schema(str(folder / f"lsst.v{major}_{minor}.alert.avsc")))


@pytest.mark.parametrize("version", ["7.4", "9.0", "10.0", "11.0", "11.1"])
def test_packets_are_valid_by_the_schema_kept_with_the_real_ones(version: str, shared_data: Path) -> None:
    number = f"{int(version.split('.')[0]) * 100 + int(version.split('.')[1])}.avsc"
    _is_valid(_night(version)[::4], fastavro.schema.load_schema(str(shared_data / "lsst_alerts/schemas" / number)))


@pytest.mark.parametrize("version", LSST_VERSIONS)
def test_our_reader_finds_the_packets_own_values_in_every_version(version: str) -> None:
    schema = fastavro.parse_schema(survey_schema("lsst", version))
    packets = _night(version)
    messages = [Packet(Coordinates("here", "night", 0, i), p.payload, 0.0) for i, p in enumerate(packets)]
    (alerts,), rejected = Decode()(messages)
    assert not rejected
    compared = 0
    for i, packet in enumerate(packets):
        record = _read(packet, schema)
        source = record["diaSource"]
        assert alerts.alert_id[i] == packet.alert_id == source["diaSourceId"]
        assert alerts.object_id[i] == packet.object_id
        assert (alerts.ra_deg[i], alerts.dec_deg[i]) == (source["ra"], source["dec"])
        assert alerts.mjd_tai[i] == packet.mjd_tai == source["midpointMjdTai"]
        assert alerts.schema_version[i] == version
        assert np.float32(alerts.survey_real_score[i]) == np.float32(source["reliability"])
        rows = alerts.rows[alerts.row_offsets[i] : alerts.row_offsets[i + 1]]
        for kind, sources in (
            (DETECTION, [*(record["prvDiaSources"] or []), source]),
            (FORCED, record["prvDiaForcedSources"] or []),
        ):
            read = sorted(
                (r["mjd_tai"], r["flux_njy"], r["flux_err_njy"], r["band"]) for r in rows[rows["kind"] == kind]
            )
            told = sorted((s["midpointMjdTai"], s["psfFlux"], s["psfFluxErr"], BANDS.index(s["band"])) for s in sources)
            assert read == told
            compared += len(told)
    assert compared > 500


def test_a_version_changes_names_and_layout_and_not_the_night() -> None:
    nights = {}
    for version in ("7.4", "8.0", "9.0", "11.1"):
        schema = fastavro.parse_schema(survey_schema("lsst", version))
        nights[version] = [_read(packet, schema) for packet in _night(version)]
    for seven, eight, nine, newest in zip(*nights.values(), strict=True):
        assert seven["alertId"] == eight["diaSourceId"] == newest["diaSourceId"]
        source = newest["diaSource"]
        assert seven["diaSource"]["is_negative"] == source["isNegative"]
        assert nine["diaSource"]["timeProcessedMjdTai"] == source["timeProcessedMjdTai"]
        # 40,587 is the Unix epoch; TAI is 37 s ahead of UTC.
        processed = eight["diaSource"]["time_processed"].timestamp()
        assert processed == pytest.approx((source["timeProcessedMjdTai"] - 40_587.0) * 86_400.0 - 37.0, abs=1e-3)
        assert (seven["ssObject"] is None) == (nine["MPCORB"] is None) == (newest["mpc_orbits"] is None)
        if newest["ssSource"] is not None:
            old, new, orbit = nine["ssSource"], newest["ssSource"], newest["mpc_orbits"]
            assert (old["eclipticLambda"], old["topocentricDist"]) == (new["eclLambda"], new["topoRange"])
            assert old["residualRa"] == pytest.approx(new["ephOffsetRa"] / 3600.0)
            assert old["heliocentricVX"] == pytest.approx(new["helio_vx"] * 86_400.0 / 149_597_870.7, rel=1e-5)
            kept = {
                "mpcDesignation": "packed_primary_provisional_designation",
                "M": "mean_anomaly",
                "incl": "i",
                "q": "q",
            }
            assert {name: nine["MPCORB"][name] for name in kept} == {name: orbit[new] for name, new in kept.items()}


def test_what_only_older_versions_have_is_null_where_nobody_knows_it() -> None:
    schema = fastavro.parse_schema(survey_schema("lsst", "7.4"))
    for record in (_read(packet, schema) for packet in _night("7.4")):
        assert record["prvDiaNondetectionLimits"] is None
        assert record["diaSource"]["trailFlux_trailRa_Cov"] is None
        if record["diaObject"] is not None:
            assert record["diaObject"]["parallax"] is None


def test_a_version_that_rubin_never_had_is_refused_with_those_it_had() -> None:
    expected = "unknown LSST schema '6.2': expected one of 7.1, 7.2"
    with pytest.raises(ValueError, match=expected):
        check_plan(NightPlan("lsst", 1, schema="6.2"))
    with pytest.raises(ValueError, match=expected):
        layouts("6.2")
