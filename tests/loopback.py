"""A real server on loopback that cuts, lies, ignores and refuses, and what the tests of getting data share."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from firstlight.data.fetching import transfer
from firstlight.data.fetching.catalog import DATASETS, Dataset
from firstlight.data.fetching.download import get
from firstlight.errors import DownloadError


def zipped(**files: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, data in files.items():
            file.writestr(f"photos/{name}/1.png", data)
    return whole.getvalue()


# Bytes that do not shrink and are not alike, so that a wrong splice shows.
CAT = np.random.default_rng(0).bytes(300_000)
ARCHIVE = zipped(cat=CAT, dog=b"dog")
FILES = {"cat/1.png": CAT, "dog/1.png": b"dog"}


@dataclass
class Answer:
    """What the server does with one request.

    Attributes:
        status: another status than 200 or 206.
        body: what it serves.
        cut: after how many bytes of what it sends it closes the connection.
        length: what it says instead of the true length; "" for nothing.
        ranges: whether it heeds Range.
        tag: its name for this version of the file.
        modified: its Last-Modified.
        heeds: whether it heeds If-Range, which it compares with ``tag``.
        reason: its words next to the status.
        shift: by how much its Content-Range is wrong.
        to: where it redirects.
    """

    status: int = 0
    body: bytes = ARCHIVE
    cut: int | None = None
    length: str | None = None
    ranges: bool = True
    tag: str = '"1"'
    modified: str = ""
    heeds: bool = True
    reason: str | None = None
    shift: int = 0
    to: str = ""


@dataclass
class Site:
    url: str = ""
    answers: list[Answer] = field(default_factory=list)  # one for each request; afterwards the plain one
    seen: list[dict[str, str]] = field(default_factory=list)  # the headers of each request

    def ranges(self) -> list[str | None]:
        return [headers.get("range") for headers in self.seen]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.seen.append({name.lower(): value for name, value in self.headers.items()})
        answer = site.answers.pop(0) if site.answers else Answer()
        self.close_connection = True
        headers = {"ETag": answer.tag} if answer.tag else {}
        status = answer.status or 200
        body = answer.body if status < 400 else b"out of order"  # a refusal is short, as servers have it
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        headers |= {"Last-Modified": answer.modified} if answer.modified else {}
        same = not answer.heeds or self.headers.get("If-Range", answer.tag) == answer.tag
        if asked and answer.ranges and same and not answer.status:
            start = int(asked[1])
            status, span = (206, f"{start + answer.shift}-{len(body) - 1}") if start < len(body) else (416, "*")
            headers["Content-Range"] = f"bytes {span}/{len(body)}"
            body = body[start:]
        if answer.to:
            status, body, headers["Location"] = 302, b"", answer.to
        length = str(len(body)) if answer.length is None else answer.length
        self.send_response(status, answer.reason)
        self.send_header("Connection", "close")  # else a second try may meet the first one's closing connection
        for name, value in (headers | ({"Content-Length": length} if length else {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="site")
def site_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that is asked without waiting between two tries, past whatever proxy is set."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(transfer, "PAUSE", 0)
    found = Site()
    handler = type("OwnHandler", (Handler,), {"site": found})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/photos.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture(name="home")
def home_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for data, by the environment variable."""
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(name="tiny")
def tiny_fixture(site: Site, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset known by name, whose archive the server has, with its size and SHA-256 published."""
    known = Dataset("tiny", site.url, size=len(ARCHIVE), sha256=hashlib.sha256(ARCHIVE).hexdigest())
    monkeypatch.setitem(DATASETS, "tiny", known)
    return known


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(name: object, **options: Any) -> str:
    with pytest.raises(DownloadError) as raised:
        get(name, **options)  # type: ignore[arg-type]
    said = str(raised.value)
    assert "\n" not in said
    return said


def nothing_in(home: Path) -> bool:
    return not home.exists() or [] == list(home.iterdir())
