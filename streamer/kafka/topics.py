"""Our topics, and the nightly ones of surveys: what they are called, how they must be, how they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date, timedelta
from time import monotonic
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are documented
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from streamer.kafka.cluster import Cluster, KafkaFailure, explain, reach
from streamer.kafka.offsets import EARLIEST_MS, LATEST_MS, offsets_at

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for one answer of a cluster [s]: it takes milliseconds where all is well."""

MS_PER_DAY = 86_400_000
"""[ms / d]"""

COMPACTED_SEGMENT_MS = 600_000
"""Age at which a compacted topic begins a new file [ms]. Only older ones are compacted, so readers read little more."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How one of our topics must be."""

    name: str
    """Without the prefix."""
    partitions: int
    retention_d: int | None
    """How long messages are kept [d]; None: the last one of each key, for ever."""
    written_by: str
    read_by: str

    def config(self, message_max_bytes: int) -> dict[str, str]:
        """The topic's properties, as Kafka names them."""
        found = {"max.message.bytes": str(message_max_bytes), "compression.type": "producer"}
        if self.retention_d is None:
            return found | {"cleanup.policy": "compact", "segment.ms": str(COMPACTED_SEGMENT_MS)}
        return found | {"cleanup.policy": "delete", "retention.ms": str(self.retention_d * MS_PER_DAY)}


TOPICS = (
    TopicPlan("scored", 12, 7, "workers", "subscribers, sinks, agents"),
    TopicPlan("scored.restricted", 12, 7, "workers", "members"),
    TopicPlan("embeddings", 12, 7, "workers", "the LanceDB sink"),
    TopicPlan("embeddings.restricted", 12, 7, "workers", "members"),
    TopicPlan("dead_letters", 3, 30, "workers, sinks", "operators"),
    TopicPlan("status", 1, None, "workers", "`streamer status`"),
    TopicPlan("rescore", 12, 7, "agents, people", "workers"),
    TopicPlan("spectra", 6, 90, "people, agents", "agents"),
    TopicPlan("context", 6, 90, "people, agents", "agents"),
    TopicPlan("labels", 6, 90, "people, agents", "agents"),
    TopicPlan("followup", 1, 90, "agents", "people, Grafana"),
    TopicPlan("drift", 1, 90, "agents", "people, Grafana"),
)
"""Our topics."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of our topics. A name that ends in `restricted` holds what rests on data that is not public."""

    prefix: str

    @property
    def scored(self) -> str:
        """Scored alerts."""
        return f"{self.prefix}.scored"

    @property
    def scored_restricted(self) -> str:
        """Scored alerts for members only."""
        return f"{self.prefix}.scored.restricted"

    @property
    def embeddings(self) -> str:
        """Embeddings of scored alerts."""
        return f"{self.prefix}.embeddings"

    @property
    def embeddings_restricted(self) -> str:
        """Embeddings for members only."""
        return f"{self.prefix}.embeddings.restricted"

    @property
    def dead_letters(self) -> str:
        """Messages that cannot be processed, with the reason."""
        return f"{self.prefix}.dead_letters"

    @property
    def spectra(self) -> str:
        """Spectra of objects."""
        return f"{self.prefix}.spectra"

    @property
    def status(self) -> str:
        """What each worker last said of itself."""
        return f"{self.prefix}.status"

    def positions(self, cluster: str, topic: str) -> str:
        """The empty topic that stands for another cluster's: the group's positions are committed to it."""
        return f"{self.prefix}.positions.{cluster}.{topic}"

    def plans(self) -> dict[str, TopicPlan]:
        """How each of our topics must be, by its full name."""
        return {f"{self.prefix}.{plan.name}": plan for plan in TOPICS}


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is."""

    name: str
    state: Literal["there", "missing", "differs", "made"]
    partitions: int = 0
    messages: int = 0
    """Offsets from the first that is kept to the end: marks of transactions count, compacted messages too."""
    cleanup: str = ""
    """Kafka's policy, `delete` or `compact`; '' where it was not asked: a survey's users need not have the right."""
    retention_ms: int | None = None
    """How long messages are kept [ms], -1 for ever; None where the policy does not delete."""
    differences: tuple[str, ...] = ()
    """What is not as it must be, each `what: is, expected`."""


def nights(pattern: str, today: date, back: int, ahead: int) -> list[str]:
    """The pattern with `{date}` as YYYYMMDD for each night from `back` before today to `ahead` after, in order.

    A pattern without `{date}` is one plain name.
    """
    if "{date}" not in pattern:
        return [pattern]
    days = (today + timedelta(days=offset) for offset in range(-back, ahead + 1))
    return [pattern.replace("{date}", f"{day:%Y%m%d}") for day in days]


def show(cluster: Cluster, plans: Mapping[str, TopicPlan | None]) -> list[TopicState]:
    """How the named topics are, beside their plans where they have one; KafkaFailure where that cannot be asked."""
    if not plans:
        return []
    known = reach(cluster, ANSWER_TIMEOUT_S).topics
    there = {name: len(known[name].partitions) for name in plans if name in known and known[name].error is None}
    admin = AdminClient(cluster.client())
    try:
        configs = _configs(admin, [name for name in there if plans[name] is not None])
    except KafkaException as failed:
        raise KafkaFailure(explain(failed.args[0], cluster)) from None
    messages = _messages(cluster, there)
    states = []
    for name, plan in plans.items():
        if name not in there:
            states.append(TopicState(name, "missing"))
        elif plan is None:
            states.append(TopicState(name, "there", there[name], messages[name]))
        else:
            beside = _beside_plan(name, plan, there[name], configs[name], messages[name], cluster.message_max_bytes)
            states.append(beside)
    return states


def create(cluster: Cluster, topics: Topics, replication: int) -> list[TopicState]:
    """Makes those of our topics that are missing; what is there stays as it is, and what differs is told.

    `replication` is the number of copies, on as many brokers. KafkaFailure where a topic cannot be made.
    """
    plans = topics.plans()
    states = {state.name: state for state in show(cluster, plans)}
    until = monotonic() + ANSWER_TIMEOUT_S
    while missing := {name: plans[name] for name, state in states.items() if state.state == "missing"}:
        made = make(cluster, missing, replication)
        states |= made
        # What somebody else has made just now may not be known to every broker yet.
        states |= {
            state.name: state for state in show(cluster, {n: plan for n, plan in missing.items() if n not in made})
        }
        if monotonic() > until:
            raise KafkaFailure(f"{cluster} does not show topics that are being made: try again")
    return list(states.values())


def make(cluster: Cluster, plans: Mapping[str, TopicPlan], replication: int) -> dict[str, TopicState]:
    """Makes topics, by full name; gives those that nobody else made meanwhile. KafkaFailure where one cannot be."""
    if not plans:
        return {}
    wanted = [
        NewTopic(name, plan.partitions, replication, config=plan.config(cluster.message_max_bytes))
        for name, plan in plans.items()
    ]
    admin = AdminClient(cluster.client())  # must outlive its answers
    futures = admin.create_topics(wanted, operation_timeout=ANSWER_TIMEOUT_S, request_timeout=2 * ANSWER_TIMEOUT_S)
    made: dict[str, TopicState] = {}
    for name, plan in plans.items():
        try:
            is_made = _is_done(futures[name], KafkaError.TOPIC_ALREADY_EXISTS)
        except KafkaException as failed:
            raise KafkaFailure(f"the topic {name} cannot be made: {explain(failed.args[0], cluster)}") from None
        if is_made:
            config = plan.config(cluster.message_max_bytes)
            made[name] = TopicState(name, "made", plan.partitions, 0, *_kept(config))
    return made


def make_positions(admin: AdminClient, name: str, partitions: int, replication_factor: int) -> None:
    """Makes the topic that stands for another cluster's, or gives it more partitions when that has grown.

    `admin` is one of the home cluster. KafkaException where it cannot be done.
    """
    made = admin.create_topics([NewTopic(name, partitions, replication_factor)], request_timeout=ANSWER_TIMEOUT_S)
    if _is_done(made[name], KafkaError.TOPIC_ALREADY_EXISTS):
        return
    known = admin.list_topics(name, timeout=ANSWER_TIMEOUT_S).topics[name]
    if len(known.partitions) < partitions:
        more = admin.create_partitions([NewPartitions(name, partitions)], request_timeout=ANSWER_TIMEOUT_S)
        _is_done(more[name], KafkaError.INVALID_PARTITIONS)


def _is_done(future: Future[Any], faster: int) -> bool:
    """True when the cluster has done it; False with the error `faster`: somebody was. KafkaException otherwise."""
    try:
        future.result()
    except KafkaException as failed:
        if failed.args[0].code() != faster:
            raise
        return False
    return True


def _configs(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The properties of topics, none where the user may not ask; KafkaException where they cannot be asked."""
    if not names:
        return {}
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for resource, future in admin.describe_configs(wanted, request_timeout=ANSWER_TIMEOUT_S).items():
        try:
            found[resource.name] = {key: entry.value for key, entry in future.result().items()}
        except KafkaException as failed:
            if failed.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise
            found[resource.name] = {}  # the user may not ask; that is no reason to stop
    return found


