"""Log loss and calibration error of every rung: with the temperature of the measured images, cross-fitted, on others.

`python benchmarks/calibration.py` prints a Markdown table. A fifth of each dataset is set aside, which no temperature
has seen; the last column is the accuracy of a network that gives up a fifth of its training images to its temperature.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.pixels import Pixels
from firstlight.evaluation.metrics import Evaluation
from firstlight.models.rungs import climbed, named
from firstlight.models.training.monitoring import training_set
from folders import folder

DATA = ("sign_digits", "digits", "mnist_sample")


def divided(name: str) -> Pixels:
    """Three fifths to fit on, a fifth to validate on, a fifth set aside."""
    if name == "digits":
        with tempfile.TemporaryDirectory() as place:
            write_digits(Path(place) / "digits")
            return fl.load(fl.split(fl.scan(Path(place) / "digits"), test=0.2))
    table = fl.scan(folder(name))
    return fl.load(fl.split(table.with_columns(splits=np.full(len(table), -1)), test=0.2))


def told(*measured: Evaluation) -> str:
    """Log loss and calibration error of each."""
    return " | ".join(f"{one.log_loss:.4f}, {one.calibration_error:.4f}" for one in measured)


def main() -> None:
    """Fits every rung of a climb on each dataset."""
    print("| data, rung | accuracy | same images | cross-fitted | images set aside | accuracy, fifth held out |")
    print("|---|---|---|---|---|---|")
    for name in DATA:
        pixels = divided(name)
        for rung in named(climbed()):
            fitted = fl.fit(rung.name, pixels, effort="quick")
            seen = fl.predict(fitted, pixels, split="validation")
            after, before = fl.evaluate(seen), fl.evaluate(replace(seen, calibrated_here=False))
            aside = fl.evaluate(fl.predict(fitted, pixels, split="test"))
            held = f"{held_out(rung.name, pixels):.4f}" if rung.recipe else ""
            accuracy = f"{after.accuracy:.4f}, n={after.n:,}"
            print(f"| {name}, {rung.name} | {accuracy} | {told(before, after, aside)} | {held} |", flush=True)


def held_out(rung: str, pixels: Pixels) -> float:
    """Accuracy on the validation images without a fifth of the training images (1,000 at most)."""
    lost = np.flatnonzero(pixels.splits == 0)[training_set(pixels).held_out_rows]
    held = fl.fit(rung, pixels.select(np.delete(np.arange(len(pixels)), lost)), effort="quick")
    return fl.evaluate(fl.predict(held, pixels, split="validation")).accuracy


if __name__ == "__main__":
    main()
