"""What must hold of a worker's own web server: it says what is, and gives back what it took."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from streamer.errors import UserError
from streamer.health import Health, HealthServer, metrics_url

CONDITIONS = ("assigned", "models", "store")


class Served:
    """A server under test and what it serves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.health = Health(CONDITIONS, silence_max_s=30.0, clock=lambda: self.now)
        self.registry = CollectorRegistry()
        self.counter = Counter("things_total", "Things.", registry=self.registry)
        self.server = HealthServer("127.0.0.1", 0, self.registry, self.health)
        self.server.start()

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str, str]:
        """Status code, content type and body."""
        url = f"http://127.0.0.1:{self.server.port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.server.stop()


def test_a_worker_is_alive_while_it_polls(served: Served) -> None:
    served.now += 1_000
    assert served.get("/healthz")[0] == 200  # not begun to poll yet: it compiles
    served.health.polled()
    served.now += 29
    assert served.get("/healthz")[0] == 200
    served.now += 2
    code, content_type, body = served.get("/healthz")
    assert (code, body) == (503, "not polled for 31 s; the limit is 30 s\n")
    assert content_type.startswith("text/plain")
    assert not served.health.is_alive
    served.health.polled()
    assert served.get("/healthz")[0] == 200


def test_a_worker_is_ready_when_every_condition_holds_and_says_which_does(served: Served) -> None:
    for name in CONDITIONS:
        code, content_type, body = served.get("/readyz")
        assert (code, content_type) == (503, "application/json")
        assert json.loads(body) == {"ready": False, "conditions": served.health.conditions}
        assert json.loads(body)["conditions"][name] is False
        served.health.ready(name, True)
    assert served.get("/readyz")[0] == 200
    served.health.ready("store", False)
    assert served.get("/readyz")[0] == 503


def test_a_condition_can_be_left_out_of_being_ready(served: Served) -> None:
    served.health.ready("models", True)
    served.health.ready("store", True)
    assert served.get("/readyz")[0] == 503  # idle: no partition
    code, _, body = served.get("/readyz?exclude=assigned")
    assert (code, json.loads(body)) == (200, {"ready": True, "conditions": served.health.conditions})
    served.health.ready("store", False)
    assert served.get("/readyz?exclude=assigned")[0] == 503
    assert served.get("/readyz?exclude=assigned&exclude=store")[0] == 200
    assert served.get("/readyz?exclude=stoer")[::2] == (400, "what can be excluded: assigned, models, store\n")


def test_a_condition_that_was_not_announced_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="stoer"):
        Health(CONDITIONS).ready("stoer", True)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_metrics_come_in_the_form_that_is_asked_for(served: Served, accept: str) -> None:
    served.counter.inc(3)
    code, content_type, body = served.get("/metrics?x=1", accept)
    assert code == 200
    assert content_type.startswith(accept.partition(";")[0])
    assert ("# EOF" in body) == ("openmetrics" in accept)
    families = text_string_to_metric_families(body.replace("# EOF\n", ""))
    assert [sample.value for family in families for sample in family.samples if sample.name == "things_total"] == [3.0]


def test_another_path_says_which_there_are(served: Served) -> None:
    assert served.get("/")[::2] == (404, "there are /metrics, /healthz and /readyz\n")


def test_a_taken_port_is_one_clear_line(served: Served) -> None:
    port = served.server.port
    with pytest.raises(UserError, match=rf"^port {port} of 127.0.0.1 is taken: .* set metrics.port$"):
        HealthServer("127.0.0.1", port, served.registry, served.health)


def test_an_address_of_another_machine_is_one_clear_line(served: Served) -> None:
    with pytest.raises(
        UserError, match=r"^cannot listen on 192.0.2.1:9464 \(.*\): set metrics.address and metrics.port$"
    ):
        HealthServer("192.0.2.1", 9464, served.registry, served.health)


def test_a_stopped_server_gives_its_port_back(served: Served) -> None:
    port = served.server.port
    assert served.get("/healthz")[0] == 200
    served.server.stop()
    again = HealthServer("127.0.0.1", port, served.registry, served.health)
    again.stop()


def test_a_client_that_hangs_up_or_says_nonsense_does_no_harm(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    for said in (b"", b"nonsense\r\n\r\n", b"GET /metrics HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.server.port)) as client:
            client.sendall(said)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # hangs up at once
    assert served.get("/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_client_that_says_nothing_keeps_nobody_waiting(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.server.port)):
        assert served.get("/healthz")[0] == 200
        served.server.stop()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9464/metrics"),
        ("0.0.0.0", "http://node-1:9464/metrics"),
        ("::", "http://node-1:9464/metrics"),
        ("::1", "http://[::1]:9464/metrics"),
    ],
)
def test_the_address_of_the_metrics_is_one_that_others_can_use(address: str, url: str) -> None:
    assert metrics_url(address, 9464, "node-1") == url
