"""What each pixel adds to the difference of two distances, exactly: L1, L2 and cosine, in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firstlight.models.attribution import Attribution
from firstlight.models.closed_form.distances import FRACTION

NO_IMAGES = "one of the two classes has no training images, so there is nothing to compare the pixels with"
METHODS = {
    "l1": "each pixel's |distance| to the centre of the other class, minus that to the predicted class's",
    "l2": (
        "each pixel's squared distance to the centre of the other class, minus that to the predicted class's, "
        "divided by the sum of the two distances, since a^2 - b^2 = (a - b)(a + b)"
    ),
    "cosine": "each pixel times the difference of the two centres, with the image and both centres scaled to length 1",
}


def exact_attribution(
    images: np.ndarray,
    *,
    pairs: np.ndarray,
    scores: np.ndarray,
    known: np.ndarray,
    contributions: Callable[[int], np.ndarray],
    method: str,
) -> Attribution:
    """The attribution of a model whose scores are minus distances.

    Args:
        images: (n, H, W, C) uint8.
        pairs: (n, 2) the predicted class and the class it is compared with.
        scores: (n, K) float64.
        known: (K,) bool, the classes that have training images.
        contributions: from the row of an image to the (P,) contributions of its pixels.
        method: how they are computed.

    Returns:
        Maps whose sum is ``scores[predicted] - scores[other]``, up to rounding; zeros if one of them is not known.
    """
    n, height, width, channels = images.shape
    comparable = known[pairs].all(axis=1)  # (n,)
    maps = np.zeros((n, height * width * channels))
    for row in np.flatnonzero(comparable).tolist():  # one image at a time, so that memory stays bounded
        maps[row] = contributions(row)
    return Attribution(
        maps.reshape(n, height, width, channels).sum(axis=3),
        [method if one else NO_IMAGES for one in comparable],
        exact=comparable,
        baseline=np.zeros(n),
        distances=np.where(known, -scores, np.nan),
    )


def contributions(image: np.ndarray, first: np.ndarray, second: np.ndarray, distance: str) -> np.ndarray:
    """What each value of an image adds to its distance from the second centre minus that from the first.

    Args:
        image: (P,) float64 in [0, 255].
        first: (P,) float64 in [0, 255], one centre.
        second: (P,) float64 in [0, 255], another.
        distance: ``"l1"``, ``"l2"`` or ``"cosine"``.

    Returns:
        (P,) float64.

    Example:
        >>> contributions(np.array([0.0, 255.0]), np.zeros(2), np.full(2, 255.0), "l1")
        array([ 0.5, -0.5])
    """
    return _CONTRIBUTIONS[distance](image, first, second)


def _l1(image: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # Rounded as `to_centres` rounds them, so that both sum the same numbers.
    first, second = (np.rint(one * FRACTION) / FRACTION for one in (first, second))
    return (np.abs(image - second) - np.abs(image - first)) / (255 * image.size)


def _l2(image: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # The distances are roots, b - a = (b^2 - a^2) / (a + b), and the squares are sums over pixels.
    near, far = (np.sqrt(np.mean((image - one) ** 2)) / 255 for one in (first, second))
    if near + far == 0:
        return np.zeros(image.size)
    return ((image - second) ** 2 - (image - first) ** 2) / (255**2 * image.size * (near + far))


def _cosine(image: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    image, first, second = (_unit(one) for one in (image, first, second))
    return image * (first - second)


def _unit(values: np.ndarray) -> np.ndarray:
    """Scaled to length 1; black stays black, since its cosine with anything counts as 0."""
    length = np.linalg.norm(values)
    return values / length if length > 0 else values


_CONTRIBUTIONS = {"l1": _l1, "l2": _l2, "cosine": _cosine}
