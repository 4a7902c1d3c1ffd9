"""The embedded store holds what real packets bring, to the last bit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from schemas.packet import Packet
from schemas.rows import merge_rows
from schemas.surveys.lsst import LsstSchemas
from streamer.processors.decode import Decode
from streamer.sources.files import FileSource
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.store import Seen
from tests.contracts.object_store import columns_of


@pytest.mark.parametrize("folder", ["ztf_alerts", "lsst_alerts/v10_0", "lsst_alerts/v11_1"])
def test_real_alerts_come_back_as_decoded(folder: str, shared_data: Path, tmp_path: Path) -> None:
    source = FileSource([shared_data / folder])
    packets = [packet for packet in islice(source, 100) if isinstance(packet, Packet)]
    (alerts,), rejected = Decode(LsstSchemas(None))(packets)
    assert not rejected
    object_ids = sorted(set(alerts.object_id))
    for turn in range(2):  # the second time after closing and opening
        with SqliteObjectStore(tmp_path, 2**26) as store:
            if turn == 0:
                store.begin()
                store.see(alerts.survey, alerts.alert_id, [Seen(str(p.coordinates), 0.0) for p in packets])
                store.add_light_curve_rows(alerts.survey, alerts.object_id, alerts.rows, alerts.row_offsets)
                store.put_alerts(alerts)
                store.put_cutouts(alerts.survey, alerts.alert_id, alerts.cutouts)
                store.commit()
            for place in range(len(alerts)):
                alert_id = int(alerts.alert_id[place])
                assert columns_of(store.alert(alerts.survey, alert_id)) == columns_of(alerts.take(np.array([place])))
                # stamps come back as bytes; packets have views of their payload
                stamps = tuple(None if stamp is None else bytes(stamp) for stamp in alerts.cutouts[place])
                assert (store.cutouts(alerts.survey, alert_id) or (None, None, None)) == stamps
            rows, offsets = store.light_curve_rows(alerts.survey, object_ids)
            for index, object_id in enumerate(object_ids):
                mine = np.repeat(np.array(alerts.object_id) == object_id, np.diff(alerts.row_offsets))
                held = rows[offsets[index] : offsets[index + 1]]
                assert merge_rows(held).tobytes() == merge_rows(alerts.rows[mine]).tobytes()
