"""`parts_of()`: divides a column of numbers or words into a few named slices."""

from __future__ import annotations

import numpy as np

from firstlight.errors import ArgumentError

THIRDS = ("low", "middle", "high")
MOST = 12  # slices by words; the rarest beyond are one slice
OTHER = "all others"
UNKNOWN = "not given"  # the slice of images without a number


def parts_of(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Divides a column into slices: numbers into thirds, words as they are.

    Args:
        values: (N,) numbers, NaN where there is none, or words.

    Returns:
        The names of the slices, and for each image the index of its slice; no slice is empty.

    Raises:
        ArgumentError: where there are more words than slices, and none of them occurs twice.

    Example:
        >>> parts_of(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        (['low (1 to 2)', 'middle (3 to 4)', 'high (5 to 6)'], array([0, 0, 1, 1, 2, 2]))
    """
    if values.dtype.kind in "fiu":
        return _thirds(values)
    words, codes, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    if len(words) <= MOST:
        return words.tolist(), codes
    if counts.max() == 1:
        raise ArgumentError(
            f"Each of the {len(words):,} values, such as {words[0]}, occurs once; pass a column with shared values."
        )
    common = np.sort(np.argsort(-counts, kind="stable")[: MOST - 1])
    place = np.full(len(words), len(common))
    place[common] = np.arange(len(common))
    return [*words[common].tolist(), OTHER], place[codes]


def _thirds(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Cuts where the share of lower values is nearest to a third and to two thirds; equal values stay together."""
    given = np.isfinite(values)
    levels, counts = np.unique(values[given], return_counts=True)
    lower = np.cumsum(counts)[:-1] / max(int(given.sum()), 1)  # the share up to each level but the last
    cuts = sorted({int(np.abs(lower - share).argmin()) for share in (1 / 3, 2 / 3)}) if len(lower) else []
    ends = [-1, *cuts, len(levels) - 1]  # places in levels; a slice reaches from above one to the next
    thirds = {3: THIRDS, 2: (THIRDS[0], THIRDS[2]), 1: ("all",)}[len(ends) - 1] if len(levels) else ()
    names = [_span(third, levels[ends[at] + 1], levels[ends[at + 1]]) for at, third in enumerate(thirds)]
    codes = np.searchsorted(levels[cuts], np.where(given, values, 0), side="left")
    if given.all():
        return names, codes
    return [*names, UNKNOWN], np.where(given, codes, len(names))


def _span(third: str, low: float, high: float) -> str:
    """``low (3 to 7)``; whole numbers in full, others with three digits."""
    form = ",.0f" if low == int(low) and high == int(high) else ".3g"
    return f"{third} ({low:{form}})" if low == high else f"{third} ({low:{form}} to {high:{form}})"
