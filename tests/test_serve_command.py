"""`firstlight serve` as a process: its address, its log, its end, its memory; and who may be let in from elsewhere."""

from __future__ import annotations

import json
import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import segno
import uvicorn

import firstlight as fl
import plain_http
from bombs import bomb, header_only
from firstlight.apps import serving
from firstlight.apps.serving import Place, serve
from firstlight.errors import ArgumentError, FirstlightError, RunError
from tables import gray_folder, noise
from wire import encoded, head, raw, received

IMAGE = encoded(noise(6, 6))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    gray_folder(folder / "images", count=40)
    fl.climb(folder / "images", rungs=["centroid-l2"], out=folder / "run")
    return folder / "run"


@dataclass
class Process:
    url: str
    process: subprocess.Popen[str]

    def memory(self, name: str = "VmRSS") -> float:
        """MiB that it holds, or at most held (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, list[str]]:
        """How it ends, and what it said."""
        self.process.send_signal(how)
        said = self.process.communicate(timeout=60)[1]
        return self.process.returncode, said.splitlines()


@contextmanager
def started(run: Path, *options: str) -> Iterator[Process]:
    """The command, once it answers; killed at the end where it still runs."""
    command = [str(Path(sys.executable).with_name("firstlight")), "serve", str(run), "--rung", "centroid-l2"]
    with subprocess.Popen([*command, "--port", "0", *options], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            url = re.findall(r"http://\S+(?=/)", first)[0]
            until = time.monotonic() + 30
            while True:
                try:
                    assert 200 == plain_http.get(f"{url}/readyz").status_code
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < until
                    time.sleep(0.02)
            yield Process(url, process)
        finally:
            process.kill()


@pytest.mark.slow
def test_a_request_under_way_is_answered_before_the_end(run: Path) -> None:
    """SIGTERM while a body is being sent: the answer comes, then the process ends; each request is a line of JSON."""
    with started(run) as there:
        port = int(there.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(head(len(IMAGE)) + IMAGE[:30])
            time.sleep(0.3)
            there.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(httpx.ConnectError):
                plain_http.get(f"{there.url}/healthz")
            connection.sendall(IMAGE[30:])
            answer = received(connection)
        said = there.process.communicate(timeout=30)[1]
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"label"' in answer
    assert -signal.SIGTERM == there.process.returncode or 128 + signal.SIGTERM == there.process.returncode
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [("/readyz", 200), ("/api/predict", 200)] == [(one["path"], one["status"]) for one in lines]
    assert "Traceback" not in said


@pytest.mark.slow
def test_ctrl_c_ends_it_without_a_word(run: Path) -> None:
    """No traceback, exit status 0; and nothing is logged where it was asked to be quiet."""
    with started(run, "--quiet") as there:
        status, said = there.end(signal.SIGINT)
    assert (0, []) == (status, [line for line in said if "Ctrl-C" not in line])


@pytest.mark.slow
def test_answers_on_a_kept_connection_do_not_wait(run: Path) -> None:
    """No 40 ms for each, as where small packets are held back (Nagle) until the last one is acknowledged."""
    with started(run, "--quiet") as there, plain_http.Client(base_url=there.url) as client:
        seconds = []
        for _ in range(21):
            before = time.perf_counter()
            client.post("/api/predict", content=IMAGE, headers={"content-type": "image/png"})
            seconds.append(time.perf_counter() - before)
    assert sorted(seconds)[10] < 0.035


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_bounded_whatever_is_sent(run: Path) -> None:
    """Bombs, a body without an end, many large bodies at once: at most what the limits add up to, and little stays.

    Two photos of 50 million pixels at the same time are 2 x 150 MB as RGB, and as much again while they are made
    smaller; bodies are held up to 256 MiB, and each part is joined once.
    """
    photo = encoded(noise(3000, 4000, 3), "JPEG")
    with started(run, "--quiet") as there, ThreadPoolExecutor(12) as pool:
        before = there.memory()

        def post(data: bytes) -> int:
            kind = {"content-type": "image/png"}
            return plain_http.post(f"{there.url}/api/predict", content=data, headers=kind, timeout=60).status_code

        bombs = [bomb(30_000), *header_only(60_000)]
        assert {413} == set(pool.map(post, bombs * 4))
        assert {413} == set(pool.map(post, [bytes(33 * 2**20)] * 12))
        endless = [b"10000\r\n" + bytes(65536) + b"\r\n"] * 20_000
        raw(there.url, head(), *endless)
        assert {200} >= set(pool.map(post, [photo] * 12)) - {429}
        assert {415, 429} >= set(pool.map(post, [bytes(30 * 2**20)] * 12))
        assert 200 == post(IMAGE)
        assert there.memory("VmHWM") - before < 1200
        assert there.memory() - before < 400


@pytest.fixture
def without_serving(monkeypatch: pytest.MonkeyPatch) -> list[uvicorn.Config]:
    """What would have been served; the service's log goes on as it was."""
    for name in ("firstlight.serve", "uvicorn"):
        logger = logging.getLogger(name)
        for kept in ("handlers", "propagate", "level"):
            monkeypatch.setattr(logger, kept, getattr(logger, kept))
    configs: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: configs.append(server.config))
    return configs


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "a-computer", ""])  # noqa: S104
def test_other_computers_need_a_token(run: Path, host: str, without_serving: list[Any]) -> None:
    """Bound to anything but loopback without one, it does not start."""
    with pytest.raises(ArgumentError, match="--token"):
        serve(run, Place(host, port=0))
    with pytest.raises(ArgumentError, match="--token"):
        serve(run, Place(host, port=0, token=""))
    assert [] == without_serving


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_this_computer_needs_none(run: Path, host: str, without_serving: list[Any], capsys: Any) -> None:
    """Every loopback address."""
    serve(run, Place(host, port=0))
    assert 1 == len(without_serving)
    assert f"http://{host}:" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["a", "123456789012345", "a" * 40, "abababababababab"])
