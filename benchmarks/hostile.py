"""What hostile clients and files cost: the answers that others wait for meanwhile, and the seconds of each file."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import service
from firstlight.data.decoding.decode import decode
from hostile_files import FILES
from rounds import Benchmark, Figure

HERE = Path(__file__).resolve().parent
CLIENTS = 10
SECONDS = 60.0  # of each attack
SIZE = 8 << 20  # bytes of a file
OPEN_FILES = 1024  # the default limit of most systems
SENT = ("PPM, plain, comments", "JPEG, a hundred scans", "PNG, even, 16 bits", "BMP, runs of one")
CONNECTIONS = ("half-open", "slow head", "slow body", "stalled bodies")


def attacks(seconds: float = SECONDS) -> Benchmark:
    """A good image every tenth of a second, while ten clients try one way after another."""
    run, image = service.a_run(["centroid-l2"])
    command = ["bash", "-c", f'ulimit -n {OPEN_FILES}; exec "$@"', "-"]
    command += [service.COMMAND, "serve", str(run), "--rung", "centroid-l2", "--port", "PORT"]
    server = service.Server(command, "/api/predict image/png", image)
    waits: dict[str, list[float]] = {}
    attempts: dict[str, str] = {}

    def attacked(name: str, kind: str) -> float:
        started = time.monotonic()
        attackers = [sys.executable, str(HERE / "attackers.py"), kind, str(server.port), str(CLIENTS), str(seconds)]
        file = FILES[name](SIZE) if kind == "file" else b""
        with subprocess.Popen(attackers, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(file)
            process.stdin.close()
            time.sleep(1)
            while process.poll() is None:
                waits.setdefault(name, []).append(_seconds_of_an_answer(server))
                time.sleep(0.1)
            attempts[name] = process.stdout.read().decode().strip()
        return time.monotonic() - started

    def figures() -> dict[str, Figure]:
        found = {}
        for name, seconds in waits.items():
            note = f"median {median(seconds) * 1e3:.0f} ms of {len(seconds)}; {attempts[name]} attempts"
            found[f"slowest answer, {name}"] = Figure(max(seconds), "s", note=note)
        return found

    contenders = {name: partial(attacked, name, "file") for name in SENT}
    contenders |= {name: partial(attacked, name, name) for name in CONNECTIONS}
    about = f"a good image every tenth of a second while {CLIENTS} clients attack for {seconds:g} s"
    return Benchmark("serve-attacks", about, contenders, figures=figures, once=True)


def _seconds_of_an_answer(server: service.Server) -> float:
    """On a connection of its own."""
    started = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", server.path, server.body, {"content-type": server.kind})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"The good image got {answer.status}: {text}")
    return time.perf_counter() - started


def decoding() -> Benchmark:
    """The slowest file of 8 MiB of each format and kind."""
    sizes: dict[str, float] = {}
    reasons: dict[str, str] = {}

    def taken(name: str) -> float:
        data = FILES[name](SIZE)
        sizes[name] = len(data) / 2**20
        started = time.perf_counter()
        image = decode(data)
        seconds = time.perf_counter() - started
        reasons[name] = image if isinstance(image, str) else "decoded, {} x {}".format(*image.shape)
        return seconds

    def figures() -> dict[str, Figure]:
        return {f"size of {name}": Figure(sizes[name], "MiB", note=reason) for name, reason in reasons.items()}

    contenders = {name: partial(taken, name) for name in FILES}
    return Benchmark("decode-hostile", "one file each, of up to 8 MiB", contenders, figures=figures, once=True)
