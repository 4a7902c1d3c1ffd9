"""A Kafka cluster: how a client reaches it, and what its errors mean to people."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # it is documented

from streamer.errors import ConfigurationError, UserError

CLIENT_ID = "transient-streamer"
"""By this name the brokers' logs and quotas know our clients."""

RECONNECT_BACKOFF_MAX_MS = 2_000
"""Longest pause before a broker is tried again [ms]: librdkafka's 10 s would make each restart of a broker felt."""

REACH_SLICE_S = 2.0
"""`reach` looks this often whether it was refused: no more waiting helps then [s]."""

LIBRDKAFKA = logging.getLogger("librdkafka")
"""Takes what librdkafka would write to stderr by itself, and drops it unless the log is at the level of debug: its
errors reach us as errors."""
LIBRDKAFKA.addHandler(logging.NullHandler())

C = TypeVar("C")

_NO_DOTS = frozenset({"error_cb", "stats_cb", "throttle_cb", "oauth_cb", "log_level"})
"""Options of the Python client whose underscores stay."""


class KafkaFailure(UserError):  # noqa: N818  (what a cluster does, nobody's error)
    """A cluster does not do what it was asked; the text says why and what to do."""


class Unreachable(KafkaFailure):
    """A cluster does not answer: waiting may help."""


class Refused(KafkaFailure, ConfigurationError):  # noqa: N818  (an answer)
    """A cluster does not let us in as we are configured: waiting does not help."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster and how to speak to it."""

    name: str
    """As it stands in streams, coordinates and figures; `home` is where scores go."""
    bootstrap: str
    """Brokers to ask first, `host:port` with commas between them."""
    options: Mapping[str, str | int] = field(hash=False, repr=False)  # holds the password
    """librdkafka's properties of security: `security.protocol`, `sasl.*`, `ssl.*`."""
    message_max_bytes: int
    """Largest message that is written, or asked for at once [byte]."""
    username: str | None = None
    """User at the cluster; None where it asks for none."""

    def client(self, **more: Any) -> dict[str, Any]:
        """The properties of any client of this cluster; `more` are librdkafka's with `_` for `.`."""
        LIBRDKAFKA.propagate = LIBRDKAFKA.isEnabledFor(logging.DEBUG)
        return {
            "bootstrap.servers": self.bootstrap,
            **self.options,
            "client.id": CLIENT_ID,
            "message.max.bytes": self.message_max_bytes,
            "socket.keepalive.enable": True,
            "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MAX_MS,
            "log_level": 6 if LIBRDKAFKA.propagate else 0,
            "logger": LIBRDKAFKA,  # the lowest level still lets fatal errors through
            **{key if key in _NO_DOTS else key.replace("_", "."): value for key, value in more.items()},
        }

    def group_id(self, name: str) -> str:
        """The consumer group of this name; at clusters with users it begins with the user's, as their rules want it."""
        return name if self.username is None else f"{self.username}-{name}"

    def __str__(self) -> str:
        return f"the Kafka cluster {self.name} ({self.bootstrap})"


def open_client(kind: Callable[[dict[str, Any]], C], cluster: Cluster, **options: Any) -> C:
    """A client of the cluster, with `options` as `Cluster.client` takes them; Refused where they cannot be used."""
    try:
        return kind(cluster.client(**options))
    except KafkaException as failed:
        raise Refused(explain(failed.args[0], cluster)) from None


def reach(cluster: Cluster, timeout_s: float) -> ClusterMetadata:
    """The brokers and topics of a cluster. Unreachable where there is no answer in time, Refused where there is one."""
    errors: list[KafkaError] = []
    admin = open_client(AdminClient, cluster, error_cb=errors.append)
    until = monotonic() + timeout_s
    while True:
        try:
            return admin.list_topics(timeout=max(min(REACH_SLICE_S, until - monotonic()), 0.1))
        except KafkaException:
            admin.poll(0)  # hands what the connections met to `error_cb`
        refusal = next((error for error in errors if _is_refusal(error)), None)
        if refusal is not None:
            raise Refused(explain(refusal, cluster))
        if monotonic() >= until:
            raise Unreachable(_why_unreachable(cluster, errors, timeout_s))


def failure(error: KafkaError, cluster: Cluster) -> KafkaFailure:
    """The error as people read it: Unreachable where the cluster is away or comes back, else KafkaFailure."""
    kind = Unreachable if is_away(error) else KafkaFailure
    return kind(explain(error, cluster))


def is_away(error: KafkaError) -> bool:
    """Whether waiting may help."""
    return error.retriable() or error.code() in _AWAY


