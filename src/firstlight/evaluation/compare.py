"""`compare()`: paired comparisons of classifiers on the same images: of two, or of a whole ladder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import to_numpy
from firstlight.errors import ArgumentError
from firstlight.evaluation.comparison import ALPHA, Comparison, Comparisons
from firstlight.evaluation.paired import paired_interval
from firstlight.evaluation.predictions import Holder, Predictions, predictions_of
from firstlight.evaluation.uncertainty import holm_factors, mcnemar
from firstlight.wording import plural


class Counts(NamedTuple):
    """What a comparison is computed from.

    Attributes:
        name: a classifier.
        against: the one that it is compared with.
        n: the number of images.
        only_this: images that are right by ``name`` only.
        only_other: images that are right by ``against`` only.
    """

    name: str
    against: str
    n: int
    only_this: int
    only_other: int


def compare(
    predictions: Predictions | Holder | Iterable[Holder],
    *,
    against: Predictions | Holder | Iterable[Holder] | str | None = None,
) -> Comparison | Comparisons:
    """Compares classifiers on the same images: the difference, its interval, and whether it is significant.

    Args:
        predictions: of one classifier; or a run, whose rungs are each compared with the one named.
        against: the predictions to compare with. For a run the name of one of its rungs, where ``"centroid"`` is the
            most accurate centroid rung, of equal ones the simplest; or another run of the same images, whose rungs
            are compared by name. By default the rungs of a run are compared with its most accurate centroid, or with
            its simplest rung where it has none.

    Returns:
        A `Comparison`, of two classifiers alone not corrected. For a run `Comparisons`, corrected for all pairs of
        its rungs, so that a pair has the same figures whatever it is compared with, in the report and in the advice;
        for two runs corrected for the rungs that both have.

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
    if against is None:
        names = [one.name for one in map(predictions_of, predictions)] if isinstance(predictions, Iterable) else []
        if not names:
            raise ArgumentError("There is nothing to compare with; pass predictions, or a rung of a run, as against.")
        against = "centroid" if any(name.startswith("centroid") for name in names) else names[0]
    if isinstance(against, str):
        if isinstance(predictions, Predictions) or not isinstance(predictions, Iterable):
            raise ArgumentError(
                f"{against!r} is the name of a rung of a run; pass a run to compare, or predictions as against."
            )
        every = [predictions_of(rung) for rung in predictions]
        return with_one(compare_all(every), _named(every, against).name)
    if isinstance(predictions, Iterable) and isinstance(against, Iterable):
        others = {one.name: one for one in map(predictions_of, against)}
        both = [(one, others[one.name]) for one in map(predictions_of, predictions) if one.name in others]
        if not both:
            raise ArgumentError(f"The two runs have no rung in common; the second has {', '.join(others) or 'none'}.")
        return Comparisons("the other run", corrected([_counts(one, other) for one, other in both]))
    if isinstance(predictions, Iterable) or isinstance(against, Iterable):
        raise ArgumentError(
            "A whole run can be compared with one of its rungs or with another run; pass a name: against='centroid-l1'."
        )
    (one,) = corrected([_counts(predictions_of(predictions), predictions_of(against))])
    return one


def compare_all(rungs: Sequence[Predictions]) -> tuple[Comparison, ...]:
    """Compares every rung with every simpler one: the one family of comparisons of a run.

    Args:
        rungs: predictions of each rung on the same images, simplest first.

    Returns:
        One comparison for each pair, the later rung with the earlier one, corrected for all pairs by Holm's method.

    Raises:
        ArgumentError: where the images differ, or no image has a known class.

    Example:
        >>> import firstlight as fl
        >>> rungs = [rung.predictions for rung in fl.climb(digits, rungs=["prior", "ink", "centroid-l2"])]
        >>> [(one.name, one.against) for one in compare_all(rungs)]
        [('ink', 'prior'), ('centroid-l2', 'prior'), ('centroid-l2', 'ink')]
    """
    return corrected([_counts(one, other) for place, one in enumerate(rungs) for other in rungs[:place]])


def corrected(counts: Sequence[Counts]) -> tuple[Comparison, ...]:
    """Tests each pair by McNemar's exact test, with p and interval corrected for their number by Holm's method.

    A p-value that Holm's method multiplies by k is compared with 0.05 / k; its interval has the level 1 - 0.05 / k,
    and excludes 0 exactly where the corrected p is below 0.05.
    """
    tests = [mcnemar(one.only_this, one.only_other) for one in counts]
    factors = holm_factors(tests).tolist()
    return tuple(
        Comparison(
            name=one.name,
            against=one.against,
            n=one.n,
            difference=(one.only_this - one.only_other) / one.n,
            interval=paired_interval(one.only_this, one.only_other, one.n, alpha=ALPHA / factor),
            only_this=one.only_this,
            only_other=one.only_other,
            p=min(p * factor, 1.0),
            level=1 - ALPHA / factor,
            pairs=len(counts),
        )
        for one, p, factor in zip(counts, tests, factors, strict=True)
    )


def with_one(comparisons: Iterable[Comparison], name: str) -> Comparisons:
    """Of all pairs those with one rung, each of the others compared with it."""
    rows = [one if one.against == name else one.mirrored for one in comparisons if name in (one.name, one.against)]
    return Comparisons(name, tuple(rows))


def _counts(first: Predictions, other: Predictions) -> Counts:
    """Of the labelled images, how many only the first gets right, and how many only the other."""
    other = _aligned(other, first)
    known = first.labels >= 0
    if not known.any():
        raise ArgumentError(
            f"{first.name} has {plural(len(first), 'image')}, none with a known class; pass images sorted by class."
        )
    only_this = np.count_nonzero(first.correct & ~other.correct & known)
    only_other = np.count_nonzero(~first.correct & other.correct & known)
    return Counts(first.name, other.name, int(np.count_nonzero(known)), int(only_this), int(only_other))


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


def _named(every: Sequence[Predictions], name: str) -> Predictions:
    exact = [one for one in every if one.name == name]
    found = exact or [one for one in every if one.name.startswith(f"{name}-")]
    if not found:
        raise ArgumentError(f"There is no rung {name!r}; choose from {', '.join(one.name for one in every)}.")
    return max(found, key=lambda one: int(one.correct.sum()))
