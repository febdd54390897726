"""scripts/bench: measures one benchmark, several or all, prints tables or JSON, and checks the targets."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rounds import check_table, machine, measure, table
from targets import TARGETS, Targets

BENCHMARKS: Mapping[str, str] = {  # by name, the module and its function
    "decode-png": "decoding.png",
    "decode-jpeg": "decoding.jpeg",
    "climb": "climbing.whole",
    "l1": "l1.seventy_thousand",
    "start": "start.fresh_process",
    "audit": "looking.audits",
    "report": "looking.reports",
    "sgd-linear": "training.linear",
    "sgd-mlp": "training.mlp",
    "predict": "predicting.whole_folder",
    "predict-one": "predicting.one_image",
    "serve": "service.load",
    "serve-memory": "service.memory",
    "serve-attacks": "hostile.attacks",
    "decode-hostile": "hostile.decoding",
    "cnn-share": "share.of_products",
    "cnn-99": "mnist_example.to_99",
}
WHERE_NAMED = ("cnn-99", "serve-attacks")  # take many minutes, so they are run only where they are named


def main(
    arguments: Sequence[str] | None = None,
    benchmarks: Mapping[str, str] = BENCHMARKS,
    targets: Mapping[str, Targets] = TARGETS,
) -> int:
    """Reads the command line and measures.

    Returns:
        The exit status: with ``--check`` 1 where a target is missed, else 0.
    """
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which benchmarks; all but the long ones where none is named"
    )
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--check", action="store_true", help="only those with targets; exit with 1 where one is missed")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds, at least 5")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; choose from {', '.join(benchmarks)}")
    if options.list:
        for name in benchmarks:
            print(name + " (many minutes: only where it is named)" * (name in WHERE_NAMED))
        return 0
    names = options.names or [name for name in benchmarks if name not in WHERE_NAMED]
    if options.check:
        names = [name for name in names if name in targets]
    results = []
    for name in names:
        results.append(_measured(benchmarks[name], options.rounds, targets.get(name, Targets())))
        if not options.json:
            print(table(results[-1]), flush=True)
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print(_machine_line(results))
    if not options.check:
        return 0
    if not options.json:
        print(f"\n{check_table(results)}")
        left_out = [name for name in WHERE_NAMED if name in targets and name not in names]
        if left_out and not options.names:
            print(f"not checked, since it takes many minutes: ./scripts/bench --check {' '.join(left_out)}")
    return int(any(one["verdict"] == "MISSED" for result in results for one in result["targets"]))


def _measured(place: str, rounds: int, targets: Targets) -> dict[str, Any]:
    """One benchmark's result, with a cache of its own; its module is imported only now."""
    module, _, function = place.partition(".")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FIRSTLIGHT_CACHE"] = cache
        return measure(getattr(import_module(module), function)(), rounds, targets)


def _machine_line(results: Sequence[Mapping[str, Any]]) -> str:
    about = machine()
    measured = {name: number for one in results for name, number in one["machine"]["versions"].items()}
    versions = ", ".join(f"{name} {number}" for name, number in measured.items())
    return f"on {about['cores']} cores of {about['processor']}, Python {about['python']}, {versions}"


if __name__ == "__main__":
    sys.exit(main())
