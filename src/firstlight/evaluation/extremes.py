"""`extremes()`: the images to look at first: the most confidently wrong, the most uncertain, the most typical."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions


def extremes(predictions: Predictions, *, most: str, count: int) -> np.ndarray:
    """The rows of the images that reveal most about a classifier.

    Args:
        predictions: of N images.
        most: ``"wrong"``: mistakes, the highest probability of the predicted class first. ``"uncertain"``: the
            smallest margin between the two highest probabilities first. ``"typical"``: right, the highest
            probability first, taking the true classes in turn.
        count: how many rows at most.

    Returns:
        (M,) row numbers, M <= count. Among equal probabilities the larger difference of scores comes first; among
        equal ones the earlier row.

    Raises:
        ArgumentError: where ``most`` is none of the three, ``count`` is below 1, or the true classes are not known
            and would be needed.

    Example:
        >>> scores = np.log([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
        >>> seen = Predictions("ink", ["a.png", "b.png", "c.png"], ("3", "7"), np.array([1, 0, 0]), scores)
        >>> extremes(seen, most="wrong", count=8)
        array([0, 2])
        >>> extremes(seen, most="uncertain", count=1)
        array([1])
    """
    if most not in _CHOOSERS:
        raise ArgumentError(f"most={most!r} is not known; choose from {', '.join(_CHOOSERS)}.")
    if count < 1:
        raise ArgumentError(f"count={count} is too small; pass at least 1.")
    if most != "uncertain" and len(predictions) and (predictions.labels < 0).all():
        raise ArgumentError(
            f"No image has a known class, so none is known to be {most}; pass images sorted by class, or "
            "most='uncertain'."
        )
    return _CHOOSERS[most](predictions)[:count]


def _wrong(seen: Predictions) -> np.ndarray:
    return _surest_first(seen, np.flatnonzero((seen.labels >= 0) & ~seen.correct))


def _uncertain(seen: Predictions) -> np.ndarray:
    return np.lexsort((_margins(seen.scores), _margins(seen.probabilities)))


def _typical(seen: Predictions) -> np.ndarray:
    rows = _surest_first(seen, np.flatnonzero(seen.correct))
    labels = seen.labels[rows]
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(seen.classes))
    place = np.empty(len(rows), np.int64)  # the number of a row within its class
    place[by_class] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows[np.lexsort((labels, place))]


def _surest_first(seen: Predictions, rows: np.ndarray) -> np.ndarray:
    """The rows by the probability of the predicted class, the highest first."""
    return rows[np.lexsort((-_margins(seen.scores[rows]), -seen.probabilities[rows].max(axis=1)))]


def _margins(values: np.ndarray) -> np.ndarray:
    """(N,): the highest of each row of (N, K) minus the second.

    Scores distinguish images whose probabilities are all 1 in float64: the temperature of a classifier that was never
    wrong is so low.
    """
    if values.shape[1] == 1:
        return np.zeros(len(values))
    highest = np.partition(values, -2, axis=1)[:, -2:]  # (N, 2), the second first
    return highest[:, 1] - highest[:, 0]


_CHOOSERS: dict[str, Callable[[Predictions], np.ndarray]] = {
    "wrong": _wrong,
    "uncertain": _uncertain,
    "typical": _typical,
}