def _messages(cluster: Cluster, partitions: Mapping[str, int]) -> dict[str, int]:
    """Offsets between beginning and end of topics; KafkaFailure where they cannot be asked."""
    counts = dict.fromkeys(partitions, 0)
    lanes = [(name, index) for name, count in partitions.items() for index in range(count)]
    consumer = Consumer(cluster.client(group_id=cluster.group_id("topics")))  # a client needs one; it joins nothing
    try:
        for sign, time_ms in ((-1, EARLIEST_MS), (1, LATEST_MS)):
            for (name, _), offset in offsets_at(consumer, cluster, lanes, time_ms).items():
                counts[name] += sign * offset
    finally:
        consumer.close()
    return counts


def _beside_plan(
    name: str, plan: TopicPlan, partitions: int, config: Mapping[str, str], messages: int, message_max_bytes: int
) -> TopicState:
    wanted = plan.config(message_max_bytes)
    differences = [
        f"{key}: {config[key]}, expected {value}" for key, value in wanted.items() if config.get(key, value) != value
    ]
    if partitions != plan.partitions:
        differences.insert(0, f"partitions: {partitions}, expected {plan.partitions}")
    state: Literal["there", "differs"] = "differs" if differences else "there"
    return TopicState(name, state, partitions, messages, *_kept(config), differences=tuple(differences))


def _kept(config: Mapping[str, str]) -> tuple[str, int | None]:
    """The policy of a topic's properties, and the retention [ms] where it deletes."""
    policy = config.get("cleanup.policy", "")
    return policy, int(config["retention.ms"]) if "delete" in policy else None
