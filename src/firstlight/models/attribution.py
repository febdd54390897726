"""`Attribution`: how much each pixel of an image adds to the score of one class over that of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Attribution:
    """Why a model scores one class above another, for n images.

    Attributes:
        maps: (n, H, W) float64, positive where a pixel supports the first class of the pair.
        methods: (n,) how each map was computed, without a full stop.
        exact: (n,) bool, whether map and baseline sum to the difference of the scores, up to rounding.
        baseline: (n,) float64, the part of the difference that no pixel adds: a bias.
        occlusion: (n, H, W) float64, by how much the difference falls when the pixel is hidden; or None.
        distances: (n, K) float64, NaN for a class without training images; or None.
        scores: (n, K) float64, the scores with more digits than `Model.scores` returns; or None.
    """

    maps: np.ndarray
    methods: Sequence[str]
    exact: np.ndarray
    baseline: np.ndarray
    occlusion: np.ndarray | None = None
    distances: np.ndarray | None = None
    scores: np.ndarray | None = None
