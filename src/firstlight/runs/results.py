"""`Run`: the result of a climb as a value; nothing here knows about files."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from firstlight.errors import ArgumentError
from firstlight.evaluation.advice import Advice
from firstlight.evaluation.comparison import Comparison
from firstlight.notebook import Shown, View
from firstlight.runs.request import Request
from firstlight.runs.rung_result import LADDER, RungResult, ladder_frame, ladder_row
from firstlight.runs.seal import plain
from firstlight.wording import choose, plural

if TYPE_CHECKING:
    import pandas

    from firstlight.models.classifier import Classifier

ASIDE = "with-test.parquet"  # a table with a test split
WIDTH = 88  # of a printed sentence: a notebook's lines are not much wider


class NextStep(NamedTuple):
    """How to measure the advised rung on images that did not choose it.

    Attributes:
        text: what the command does.
        command: to type.
    """

    text: str
    command: str

    def __str__(self) -> str:
        return f"{self.text}:\n  {self.command}"


@dataclass(frozen=True, eq=False, repr=False)
class Run(Shown):
    """One climb: what was requested, what was decided and why, and the result of every rung.

    Made by `climb`, or by `read_run` from its folder. ``run["centroid-l1"]`` is one rung; iteration goes
    over the rungs, simplest first.

    Attributes:
        request: the arguments of the climb.
        decided: what was decided automatically, each with its reason.
        versions: of everything that the numbers depend on, see `versions`.
        seed: the random seed of the run.
        fingerprint: of the table of images.
        classes: the class names, in the order of the scores' columns.
        split: the split that was measured on.
        unreadable: how many images of the table could not be read and were skipped.
        rungs: the results, simplest first.
        comparisons: each rung with every simpler one, corrected for all these pairs; empty until the run is finished.
        advice: where to stop, and why; None until the run is finished.
        path: the run folder; None before it is written.
        test_readings: how often the test split was read: by this run, or by any on this machine.
        test_dataset: names the labelled test images of the dataset in the ledger of this machine; ``""`` for none.
        test_images: labelled images of the test split, which this run did not use.

    Example:
        >>> about = {"request": Request(), "decided": (), "versions": {}, "seed": 7, "fingerprint": ""}
        >>> run = Run(**about, classes=("3", "7"), split="validation", unreadable=3, rungs=())
        >>> run
        the run: 0 rungs on validation, 2 classes, seed 7, 3 unreadable images skipped, not finished
        >>> run["cnn"]
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: the run has no rung 'cnn'; choose from none.
    """

    request: Request
    decided: tuple[str, ...]
    versions: Mapping[str, str]
    seed: int
    fingerprint: str
    classes: tuple[str, ...]
    split: str
    unreadable: int
    rungs: tuple[RungResult, ...]
    comparisons: tuple[Comparison, ...] = ()
    advice: Advice | None = None
    path: Path | None = None
    test_readings: int = 0
    test_images: int = 0
    test_dataset: str = ""

    def __getitem__(self, name: str) -> RungResult:
        """The rung of that name; ``"centroid"`` is the most accurate centroid rung, of equal ones the simplest."""
        exact = [rung for rung in self.rungs if rung.name == name]
        found = exact or [rung for rung in self.rungs if rung.name.startswith(f"{name}-")]
        if found:
            return max(found, key=lambda rung: rung.metrics.correct)
        there = choose(name, [rung.name for rung in self.rungs])
        raise ArgumentError(f"{self._where} has no rung {name!r}; {there}.")

    @property
    def best(self) -> Classifier:
        """The classifier of the advised rung: the simplest one that no later rung is shown to beat.

        Raises:
            ArgumentError: where the run is not finished and advises none yet.
        """
        return self.chosen().classifier

    def chosen(self, name: str | None = None) -> RungResult:
        """The rung of that name; the advised one where no name is given.

        Raises:
            ArgumentError: where there is no such rung, or the run is not finished and advises none yet.
        """
        if name is not None:
            return self[name]
        if self.advice is None:
            raise ArgumentError(
                f"{self._where} is not finished, so it advises no rung yet; name one with --rung, or repeat the climb."
            )
        return self[self.advice.rung]

    def gain(self, name: str) -> Comparison | None:
        """The rung of that name compared with the one before; None for the first, and until the run is finished."""
        before = {rung.name: previous.name for previous, rung in pairwise(self.rungs)}.get(name)
        return next((one for one in self.comparisons if (one.name, one.against) == (name, before)), None)

    def __contains__(self, name: object) -> bool:
        return any(name in (rung, rung.name) for rung in self.rungs)

    def __iter__(self) -> Iterator[RungResult]:
        return iter(self.rungs)

    def __len__(self) -> int:
        return len(self.rungs)

    @property
    def finished(self) -> bool:
        """Whether all rungs and the advice are there."""
        return self.advice is not None

    @property
    def guessing(self) -> float:
        """The accuracy of always guessing one class: the prior's, else the share of the most frequent class."""
        if "prior" in self:
            return self["prior"].metrics.accuracy
        return self.rungs[0].metrics.majority_share

    @property
    def test_hint(self) -> NextStep | None:
        """What to type for a figure on images that chose no rung; None where nothing was chosen, or on test."""
        if self.split == "test" or len(self) < 2 or not self.finished:
            return None
        if not self.test_images:
            return self.set_aside
        text = f"At the very end, measure the advised rung on the {self.test_images:,} test images"
        if self.path is None:
            return NextStep(text, 'fl.evaluate(fl.predict(run.best, table, split="test"))')
        return NextStep(text, f"firstlight predict {shlex.quote(str(self.path))} --split test")

    @property
    def set_aside(self) -> NextStep:
        """What to type to climb again with test images, where the source has none."""
        options = self.request.typed_scanning
        if options is None:
            text = "For a figure on images that choose no rung, set some aside and climb again"
            return NextStep(text, f"fl.climb(fl.split({self.request.source}, test=0.2))")
        text = f"For a figure on images that choose no rung, set some aside, then climb {ASIDE}"
        words = ["firstlight", "split", self.request.data, *options, "--test", "0.2", "--out", ASIDE]
        return NextStep(text, shlex.join(words))

    @property
    def _where(self) -> str:
        return str(self.path or "the run")

    def to_dict(self) -> dict[str, Any]:
        """The run's numbers as one document of plain values, which strict JSON can hold.

        Returns:
            ``{"classes": [...], "split": "validation", "unreadable": 0, "rungs": [{"name": "prior",
            "n": 2038, "correct": 1028, "accuracy": 0.504, "interval": [low, high], "recall": {...},
            "against_previous": None, "seconds": {...}, "training": {...}}, ...], "comparisons": [...],
            "advice": {...}, "test_readings": 0, "test_images": 0, "test_command": "firstlight ...",
            "run": "runs/photos"}``; a number that is not finite is None.
        """
        return plain(
            {
                "classes": self.classes,
                "split": self.split,
                "unreadable": self.unreadable,
                "rungs": [self._rung(rung) for rung in self.rungs],
                "comparisons": [one.to_dict() for one in self.comparisons],
                "advice": {} if self.advice is None else self.advice.to_dict(),
                "test_readings": self.test_readings,
                "test_images": self.test_images,
                "test_command": None if self.test_hint is None else self.test_hint.command,
                "run": self.path,
            }
        )

    def _rung(self, rung: RungResult) -> dict[str, Any]:
        gain = self.gain(rung.name)
        return rung.to_dict() | {"against_previous": None if gain is None else gain.to_dict()}

    def __repr__(self) -> str:
        classes = plural(len(self.classes), "class", "classes")
        head = f"{self._where}: {plural(len(self), 'rung')} on {self.split}, {classes}, seed {self.seed}"
        head += f", {plural(self.unreadable, 'unreadable image')} skipped" if self.unreadable else ""
        head += f", test split read {plural(self.test_readings, 'time')}" if self.test_readings else ""
        head += "" if self.finished else ", not finished"
        longest = max((len(rung.name) for rung in self.rungs), default=0)
        return "\n".join([head, *(f"  {rung.row(longest)}" for rung in self.rungs)])

    def _view(self) -> View:
        head, *_ = repr(self).splitlines()
        advice = [] if self.advice is None else [self.advice.sentence]
        return View(head, LADDER, map(ladder_row, self.rungs), len(self), advice)

    def frame(self) -> pandas.DataFrame:
        """One row a rung: n, correct, accuracy with its interval, the other metrics, seconds to fit and predict."""
        return ladder_frame(self.rungs)

    def __str__(self) -> str:
        advice = "" if self.advice is None else textwrap.fill(self.advice.sentence, WIDTH)
        hint = "" if self.test_hint is None else str(self.test_hint)
        return "\n".join(filter(None, [repr(self), advice, hint]))
