"""Measuring: contenders take turns, at least five rounds, medians, and ratios taken within each round."""

from __future__ import annotations

import gc
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
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
class Figure:
    """A number beside the times, and its bound where it has one."""

    measured: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether it keeps its bound; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.measured <= high


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
        figures: other figures by name, asked for after the last round.
        versions: what the contenders bring besides `machine`'s own list, asked for after the last round.
        once: takes minutes, so it is one round without the unmeasured one before it.
    """

    name: str
    about: str
    contenders: Mapping[str, Callable[[], float | None]]
    targets: tuple[Target, ...] = ()
    check: Callable[[], None] = lambda: None
    figures: Callable[[], dict[str, Figure]] = field(default=dict)
    versions: Callable[[], dict[str, str]] = field(default=dict)
    once: bool = False


def measure(benchmark: Benchmark, rounds: int) -> dict[str, Any]:
    """Runs every contender once unmeasured and then ``rounds`` times in turn, or only once where it says so."""
    if rounds < LEAST:
        raise SystemExit(f"{rounds} rounds were asked for; at least {LEAST} are needed for a median worth telling.")
    benchmark.check()
    seconds: dict[str, list[float]] = {name: [] for name in benchmark.contenders}
    numbers = range(1) if benchmark.once else range(-1, rounds)
    for number in numbers:
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
    figures = {name: asdict(one) | {"reached": one.reached} for name, one in benchmark.figures().items()}
    about = machine()
    return {
        "name": benchmark.name,
        "about": benchmark.about,
        "rounds": numbers.stop,
        "seconds": {
            name: {"median": median(values), "min": min(values), "max": max(values)} for name, values in seconds.items()
        },
        "ratios": ratios,
        "figures": figures,
        "machine": about | {"versions": about["versions"] | benchmark.versions()},
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
        "scikit-learn",
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
    rounds = "1 round" if result["rounds"] == 1 else f"{result['rounds']} rounds, interleaved"
    lines = [f"{result['name']}: {result['about']} ({rounds})"]
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
        text = f"  {name}: {one['measured']:.4g} {one['unit']}".rstrip()
        text += f" ({one['note']})" if one["note"] else ""
        for key in ("at_most", "at_least"):
            if one[key] is not None:
                text += f", {key.replace('_', ' ')} {one[key]:g}: {'reached' if one['reached'] else 'NOT REACHED'}"
        lines.append(text)
    return "\n".join(lines)
