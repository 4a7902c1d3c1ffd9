"""What the MongoDB that the tests start never does: it refuses a password, or greets and then says nothing more."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson

GREETING = {"ok": 1, "isWritablePrimary": True, "minWireVersion": 0, "maxWireVersion": 21}

REFUSAL = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}

QUERY, REPLY, MESSAGE = 2004, 1, 2013
"""Kinds of messages in MongoDB's wire protocol; a client greets with the first."""


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while header := self.rfile.read(16):
            size, request, _, kind = struct.unpack("<iiii", header)
            body = self.rfile.read(size - 16)
            is_greeting = kind == QUERY or b"hello" in body or b"ismaster" in body.lower()
            if not is_greeting and self.server.is_silent:  # type: ignore[attr-defined]
                continue
            answer: dict[str, Any] = GREETING if is_greeting else REFUSAL
            rest = bson.encode(answer)
            head = struct.pack("<iqii", 0, 0, 0, 1) if kind == QUERY else struct.pack("<iB", 0, 0)
            kind = REPLY if kind == QUERY else MESSAGE
            self.wfile.write(struct.pack("<iiii", 16 + len(head) + len(rest), 0, request, kind) + head + rest)


@contextmanager
def refusing_mongodb(is_silent: bool = False) -> Iterator[str]:
    """The address of a server that takes no password, or one that only greets."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Connection) as server:
        server.daemon_threads = True
        server.is_silent = is_silent  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"mongodb://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
