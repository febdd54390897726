"""A model behind a real uvicorn on loopback, for tests: in a thread, on a port of its own."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import uvicorn
from PIL import Image

from firstlight.apps.web.server import application
from firstlight.models.session import Answer, Session


@dataclass(frozen=True)
class Served:
    """Where it listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def raw(self, *pieces: bytes, wait: float = 10, pause: float = 0) -> bytes:
        """What comes back on a bare connection, until the server closes it or is silent for a while."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it stopped reading, and has answered
            return _until_closed(connection)


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(1 << 16):
            received += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return received


@contextmanager
def served(session: Session, *, root_path: str = "", **options: Any) -> Iterator[Served]:
    """The service of a session, started and ended."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        app = application(session, **options)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, ws="none", root_path=root_path, timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.005)
            yield Served(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def head(length: int | None = None, kind: str = "image/png", path: str = "/api/predict") -> bytes:
    """The head of a request with a body."""
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n{size}\r\n\r\n".encode()


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of a file that holds an array (H, W) or (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


class Slow:
    """A session whose answers wait until they are let go."""

    def __init__(self, session: Session) -> None:
        self.session, self.let_go = session, threading.Event()
        self.about, self.shape, self.ideal = session.about, session.shape, session.ideal
        self.at_work = threading.Semaphore(0)
        self._warm = False

    def answer(self, images: np.ndarray) -> Answer:
        if self._warm:  # the first one is the server's own
            self.at_work.release()
            assert self.let_go.wait(20)
        self._warm = True
        return self.session.answer(images)
