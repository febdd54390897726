"""`simpson()`: two classifiers slice by slice, and whether every slice contradicts the overall comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.characters import visible
from firstlight.errors import ArgumentError
from firstlight.evaluation.comparison import ALPHA
from firstlight.evaluation.parts import parts_of
from firstlight.evaluation.predictions import Predictions
from firstlight.notebook import Shown, View, data_frame
from firstlight.tabular import Column, text_table
from firstlight.wording import p_value

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Stratified(Shown):
    """Two classifiers, measured on different images, slice by slice.

    Attributes:
        first: a name.
        other: a name.
        name: what the images are sliced by.
        parts: names of the slices in which both have labelled images.
        firsts: (correct, n) of the first in each slice.
        others: (correct, n) of the other in each slice.
        left_out: labelled images in slices where only one of the two has any; they are not compared.
        p: Mantel and Haenszel's test of the difference inside the slices, two-sided.

    Example:
        >>> both = ((81, 87), (192, 263)), ((234, 270), (55, 80))  # (right, n) of small stones, of large ones
        >>> stones = Stratified("open", "closed", "stone", ("small", "large"), *both, left_out=0, p=0.06)
        >>> stones.reversed  # kidney stones, Charig and others 1986
        True
    """

    first: str
    other: str
    name: str
    parts: tuple[str, ...]
    firsts: tuple[tuple[int, int], ...]
    others: tuple[tuple[int, int], ...]
    left_out: int
    p: float

    @property
    def reversed(self) -> bool:
        """Whether one is ahead overall and behind in every slice: Simpson's paradox."""
        if len(self.parts) < 2:
            return False
        overall, inside = self._ahead(), [np.sign(a * n - b * m) for (a, m), (b, n) in self._pairs()]
        return bool(overall) and all(sign == -overall for sign in inside)

    @property
    def warning(self) -> str:
        """What the reversal means, in one or two sentences; empty where there is none."""
        if not self.reversed:
            return ""
        ahead, behind = (self.first, self.other) if self._ahead() > 0 else (self.other, self.first)
        meaning = (
            f"{behind} is the better one ({p_value(self.p)})"
            if self.p < ALPHA
            else f"no difference between them is shown ({p_value(self.p)})"
        )
        return (
            f"Simpson's paradox: {ahead} is ahead overall and behind {behind} in every slice by {self.name}, because "
            f"the two were measured on different shares of these slices. Trust the slices: inside them {meaning}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"reversed": self.reversed, "warning": self.warning}

    def __repr__(self) -> str:
        return visible(f"<Stratified: {self.first} and {self.other} by {self.name}>")

    def _rows(self) -> list[tuple[object, ...]]:
        pairs = zip(self.parts, self._pairs(), strict=True)
        return [(part, *a, *b, a[0] / a[1] - b[0] / b[1]) for part, (a, b) in pairs]

    def _view(self) -> View:
        remarks = [self.warning] if self.reversed else []
        return View(repr(self), self._columns, self._rows(), len(self.parts), remarks)

    @property
    def _columns(self) -> tuple[str, ...]:
        names = (f"{what} of {name}" for name in (self.first, self.other) for what in ("correct", "n"))
        return (self.name, *names, "difference")

    def frame(self) -> pandas.DataFrame:
        """One row a slice: correct and n of both, and the difference of the accuracies."""
        return data_frame(self._rows(), columns=self._columns)

    def __str__(self) -> str:
        head = f"{self.first} compared with {self.other} by {self.name}, each on its own images"
        if not self.parts:
            return f"{head}: no slice has images of both"
        rows = [("all slices", self._whole(self.firsts), self._whole(self.others))]
        rows += list(zip(self.parts, self.firsts, self.others, strict=True))
        cells = [(part, _share(*a), _share(*b), f"{a[0] / a[1] - b[0] / b[1]:+.3f}") for part, a, b in rows]
        heads = [Column(name) for name in ("", self.first, self.other, "difference")]
        lines = [f"  {line}" for line in text_table(heads, cells)]
        lines.append(f"  inside the slices: {p_value(self.p)} by Mantel and Haenszel's test")
        if self.left_out:
            lines.append(f"  not compared: {self.left_out:,} images in slices where only one of the two has any")
        return "\n".join([head, *lines, *(["", self.warning] if self.reversed else [])])

    def _pairs(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        return list(zip(self.firsts, self.others, strict=True))

    def _whole(self, one: tuple[tuple[int, int], ...]) -> tuple[int, int]:
        return sum(correct for correct, _ in one), sum(n for _, n in one)

    def _ahead(self) -> int:
        """1 where the first is more accurate overall, -1 where the other is, 0 where they are equal."""
        (a, m), (b, n) = self._whole(self.firsts), self._whole(self.others)
        return int(np.sign(a * n - b * m))


def simpson(
    first: Predictions,
    other: Predictions,
    *,
    by: tuple[np.ndarray | Sequence[Any], np.ndarray | Sequence[Any]],
    name: str,
) -> Stratified:
    """Compares two classifiers that were measured on different images, slice by slice.

    Their overall accuracies can contradict every slice, where one of them was mostly measured on easy images (Simpson
    1951, "The Interpretation of Interaction in Contingency Tables"). On the *same* images this cannot happen: the
    overall difference is then the mean of the slices' differences, weighted by the slices' shares, and has their
    sign. So it never happens to two rungs of one run, but it can to two runs, and to two groups of images.

    Args:
        first: predictions of one classifier.
        other: of another one, possibly on other images and of other classes.
        by: a number or a word for each image of the first, and for each of the other; thirds are of both together.
        name: what these are.

    Returns:
        Both in every slice where both have images; `reversed` and `warning` report the paradox.

    Raises:
        ArgumentError: where the lengths differ.

    Example:
        >>> def seen(name, *counts):  # (right, n) of small stones, of large ones
        ...     right = np.concatenate([np.arange(n) < r for r, n in counts])
        ...     keys = [str(number) for number in range(len(right))]
        ...     stones = np.repeat(["small", "large"], [n for _, n in counts])
        ...     return Predictions(name, keys, ("x", "y"), np.zeros(len(right), int), np.eye(2)[1 - right]), stones
        >>> (a, by_a), (b, by_b) = seen("open", (81, 87), (192, 263)), seen("closed", (234, 270), (55, 80))
        >>> found = simpson(a, b, by=(by_a, by_b), name="stone")  # kidney stones, Charig and others 1986
        >>> found.reversed
        True
        >>> print(found.warning[:82])
        Simpson's paradox: closed is ahead overall and behind open in every slice by stone
    """
    columns = [np.asarray(one) for one in by]
    for seen, column in zip((first, other), columns, strict=True):
        if column.shape != (len(seen),):
            raise ArgumentError(f"{name} has values {column.shape} for {len(seen):,} images; pass one value per image.")
    known = np.concatenate([first.labels, other.labels]) >= 0
    right = np.concatenate([first.correct, other.correct])[known]
    mine = (np.arange(len(known)) < len(first))[known]
    names, codes = parts_of(np.concatenate(columns)[known])
    counts = [
        (np.bincount(codes[chosen & right], minlength=len(names)), np.bincount(codes[chosen], minlength=len(names)))
        for chosen in (mine, ~mine)
    ]
    both = (counts[0][1] > 0) & (counts[1][1] > 0)
    (a, m), (b, n) = ((correct[both], count[both]) for correct, count in counts)
    cells = [tuple(zip(correct.tolist(), count.tolist(), strict=True)) for correct, count in ((a, m), (b, n))]
    shared = tuple(part for part, there in zip(names, both, strict=True) if there)
    left_out = int(sum(count[~both].sum() for _, count in counts))
    p = mantel_haenszel(a, m, b, n)
    return Stratified(first.name, other.name, name, shared, cells[0], cells[1], left_out, p)


def _share(correct: int, n: int) -> str:
    return f"{correct / n:.3f} ({correct:,}/{n:,})"


def mantel_haenszel(first: np.ndarray, first_n: np.ndarray, other: np.ndarray, other_n: np.ndarray) -> float:
    """Are two shares equal in every slice? Mantel and Haenszel's test, two-sided, with continuity correction.

    Given its margins, the first's successes in a slice are hypergeometric; their sum over the slices is compared with
    the normal distribution. Mantel and Haenszel 1959, "Statistical aspects of the analysis of data from
    retrospective studies of disease".

    Args:
        first: (S,) successes of the first in each slice.
        first_n: (S,) its trials.
        other: (S,) successes of the other.
        other_n: (S,) its trials.

    Returns:
        p in [0, 1]; 1 where nothing could differ.

    Example:
        >>> stones = np.array([[81, 192], [87, 263], [234, 55], [270, 80]])  # Charig and others 1986
        >>> round(mantel_haenszel(*stones), 3)
        0.148
    """
    total, right = np.float64(first_n) + other_n, np.float64(first) + other
    expected = first_n * right / total
    variance = first_n * (other_n / total) * (right / total) * (total - right) / np.maximum(total - 1, 1)
    if not variance.sum() > 0:
        return 1.0
    distance = max(0.0, abs(float((first - expected).sum())) - 0.5)
    return math.erfc(distance / math.sqrt(2 * float(variance.sum())))
