"""The closed-form rungs: prior, ink and centroid; each is a few sums of the training images, no training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firstlight.models.distances import to_centres
from firstlight.models.sums import ClassSums, class_sums

CENTRES = ("mean", "median")
COUNTED = 128  # the middle of black and white
HELD_OUT = 1000  # images at most: one number is fitted on them, and scoring them must not cost what a rung costs
NEVER = -2.0  # the score of a class without training images: every distance is at most 1


@dataclass(frozen=True)
class TrainingSet:
    """What the closed-form rungs are fitted on; its class sums are made once and serve all of them.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: (N,) integers in 0..K-1.
        classes: K.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int

    @cached_property
    def sums(self) -> ClassSums:
        """The class sums of all the images."""
        return class_sums(self.images, self.labels, self.classes)

    @cached_property
    def held_out(self) -> TrainingSet:
        """Every fifth image of a class, fewer where they would pass 1,000; temperatures are fitted on them."""
        rows = self.held_out_rows
        return TrainingSet(self.images[rows], self.labels[rows], self.classes)

    @property
    def without_held_out(self) -> TrainingSet:
        """The images that are not held out."""
        kept = np.delete(np.arange(len(self.labels)), self.held_out_rows)
        return TrainingSet(self.images[kept], self.labels[kept], self.classes)

    def centres(self, centre: str) -> ClassSums:
        """Each class's mean or median image, as integers over integers."""
        return self.sums if centre == "mean" else _medians(self.images, self.labels, self.classes)

    def centres_without_held_out(self, centre: str) -> ClassSums:
        """The same from the images that are not held out; for means by subtraction, which is exact."""
        if centre == "mean":
            return self.sums - self.held_out.sums
        rest = self.without_held_out
        return _medians(rest.images, rest.labels, self.classes)

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """(M,) row numbers of the images that are held out."""
        share = min(0.2, HELD_OUT / max(len(self.labels), 1))
        counts = np.bincount(self.labels, minlength=self.classes)
        order = np.argsort(self.labels, kind="stable")
        place = np.empty(len(order), np.int64)  # the number of a row within its class
        place[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.flatnonzero(np.floor((place + 1) * share) > np.floor(place * share))


def _medians(images: np.ndarray, labels: np.ndarray, classes: int) -> ClassSums:
    """Each class's median image as (twice the median) / 2: medians of integers are multiples of a half."""
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    counts = np.bincount(labels, minlength=classes)
    doubled = np.zeros((classes, flat.shape[1]), np.int64)
    for label in np.flatnonzero(counts):
        doubled[label] = np.rint(2 * np.median(flat[labels == label], axis=0))
    return ClassSums(np.where(counts > 0, 2, 0), doubled)


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
