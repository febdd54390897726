"""Measuring: contenders take turns, at least five rounds, medians, and ratios taken within each round."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

LEAST = 5


@dataclass(frozen=True)
class Target:
    """A ratio to reach: ``slow`` takes at least ``times`` as long as ``fast``."""

    slow: str
    fast: str
    times: float


@dataclass(frozen=True)
class Benchmark:
    """What is measured.

    Attributes:
        name: as it is named on the command line.
        about: what the contenders do, in one sentence.
        contenders: by name, each a function that does the work once and returns its seconds, or None where
            its own time is to be taken; the first is ours.
        targets: ratios to reach.
        check: run once before measuring; raises where the contenders do not do the same work.
        figures: other figures by name, each with the number measured and the bound: (measured, at most).
    """

    name: str
    about: str
    contenders: Mapping[str, Callable[[], float | None]]
    targets: tuple[Target, ...] = ()
    check: Callable[[], None] = lambda: None
    figures: Callable[[], dict[str, tuple[float, float, str]]] = field(default=dict)


def measure(benchmark: Benchmark, rounds: int) -> dict[str, Any]:
    """Runs every contender once unmeasured and then ``rounds`` times in turn."""
    if rounds < LEAST:
        raise SystemExit(f"{rounds} rounds were asked for; at least {LEAST} are needed for a median worth telling.")
    benchmark.check()
    seconds: dict[str, list[float]] = {name: [] for name in benchmark.contenders}
    for number in range(-1, rounds):
        for name, work in benchmark.contenders.items():
            gc.collect()
            gc.freeze()  # what the imports left is no part of the work
            started = time.perf_counter()
            own = work()
            taken = time.perf_counter() - started if own is None else own
            if number >= 0:
                seconds[name].append(taken)
    ratios = []
    for target in benchmark.targets:
        each = [slow / fast for slow, fast in zip(seconds[target.slow], seconds[target.fast], strict=True)]
        ratios.append(
            {
                "slow": target.slow,
                "fast": target.fast,
                "ratio": median(each),
                "lowest": min(each),
                "highest": max(each),
                "target": target.times,
                "reached": median(each) >= target.times,
            }
        )
    figures = {
        name: {"measured": value, "at_most": bound, "unit": unit, "reached": value <= bound}
        for name, (value, bound, unit) in benchmark.figures().items()
    }
    return {
        "name": benchmark.name,
        "about": benchmark.about,
        "rounds": rounds,
        "seconds": {
            name: {"median": median(values), "min": min(values), "max": max(values)} for name, values in seconds.items()
        },
        "ratios": ratios,
        "figures": figures,
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """What it ran on."""
    packages = (
        "firstlight",
        "numpy",
        "pillow",
        "kornia-rs",
        "simplejpeg",
        "numba",
        "pyarrow",
        "torch",
        "scipy",
    )
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    wide = max(len(name) for name in [*result["seconds"], *result["figures"]])
    lines = [f"{result['name']}: {result['about']} ({result['rounds']} rounds, interleaved)"]
    lines.append(f"  {'':<{wide}} {'median':>10} {'min':>10} {'max':>10}  ms")
    for name, value in result["seconds"].items():
        figures = " ".join(f"{value[key] * 1e3:10.2f}" for key in ("median", "min", "max"))
        lines.append(f"  {name:<{wide}} {figures}")
    for one in result["ratios"]:
        verdict = "reached" if one["reached"] else "NOT REACHED"
        lines.append(
            f"  {one['slow']} / {one['fast']}: {one['ratio']:.2f} times "
            f"[{one['lowest']:.2f}, {one['highest']:.2f}], asked for {one['target']:g}: {verdict}"
        )
    for name, one in result["figures"].items():
        verdict = "reached" if one["reached"] else "NOT REACHED"
        lines.append(f"  {name}: {one['measured']:.3f} {one['unit']}, at most {one['at_most']:g}: {verdict}")
    return "\n".join(lines)
