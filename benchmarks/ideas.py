"""The lesson's audience's ideas on mnist_png: framing, several ideal images, ink as a count, each beside the plain one.

`python benchmarks/ideas.py` prints a Markdown table, measured on validation images.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import firstlight as fl
from firstlight.data.decoding.align import ALIGNMENTS
from folders import folder

LEAST = 1e-300
PLAIN = ("ink", "ink-count", "centroid-l1", "centroid-l2", "centroid-cosine")
SEVERAL = ("centroid-l2-x2", "centroid-l2-x4", "centroid-l2-x8", "centroid-l2-x16", "centroid-l2-x32")


def told(p: float) -> str:
    """A p-value, as small as float64 can hold it with all its digits."""
    return f"{p:.2g}" if p > LEAST else f"< {LEAST:g}"


def main() -> None:
    """Fits every rung on the images of every frame."""
    loaded = fl.load(fl.split(fl.scan(folder("mnist_png"))))
    pixels = loaded.select(["train", "validation"])
    asked = {"none": (*PLAIN, *SEVERAL), "box": PLAIN[2:], "mass": PLAIN[2:], "deskew": (*PLAIN[2:], *SEVERAL)}
    found, microseconds = {}, {}
    for frame in ALIGNMENTS:
        started = time.perf_counter()
        some = pixels.aligned(frame)
        framing = (time.perf_counter() - started) / len(some) * 1e6
        for rung in asked[frame]:
            classifier = fl.fit(rung, some)
            started = time.perf_counter()
            seen = fl.predict(classifier, some, split="validation")
            predicting = (time.perf_counter() - started) / len(seen) * 1e6
            name = rung if frame == "none" else f"{rung}, {frame}"
            found[name], microseconds[name] = replace(seen, name=name), framing + predicting
    print("| rung, frame | accuracy [95 %] | gain over centroid-l2 | p (exact McNemar) | microseconds an image |")
    print("|---|---|---|---|---|")
    for name, seen in found.items():
        measured = fl.evaluate(seen)
        low, high = measured.interval
        beside = fl.compare(seen, against=found["centroid-l2"]) if name != "centroid-l2" else None
        gain = f"{beside.difference:+.4f} | {told(beside.p)}" if beside else "|"
        print(
            f"| {name} | {measured.accuracy:.4f} [{low:.4f}, {high:.4f}] | {gain} | {microseconds[name]:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
