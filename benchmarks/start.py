"""What a person waits for in a fresh process, and the memory that the command takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from folders import folder
from rounds import Benchmark

COMMAND = str(Path(sys.executable).with_name("firstlight"))


def fresh_process() -> Benchmark:
    """Help, and the first row of a climb from the cache."""
    root = str(folder("mnist_sample"))
    home = tempfile.mkdtemp()
    waited: dict[str, list[float]] = {"pass": [], "help": [], "row": []}
    memory: list[float] = []

    def timed(name: str, command: list[str]) -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        waited[name].append(time.perf_counter() - started)
        return waited[name][-1]

    def first_row() -> float:
        started = time.perf_counter()
        with subprocess.Popen([COMMAND, "climb", root], cwd=home, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("prior"):
                    break
            taken = time.perf_counter() - started
            process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit("start: the climb failed")
        waited["row"].append(taken)
        memory.append(usage.ru_maxrss / 1024)  # KiB on Linux
        return taken

    def figures() -> dict[str, tuple[float, float, str]]:
        beyond = [slow - fast for slow, fast in zip(waited["help"][1:], waited["pass"][1:], strict=True)]
        return {
            "first row of climb mnist_sample, from the cache": (median(waited["row"][1:]), 1.0, "s"),
            "--help beyond python -c pass": (median(beyond), 0.15, "s"),
            "peak memory of the command, first run and from the cache": (max(memory), 250.0, "MiB"),
        }

    contenders = {
        "firstlight climb, first row": first_row,
        "firstlight --help": lambda: timed("help", [COMMAND, "--help"]),
        "python -c pass (floor)": lambda: timed("pass", [sys.executable, "-c", "pass"]),
    }
    return Benchmark("start", "fresh processes on mnist_sample", contenders, figures=figures)
