"""scripts/bench: measures one benchmark, several or all, and prints tables or JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import climbing
import decoding
import l1
import start
import training
from rounds import machine, measure, table

BENCHMARKS = {
    "decode-png": decoding.png,
    "decode-jpeg": decoding.jpeg,
    "climb": climbing.whole,
    "l1": l1.seventy_thousand,
    "start": start.fresh_process,
    "sgd-linear": training.linear,
    "sgd-mlp": training.mlp,
    "cnn-share": training.share,
}
LONG = {"cnn-99": training.to_99}  # minutes a round, so it is run only where it is named, one round a time


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; all where none is named")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds, at least 5")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BENCHMARKS | LONG]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS | LONG)}")
    if asked.list:
        print(*BENCHMARKS, *(f"{name} (only where it is named)" for name in LONG), sep="\n")
        return
    results = []
    for name in asked.names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FIRSTLIGHT_CACHE"] = cache
            if name in LONG:
                print(json.dumps(LONG[name](), indent=2))
                continue
            results.append(measure(BENCHMARKS[name](), asked.rounds))
        if not asked.json:
            print(table(results[-1]), flush=True)
    if asked.json:
        print(json.dumps(results, indent=2))
    else:
        about = machine()
        versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
        print(f"on {about['cores']} cores of {about['processor']}, Python {about['python']}, {versions}")


if __name__ == "__main__":
    main()