def test_a_token_that_is_easy_to_guess_is_refused_where_other_computers_can_connect(token: str) -> None:
    """Short, or of the same few characters; on this computer alone any will do, and a generated one passes."""
    for reachable in ({"host": "0.0.0.0"}, {"host": "::"}, {"phone": True}):  # noqa: S104
        with pytest.raises(ArgumentError, match="--token") as refused:
            Place(token=token, **reachable)  # type: ignore[arg-type]
        assert f" {token} " not in str(refused.value)
        proposed = str(refused.value).removesuffix(".").rpartition(" ")[2]
        Place(token=proposed, **reachable)  # type: ignore[arg-type]
    Place(token=token)


@pytest.mark.parametrize(("rung", "expected"), [(None, True), ("prior", False)])
def test_an_advised_rung_that_looks_at_no_image_is_said(
    tmp_path: Path, rung: str | None, expected: bool, without_serving: list[Any], capsys: Any
) -> None:
    """`prior` gives every image the same class: one line names it where nobody chose it."""
    gray_folder(tmp_path / "images", count=20)
    fl.climb(tmp_path / "images", rungs=["prior"], out=tmp_path / "run")
    serve(tmp_path / "run", Place(port=0), rung=rung)
    assert expected is ("--rung" in capsys.readouterr().err)


def test_the_phone_gets_a_link_with_a_token_and_a_code(
    run: Path, without_serving: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The local network's address, a token of 128 bits, and the same link as a QR code; another one each time."""
    monkeypatch.setattr(serving, "_own_address", lambda: "127.0.0.1")
    drawn: list[str] = []
    make = segno.make
    monkeypatch.setattr(segno, "make", lambda link, **options: drawn.append(link) or make(link, **options))
    for _ in range(2):
        serve(run, Place(phone=True, port=0))
    said = capsys.readouterr().err
    links = re.findall(r"http://127\.0\.0\.1:\d+/#token=[\w-]{22}", said)
    assert links == drawn
    assert links[0] != links[1]
    assert "▀" in said or "█" in said


def test_what_cannot_be_served_is_said_before_it_listens(run: Path, tmp_path: Path, without_serving: list[Any]) -> None:
    """No run, no such rung, a token that no header can hold, a prefix without a slash, a port that is taken."""
    with pytest.raises(RunError):
        serve(tmp_path / "no-run")
    with pytest.raises(ArgumentError, match="cnn"):
        serve(run, rung="cnn")
    for token in ("two words", "ü", "a\nb"):
        with pytest.raises(ArgumentError, match="token"):
            Place(token=token)
    for prefix in ("digits", "/digits/", "/"):
        with pytest.raises(ArgumentError, match=re.escape(prefix)):
            Place(prefix=prefix)
    refused = pytest.raises(FirstlightError, match="--port")
    with socket.create_server(("127.0.0.1", 0)) as taken, refused:
        serve(run, Place(port=taken.getsockname()[1]))
    assert [] == without_serving
