"""Exact maps of the closed-form rungs: how much each pixel argues for one class against another, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.models.closed_form.centroid import Centroid, Ink, Prior, counted
from firstlight.models.closed_form.distances import FRACTION
from firstlight.models.closed_form.prototypes import Prototypes

NO_PIXEL = "the class shares of the training images decide, whatever the image: no pixel argues"
NO_IDEAL = "one of the two classes has no training image, so there is nothing that a pixel could be compared with"
HALFWAY = (
    "each pixel's share is its distance from the value halfway between the two classes' mean pixels, so that the "
    "shares add up to the difference exactly"
)
BY_DISTANCE = {
    "l1": "each pixel's |distance| to the ideal of the class argued against, minus that to the predicted one's",
    "l2": (
        "each pixel's squared distance to the ideal of the class argued against minus that to the predicted one's, "
        "over the sum of the two distances, since a^2 - b^2 = (a - b)(a + b)"
    ),
    "cosine": (
        "each pixel times the difference of the two ideal images, the image and both ideals brought to length 1"
    ),
}


@dataclass(frozen=True, eq=False)
class Account:
    """What was found out for n images.

    Attributes:
        pairs: (n, 2) the predicted class and the one argued against.
        maps: (n, H, W) float64, positive where a pixel argues for the predicted class.
        methods: (n,) how, a sentence without its full stop each.
        exact: (n,) bool, whether the map adds up to the difference of the scores but for rounding.
        baseline: (n,) float64, the difference of the scores before any pixel spoke; 0 where pixels account for all.
        occlusion: (n, H, W) float64, or None.
        distances: (n, K) float64, NaN for a class without training images; or None.
        scores: (n, K) float64, the scores in more digits than the model gives; or None.
    """

    pairs: np.ndarray
    maps: np.ndarray
    methods: Sequence[str]
    exact: np.ndarray
    baseline: np.ndarray
    occlusion: np.ndarray | None = None
    distances: np.ndarray | None = None
    scores: np.ndarray | None = None


def closed_form(
    model: Prior | Ink | Centroid | Prototypes, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray
) -> Account:
    """The exact account of a rung whose scores are minus distances, or that looks at no pixel.

    Args:
        model: what scored the images.
        images: (n, H, W, C) uint8.
        pairs: (n, 2) the predicted class and the one argued against.
        scores: (n, K) float64, what the model gave.

    Returns:
        Maps whose sum is ``scores[predicted] - scores[against]``, but for rounding; zeros where no pixel argues.
    """
    n, height, width, channels = images.shape
    nothing = np.zeros(n)
    if isinstance(model, Prior):
        return Account(pairs, np.zeros((n, height, width)), [NO_PIXEL] * n, np.zeros(n, bool), nothing)
    counts = {Ink: "pixels", Centroid: "counts", Prototypes: "classes"}
    known = getattr(model, counts[type(model)]) > 0  # (K,)
    there = known[pairs].all(axis=1)  # (n,)
    flat = images.reshape(n, height * width * channels)
    maps = np.zeros(flat.shape)
    for row in np.flatnonzero(there):  # an image at a time: a few are explained, and memory stays bounded
        one = model.nearest(images[row]) if isinstance(model, Prototypes) else model
        maps[row] = _share(one, flat[row].astype(np.float64), *pairs[row])
    method = HALFWAY if isinstance(model, Ink) else BY_DISTANCE[model.distance]
    return Account(
        pairs,
        maps.reshape(n, height, width, channels).sum(axis=3),
        [method if one else NO_IDEAL for one in there],
        there,
        nothing,
        distances=np.where(known, -scores, np.nan),
    )


def _share(model: Ink | Centroid, image: np.ndarray, predicted: int, against: int) -> np.ndarray:
    """(P,) what each pixel adds to the predicted class's score minus the other's."""
    if isinstance(model, Ink):
        return _ink(model, image, predicted, against)
    return _SHARES[model.distance](model, image, predicted, against)


def _ink(model: Ink, image: np.ndarray, predicted: int, against: int) -> np.ndarray:
    # f(i) = |i - b| - |i - a| is 0 halfway between a and b and linear from there as long as i lies between them.
    # Beyond it stays what it was; the same share for each pixel, slope * (pixel - halfway), still adds up to it.
    # These are the integrated gradients of f along the straight way from an image that is flat at halfway.
    image = image if model.measure == "mean" else counted(image).astype(np.float64)
    a, b = (model.totals / np.maximum(model.pixels, 1))[[predicted, against]]
    ink, halfway = image.mean(), (a + b) / 2
    beyond = abs(ink - halfway) > abs(a - b) / 2
    slope = (abs(ink - b) - abs(ink - a)) / (ink - halfway) if beyond else 2 * np.sign(a - b)
    return slope * (image - halfway) / (255 * image.size)


def _l1(model: Centroid, image: np.ndarray, predicted: int, against: int) -> np.ndarray:
    # Rounded as `to_centres` rounds them, so that both add up the same numbers.
    a, b = np.rint(_centres(model, predicted, against) * FRACTION) / FRACTION
    return (np.abs(image - b) - np.abs(image - a)) / (255 * image.size)


def _l2(model: Centroid, image: np.ndarray, predicted: int, against: int) -> np.ndarray:
    # The distances are roots, d_b - d_a = (d_b^2 - d_a^2) / (d_a + d_b), and the squares are sums over pixels.
    a, b = _centres(model, predicted, against)
    near, far = (np.sqrt(np.mean((image - one) ** 2)) / 255 for one in (a, b))
    if near + far == 0:
        return np.zeros(image.size)
    return ((image - b) ** 2 - (image - a) ** 2) / (255**2 * image.size * (near + far))


def _cosine(model: Centroid, image: np.ndarray, predicted: int, against: int) -> np.ndarray:
    x, a, b = (_unit(one) for one in (image, *_centres(model, predicted, against)))
    return x * (a - b)


def _unit(values: np.ndarray) -> np.ndarray:
    """Brought to length 1; black stays black, as its cosine with anything is taken to be 0."""
    length = np.linalg.norm(values)
    return values / length if length > 0 else values


def _centres(model: Centroid, predicted: int, against: int) -> np.ndarray:
    """(2, P) float64 in [0, 255]: the two classes' ideal images."""
    rows = [predicted, against]
    return model.sums[rows] / model.counts[rows][:, None]


_SHARES = {"l1": _l1, "l2": _l2, "cosine": _cosine}
