"""CIFAR-10's recipes once more, on images that no choice among them has seen.

`python benchmarks/recipes.py` divides the training folder by a hash of the files' bytes: a tenth to choose a recipe on,
a tenth that is read once, with the recipe that was chosen; the test folder is not read. It prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

import firstlight as fl
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.models.classifier import Classifier
from firstlight.models.training.network import Network
from folders import folder

# The four that were once compared on the test images: epochs, learning rate, test-time augmentation.
RECIPES = {
    "11 epochs, lr 2": (11, 2.0, False),
    "11 epochs, lr 2, ten views": (11, 2.0, True),
    "20 epochs, lr 2, ten views": (20, 2.0, True),
    "22 epochs, lr 1, ten views (thorough)": (22, 1.0, True),
}
SEED = 16  # of the hash: the tenths are no others that were ever chosen on


def divided(most: int | None) -> Pixels:
    """The training folder in three: to fit on (at most so many images), to choose on, to read once."""
    table = fl.scan(folder("cifar10")).select("train")
    table = fl.split(table.with_columns(splits=np.full(len(table), -1)), validation=0.1, test=0.1, seed=SEED)
    fitted = np.flatnonzero(table.splits == SPLITS.index("train"))
    left_out = np.random.default_rng(SEED).permutation(fitted)[len(fitted) if most is None else most :]
    return fl.load(table.select(np.delete(np.arange(len(table)), left_out)))


def accuracy(classifier: Classifier, pixels: Pixels, split: str) -> str:
    """Accuracy with its interval and n."""
    measured = fl.evaluate(fl.predict(classifier, pixels, split=split))
    low, high = measured.interval
    return f"{measured.accuracy:.4f} [{low:.4f}, {high:.4f}], n={measured.n:,}"


def one_view(classifier: Classifier) -> Classifier:
    """The same network without test-time augmentation."""
    model = classifier.model
    assert isinstance(model, Network)
    return replace(classifier, model=replace(model, views=model.views[:1]))


def row(*cells: str) -> None:
    """A line of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Chooses among the four recipes and reads the last tenth once; with --effort measures that recipe alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=int, help="images to fit on, at most")
    parser.add_argument("--width", type=int, default=32, help="features of the cnn's stem")
    parser.add_argument("--effort", help="read the last tenth with this recipe of the table, without any choice")
    asked = parser.parse_args()
    pixels = divided(asked.fit)
    count = int((pixels.splits == 0).sum())
    row("recipe", "fitted on", "to choose on", "read once", "seconds")
    row(*["---"] * 5)
    if asked.effort:
        started = time.perf_counter()
        fitted = fl.fit("cnn", pixels, effort=asked.effort)
        seconds = time.perf_counter() - started
        row(asked.effort, f"{count:,}", "", accuracy(fitted, pixels, "test"), f"{seconds:,.0f}")
        return
    trained: dict[tuple[int, float], Classifier] = {}
    found: dict[str, Classifier] = {}
    correct: dict[str, int] = {}
    for name, (epochs, lr, views) in RECIPES.items():
        started = time.perf_counter()
        if (epochs, lr) not in trained:
            sizes = {"width": asked.width}
            options = {"epochs": epochs, "lr": lr, "sizes": sizes, "tta": True}
            trained[epochs, lr] = fl.fit("cnn", pixels, effort="thorough", **options)
        found[name] = trained[epochs, lr] if views else one_view(trained[epochs, lr])
        correct[name] = fl.evaluate(fl.predict(found[name], pixels, split="validation")).correct
        seconds = time.perf_counter() - started
        row(name, f"{count:,}", accuracy(found[name], pixels, "validation"), "", f"{seconds:,.0f}")
    best = max(correct, key=lambda name: correct[name])
    row(f"chosen: {best}", f"{count:,}", "", accuracy(found[best], pixels, "test"), "")


if __name__ == "__main__":
    main()
