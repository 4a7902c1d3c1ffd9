"""Alerts from Kafka: topics of any number of clusters, shared out among the workers of one group."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, time
from typing import Any, Literal, NamedTuple, Protocol

from confluent_kafka import KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.packet import Coordinates, Packet
from streamer.kafka.cluster import Cluster, KafkaFailure, explain, open_client
from streamer.kafka.lane import Lane
from streamer.kafka.topics import Topics, make_positions, nights
from streamer.logs import about
from streamer.sources.fetcher import Fetcher
from streamer.sources.membership import HomePartition, Membership

log = logging.getLogger(__name__)

BATCH_MAX_BYTES = 64 * 2**20
"""A batch ends when its packets reach this size, whatever their number [byte]."""

SLICE = 32
"""Messages taken at once: what a batch can go over its bytes by [messages]."""

IDLE_S = 0.2
"""Longest wait of a poll that finds nothing [s]."""

REFRESH_S = 20.0
"""Topics are looked for anew after this time: nights begin, partitions are added [s]."""

FIRST_LOOK_S = 2.0
"""While a topic is missing it is looked for after this time, then after twice as long, up to `REFRESH_S` [s]."""

SILENT_S = 5.0
"""A cluster that did not answer is not asked again for so long [s]: the others' alerts would wait for it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Topics of one cluster that are to be scored."""

    cluster: Cluster
    topics: tuple[str, ...]
    """Names; `{date}` stands for each night of the window."""
    start_at: Literal["earliest", "latest"]
    """Where a partition begins that this deployment has never read."""
    nights_back: int
    nights_ahead: int


class Gate(Protocol):
    """Says which packets cannot go on yet."""

    def check(self, payload: bytes) -> str | None:
        """Why a packet must wait; None where it need not."""
        ...


class _Parked(NamedTuple):
    """A lane that waits at a packet."""

    offset: int
    payload: bytes
    reason: str


class _Silent(NamedTuple):
    """A cluster that did not answer."""

    until: float
    """When it may be asked again."""
    why: str


class _Batch:
    """Packets up to a number and to `BATCH_MAX_BYTES`."""

    def __init__(self, max_alerts: int) -> None:
        self.packets: list[Packet] = []
        self._max_alerts = max_alerts
        self._bytes = 0

    def add(self, packet: Packet) -> None:
        self.packets.append(packet)
        self._bytes += len(packet.payload)

    @property
    def room(self) -> int:
        """So many more packets fit in, by number."""
        return self._max_alerts - len(self.packets)

    @property
    def is_full(self) -> bool:
        return self.room <= 0 or self._bytes >= BATCH_MAX_BYTES


