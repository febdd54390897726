"""The closed-form models: prior, ink and centroid; each is a few sums of the training images, no training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firstlight.models.closed_form.distances import to_centres
from firstlight.models.closed_form.sums import ClassSums

CENTRES = ("mean", "median")
COUNTED = 128  # the middle of black and white
NEVER = -2.0  # the score of a class without training images: every distance is at most 1


@dataclass(frozen=True)
class Prior:
    """The commonest training class, whatever the image: what is reached without looking.

    Attributes:
        counts: (K,) int64, the training images of each class.
    """

    counts: np.ndarray

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Logarithms of the class shares, each class counted once more than seen (Laplace), (N, K) float64."""
        shares = (self.counts + 1) / (self.counts + 1).sum()
        return np.tile(np.log(shares), (len(images), 1))


@dataclass(frozen=True)
class Ink:
    """The class whose images have, on average, as bright a mean pixel as this one.

    Attributes:
        totals: (K,) int64, the sum of all pixels of the class's training images.
        pixels: (K,) int64, how many pixels that were.
        measure: ``"mean"`` pixel, or ``"count"``: a pixel from `COUNTED` on counts as 255 and another one as 0.
    """

    totals: np.ndarray
    pixels: np.ndarray
    measure: str = "mean"

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Minus the distance of the mean pixel to each class's, (N, K) float64 in [-1, 0]."""
        flat = images.reshape(len(images), math.prod(images.shape[1:]))
        flat = flat if self.measure == "mean" else counted(flat)
        inks = flat.sum(axis=1, dtype=np.int64) / flat.shape[1]  # (N,)
        classes = self.totals / np.maximum(self.pixels, 1)  # (K,)
        distances = np.abs(inks[:, None] - classes) / 255
        return np.where(self.pixels > 0, -distances, NEVER)


def counted(values: np.ndarray) -> np.ndarray:
    """uint8 of the same shape: 255 where a pixel counts as ink that is light on dark, else 0."""
    return np.where(values >= COUNTED, 255, 0).astype(np.uint8)


@dataclass(frozen=True)
class Centroid:
    """The class whose mean (or median) image is nearest.

    Under L2 this is a linear classifier: argmin |x - m|^2 = argmax 2 m.x - |m|^2.

    Attributes:
        sums: (K, P) int64, the numerators of the centres.
        counts: (K,) int64, their denominators; 0 for a class without training images.
        distance: ``"l1"``, ``"l2"`` or ``"cosine"``.
    """

    sums: np.ndarray
    counts: np.ndarray
    distance: str

    @property
    def ideal(self) -> np.ndarray:
        """(K, P) float64 in [0, 1]: the ideal image of each class."""
        return ClassSums(self.counts, self.sums).means / 255

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Minus the distance to each class's centre, (N, K) float64."""
        scores = np.full((len(images), len(self.counts)), NEVER)
        there = self.counts > 0
        flat = np.ascontiguousarray(images.reshape(len(images), math.prod(images.shape[1:])))
        scores[:, there] = -to_centres(flat, self.sums[there], self.counts[there], self.distance)
        return scores
