"""`slices()`: accuracy in parts of the data, where a rung is worse than elsewhere, and Simpson's paradox."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError, MissingExtraError
from firstlight.evaluation.compare import ALPHA, Holder, p_text
from firstlight.evaluation.predictions import Predictions
from firstlight.evaluation.uncertainty import holm, wilson

if TYPE_CHECKING:
    import pandas

THIRDS = ("low", "middle", "high")
MOST = 12  # slices by words; the rarest beyond are put together
OTHER = "all others"


@dataclass(frozen=True)
class Part:
    """A slice of the data.

    Attributes:
        name: the word, or which third it is with its bounds.
        n: its labelled images.
    """

    name: str
    n: int


@dataclass(frozen=True)
class Cell:
    """What a rung reaches in a slice.

    Attributes:
        correct: images that are right.
        n: the slice's images.
        interval: Wilson's 95 % interval of correct / n.
        rest: the rung's accuracy on all other images.
        p: Fisher's exact test of the slice against the rest, two-sided, corrected by Holm's method for all slices
            and rungs.
    """

    correct: int
    n: int
    interval: tuple[float, float]
    rest: float
    p: float

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def worse(self) -> bool:
        """Whether the rung is shown to be worse here than on the other images."""
        return self.p < ALPHA and self.accuracy < self.rest

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"accuracy": self.accuracy, "worse": self.worse}


@dataclass(frozen=True)
class Slices:
    """Accuracy by slices.

    Attributes:
        name: what the images are sliced by.
        parts: the slices.
        rungs: names.
        cells: of each rung one for each slice.
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
            f"[{cell.interval[0]:.3f}, {cell.interval[1]:.3f}], elsewhere {cell.rest:.3f} ({p_text(cell.p)})."
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
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("Data frames", "pandas") from error
        rows = [
            {"rung": rung, "slice": part.name, **cell.to_dict()}
            for rung, cells in zip(self.rungs, self.cells, strict=True)
            for part, cell in zip(self.parts, cells, strict=True)
        ]
        return pandas.DataFrame(rows)

    def __str__(self) -> str:
        wide = max(map(len, [*(part.name for part in self.parts), self.name]))
        lines = [f"by {self.name}; p by Fisher's exact test against the other images, corrected by Holm"]
        for rung, cells in zip(self.rungs, self.cells, strict=True):
            lines.append(rung)
            for part, cell in zip(self.parts, cells, strict=True):
                low, high = cell.interval
                mark = "worse than elsewhere" if cell.worse else ""
                lines.append(
                    f"  {part.name:<{wide}}  {cell.accuracy:.3f} [{low:.3f}, {high:.3f}]  n={cell.n:<7,} "
                    f"{p_text(cell.p):<9}  {mark}".rstrip()
                )
        return "\n".join(lines)


def slices(
    predictions: Predictions | Holder | Iterable[Holder], *, by: np.ndarray | Sequence[Any], name: str
) -> Slices:
    """Accuracy in slices of the data, for one classifier or every rung of a run.

    Numbers are cut into thirds of about as many images, words are the slices themselves.

    Args:
        predictions: of one classifier, or a run; all on the same images.
        by: (N,) a number or a word for each image, in the order of the predictions.
        name: what these are.

    Returns:
        Accuracy, interval and test for each rung and slice that has labelled images.

    Raises:
        ArgumentError: where the lengths differ, or no image is labelled.

    Example:
        >>> seen = Predictions("ink", list("abcd"), ("3", "7"), np.array([0, 0, 1, 1]), np.eye(2)[[0, 1, 1, 1]])
        >>> found = slices(seen, by=["north", "north", "south", "south"], name="place")
        >>> [(part.name, cell.correct, cell.n) for part, cell in zip(found.parts, found.cells[0])]
        [('north', 1, 2), ('south', 2, 2)]
    """
    rungs = _every(predictions)
    values = np.asarray(by)
    for one in rungs:
        if values.shape != (len(one),):
            raise ArgumentError(f"{name} has values {values.shape} for the {len(one):,} images; pass one for each.")
    known = rungs[0].labels >= 0
    if not known.any():
        raise ArgumentError(f"None of the images of {rungs[0].name} has a known class; there is nothing to measure.")
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
            rest = (int(correct.sum()) - c) / (total - n) if total > n else math.nan
            row.append(Cell(c, n, (float(low[place]), float(high[place])), rest, next(adjusted)))
        cells.append(tuple(row))
    parts = tuple(Part(part, int(n)) for part, n in zip(names, counts, strict=True))
    return Slices(name, parts, tuple(one.name for one in rungs), tuple(cells))


