"""Measuring: contenders take turns, at least five rounds, medians, and ratios taken within each round."""

from __future__ import annotations

import fnmatch
import gc
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from targets import Bound, Ratio, Targets

LEAST = 5


@dataclass(frozen=True)
class Figure:
    """A measured number other than the times."""

    measured: float
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Benchmark:
    """What is measured.

    Attributes:
        name: the one on the command line.
        about: what the contenders do, in one sentence.
        contenders: by name, each a function that does the work once and returns its seconds, or None where
            it is to be timed; the first is ours.
        check: run once before measuring; raises where the contenders do not do the same work.
        figures: other figures by name, read after the last round.
        versions: what the contenders bring besides `machine`'s own list, read after the last round.
        once: takes minutes, so it is one round without the unmeasured one before it.
    """

    name: str
    about: str
    contenders: Mapping[str, Callable[[], float | None]]
    check: Callable[[], None] = lambda: None
    figures: Callable[[], dict[str, Figure]] = field(default=dict)
    versions: Callable[[], dict[str, str]] = field(default=dict)
    once: bool = False


def measure(benchmark: Benchmark, rounds: int, targets: Targets) -> dict[str, Any]:
    """Runs every contender once unmeasured and then ``rounds`` times in turn, or only once where it says so."""
    if rounds < LEAST:
        raise SystemExit(f"--rounds {rounds} is too few for a median; pass at least {LEAST}.")
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
    figures = {name: asdict(one) for name, one in benchmark.figures().items()}
    about = machine()
    return {
        "name": benchmark.name,
        "about": benchmark.about,
        "rounds": numbers.stop,
        "seconds": {
            name: {"median": median(values), "min": min(values), "max": max(values)} for name, values in seconds.items()
        },
        "figures": figures,
        "targets": [*_ratios(targets.ratios, seconds), *_bounds(targets.bounds, seconds, figures)],
        "machine": about | {"versions": about["versions"] | benchmark.versions()},
    }


def _ratios(ratios: tuple[Ratio, ...], seconds: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """Each ratio's verdict, from the ratios within the rounds."""
    found = []
    for one in ratios:
        row = {"name": f"{one.slow} / {one.fast}", "unit": "times", "target": f"at least {one.times:.3g}"}
        if one.needs and not {one.slow, one.fast} <= seconds.keys():
            found.append(row | {"measured": None, "verdict": "not measured", "why": f"{one.needs} is missing"})
            continue
        each = [slow / fast for slow, fast in zip(seconds[one.slow], seconds[one.fast], strict=True)]
        row |= {"measured": median(each), "lowest": min(each), "highest": max(each)}
        found.append(row | _verdict(median(each) >= one.times, one.given_up))
    return found


def _bounds(
    bounds: tuple[Bound, ...], seconds: Mapping[str, list[float]], figures: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The verdict on each figure and each contender's median that a bound names."""
    known = {name: (median(values), "s") for name, values in seconds.items()}
    known |= {name: (one["measured"], one["unit"]) for name, one in figures.items()}
    found = []
    for bound in bounds:
        names = fnmatch.filter(known, bound.figure)
        if not names:
            raise SystemExit(f"The target {bound.figure!r} names no figure; there are {', '.join(known)}.")
        limits = {"at least": bound.at_least, "at most": bound.at_most}
        target = ", ".join(f"{words} {limit:g}" for words, limit in limits.items() if math.isfinite(limit))
        for name in names:
            measured, unit = known[name]
            row = {"name": name, "measured": measured, "unit": unit, "target": target}
            found.append(row | _verdict(bound.at_least <= measured <= bound.at_most, bound.given_up))
    return found


def _verdict(reached: bool, given_up: str) -> dict[str, str]:
    if given_up:
        return {"verdict": "given up", "why": given_up}
    return {"verdict": "reached" if reached else "MISSED", "why": ""}


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
    for name, one in result["figures"].items():
        text = f"  {name}: {one['measured']:.4g} {one['unit']}".rstrip()
        lines.append(text + (f" ({one['note']})" if one["note"] else ""))
    lines += [f"  {words}" for words in map(target_line, result["targets"])]
    return "\n".join(lines)


def target_line(one: Mapping[str, Any]) -> str:
    """A target with what was measured and its verdict, on one line."""
    measured = "" if one["measured"] is None else f"{one['measured']:.4g}"
    limits = f" [{one['lowest']:.3g}, {one['highest']:.3g}]" if "lowest" in one else ""
    why = f": {one['why']}" if one["why"] else ""
    return f"{one['name']}: {measured}{limits} {one['unit']}, target {one['target']}, {one['verdict']}{why}"


def check_table(results: Sequence[Mapping[str, Any]]) -> str:
    """All targets of all results: name, measured, target, verdict; below it why some are not checked."""
    rows = [("benchmark", "what", "measured", "target", "verdict")]
    remarks = []
    for result in results:
        for one in result["targets"]:
            measured = "" if one["measured"] is None else f"{one['measured']:.4g} {one['unit']}"
            rows.append((result["name"], one["name"], measured, one["target"], one["verdict"]))
            if one["why"]:
                remarks.append(f"{one['verdict']}: {result['name']}, {one['name']}: {one['why']}")
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *remarks])
