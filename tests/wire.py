"""What tests send to the service: bare bytes on a connection, files made in memory; and a session that waits."""

from __future__ import annotations

import io
import socket
import threading
import time
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from firstlight.models.exporting.session import Answer, Session


def raw(url: str, *pieces: bytes, wait: float = 10, pause: float = 0) -> bytes:
    """What comes back on a bare connection, until the server closes it or is silent for a while."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=wait) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it stopped reading, and has answered
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """What comes until the connection is closed, or silent for its time."""
    found = b""
    try:
        while piece := connection.recv(1 << 16):
            found += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return found


def head(length: int | None = None, kind: str = "image/png") -> bytes:
    """The head of a prediction's request, whose body is of this length or comes in chunks."""
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"POST /api/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n{size}\r\n\r\n".encode()


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of a file that holds an array (H, W) or (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


class Slow(Session):
    """A session whose answers wait until they are let go."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.about, session._engine)
        self.let_go, self.at_work = threading.Event(), threading.Semaphore(0)
        self._warm = False

    def answer(self, images: np.ndarray) -> Answer:
        if self._warm:  # the first one is the server's own
            self.at_work.release()
            assert self.let_go.wait(20)
        self._warm = True
        return super().answer(images)