class KafkaSource:
    """Hands out batches of packets, and knows the positions that stand behind them.

    Nothing is committed here: `positions` of a batch and `proof` go into the transaction that carries its scores.
    """

    def __init__(
        self,
        home: Cluster,
        streams: Sequence[Stream],
        topics: Topics,
        group: str,
        slot: str,
        session_timeout_s: float,
        fetch_max_bytes: int,
        gate: Gate,
        failed: Callable[[str, str], None],
        replication_factor: int,
    ) -> None:
        """`failed` takes kind and text of what goes wrong, once each time; the last one is that of stand-in topics."""
        self._home, self._streams, self._topics, self._gate, self._failed = home, streams, topics, gate, failed
        self._membership = Membership(home, group, slot, session_timeout_s, self._gain, self._lose)
        clusters = {stream.cluster.name: stream.cluster for stream in streams}
        self._fetchers = {name: Fetcher(cluster, group, fetch_max_bytes) for name, cluster in clusters.items()}
        self._admin = open_client(AdminClient, home)
        self._replication_factor = replication_factor
        self._at_end: dict[tuple[str, str], int] = {}
        """How many partitions of (cluster, topic) begin at their end: `latest` is meant for what was there when the
        cluster was first seen. A night, or a partition, that comes later begins at its beginning."""
        self._met: set[str] = set()
        """Clusters that were seen."""
        self._behind: dict[str, Lane] = {}
        """Cluster and topic (as a lane of partition 0) that a topic of the home cluster stands for."""
        self._partitions: dict[str, int] = {}
        """Number of partitions of the topic that it stands for."""
        self._next: dict[Lane, int] = {}
        """The next offset of each of our lanes: behind what was handed out."""
        self._started: dict[Lane, int] = {}
        """Positions of lanes that had none; they are committed with the next batch."""
        self._parked: dict[Lane, _Parked] = {}
        self._lost: set[Lane] = set()
        self._gained: dict[Lane, int | None] = {}
        """Lanes that were given to us, with their positions, and are not fetched from yet."""
        self._expired: set[Lane] = set()
        """Lanes whose position is no more, and whose ends are not known yet."""
        self._silent: dict[str, _Silent] = {}
        """Clusters that did not answer."""
        self._missing: list[str] = []
        """What was configured and is not there, or cannot be asked."""
        self._look_due, self._look_wait_s = 0.0, FIRST_LOOK_S

    @property
    def lanes(self) -> Collection[Lane]:
        """The partitions that are ours."""
        return self._next.keys()

    @property
    def parked(self) -> Mapping[Lane, str]:
        """The partitions that wait, and why."""
        return {lane: parked.reason for lane, parked in self._parked.items()}

    @property
    def proof(self) -> Any:
        """The membership under which the batch in hand was fetched, for its transaction."""
        return self._membership.proof

    def poll(self, max_alerts: int, max_wait_s: float) -> list[Packet]:
        """The next batch: full, or what came within `max_wait_s` of its first packet; empty after a short wait."""
        self.keep_alive()
        self._lost.clear()
        self._release_parked()
        for lane in list(self._expired):
            self._start_again(lane)
        batch = _Batch(max_alerts)
        until = monotonic() + IDLE_S
        while not batch.is_full and (left := until - monotonic()) > 0:
            had = len(batch.packets)
            came = [self._take(fetcher, batch, SLICE, 0.0) for fetcher in self._fetchers.values()]
            if not any(came):
                self._wait(batch, left)
            if batch.packets and not had:
                until = monotonic() + max_wait_s
        return batch.packets

    def positions(self, packets: Sequence[Packet]) -> list[TopicPartition]:
        """The positions behind these packets, and of lanes begun, as partitions of the home cluster."""
        reached = dict(self._started)
        for packet in packets:
            lane = _lane_of(packet.coordinates)
            reached[lane] = max(reached.get(lane, 0), packet.coordinates.offset + 1)
        return [TopicPartition(self._stand_in(lane), lane.partition, offset) for lane, offset in reached.items()]

    def committed(self) -> None:
        """To be said when `positions` are lasting."""
        self._started.clear()

    def keep(self, packets: Sequence[Packet]) -> list[Packet]:
        """Those of the packets in hand whose lanes were ours all the time: others belong to someone else now."""
        return [packet for packet in packets if _lane_of(packet.coordinates) not in self._lost]

    def keep_alive(self, timeout_s: float = 0.0) -> None:
        """Takes part in the group's life, and looks for new topics when it is time."""
        if monotonic() >= self._look_due:
            self._look_for_topics()
        self._membership.poll(timeout_s)
        if self._gained:
            self._begin_gained()

    @property
    def missing(self) -> list[str]:
        """What of the configuration is not there now, a line each."""
        return self._missing

    def lag(self) -> dict[Lane, int]:
        """Messages that wait in each lane, as far as is known."""
        ends = {lane: self._fetchers[lane.cluster].known_end(lane) for lane in self._next}
        return {lane: max(ends[lane] - offset, 0) for lane, offset in self._next.items() if ends[lane] >= 0}

    def close(self) -> None:
        """Leaves the group and the clusters."""
        self._membership.close()
        for fetcher in self._fetchers.values():
            fetcher.close()

    def _take(self, fetcher: Fetcher, batch: _Batch, count: int, timeout_s: float) -> bool:
        """Adds what up to `count` messages hold to the batch; whether there was any message."""
        if batch.is_full:
            return False
        fetched = fetcher.fetch(min(count, batch.room), timeout_s)
        self._expired.update(lane for lane in fetched.expired if lane in self._next)
        for message in fetched.messages:
            packet = self._packet(fetcher.cluster.name, message)
            if packet is not None:
                batch.add(packet)
        return bool(fetched.messages)

    def _wait(self, batch: _Batch, timeout_s: float) -> None:
        """Waits for a message of any cluster."""
        for fetcher in self._fetchers.values():
            if self._take(fetcher, batch, 1, timeout_s / len(self._fetchers)):
                return

    def _packet(self, cluster: str, message: Message) -> Packet | None:
        """The message as a packet; None where its lane waits, or begins to."""
        at = Coordinates(cluster, message.topic() or "", message.partition() or 0, message.offset() or 0)
        lane = _lane_of(at)
        if lane in self._parked:
            return None
        payload = message.value() or b""
        reason = self._gate.check(payload)
        if reason is not None:
            self._fetchers[cluster].drop([lane])
            self._parked[lane] = _Parked(at.offset, payload, reason)
            log.info("%s waits at offset %d: %s", lane, at.offset, reason, extra=about(at))
            return None
        self._next[lane] = at.offset + 1
        _, published_ms = message.timestamp()
        return Packet(at, payload, time(), published_ms / 1000 if published_ms > 0 else None)

    def _release_parked(self) -> None:
        news: Counter[str] = Counter()
        for lane, parked in list(self._parked.items()):
            reason = self._gate.check(parked.payload)
            if reason is None:
                del self._parked[lane]
                self._fetchers[lane.cluster].add({lane: parked.offset})
                log.info("%s goes on at offset %d", lane, parked.offset, extra=about(lane, offset=parked.offset))
            elif reason != parked.reason:
                self._parked[lane] = parked._replace(reason=reason)
                news[reason] += 1
        for reason, count in news.items():
            log.warning("%d partitions wait: %s", count, reason, extra=about(like=reason))

    def _start_again(self, lane: Lane) -> None:
        """Goes on where a lane begins now: what lay before is gone from the topic, and that is said loudly."""
        ends = self._ends(lane)
        if ends is None:
            return
        (low, high), held = ends, self._next[lane]
        text = (
            f"{lane}: offset {held} is no more (the topic holds {low} to {high}): goes on at {low}. Messages between "
            "were deleted before they were read, or the topic was made anew"
        )
        log.error("%s", text, extra=about(lane, offset=held))
        self._failed("expired", text)
        fetcher = self._fetchers[lane.cluster]
        fetcher.drop([lane])
        self._next[lane] = self._started[lane] = low
        fetcher.add({lane: low})
        self._expired.discard(lane)

    def _ends(self, lane: Lane) -> tuple[int, int] | None:
        """The first offset of a lane and its end; None where its cluster does not answer now."""
        if self._is_silent(lane.cluster):
            return None
        fetcher = self._fetchers[lane.cluster]
        try:
            return fetcher.ends(lane)
        except KafkaException as failed:
            fetcher.troubles.hear(failed.args[0], lane)
            self._silent[lane.cluster] = _Silent(monotonic() + SILENT_S, explain(failed.args[0], fetcher.cluster))
            return None

    def _is_silent(self, cluster: str) -> bool:
        return cluster in self._silent and monotonic() < self._silent[cluster].until

    def _gain(self, positions: Mapping[HomePartition, int | None]) -> None:
        """Notes partitions of the group's topics that were given to us."""
        for (name, partition), position in positions.items():
            if name in self._behind:
                self._gained[self._behind[name]._replace(partition=partition)] = position

    def _lose(self, partitions: Collection[HomePartition]) -> None:
        """Lets go of partitions of the group's topics."""
        for name, partition in partitions:
            if name in self._behind:
                lane = self._behind[name]._replace(partition=partition)
                self._lost.add(lane)
                self._fetchers[lane.cluster].drop([lane])
                self._expired.discard(lane)
                for known in (self._gained, self._next, self._started, self._parked):
                    known.pop(lane, None)

    def _begin_gained(self) -> None:
        """Fetches from lanes that were given to us; one whose cluster is away stays for the next time."""
        for lane, position in list(self._gained.items()):
            if position is None:
                ends = self._ends(lane)
                if ends is None:
                    continue
                is_at_end = lane.partition < self._at_end.get((lane.cluster, lane.topic), 0)
                position = ends[1] if is_at_end else ends[0]
                if is_at_end:
                    log.info("%s begins at its end, offset %d", lane, position, extra=about(lane, offset=position))
                self._started[lane] = position
            self._next[lane] = position
            self._fetchers[lane.cluster].add({lane: position})
            del self._gained[lane]

    def _look_for_topics(self) -> None:
        """Subscribes to the topics that are there now; what is missing is waited for, and said once."""
        today = datetime.now(UTC).date()
        missing: list[str] = []
        wanted: set[str] = set()
        topics = {name: self._topics_at(name, missing) for name in self._fetchers}
        for stream in self._streams:
            name = stream.cluster.name
            there = topics[name]
            for pattern in stream.topics:
                window = nights(pattern, today, stream.nights_back, stream.nights_ahead)
                if there and not there.keys() & set(window):
                    missing.append(f"{stream.cluster} has no topic {pattern}")
                for topic in window:
                    lane = Lane(name, topic, 0)
                    is_ready = topic in there and self._is_stood_for(lane, there[topic], missing)
                    if is_ready and name not in self._met and stream.start_at == "latest":
                        self._at_end[name, topic] = there[topic]
                    if self._stand_in(lane) in self._behind:  # a known one stays, whatever the cluster says today
                        wanted.add(self._stand_in(lane))
        self._met |= topics.keys() - self._silent.keys()
        for text in missing:
            if text not in self._missing:
                log.warning("%s: waiting for it", text, extra=about(like=text))
                self._failed("missing", text)
        self._missing = missing
        self._look_wait_s = min(2 * self._look_wait_s, REFRESH_S) if missing else FIRST_LOOK_S
        self._look_due = monotonic() + (self._look_wait_s if missing else REFRESH_S)
        self._membership.subscribe(wanted)

    def _topics_at(self, cluster: str, missing: list[str]) -> dict[str, int]:
        """Number of partitions of each topic of a cluster; none where it does not answer, which is `missing` then."""
        if not self._is_silent(cluster):
            self._silent.pop(cluster, None)
            try:
                return self._fetchers[cluster].partitions()
            except KafkaFailure as failure:
                self._silent[cluster] = _Silent(monotonic() + SILENT_S, str(failure))
        missing.append(self._silent[cluster].why)
        return {}

    def _is_stood_for(self, lane: Lane, partitions: int, missing: list[str]) -> bool:
        """Whether a topic of the home cluster stands for the lane's, made with as many partitions where it must be."""
        name = self._stand_in(lane)
        if self._partitions.get(name) == partitions:
            return True
        if lane.cluster != self._home.name:
            try:
                make_positions(self._admin, name, partitions, self._replication_factor)
            except (KafkaException, TimeoutError) as failed:
                why = explain(failed.args[0], self._home) if failed.args else f"{self._home} did not answer"
                missing.append(f"the topic {name}, for positions, cannot be made: {why}")
                return False
        if name not in self._behind:
            log.info("%s has the topic %s", self._fetchers[lane.cluster].cluster, lane.topic)
        self._behind[name], self._partitions[name] = lane, partitions
        return True

    def _stand_in(self, lane: Lane) -> str:
        return lane.topic if lane.cluster == self._home.name else self._topics.positions(lane.cluster, lane.topic)


def _lane_of(at: Coordinates) -> Lane:
    return Lane(at.origin, at.stream, at.partition)
