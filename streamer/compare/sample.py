"""Packets of one side of a comparison, as numbers: what each is, how bright it is, and the groups of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import ByteArray, FloatArray
from schemas.packet import Packet
from schemas.stamps import read_triplet
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader
from streamer.compare.histories import forced_table, history_table, magnitudes
from streamer.compare.metadata import Reader, metadata_table
from streamer.compare.stamps import stamp_table
from streamer.compare.tables import Index, Table, stack

METADATA, HISTORY, FORCED, STAMPS = "metadata", "light curve", "forced photometry", "stamps"
GROUPS: tuple[str, ...] = (METADATA, HISTORY, FORCED, STAMPS)
"""Groups of features, each compared by itself."""

BOGUS_SCORE = 0.3
"""Unlabelled packets whose own real-bogus score is below this are taken for bogus."""

STAR_SCORE, STAR_ARCSEC = 0.5, 1.5
"""Unlabelled ZTF packets lie on a star where a Pan-STARRS source is this starlike (Tachibana & Miller 2018) and this
near."""

OFTEN_SEEN = 10
"""LSST objects with so many sources have been known for some time."""

Names = npt.NDArray[np.str_]


def reader_of(survey: str) -> Reader:
    """A new reader of the survey's packets."""
    return ZtfReader() if survey == "ztf" else LsstReader()


@dataclass(frozen=True, slots=True)
class Keys:
    """What packets are matched by, (n,) each; made without their features."""

    kind: Names
    """Broad class where labelled, else what the packet itself says: see `kinds_by_packet`."""
    band: ByteArray
    """Index into `schemas.light_curve.BANDS`."""
    mag: FloatArray
    """AB magnitude of the size of the difference flux."""


@dataclass(frozen=True, slots=True)
class Sample:
    """n packets as numbers."""

    survey: str
    group: Names
    """Packets of one object, of one field and night (ZTF) or of one visit (LSST) are one group: they share weather and
    depth, so that a classifier which has seen one of them knows the others."""
    keys: Keys
    groups: dict[str, Table]
    triplets: list[CutoutTriplet]

    def __len__(self) -> int:
        return len(self.group)

    def take(self, index: Index) -> Sample:
        """The packets in `index`, in that order."""
        keys = Keys(self.keys.kind[index], self.keys.band[index], self.keys.mag[index])
        places = np.arange(len(self))[index]
        groups = {name: table.take(index) for name, table in self.groups.items()}
        triplets = [self.triplets[i] for i in places]
        return Sample(self.survey, self.group[index], keys, groups, triplets)


def join(samples: Sequence[Sample]) -> Sample:
    """All packets, one sample after the other."""
    keys = [sample.keys for sample in samples]
    return Sample(
        samples[0].survey,
        np.concatenate([sample.group for sample in samples]),
        Keys(*(np.concatenate([getattr(one, name) for one in keys]) for name in ("kind", "band", "mag"))),
        {name: stack([sample.groups[name] for sample in samples]) for name in GROUPS},
        [triplet for sample in samples for triplet in sample.triplets],
    )


def describe(reader: Reader, alerts: AlertBatch, kind: Names, *, with_stamps: bool = True) -> Sample:
    """The features of a batch; without stamps their group is empty, and no stamp is unpacked."""
    packets: Sequence[Packet] = alerts.packets
    n = len(alerts)
    triplets = [read_triplet(encoded, alerts.survey)[0] for encoded in alerts.cutouts] if with_stamps else []
    groups = {
        METADATA: metadata_table(reader, packets),
        HISTORY: history_table(alerts),
        FORCED: forced_table(alerts),
        STAMPS: stamp_table(triplets) if with_stamps else Table((), np.empty((n, 0))),
    }
    return Sample(alerts.survey, seen_together(alerts), keys_of(alerts, kind), groups, triplets)


def seen_together(alerts: AlertBatch) -> Names:
    """(n,) name of each packet's group, see `Sample.group`."""
    if alerts.survey == "ztf":
        night = alerts.field("candidate.nid") * 10_000.0 + alerts.field("candidate.field")
    else:
        night = alerts.rows["exposure_id"][alerts.row_offsets[:-1]].astype(np.float64)
    shared = [np.unique(each, return_inverse=True)[1] for each in (np.array(alerts.object_id), night)]
    group = np.arange(len(alerts))
    while True:
        before = group
        for place in shared:
            least = np.full(place.max(initial=0) + 1, len(alerts))
            np.minimum.at(least, place, group)
            group = least[place]
        if np.array_equal(group, before):
            return group.astype(np.str_)


def keys_of(alerts: AlertBatch, kind: Names) -> Keys:
    """What a batch's packets are matched by."""
    own = alerts.rows[alerts.row_offsets[:-1]]
    return Keys(kind, own["band"].copy(), magnitudes(own["flux_njy"]))


def kinds_by_packet(alerts: AlertBatch) -> Names:
    """(n,) what each packet itself says that it is: the same rule for real and simulated ones.

    A known solar-system object; else bogus by its real-bogus score; else (ZTF) on a star, or (LSST) an object seen
    often before; else other.
    """
    kind = np.full(len(alerts), "unclear", dtype="<U16")
    if alerts.survey == "ztf":
        starlike = alerts.field("candidate.sgscore1") > STAR_SCORE
        kind[starlike & (alerts.field("candidate.distpsnr1") < STAR_ARCSEC)] = "on a star"
    else:
        kind[alerts.field("diaObject.nDiaSources") >= OFTEN_SEEN] = "seen often"
    kind[alerts.survey_real_score < BOGUS_SCORE] = "like bogus"
    kind[alerts.solar_system] = "like asteroid"
    return kind
