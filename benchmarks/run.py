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
import looking
import mnist_example
import predicting
import service
import share
import start
import training
from rounds import machine, measure, table

BENCHMARKS = {
    "decode-png": decoding.png,
    "decode-jpeg": decoding.jpeg,
    "climb": climbing.whole,
    "l1": l1.seventy_thousand,
    "start": start.fresh_process,
    "audit": looking.audits,
    "report": looking.reports,
    "sgd-linear": training.linear,
    "sgd-mlp": training.mlp,
    "predict": predicting.whole_folder,
    "predict-one": predicting.one_image,
    "serve": service.load,
    "serve-memory": service.memory,
    "cnn-share": share.of_products,
    "cnn-99": mnist_example.to_99,
}
WHERE_NAMED = ("cnn-99",)  # takes many minutes, so it is run only where it is named


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which benchmarks; all but the long ones where none is named"
    )
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds, at least 5")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS)}")
    if asked.list:
        for name in BENCHMARKS:
            print(name + " (many minutes: only where it is named)" * (name in WHERE_NAMED))
        return
    results = []
    for name in asked.names or [name for name in BENCHMARKS if name not in WHERE_NAMED]:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FIRSTLIGHT_CACHE"] = cache
            results.append(measure(BENCHMARKS[name](), asked.rounds))
        if not asked.json:
            print(table(results[-1]), flush=True)
    if asked.json:
        print(json.dumps(results, indent=2))
    else:
        about = machine()
        measured = {name: number for one in results for name, number in one["machine"]["versions"].items()}
        versions = ", ".join(f"{name} {number}" for name, number in measured.items())
        print(f"on {about['cores']} cores of {about['processor']}, Python {about['python']}, {versions}")


if __name__ == "__main__":
    main()