@dataclass(frozen=True)
class Reversal:
    """Two classifiers whose comparison turns round in every slice (Simpson's paradox).

    Attributes:
        first: the one that is better overall.
        other: the one that is better in every slice.
        name: what the images are sliced by.
        parts: names of the slices.
        firsts: (correct, n) of the first in each slice.
        others: (correct, n) of the other in each slice.
    """

    first: str
    other: str
    name: str
    parts: tuple[str, ...]
    firsts: tuple[tuple[int, int], ...]
    others: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        whole = [(sum(right for right, _ in one), sum(n for _, n in one)) for one in (self.firsts, self.others)]
        head = (
            f"Simpson's paradox: {self.first} is ahead of {self.other} overall and behind it in every slice by "
            f"{self.name}, since the two were measured on different shares of these; trust the slices."
        )
        rows = [("all", whole[0], whole[1]), *zip(self.parts, self.firsts, self.others, strict=True)]
        wide = max(len(str(row[0])) for row in rows)
        lines = [
            f"  {part:<{wide}}  {self.first} {a[0] / a[1]:.3f} ({a[0]}/{a[1]})  "
            f"{self.other} {b[0] / b[1]:.3f} ({b[0]}/{b[1]})"
            for part, a, b in rows
        ]
        return "\n".join([head, *lines])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def simpson(
    first: Predictions,
    other: Predictions,
    *,
    by: tuple[np.ndarray | Sequence[Any], np.ndarray | Sequence[Any]],
    name: str,
) -> Reversal | None:
    """Whether the comparison of two classifiers that were measured on different images turns round in every slice.

    On the same images it cannot: the difference of the two accuracies is then the mean of the slices' differences,
    weighted by the slices' shares, and has their sign. On different images the shares differ, and it can
    (Simpson 1951, "The Interpretation of Interaction in Contingency Tables").

    Args:
        first: of one classifier.
        other: of another one, perhaps on other images.
        by: a number or a word for each image of the first, and for each of the other.
        name: what these are.

    Returns:
        The reversal, or None where there is none; only slices in which both have images are compared.

    Example:
        >>> def seen(name, *counts):  # (right, n) in slice a, in slice b
        ...     right = np.concatenate([np.arange(n) < r for r, n in counts])
        ...     keys = [str(number) for number in range(len(right))]
        ...     slices = np.repeat(["a", "b"], [n for _, n in counts])
        ...     return Predictions(name, keys, ("x", "y"), np.zeros(len(right), int), np.eye(2)[1 - right]), slices
        >>> (a, by_a), (b, by_b) = seen("open", (81, 87), (192, 263)), seen("closed", (234, 270), (55, 80))
        >>> found = simpson(a, b, by=(by_a, by_b), name="stone")  # kidney stones, Charig and others 1986
        >>> found.first, found.other, found.parts
        ('closed', 'open', ('a', 'b'))
    """
    pooled = np.concatenate([np.asarray(one) for one in by])
    known = [one.labels >= 0 for one in (first, other)]
    names, codes = parts_of(pooled)
    split = np.split(codes, [len(first)])
    tables = []
    for one, code, mask in zip((first, other), split, known, strict=True):
        right = np.bincount(code[one.correct & mask], minlength=len(names))
        tables.append((right, np.bincount(code[mask], minlength=len(names))))
    both = (tables[0][1] > 0) & (tables[1][1] > 0)
    if both.sum() < 2:
        return None
    (a, m), (b, n) = ((right[both], count[both]) for right, count in tables)
    overall = a.sum() / m.sum() - b.sum() / n.sum()
    inside = a / m - b / n
    if not overall or not (np.sign(inside) == -np.sign(overall)).all():
        return None
    kept = tuple(part for part, there in zip(names, both, strict=True) if there)
    cells = [tuple(zip(right.tolist(), count.tolist(), strict=True)) for right, count in ((a, m), (b, n))]
    if overall > 0:
        return Reversal(first.name, other.name, name, kept, cells[0], cells[1])
    return Reversal(other.name, first.name, name, kept, cells[1], cells[0])


def parts_of(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The slices of a column: thirds of numbers, words as they are.

    Args:
        values: (N,) numbers or words.

    Returns:
        Names, and for each image the index into them. Thirds that ties make empty are left out.

    Example:
        >>> parts_of(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        (['low (1 to 2)', 'middle (3 to 4)', 'high (5 to 6)'], array([0, 0, 1, 1, 2, 2]))
    """
    if values.dtype.kind in "fiu":
        bounds = np.unique(np.quantile(values, [1 / 3, 2 / 3], method="inverted_cdf"))
        codes = np.searchsorted(bounds, values, side="left")
        there = np.unique(codes)
        thirds = {3: THIRDS, 2: ("low", "high")}.get(len(there), ("all",))
        names = [
            f"{third} ({values[codes == code].min():.3g} to {values[codes == code].max():.3g})"
            for third, code in zip(thirds, there, strict=True)
        ]
        return names, np.searchsorted(there, codes)
    words, codes, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    if len(words) <= MOST:
        return words.tolist(), codes
    kept = np.sort(np.argsort(-counts, kind="stable")[: MOST - 1])
    place = np.full(len(words), len(kept))
    place[kept] = np.arange(len(kept))
    return [*words[kept].tolist(), OTHER], place[codes]


def fisher(first: int, first_n: int, other: int, other_n: int) -> float:
    """Fisher's exact test, two-sided: how often two shares differ at least so much by chance.

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
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])

    def choose(n: int, k: np.ndarray) -> np.ndarray:
        return factorials[n] - factorials[k] - factorials[n - k]

    k = np.arange(lowest, highest + 1)
    logs = choose(first_n, k) + choose(other_n, right - k) - choose(total, np.array([right]))
    mine = logs[first - lowest]
    return float(min(1.0, np.exp(logs[logs <= mine + 1e-9 * max(1.0, abs(mine))]).sum()))


def _every(predictions: Predictions | Holder | Iterable[Holder]) -> list[Predictions]:
    if isinstance(predictions, Predictions):
        return [predictions]
    if isinstance(predictions, Iterable):
        return [one.predictions for one in predictions]
    return [predictions.predictions]
