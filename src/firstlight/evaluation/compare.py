"""`compare()`: paired comparisons of classifiers on the same images: of two, or of a whole ladder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import to_numpy
from firstlight.errors import ArgumentError, require
from firstlight.evaluation.predictions import Predictions
from firstlight.evaluation.uncertainty import holm, mcnemar, paired_bootstrap
from firstlight.tabular import Column, text_table
from firstlight.wording import p_number, p_value

if TYPE_CHECKING:
    import pandas

ALPHA = 0.05  # a difference with a p-value below this counts as shown
NOTHING = "no difference shown"


class Holder(Protocol):
    """Anything that holds predictions, such as a rung of a run."""

    @property
    def predictions(self) -> Predictions: ...


@dataclass(frozen=True)
class Comparison:
    """One classifier compared with another on the same images.

    Attributes:
        name: the classifier.
        against: the one that it is compared with.
        n: the number of images.
        difference: accuracy of ``name`` minus accuracy of ``against``.
        interval: 95 % paired bootstrap interval of the difference.
        only_this: images that are right by ``name`` only.
        only_other: images that are right by ``against`` only.
        p: exact two-sided McNemar; among several comparisons corrected by Holm's method.
        verdict: ``"better"``, ``"worse"`` or ``"no difference shown"``.
    """

    name: str
    against: str
    n: int
    difference: float
    interval: tuple[float, float]
    only_this: int
    only_other: int
    p: float

    @property
    def verdict(self) -> str:
        if self.p >= ALPHA:
            return NOTHING
        return "better" if self.difference > 0 else "worse"

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.name} against {self.against}: {self.difference:+.3f} [{low:+.3f}, {high:+.3f}]  "
            f"{self.only_this} : {self.only_other}  {p_value(self.p)}  {self.verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"interval": list(self.interval), "verdict": self.verdict}

    def frame(self) -> pandas.DataFrame:
        """One row."""
        return Comparisons(self.against, (self,)).frame()


@dataclass(frozen=True)
class Comparisons:
    """Several classifiers compared with one, p-values corrected for their number by Holm's method.

    Attributes:
        against: the one that the others are compared with.
        rows: one comparison each.
    """

    against: str
    rows: tuple[Comparison, ...]

    def __str__(self) -> str:
        return "\n".join([*self.legend, "", *self.table()])

    @property
    def legend(self) -> tuple[str, str]:
        """What is compared and how, in two sentences."""
        on = f" on the same {self.rows[0].n:,} images" if self.rows else ""
        return (
            f"Compared with {self.against}{on}; p by McNemar's exact test, corrected by Holm's method.",
            f"a : b = images right by this rung only : right by {self.against} only.",
        )

    def table(self, most: int | None = None) -> list[str]:
        """The rows as lines of at most so many characters; where they are fewer, the counts are dropped first."""
        columns = [Column("rung"), Column("gain"), Column("95 % interval"), Column("a : b", rank=2), Column("p")]
        cells = [
            (
                *(row.name, f"{row.difference:+.3f}", f"[{row.interval[0]:+.3f}, {row.interval[1]:+.3f}]"),
                *(f"{row.only_this} : {row.only_other}", p_number(row.p), row.verdict),
            )
            for row in self.rows
        ]
        return text_table([*columns, Column("verdict", rank=1)], cells, most)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"against": self.against, "rows": [row.to_dict() for row in self.rows]}

    def frame(self) -> pandas.DataFrame:
        """One row a comparison; ``low`` and ``high`` are the ends of the interval."""
        with require("pandas", purpose="Data frames"):
            import pandas
        rows = [row.to_dict() | {"low": row.interval[0], "high": row.interval[1]} for row in self.rows]
        columns = ["name", "against", "n", "difference", "low", "high", "only_this", "only_other", "p", "verdict"]
        return pandas.DataFrame(rows, columns=columns)


def compare(
    predictions: Predictions | Holder | Iterable[Holder],
    *,
    against: Predictions | Holder | Iterable[Holder] | str,
    seed: int = 0,
) -> Comparison | Comparisons:
    """Compares classifiers on the same images: the difference, its interval, and whether it is significant.

    Args:
        predictions: of one classifier; or a run, whose rungs are each compared with the one named.
        against: the predictions to compare with. For a run the name of one of its rungs, where ``"centroid"`` is the
            most accurate centroid rung, of equal ones the simplest; or another run of the same images, whose rungs
            are compared by name.
        seed: of the bootstrap.

    Returns:
        A `Comparison`; for a run `Comparisons`, with p-values corrected for their number.

    Raises:
        ArgumentError: where the images or classes are not the same, or there is no such rung.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "ink", "centroid"])
        >>> against_ink = fl.compare(run["centroid-l2"], against=run["ink"])
        >>> against_ink.verdict
        'better'
        >>> [row.name for row in fl.compare(run, against="centroid-l1").rows]
        ['prior', 'ink', 'centroid-l2', 'centroid-cosine']
    """
    if isinstance(against, str):
        if isinstance(predictions, Predictions) or not isinstance(predictions, Iterable):
            raise ArgumentError(
                f"{against!r} is the name of a rung of a run; pass a run to compare, or predictions as against."
            )
        every = [_of(rung) for rung in predictions]
        other = _named(every, against)
        rows = [pair(one, other, seed) for one in every if one is not other]
        return Comparisons(other.name, among(rows))
    if isinstance(predictions, Iterable) and isinstance(against, Iterable):
        others = {one.name: one for one in map(_of, against)}
        both = [(one, others[one.name]) for one in map(_of, predictions) if one.name in others]
        if not both:
            raise ArgumentError(f"The two runs have no rung in common; the second has {', '.join(others) or 'none'}.")
        return Comparisons("the other run", among([pair(one, other, seed) for one, other in both]))
    if isinstance(predictions, Iterable) or isinstance(against, Iterable):
        raise ArgumentError(
            "A whole run can be compared with one of its rungs or with another run; pass a name: against='centroid-l1'."
        )
    return pair(_of(predictions), _of(against), seed)


def compare_ladder(rungs: Sequence[Predictions], trained: Iterable[str], *, seed: int = 0) -> tuple[Comparison, ...]:
    """Compares each rung with the one before, and each trained rung with the best untrained one.

    Args:
        rungs: predictions of each rung on the same images, simplest first.
        trained: the names of the rungs that were trained by SGD.
        seed: of the bootstrap.

    Returns:
        The comparisons, with p-values corrected for their number by Holm's method.

    Raises:
        ArgumentError: where the images differ.
    """
    names = set(trained)
    pairs = {(one.name, before.name): (one, before) for before, one in pairwise(rungs)}
    closed_form = [one for one in rungs if one.name not in names]
    if closed_form:
        best = max(closed_form, key=lambda one: int(one.correct.sum()))
        pairs |= {(one.name, best.name): (one, best) for one in rungs if one.name in names}
    return among([pair(one, other, seed) for one, other in pairs.values()])


def pair(first: Predictions, other: Predictions, seed: int) -> Comparison:
    """One comparison, with its p-value not corrected."""
    only_this, only_other, n = _counts(first, other)
    interval = paired_bootstrap(only_other, only_this, n, generator=np.random.default_rng(seed))
    difference, p = (only_this - only_other) / n, mcnemar(only_this, only_other)
    return Comparison(first.name, other.name, n, difference, interval, only_this, only_other, p)


def _counts(first: Predictions, other: Predictions) -> tuple[int, int, int]:
    """How many labelled images only the first gets right, only the other, and how many there are."""
    other = _aligned(other, first)
    known = first.labels >= 0
    if not known.any():
        raise ArgumentError(
            f"{first.name} has {len(first)} images, none with a known class; pass images sorted by class."
        )
    only_this = np.count_nonzero(first.correct & ~other.correct & known)
    only_other = np.count_nonzero(~first.correct & other.correct & known)
    return int(only_this), int(only_other), int(np.count_nonzero(known))


def _aligned(other: Predictions, first: Predictions) -> Predictions:
    """The other predictions in the order of the first."""
    both = f"{first.name} and {other.name}"
    if other.classes != first.classes:
        raise ArgumentError(
            f"{both} were not measured on the same images with the same classes in the same order; "
            "fit both on one table."
        )
    if len(other) == len(first) and not other.keys.equals(first.keys):
        rows = pc.index_in(first.keys, other.keys.combine_chunks())
        if not rows.null_count:
            places = to_numpy(rows)
            if np.bincount(places).max() > 1:
                raise ArgumentError(
                    f"{both} cannot be matched, since a key occurs twice; give each image a key of its own."
                )
            other = other.select(places)
    if not (other.keys.equals(first.keys) and np.array_equal(other.labels, first.labels)):
        raise ArgumentError(
            f"{both} were not measured on the same images with the same labels; predict both on one split of one table."
        )
    return other


def shown(pairs: Sequence[tuple[Predictions, Predictions]]) -> list[bool]:
    """Whether the first of each pair is shown to be better, as `among` decides; without the bootstrap."""
    counts = [_counts(first, other) for first, other in pairs]
    adjusted = holm([mcnemar(only_this, only_other) for only_this, only_other, _ in counts])
    return [bool(p < ALPHA) and this > other for p, (this, other, _) in zip(adjusted, counts, strict=True)]


def among(rows: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons, with p-values corrected for their number by Holm's method."""
    adjusted = holm([row.p for row in rows])
    return tuple(replace(row, p=float(p)) for row, p in zip(rows, adjusted, strict=True))


def _of(one: Predictions | Holder | Any) -> Predictions:
    return one if isinstance(one, Predictions) else one.predictions


def _named(every: Sequence[Predictions], name: str) -> Predictions:
    exact = [one for one in every if one.name == name]
    found = exact or [one for one in every if one.name.startswith(f"{name}-")]
    if not found:
        raise ArgumentError(f"There is no rung {name!r}; choose from {', '.join(one.name for one in every)}.")
    return max(found, key=lambda one: int(one.correct.sum()))
