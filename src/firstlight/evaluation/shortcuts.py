"""`shortcut()`: how well one number of an image, such as its brightness, separates two groups on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlight.evaluation.uncertainty import wilson


@dataclass(frozen=True)
class Shortcut:
    """The accuracy of a threshold on one number, on images that it was not chosen on.

    Attributes:
        balanced_accuracy: mean of the two groups' recalls.
        interval: the means of the lower and of the upper ends of both recalls' Wilson intervals.
        n: images that it was measured on.
        threshold: between the two groups.
        above: whether the group is above the threshold.
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
        inside: (N,) bool, whether the image is in the group.
        generator: chooses the halves.

    Returns:
        Its accuracy; None where a half lacks one of the two groups.

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
    # The share of the group, and of the others, up to each place.
    mine, others = np.cumsum(group) / group.sum(), np.cumsum(~group) / (~group).sum()
    ends = np.flatnonzero(np.append(ranked[1:] > ranked[:-1], False))  # a threshold is between different values
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
