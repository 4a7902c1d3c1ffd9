"""The picture of the overview: drawn from a Prometheus's answers, its variables filled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from scripts.dashboard_picture import main

LABELS = {"survey": "ztf", "class": "SN I", "selection": "real", "flag": "dipole", "slot": "node-1-0", "le": "0.5"}

asked: list[str] = []


class Prometheus(BaseHTTPRequestHandler):
    """Answers each query with one series."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        asked.append(query["query"])
        if url.path.endswith("query_range"):
            begin, end = float(query["start"]), float(query["end"])
            answer = {"values": [[begin, "0"], [(begin + end) / 2, "7"], [end, "3"]]}
        else:
            answer = {"value": [float(query["time"]), "1234"]}
        body = json.dumps({"data": {"result": [{"metric": LABELS} | answer]}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_overview_is_drawn_and_no_variable_is_left_in_what_is_asked(url: str, tmp_path: Path) -> None:
    asked.clear()
    assert main([url, "5", str(tmp_path / "board.png")]) == 0
    with Image.open(tmp_path / "board.png") as picture:
        assert len(picture.convert("RGB").getcolors(1_000_000) or ()) > 50
    assert len(asked) > 15
    assert [query for query in asked if "$" in query] == []


def test_wrong_arguments_are_a_usage_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:9090"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
