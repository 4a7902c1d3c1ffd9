"""A TCP proxy that cuts connections on demand: a weak network in front of a real server."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Proxy:
    """Listens on a port of its own and passes bytes to and from `port` of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.is_open = True
        """While this is False, every connection ends when something is sent over it."""
        self.cut_at: bytes | None = None
        """The next request that holds these bytes ends its connection; then they are forgotten."""
        self.is_answer_cut = False
        """Whether the server takes that request and only the answer is lost."""
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in [self._listening, *self._sockets]:
            _end(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [client, server]
                lost = threading.Event()
                threading.Thread(target=self._requests, args=(client, server, lost), daemon=True).start()
                threading.Thread(target=self._answers, args=(client, server, lost), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(2**16):
                if not self.is_open:
                    break
                if self.cut_at is not None and self.cut_at in data:
                    self.cut_at = None
                    if not self.is_answer_cut:
                        break
                    lost.set()
                server.sendall(data)
        _end(client)
        _end(server)

    def _answers(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := server.recv(2**16)) and not lost.is_set():
                client.sendall(data)
        _end(client)
        _end(server)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