_AWAY = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._WAIT_COORD,
    KafkaError._RESOLVE,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError._NOENT,  # "No leaders found"
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}
"""What a cluster that is away, or comes back, makes its clients hear."""


def explain(error: KafkaError, cluster: Cluster) -> str:
    """What is wrong, and what to do, in one line."""
    detail = _detail(error)
    match error.code():
        case KafkaError._AUTHENTICATION:
            return f"{cluster} {_why_not_authenticated(detail, cluster)}"
        case KafkaError._SSL | KafkaError._TRANSPORT if _expects_plaintext(detail):
            return f"{cluster} does not speak TLS at this port: set security.protocol without ssl, or give another port"
        case KafkaError._SSL | KafkaError._TRANSPORT if "certificate verify failed" in detail:
            return f"{cluster} shows a certificate that is not trusted: give its authority's as security.ca_file"
        case _ if _is_tls(error):
            return f"{cluster} cannot be spoken to by TLS ({detail}): check security.protocol and the certificates"
        case KafkaError._RESOLVE:
            return f"{cluster} has a host name that is not known: check bootstrap"
        case KafkaError._TRANSPORT | KafkaError._TIMED_OUT | KafkaError._ALL_BROKERS_DOWN:
            return f"{cluster} cannot be reached ({detail}): is it up, and is bootstrap right?"
        case code if code in _AWAY:
            return f"{cluster} is not ready ({detail}): try again in a minute"
        case KafkaError._INVALID_ARG:
            return f"{cluster} cannot be set up: {detail}"
        case KafkaError.UNKNOWN_TOPIC_OR_PART | KafkaError._UNKNOWN_TOPIC | KafkaError._UNKNOWN_PARTITION:
            return f"{cluster} has no such topic: `streamer topics show` lists what is there"
        case KafkaError.ILLEGAL_GENERATION | KafkaError.UNKNOWN_MEMBER_ID | KafkaError.REBALANCE_IN_PROGRESS:
            return f"{cluster} has shared out its partitions anew meanwhile"
        case KafkaError.MSG_SIZE_TOO_LARGE:
            return f"a message is larger than {cluster} takes"
        case KafkaError.INVALID_REPLICATION_FACTOR:
            return f"{cluster} has fewer brokers than kafka.replication_factor asks for: lower it"
        case code if code in _UNAUTHORIZED:
            who = "anybody without a user name" if cluster.username is None else f"the user {cluster.username}"
            return f"{cluster} does not let {who} {_UNAUTHORIZED[code]}: ask its operators for the right"
        case _:
            return f"{cluster} says: {detail}"


_UNAUTHORIZED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "use this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "use this consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "do this",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "use transactions under this name",
}
"""What was not allowed, by the error's code."""


def _why_not_authenticated(detail: str, cluster: Cluster) -> str:
    offered = re.search(r"supported mechanisms: ?(.*)$", detail)
    if offered is None:
        return f"refuses the user {cluster.username}: check username and password"
    if not offered[1]:
        return "asks for no password at this port: set security.protocol without sasl, or give another port"
    return f"does not take {cluster.options.get('sasl.mechanism')}: set security.mechanism to {offered[1]}"


def _expects_plaintext(detail: str) -> bool:
    return "PLAINTEXT broker listener" in detail or "wrong version number" in detail


def _is_tls(error: KafkaError) -> bool:
    """Whether TLS failed: a broker that answers within the first call makes librdkafka say it as _TRANSPORT."""
    is_first_call = error.code() == KafkaError._TRANSPORT and "SSL routines" in error.str()
    return is_first_call or error.code() == KafkaError._SSL


def _is_refusal(error: KafkaError) -> bool:
    is_plaintext = error.code() == KafkaError._TRANSPORT and _expects_plaintext(error.str())
    return is_plaintext or _is_tls(error) or error.code() == KafkaError._AUTHENTICATION


def _why_unreachable(cluster: Cluster, errors: Iterable[KafkaError], timeout_s: float) -> str:
    """The most telling of what the connections met."""
    by_code = {error.code(): error for error in errors}
    for code in (KafkaError._RESOLVE, KafkaError._TRANSPORT):
        if code in by_code:
            return explain(by_code[code], cluster)
    if by_code:
        # A listener that wants TLS or a password ends a plain connection without a word.
        protocol = cluster.options.get("security.protocol", "plaintext")
        return f"{cluster} ends each connection at once: does it want another security.protocol than {protocol}?"
    return f"{cluster} does not answer within {timeout_s:g} s: is it up, and does a firewall stand between?"


def _detail(error: KafkaError) -> str:
    """librdkafka's text without the names of its inner parts."""
    return re.sub(r"^\S+/(bootstrap|\d+): | \(after \d+ms in state \w+\)", "", error.str())
