"""`kind_of()`: whether images are photos in color, drawings, or gray, from their pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np

Kind = Literal["photo", "drawing", "gray"]

IMAGES = 500  # at most, evenly spaced
COLOR = 0.01  # mean difference of a pixel's channels in [0, 1]; gray images saved as JPEG in RGB stay below
# Otsu's separability, the share of the variance between dark and bright pixels, and the share of neighbours
# that are equal. Medians: cifar10 0.75 and 0.04, ants_bees 0.72 and 0.02, sign_digits (photos of hands) 0.66 and 0.05;
# mnist_sample 0.93 and 0.80 (docs/log.md).
TWO_TONES = 0.87
FLAT = 0.5


def kind_of(images: np.ndarray) -> Kind:
    """The kind of most of the images.

    Args:
        images: (N, H, W, C) uint8, N at least 1.

    Returns:
        ``"gray"`` without color; ``"drawing"`` in two tones or with flat areas, as signs, letters and icons are;
        else ``"photo"``.

    Example:
        >>> kind_of(np.zeros((4, 8, 8, 1), np.uint8))
        'gray'
        >>> kind_of(np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8))
        'photo'
    """
    some = images[:: -(-len(images) // IMAGES)]
    if some.shape[3] == 1 or np.median((some.max(axis=3) - some.min(axis=3)).mean(axis=(1, 2))) < COLOR * 255:
        return "gray"
    luma = some.mean(axis=3).astype(np.uint8)  # (n, H, W)
    flat = (some[:, :, 1:] == some[:, :, :-1]).all(axis=3).mean(axis=(1, 2)) if some.shape[2] > 1 else 0.0
    tones = [separability(image) for image in luma]
    return "drawing" if np.median(tones) >= TWO_TONES or np.median(flat) >= FLAT else "photo"


def separability(image: np.ndarray) -> float:
    """Otsu's eta: the variance between pixels below and above the best threshold, over the whole variance.

    Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms", equation 14; 1 for two tones or one.

    Args:
        image: uint8.

    Example:
        >>> separability(np.array([0, 0, 200, 200], np.uint8))
        1.0
    """
    shares = np.bincount(image.ravel(), minlength=256) / image.size
    below, means = shares.cumsum(), (shares * np.arange(256)).cumsum()
    whole = float(shares @ (np.arange(256) - means[-1]) ** 2)
    inside = (below > 0) & (below < 1 - 1e-12)
    if not inside.any() or whole == 0:
        return 1.0
    between = (means[-1] * below - means)[inside] ** 2 / (below * (1 - below))[inside]
    return float(between.max() / whole)
