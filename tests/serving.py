"""What tests of the page share: a run to serve, the service on a real port, the static folder, a real Chromium."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from firstlight.apps.web.folder import page_folder
from firstlight.apps.web.runtime import VERSION
from firstlight.apps.web.server import application
from firstlight.models.exporting.session import Session

CHECKOUT = Path(__file__).resolve().parent.parent


def runtime() -> Path:
    """The package onnxruntime-web, which scripts/runtime fetched; the test is skipped where it is not there."""
    path = CHECKOUT / "build" / f"onnxruntime-web-{VERSION}.tgz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in build/; run scripts/runtime where there is a network")
    return path


@contextmanager
def served(session: Session, *, protocol: Any = "auto", **options: Any) -> Iterator[str]:
    """The address of the service, run by uvicorn on a free port of this computer."""
    app = application(session, **options)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=protocol, log_level="warning", server_header=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def given_out(folder: Path) -> Iterator[str]:
    """The address of a folder, given out by Python's own plain server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def static(run: Path, out: Path, rung: str) -> Path:
    """The static folder of a rung."""
    page_folder(run, out, rung=rung, runtime=runtime())
    return out
