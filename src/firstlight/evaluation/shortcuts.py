"""`shortcut()`: how well one number of an image, such as its brightness, tells two groups apart all by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlight.evaluation.uncertainty import wilson


@dataclass(frozen=True)
class Shortcut:
    """What a threshold on one number reaches, on images that it was not chosen on.

    Attributes:
        balanced_accuracy: mean of the two groups' recalls.
        interval: from the lower ends of both recalls' Wilson intervals to the upper ones.
        n: images that it was measured on.
        threshold: the group lies above it, or below.
        above: whether the group lies above.
    """

    balanced_accuracy: float
    interval: tuple[float, float]
    n: int
    threshold: float
    above: bool


def shortcut(values: np.ndarray, inside: np.ndarray, *, generator: np.random.Generator) -> Shortcut | None:
    """The best threshold on half of the images, measured on the other half.

    Args:
        values: (N,) a number for each image.
        inside: (N,) bool, the group.
        generator: that halves the images.

    Returns:
        What it reaches; None where a half lacks one of the two groups.

    Example:
        >>> values, inside = np.arange(100.0), np.arange(100) >= 50
        >>> found = shortcut(values, inside, generator=np.random.default_rng(0))
        >>> found.above, found.balanced_accuracy > 0.9
        (True, True)
    """
    chosen = generator.permutation(len(values)) % 2 == 0
    if any(part.sum() in (0, len(part)) for part in (inside[chosen], inside[~chosen])):
        return None
    order = np.argsort(values[chosen], kind="stable")
    ranked, group = values[chosen][order], inside[chosen][order]
    # Below each place: the share of the group and of the others that lies there.
    mine, others = np.cumsum(group) / group.sum(), np.cumsum(~group) / (~group).sum()
    ends = np.flatnonzero(np.append(ranked[1:] > ranked[:-1], False))  # a threshold lies between different values
    if not len(ends):
        return None
    gain = others[ends] - mine[ends]  # of "above": recall of the group + recall of the others - 1
    best = ends[np.abs(gain).argmax()]
    above = bool(others[best] > mine[best])
    threshold = float((ranked[best] + ranked[best + 1]) / 2)
    said = (values[~chosen] > threshold) == above
    truth = inside[~chosen]
    right = np.array([(said & truth).sum(), (~said & ~truth).sum()])
    of = np.array([truth.sum(), (~truth).sum()])
    low, high = wilson(right, of)
    balanced = float((right / of).mean())
    return Shortcut(balanced, (float(low.mean()), float(high.mean())), int(of.sum()), threshold, above)
