"""`firstlight demo`: the whole story on the handwritten digits that come inside scikit-learn."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from firstlight.apps.climbing import Asked, show_climb
from firstlight.apps.screen import drawn, print_json
from firstlight.data.fetching.catalog import write_digits
from firstlight.ladder import climb
from firstlight.models.checkpoint import restore
from firstlight.models.rungs import CLOSED_FORM, climbed
from firstlight.reporting.report import REPORT
from firstlight.runs.growing import Numbered
from firstlight.runs.results import Run

STORY = """\
{count:,} handwritten digits, 8 x 8 pixels each, are now a folder of PNG files by class:
  {folder}
"""

LEGEND = """\
First five classifiers without any training loop, from the simplest on:
  prior     always says the commonest class, without looking
  ink       compares how bright an image is with how bright each class is on average
  centroid  takes the class whose mean image is nearest, by L1, L2 or cosine distance
They are measured on a fifth of the images, set aside before. The interval says how sure the accuracy is;
p says how often a gain like this would come by chance if the two rungs were equally good.
"""

TRAINED = """\
Now all ten digits, and three rungs more, which learn step by step from random weights:
  linear    a weight for each pixel and class
  mlp       one hidden layer between
  cnn       convolutions: the same small filters everywhere in the image
"""

UNTRAINED = """\
Now all ten digits. (Three rungs more, which are trained, come with: pip install "firstlight[train]")
"""

NEXT = """\
What to type next:
  {command} climb {folder}
  {command} audit YOUR_FOLDER       a folder of images by class: what is wrong with it
  {command} climb YOUR_FOLDER       the same story on your images
  {command} get mnist_sample        28 x 28 pixels: the 3s and 7s of MNIST
  {command} --help
"""


def tell(folder: Path, *, quiet: bool, as_json: bool = False) -> None:
    """Writes the digits, climbs with two classes and then with ten, draws the ideal images, says what is next."""
    pair, every = folder / "threes-and-sevens", folder / "digits"
    for target, classes in ((pair, ("3", "7")), (every, None)):
        if not target.is_dir():
            write_digits(target, classes)
    if as_json:
        first = climb(pair, rungs=CLOSED_FORM, out=_free(folder, pair.name))
        second = climb(every, effort="quick", out=_free(folder, every.name))
        print_json({"folder": str(folder), "runs": [first.to_dict(), second.to_dict()]})
        return

    print(STORY.format(count=sum(1 for _ in every.glob("*/*.png")), folder=every))
    print(LEGEND)
    print("First the 3s against the 7s.\n")
    run = show_climb(pair, Asked(CLOSED_FORM, out=_free(folder, pair.name), quiet=True))
    print("\nTheir ideal images, the mean of each class; a new image belongs to the nearer one:\n")
    print(_ideal(run), "\n")
    rungs = climbed()
    print(TRAINED if rungs != CLOSED_FORM else UNTRAINED)
    run = show_climb(every, Asked(rungs, effort="quick", out=_free(folder, every.name), quiet=True))
    print()
    if not quiet:
        print(f"Each run is kept with its predictions, numbers and models: {run.path}", file=sys.stderr)
    print(f"Look at it in a browser; one file, which can be mailed:\n  {Path(str(run.path)) / REPORT}\n")
    print(NEXT.format(folder=every, command=_command()), end="")


def _command() -> str:
    """How the command can be typed here: by its name, or by its path where the shell does not know the name."""
    path = os.path.abspath(sys.argv[0])  # noqa: PTH100
    return "firstlight" if shutil.which("firstlight") else min(path, os.path.relpath(path), key=len)


def _free(folder: Path, name: str) -> Numbered:
    return Numbered(folder / "runs" / name)


def _ideal(run: Run) -> str:
    classifier = restore(run["centroid-l1"].model)
    height, width, _ = classifier.shape
    centres = classifier.model.centres
    assert centres is not None
    return drawn(centres.reshape(-1, height, width), [f"class {name}" for name in run.classes])
