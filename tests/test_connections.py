"""Connections that keep the service waiting: they are closed after their time, and give way to those that send."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import firstlight as fl
import plain_http
from firstlight.apps.serving import OncePerMinute
from firstlight.apps.web import connections
from firstlight.apps.web.connections import BoundedProtocol, allowed
from firstlight.models.exporting.session import Session
from serving import served
from tables import gray_folder, noise
from wire import encoded, head, received

IMAGE = encoded(noise(6, 6))
GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("connections")
    gray_folder(folder / "images", count=40)
    fl.climb(folder / "images", rungs=["centroid-l2"], out=folder / "run")
    return folder / "run"


class Few(BoundedProtocol):
    most = 10


@pytest.fixture
def here(run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(connections, "SECONDS", 0.5)
    with served(Session.of(run), protocol=Few) as found:
        yield found


def opened(url: str, sent: bytes) -> socket.socket:
    """A connection on which something was sent."""
    found = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10)
    found.sendall(sent)
    return found


def answered_within(url: str, seconds: float = 1) -> int:
    """The status of a good image's answer, which came in time."""
    before = time.perf_counter()
    status = plain_http.post(f"{url}/api/predict", files={"images": IMAGE}, timeout=20).status_code
    assert time.perf_counter() - before < seconds
    return status


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent", [b"", b"G", GET, head(1000) + b"x", head(1_000_000) + bytes(100_000), GET + b"content-length: 9\r\n\r\n"]
)
def test_more_connections_than_there_may_be_keep_nobody_out(here: str, sent: bytes) -> None:
    """Whatever they have sent of a request, they give way to one that is complete; the oldest first."""
    with ExitStack() as stack:
        waiting = [stack.enter_context(opened(here, sent)) for _ in range(35)]
        assert 200 == answered_within(here)
        waiting[0].settimeout(0.3)
        answer = received(waiting[0])
        assert answer == b"" or answer.startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_a_request_whose_answer_is_awaited_gives_not_way(here: str) -> None:
    """A kept connection is used again after others were closed."""
    with plain_http.Client(base_url=here) as client:
        assert 200 == client.get("/healthz").status_code
        with ExitStack() as stack:
            for _ in range(8):
                stack.enter_context(opened(here, b"G"))
            assert 200 == client.get("/healthz").status_code


@pytest.mark.slow
@pytest.mark.parametrize("start", [b"G", GET, GET + b"content-length: 100000\r\n\r\n"])
def test_a_head_has_its_time_whatever_comes_in_between(here: str, start: bytes) -> None:
    """A line of the head, or a byte of a body that nobody reads, now and then: closed after the time."""
    with opened(here, start) as connection:
        before = time.perf_counter()
        with pytest.raises(OSError):  # reset or broken pipe
            while time.perf_counter() - before < 5:
                connection.sendall(b"a: b\r\n")
                time.sleep(0.05)
        assert 0.3 < time.perf_counter() - before < 3


@pytest.mark.slow
def test_answers_that_are_not_read_are_dropped(here: str) -> None:
    """The same page again and again on one connection, of which nothing is taken."""
    request = GET.replace(b"/ ", b"/main.js ") + b"\r\n"
    with opened(here, request * 1000) as connection:
        before = time.perf_counter()
        with pytest.raises(OSError):
            while time.perf_counter() - before < 20:
                connection.sendall(b"\r\n")
                time.sleep(0.05)
        assert 200 == answered_within(here)


def test_connections_leave_open_files_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many, with what is accepted meanwhile, are fewer than the system allows; at least one is allowed."""
    resource = pytest.importorskip("resource")
    for files in (70, 256, 1024, 20_000, 10**9):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        most, backlog = allowed()
        assert 1 <= most <= 1000
        assert 1 <= backlog <= 128
        assert 2 * most + 5 * backlog < files


def test_equal_warnings_are_logged_once_a_minute() -> None:
    """The next one after a minute says how many there were; the lines of requests are all logged."""
    once = OncePerMinute()

    def record(name: str, created: float, *arguments: object) -> logging.LogRecord:
        found = logging.LogRecord(name, logging.WARNING, "", 0, "too many: %s", arguments, None)
        found.created = created
        return found

    assert [True, False, False] == [once.filter(record("uvicorn.error", second, second)) for second in (0, 1, 59)]
    assert [True, True] == [once.filter(record("firstlight.serve", second, second)) for second in (0, 1)]
    last = record("uvicorn.error", 61, 61)
    assert once.filter(last)
    assert "2" in last.getMessage()
    assert "61" in last.getMessage()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sockets are no files there")
def test_half_open_connections_beyond_the_limit_of_files(run: Path) -> None:
    """400 under a limit of 256: a good image is answered at once, and the log has a line of them and no traceback."""
    limit = 'ulimit -n 256; exec "$@"'
    program = str(Path(sys.executable).with_name("firstlight"))
    command = ["bash", "-c", limit, "-", program, "serve", str(run), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stderr is not None
        url = re.findall(r"http://\S+(?=/)", process.stderr.readline())[0]
        while plain_http.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.05)
        for _ in range(400):
            stack.enter_context(opened(url, b"G"))
        assert [200] * 3 == [answered_within(url) for _ in range(3)]
        process.terminate()
        said = process.communicate(timeout=30)[1].splitlines()
    lines = [json.loads(line) for line in said if line.startswith("{")]
    assert 1 == len(lines)
    assert "connections" in lines[0]["said"]
    assert not any("Traceback" in line for line in said)
