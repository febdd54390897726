"""`plane()`: embeddings on a plane, to look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from firstlight.models.pretrained.heads import unit


class Plane(NamedTuple):
    """Embeddings as points of a plane.

    Attributes:
        points: (N, 2) float32, the longer side of their box from 0 to 1.
        share: of the variance that the plane keeps, in [0, 1].
    """

    points: np.ndarray
    share: float


def plane(embeddings: np.ndarray) -> Plane:
    """The first two principal components of the embeddings' directions (Pearson 1901), each with a fixed sign.

    Args:
        embeddings: (N, D), N at least 1.

    Example:
        >>> found = plane(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.8, 0.6, 0.0]]))
        >>> found.points.shape, round(found.share, 2)
        ((3, 2), 1.0)
    """
    centred = unit(embeddings) - unit(embeddings).mean(axis=0)
    left, spread, right = np.linalg.svd(centred, full_matrices=False)
    signs = np.where(right[:2].sum(axis=1) < 0, -1.0, 1.0)
    points = np.zeros((len(embeddings), 2))
    points[:, : len(signs)] = left[:, :2] * spread[:2] * signs
    points -= points.min(axis=0)
    largest = points.max(initial=0.0)
    whole = float((spread**2).sum())
    share = float((spread[:2] ** 2).sum()) / whole if whole else 1.0
    return Plane((points / (largest or 1.0)).astype(np.float32), share)
