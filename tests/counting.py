"""A plain web server of a folder that notes what it was asked, and that a test can stop."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest


class _Counting(http.server.SimpleHTTPRequestHandler):
    """Gives out a folder, and notes what was asked and how it was answered."""

    asked: list[tuple[str, int]]

    def log_request(self, code: Any = "-", size: object = "-") -> None:
        self.asked.append((self.path.rpartition("/")[2].partition("?")[0], int(code)))

    def log_message(self, *_: object) -> None:
        pass


class Site:
    """A plain server of a folder, which can be stopped."""

    def __init__(self, home: Path) -> None:
        self.asked: list[tuple[str, int]] = []  # name of the file, status of the answer
        handler = partial(type("Own", (_Counting,), {"asked": self.asked}), directory=str(home))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


@pytest.fixture(name="sites")
def sites_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Site]]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    opened: list[Site] = []

    def site(home: Path) -> Site:
        opened.append(Site(home))
        return opened[-1]

    yield site
    for one in opened:
        one.stop()
