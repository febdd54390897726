"""`firstlight demo`: the 3s and 7s of the chapter where they can be had, and the ten digits of scikit-learn."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from firstlight.apps.climbing import Wanted, show_climb
from firstlight.apps.screen import drawn, print_json
from firstlight.apps.terminal import remark, say
from firstlight.apps.terminal import width as columns_of
from firstlight.characters import visible
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.fetching.reach import at_hand, within_reach
from firstlight.ladder import climb
from firstlight.models.checkpoint import restore
from firstlight.models.rungs import CLOSED_FORM, climbed
from firstlight.reporting.report import REPORT
from firstlight.runs.growing import Numbered
from firstlight.runs.results import Run

CHAPTER = "mnist_sample"
STORY = """\
{count:,} handwritten 3s and 7s, {size}, in a folder for each class:
  {folder}
"""

SMALL = """\
mnist_sample was not found and cannot be fetched, so these are the small digits
that come with scikit-learn.
"""

LEGEND = """\
First five classifiers without training, from the simplest to the strongest:
  prior     always predicts the most frequent class
  ink       compares the brightness of an image with the mean of each class
  centroid  takes the class whose mean image is nearest, by L1, L2 or cosine
They are measured on images that were held out. The interval says how precise
the accuracy is; p is the probability of such a gain if both rungs were equally
good.
"""

TRAINED = """\
Now all ten digits, in 8 x 8 px, and three more rungs, which are trained:
  linear    a weight for each pixel and class
  mlp       one hidden layer
  cnn       convolutions: the same small filters everywhere in the image
"""

UNTRAINED = """\
Now all ten digits, in 8 x 8 px. Three more rungs, which are trained, come with
pip install ".[train]" in the clone of Firstlight.
"""

NEXT = """\
What to type next:
  {command} climb {folder}
  {command} audit YOUR_FOLDER       what is wrong with a folder of images
  {command} climb YOUR_FOLDER       the same on your images
  {command} get                     the known datasets
  {command} --help
"""


def tell(folder: Path, *, quiet: bool, as_json: bool = False) -> None:
    """Climbs with two classes and then with ten, draws the mean images, says what to type next."""
    pair, every = _pair(folder, quiet or as_json), folder / "digits"
    if not every.is_dir():
        write_digits(every)
    if as_json:
        first = climb(pair, rungs=CLOSED_FORM, out=_free(folder, pair.name))
        second = climb(every, effort="quick", out=_free(folder, every.name))
        print_json({"folder": str(folder), "runs": [first.to_dict(), second.to_dict()]})
        return

    small = pair.parent == folder
    count, size = sum(1 for _ in pair.rglob("*.png")), "8 x 8 px" if small else "28 x 28 px"
    _say(STORY.format(count=count, size=size, folder=visible(pair)))
    if small:
        _say(SMALL)
    _say(LEGEND)
    _say("First the 3s against the 7s.\n")
    run = show_climb(pair, Wanted(CLOSED_FORM, out=_free(folder, pair.name), quiet=True))
    _say(f"\n{_by_class(run)}")
    _say("The mean image of each class; a new image belongs to the nearer one:\n")
    _say(f"{_ideal(run)}\n")
    rungs = climbed()
    _say(TRAINED if rungs != CLOSED_FORM else UNTRAINED)
    run = show_climb(every, Wanted(rungs, effort="quick", out=_free(folder, every.name), quiet=True))
    _say("")
    if not quiet:
        remark(f"Predictions, numbers and models of this run: {run.path}")
    _say(f"The report, one file for the browser:\n  {visible(Path(str(run.path)) / REPORT)}\n")
    _say(NEXT.format(folder=visible(every), command=visible(_command())).removesuffix("\n"))


def _say(text: str) -> None:
    """A text of several lines."""
    say(*text.split("\n"))


def _pair(folder: Path, quiet: bool) -> Path:
    """The chapter's 3s and 7s, or the embedded ones; where those were written once, no server is requested again."""
    embedded = folder / "threes-and-sevens"
    found = at_hand(CHAPTER) if embedded.is_dir() else within_reach(CHAPTER, progress=not quiet)
    if found is None and not embedded.is_dir():
        write_digits(embedded, ("3", "7"))
    return found or embedded


def _by_class(run: Run) -> str:
    """The figures of the chapter: what the L1 distance to the mean images gets right of each class, in per cent."""
    document = run["centroid-l1"].to_dict()
    shares = [f"{100 * one['correct'] / one['n']:.1f} % of the {name}s" for name, one in document["recall"].items()]
    return f"By L1, {' and '.join(shares)} are classified correctly: {100 * document['accuracy']:.1f} % of all."


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
    names = [f"class {name}" for name in run.classes]
    return drawn(centres.reshape(-1, height, width), names, most=columns_of(sys.stdout) or 80)
