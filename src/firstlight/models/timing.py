"""`seconds_per_image()`: how long a fitted model takes for an image, as the median of several passes."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from firstlight.models.classifier import Model

FEWEST_PASSES, MOST_PASSES = 3, 5
ENOUGH = 0.005  # seconds that all passes together should take: a climb of five untrained rungs takes 50 to 100 ms
FEWEST, MOST = 8, 256  # images of a pass


def seconds_per_image(model: Model, images: np.ndarray, *, roughly: float) -> float:
    """The seconds that a model takes for one image of a batch.

    One pass over all images is no measure: the first pass of a process also loads libraries and starts threads, which
    made one distance look 70 times slower than another. So a part of the images is scored several times.

    Args:
        model: to be timed.
        images: (N, H, W, C) uint8, N at least 1.
        roughly: seconds per image of a first pass, by which the part is chosen.

    Returns:
        The median over 3 to 5 passes of at most 256 images.
    """
    part = images[: int(np.clip(ENOUGH / max(roughly, 1e-9), FEWEST, MOST))]
    passes: list[float] = []
    while len(passes) < FEWEST_PASSES or (len(passes) < MOST_PASSES and sum(passes) < ENOUGH):
        started = time.perf_counter()
        model.scores(part)
        passes.append(time.perf_counter() - started)
    return median(passes) / len(part)
