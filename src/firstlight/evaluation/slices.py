"""`slices()`: accuracy in slices of the data, and in which of them a rung is worse than elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.characters import columns_of, padded, visible
from firstlight.errors import ArgumentError
from firstlight.evaluation.comparison import ALPHA
from firstlight.evaluation.parts import parts_of
from firstlight.evaluation.predictions import Holder, Predictions
from firstlight.evaluation.uncertainty import holm, wilson
from firstlight.notebook import Shown, View, data_frame
from firstlight.wording import p_value, plural

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Part:
    """A slice of the data.

    Attributes:
        name: the word, or which third of the numbers with its bounds.
        n: the number of its labelled images.
    """

    name: str
    n: int


@dataclass(frozen=True)
class Cell:
    """The accuracy of a rung in a slice.

    Attributes:
        correct: images that are right.
        n: images of the slice.
        interval: Wilson's 95 % interval of correct / n.
        rest: the rung's accuracy on all other images; None where there are none.
        p: Fisher's exact test of the slice against the rest, two-sided, corrected by Holm's method for all slices
            and rungs.
    """

    correct: int
    n: int
    interval: tuple[float, float]
    rest: float | None
    p: float

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def worse(self) -> bool:
        """Whether the rung is shown to be worse here than on the other images."""
        return self.p < ALPHA and self.rest is not None and self.accuracy < self.rest

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"accuracy": self.accuracy, "worse": self.worse}


@dataclass(frozen=True, repr=False)
class Slices(Shown):
    """Accuracy by slices.

    Attributes:
        name: what the images are sliced by.
        parts: the slices.
        rungs: names.
        cells: for each rung one per slice.

    Example:
        >>> seen = Predictions("ink", list("abcd"), ("3", "7"), np.array([0, 0, 1, 1]), np.eye(2)[[0, 1, 1, 1]])
        >>> slices(seen, by=[1.5, 1.5, 9.0, 9.0], name="size").frame()["n"].tolist()
        [2, 2]
    """

    name: str
    parts: tuple[Part, ...]
    rungs: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def worse(self) -> list[str]:
        """A sentence for each slice in which a rung is shown to be worse than on the other images."""
        return [
            f"{rung} is worse where {self.name} is {part.name}: {cell.accuracy:.3f} "
            f"[{cell.interval[0]:.3f}, {cell.interval[1]:.3f}], elsewhere {cell.rest:.3f} ({p_value(cell.p)})."
            for rung, cells in zip(self.rungs, self.cells, strict=True)
            for part, cell in zip(self.parts, cells, strict=True)
            if cell.worse
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rungs = [
            {"name": rung, "cells": [cell.to_dict() for cell in cells]}
            for rung, cells in zip(self.rungs, self.cells, strict=True)
        ]
        return {"name": self.name, "slices": [asdict(part) for part in self.parts], "rungs": rungs, "worse": self.worse}

    def frame(self) -> pandas.DataFrame:
        """One row for each rung and slice."""
        rows = [
            {"rung": rung, "slice": part.name, **cell.to_dict()}
            for rung, cells in zip(self.rungs, self.cells, strict=True)
            for part, cell in zip(self.parts, cells, strict=True)
        ]
        return data_frame(rows)

    def __repr__(self) -> str:
        of = f"{plural(len(self.rungs), 'rung')} in {plural(len(self.parts), 'slice')}"
        return visible(f"<Slices by {self.name}: {of}>")

    def _view(self) -> View:
        rows = (
            (rung, part.name, cell.n, cell.correct, cell.accuracy, *cell.interval, cell.p)
            for rung, cells in zip(self.rungs, self.cells, strict=True)
            for part, cell in zip(self.parts, cells, strict=True)
        )
        columns = ("rung", self.name, "n", "correct", "accuracy", "low", "high", "p")
        return View(repr(self), columns, rows, len(self.rungs) * len(self.parts), self.worse)

    def __str__(self) -> str:
        wide = max(columns_of(visible(name)) for name in [*(part.name for part in self.parts), self.name])
        digits = max((len(f"{cell.n:,}") for cells in self.cells for cell in cells), default=0)
        lines = [f"By {self.name}; p by Fisher's exact test against the other images, corrected by Holm's method."]
        for rung, cells in zip(self.rungs, self.cells, strict=True):
            lines.append(rung)
            for part, cell in zip(self.parts, cells, strict=True):
                low, high = cell.interval
                mark = "worse" if cell.worse else ""
                name = padded(visible(part.name), wide)
                lines.append(
                    f"  {name}  {cell.accuracy:.3f} [{low:.3f}, {high:.3f}]  n={cell.n:<{digits},}  "
                    f"{p_value(cell.p):<9}  {mark}".rstrip()
                )
        return "\n".join(lines)


def slices(
    predictions: Predictions | Holder | Iterable[Holder], *, by: np.ndarray | Sequence[Any], name: str
) -> Slices:
    """Accuracy in slices of the data, for one classifier or every rung of a run.

    Numbers are cut into thirds of about as many images, into fewer slices where most are equal. Each word is a slice;
    beyond twelve words the rarest form one slice. A rung that always predicts the same class, such as the prior, is
    left out: its accuracy in a slice is the share of that class there.

    Args:
        predictions: of one classifier, or a run; all on the same images in the same order.
        by: (N,) a number or a word for each image, in the order of the predictions; NaN where there is none.
        name: what these are.

    Returns:
        Accuracy, interval and test for each rung and slice that has labelled images.

    Raises:
        ArgumentError: where the lengths or the images differ, no image is labelled, or no rung predicts two classes.

    Example:
        >>> seen = Predictions("ink", list("abcd"), ("3", "7"), np.array([0, 0, 1, 1]), np.eye(2)[[0, 1, 1, 1]])
        >>> found = slices(seen, by=["north", "north", "south", "south"], name="place")
        >>> [(part.name, cell.correct, cell.n) for part, cell in zip(found.parts, found.cells[0])]
        [('north', 1, 2), ('south', 2, 2)]
    """
    every = _every(predictions)
    values = np.asarray(by)
    if not every:
        raise ArgumentError("The run has no rung yet; pass a finished run.")
    rungs = [one for one in every if not one.constant]
    if not rungs:
        raise ArgumentError(
            f"{every[0].name} always predicts the same class, so its accuracy in a slice is the share of that class; "
            "pass another rung."
        )
    for one in rungs:
        if values.shape != (len(one),):
            raise ArgumentError(f"{name} has values {values.shape} for {len(one):,} images; pass one value per image.")
        if not one.keys.equals(rungs[0].keys):
            raise ArgumentError(
                f"{one.name} and {rungs[0].name} were not measured on the same images in the same order; "
                "pass each alone."
            )
    known = rungs[0].labels >= 0
    if not known.any():
        raise ArgumentError(
            f"{rungs[0].name} has {plural(len(known), 'image')}, none with a known class; pass images sorted by class."
        )
    names, codes = parts_of(values[known])
    counts = np.bincount(codes, minlength=len(names))
    corrects = [np.bincount(codes[one.correct[known]], minlength=len(names)) for one in rungs]
    total = len(codes)
    tests = [
        fisher(int(c), int(n), int(correct.sum() - c), int(total - n))
        for correct in corrects
        for c, n in zip(correct, counts, strict=True)
    ]
    adjusted = iter(holm(tests).tolist())
    cells = []
    for correct in corrects:
        low, high = wilson(correct, counts)
        row = []
        for place, (c, n) in enumerate(zip(correct.tolist(), counts.tolist(), strict=True)):
            rest = (int(correct.sum()) - c) / (total - n) if total > n else None
            row.append(Cell(c, n, (float(low[place]), float(high[place])), rest, next(adjusted)))
        cells.append(tuple(row))
    parts = tuple(Part(part, int(n)) for part, n in zip(names, counts, strict=True))
    return Slices(name, parts, tuple(one.name for one in rungs), tuple(cells))


def fisher(first: int, first_n: int, other: int, other_n: int) -> float:
    """Fisher's exact test, two-sided: how often two shares differ at least this much by chance.

    The sum of the hypergeometric probabilities that are not larger than that of the table (Fisher 1922).

    Args:
        first: successes among ``first_n``.
        first_n: the first sample.
        other: successes among ``other_n``.
        other_n: the other sample.

    Returns:
        p in (0, 1].

    Example:
        >>> round(fisher(8, 10, 1, 6), 4)
        0.035
    """
    right, total = first + other, first_n + other_n
    lowest, highest = max(0, right - other_n), min(first_n, right)
    factorials = _log_factorials(total)

    def choose(n: int, k: np.ndarray) -> np.ndarray:
        return factorials[n] - factorials[k] - factorials[n - k]

    k = np.arange(lowest, highest + 1)
    logs = choose(first_n, k) + choose(other_n, right - k) - choose(total, np.array([right]))
    mine = logs[first - lowest]
    return float(min(1.0, np.exp(logs[logs <= mine + 1e-9 * max(1.0, abs(mine))]).sum()))


@lru_cache(maxsize=2)  # every slice of every rung needs the same
def _log_factorials(most: int) -> np.ndarray:
    """log n! for n = 0..most."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def _every(predictions: Predictions | Holder | Iterable[Holder]) -> list[Predictions]:
    if isinstance(predictions, Predictions):
        return [predictions]
    if isinstance(predictions, Iterable):
        return [one.predictions for one in predictions]
    return [predictions.predictions]
