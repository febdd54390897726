"""`TrainingSet`: labelled images with their class sums and medians, and those that are held out for the temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firstlight.models.closed_form.sums import ClassSums, class_sums

HELD_OUT = 1000  # images at most: a single number is fitted on them, and scoring them must stay cheap


@dataclass(frozen=True)
class TrainingSet:
    """Labelled training images; their class sums are computed once, for all closed-form models.

    Attributes:
        images: (N, H, W, C) uint8; for heads of pretrained networks their embeddings, (N, D) float16.
        labels: (N,) integers in 0..K-1.
        classes: K.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int

    @cached_property
    def sums(self) -> ClassSums:
        """The class sums of all images."""
        return class_sums(self.images, self.labels, self.classes)

    @cached_property
    def held_out(self) -> TrainingSet:
        """Every fifth image of each class, at most 1,000 in all: temperatures are fitted on them."""
        rows = self.held_out_rows
        return TrainingSet(self.images[rows], self.labels[rows], self.classes)

    @property
    def without_held_out(self) -> TrainingSet:
        """The images that are not held out."""
        rows = np.delete(np.arange(len(self.labels)), self.held_out_rows)
        return TrainingSet(self.images[rows], self.labels[rows], self.classes)

    @property
    def none(self) -> TrainingSet:
        """No images, of the same shape and classes."""
        return TrainingSet(self.images[:0], self.labels[:0], self.classes)

    def centres(self, centre: str) -> ClassSums:
        """Each class's mean or median image, as integer numerators and denominators."""
        return self.sums if centre == "mean" else _medians(self.images, self.labels, self.classes)

    def centres_without_held_out(self, centre: str) -> ClassSums:
        """The same for the images that are not held out; for means by subtraction, which is exact."""
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
    """Each class's median image as (twice the median) / 2, since medians of integers are multiples of 1/2."""
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    counts = np.bincount(labels, minlength=classes)
    doubled = np.zeros((classes, flat.shape[1]), np.int64)
    for label in np.flatnonzero(counts):
        doubled[label] = np.rint(2 * np.median(flat[labels == label], axis=0))
    return ClassSums(np.where(counts > 0, 2, 0), doubled)
