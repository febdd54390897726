"""What the HTTP service costs: requests a second and waiting times beside a bare handler and Gradio; its memory."""

from __future__ import annotations

import atexit
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import httpx
import numpy as np

import firstlight as fl
from folders import files, folder
from rounds import Benchmark, Figure

HERE = Path(__file__).resolve().parent
COMMAND = str(Path(sys.executable).with_name("firstlight"))
REQUESTS = 256  # a turn
CLIENTS = (1, 8, 64)
RUNGS = ("centroid-l2", "cnn")
AFTER = (0, 5_000, 10_000, 20_000)  # requests, at which the memory is read
GRADIO = "FIRSTLIGHT_GRADIO_PYTHON"  # an interpreter that has gradio and onnxruntime


class Server:
    """A process that answers on a port of its own, until this one ends."""

    def __init__(self, command: list[str], head: str, body: bytes, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [part.replace("PORT", str(self.port)) for part in command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | environment)
        atexit.register(self.process.kill)
        self.path, self.kind, self.body = *head.split(), body
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.ask()
                return
            except httpx.ConnectError:
                time.sleep(0.1)
        raise SystemExit(f"{command} did not answer.")

    def ask(self) -> str:
        """The text of one answer."""
        url = f"http://127.0.0.1:{self.port}{self.path}"
        return httpx.post(url, content=self.body, headers={"content-type": self.kind}, timeout=60).text

    def turn(self, clients: int, requests: int = REQUESTS) -> list[float]:
        """The seconds of all requests together, and of each."""
        head = f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {self.kind}\r\n"
        request = f"{head}content-length: {len(self.body)}\r\n\r\n".encode() + self.body
        command = [sys.executable, str(HERE / "clients.py"), str(self.port), str(clients), str(requests)]
        done = subprocess.run(command, input=request, capture_output=True, check=True)
        return [float(line) for line in done.stdout.split()]

    def memory(self) -> float:
        """MiB that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def a_run(rungs: Sequence[str] = RUNGS) -> tuple[Path, bytes]:
    """A run with these rungs, and an image of a seven."""
    data = folder("mnist_sample")
    out = Path(tempfile.mkdtemp()) / "run"
    fl.climb(data, rungs=list(rungs), effort="quick", out=out)
    return out, Path(next(path for path in files(data / "valid") if "/7/" in path)).read_bytes()


def ours(run: Path, rung: str, image: bytes) -> Server:
    """`firstlight serve`."""
    command = [COMMAND, "serve", str(run), "--rung", rung, "--port", "PORT", "--quiet"]
    return Server(command, "/api/predict image/png", image)


def load() -> Benchmark:
    """One image a request, from 1, 8 and 64 clients at once."""
    run, image = a_run()
    servers = {f"firstlight {rung}": ours(run, rung, image) for rung in RUNGS}
    bare = [sys.executable, str(HERE / "bare_handler.py"), "PORT"]
    servers["bare FastAPI (floor)"] = Server(bare, "/api/predict image/png", image)
    gradio = os.environ.get(GRADIO)
    if gradio:
        for rung in RUNGS:
            servers[f"Gradio {rung}"] = _interface(gradio, run, rung, image)
    else:
        print(f"Gradio is left out: {GRADIO} names no interpreter that has it", file=sys.stderr)
    waits: dict[str, list[list[float]]] = {}

    def turn(name: str, clients: int) -> float:
        whole, *each = servers[name].turn(clients)
        waits.setdefault(f"{name}, {clients}", []).append([REQUESTS / whole, *np.percentile(each, [50, 99]) * 1e3])
        return whole

    def check() -> None:
        for name, server in servers.items():
            if name.startswith("firstlight"):
                said = json.loads(server.ask())["predictions"][0]["label"]
            elif name.startswith("Gradio"):
                said = json.loads(server.ask())["data"][0]["label"]
            else:
                continue
            if said != "7":
                raise SystemExit(f"{name} takes the seven for {said}.")

    def figures() -> dict[str, Figure]:
        found = {}
        for name, rounds in waits.items():
            rate, middle, late = (median(values) for values in zip(*rounds[1:], strict=True))
            found[name] = Figure(rate, "requests a second", note=f"p50 {middle:.1f} ms, p99 {late:.1f} ms")
        return found

    contenders: dict[str, Callable[[], float]] = {
        f"{name}, {clients}": partial(turn, name, clients) for clients in CLIENTS for name in servers
    }
    about = f"{REQUESTS} requests of one image from 1, 8 or 64 clients"
    return Benchmark("serve", about, contenders, check=check, figures=figures)


def _interface(python: str, run: Path, rung: str, image: bytes) -> Server:
    file = run.parent / f"{rung}.onnx"
    fl.export(run, file, rung=rung)
    url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    body = json.dumps({"data": [{"url": url, "meta": {"_type": "gradio.FileData"}}]}).encode()
    command = [python, str(HERE / "gradio_interface.py"), str(file), "PORT"]
    return Server(command, "/gradio_api/run/predict application/json", body, GRADIO_ANALYTICS_ENABLED="False")


def memory() -> Benchmark:
    """What a server holds after some thousand requests."""
    run, image = a_run()
    servers = {rung: ours(run, rung, image) for rung in RUNGS}
    held: dict[str, list[float]] = {rung: [] for rung in RUNGS}

    def asked(rung: str) -> float:
        seconds = 0.0
        for before, after in zip((0, *AFTER), AFTER, strict=False):
            if after > before:
                seconds += servers[rung].turn(8, after - before)[0]
            held[rung].append(servers[rung].memory())
        return seconds

    def figures() -> dict[str, Figure]:
        found = {}
        for rung, values in held.items():
            note = ", ".join(f"{value:.1f} after {count:,}" for value, count in zip(values, AFTER, strict=True))
            found[f"firstlight {rung}, growth from {AFTER[1]:,} to {AFTER[-1]:,} requests"] = Figure(
                values[-1] - values[1], "MiB", note=note
            )
        return found

    contenders = {f"firstlight {rung}": partial(asked, rung) for rung in RUNGS}
    return Benchmark("serve-memory", f"{AFTER[-1]:,} requests from 8 clients", contenders, figures=figures, once=True)
