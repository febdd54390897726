"""What a person waits for in a fresh process, and the memory that the command takes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from folders import folder
from rounds import Benchmark, Figure

COMMAND = str(Path(sys.executable).with_name("firstlight"))
# A small process starts the command and asks the system for its peak: one started from here would inherit ours.
PEAK = (
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"  # KiB on Linux
)


def fresh_process() -> Benchmark:
    """Help, and the first row of a climb from the cache; the peak memory of both kinds of climb."""
    root = str(folder("mnist_sample"))
    home, numbers = tempfile.mkdtemp(), itertools.count()
    waited: dict[str, list[float]] = {"pass": [], "help": [], "row": []}

    def timed(name: str, command: list[str]) -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        waited[name].append(time.perf_counter() - started)
        return waited[name][-1]

    def first_row() -> float:
        started = time.perf_counter()
        command = [COMMAND, "climb", root, "--rungs", "prior,ink,centroid", "--out", f"{home}/run-{next(numbers)}"]
        with subprocess.Popen(
            command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            taken = next(time.perf_counter() - started for line in process.stdout if line.startswith("prior"))
            process.stdout.read()
        waited["row"].append(taken)
        return taken

    def peak(**environment: str) -> float:
        command = [sys.executable, "-c", PEAK, COMMAND, "climb", root, "--rungs", "prior,ink,centroid"]
        settings = os.environ | environment
        done = subprocess.run(command, cwd=home, env=settings, check=True, capture_output=True, text=True)
        return float(done.stdout)

    def figures() -> dict[str, Figure]:
        beyond = [slow - fast for slow, fast in zip(waited["help"][1:], waited["pass"][1:], strict=True)]
        return {
            "first row of climb mnist_sample, from the cache": Figure(median(waited["row"][1:]), "s"),
            "--help beyond python -c pass": Figure(median(beyond), "s"),
            "peak memory of climb mnist_sample, first time": Figure(peak(FIRSTLIGHT_CACHE=f"{home}/cold"), "MiB"),
            "peak memory of climb mnist_sample, from the cache": Figure(peak(), "MiB"),
        }

    contenders = {
        "firstlight climb, first row": first_row,
        "firstlight --help": lambda: timed("help", [COMMAND, "--help"]),
        "python -c pass (floor)": lambda: timed("pass", [sys.executable, "-c", "pass"]),
    }
    return Benchmark("start", "fresh processes on mnist_sample", contenders, figures=figures)
