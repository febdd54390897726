"""`Prototypes`: several ideal images a class, found by k-means; a new image belongs to the class of the nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firstlight.errors import require
from firstlight.models.closed_form.centroid import NEVER, Centroid
from firstlight.models.closed_form.distances import to_centres
from firstlight.models.closed_form.sums import class_sums
from firstlight.models.closed_form.training_set import TrainingSet

ROUNDS = 100  # of k-means at most


@dataclass(frozen=True)
class Prototypes:
    """The class of the nearest prototype.

    Attributes:
        sums: (M, P) int64, the numerators of the prototypes.
        counts: (M,) int64, their denominators, all above 0.
        owners: (M,) int64, the class of each.
        classes: (K,) int64, how many prototypes each class has; 0 for one without training images.
        distance: ``"l1"``, ``"l2"`` or ``"cosine"``.
    """

    sums: np.ndarray
    counts: np.ndarray
    owners: np.ndarray
    classes: np.ndarray
    distance: str

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Minus the distance to each class's nearest prototype, (N, K) float64."""
        distances = self._distances(images)
        scores = np.full((len(images), len(self.classes)), NEVER)
        for label in np.unique(self.owners):
            scores[:, label] = -distances[:, self.owners == label].min(axis=1)
        return scores

    def nearest(self, image: np.ndarray) -> Centroid:
        """Each class's prototype that is nearest to one image (H, W, C), as the ideal images of a centroid."""
        distances = self._distances(image[None])[0]
        sums = np.zeros((len(self.classes), self.sums.shape[1]), np.int64)
        counts = np.zeros(len(self.classes), np.int64)
        for label in np.unique(self.owners):
            of_class = np.flatnonzero(self.owners == label)
            chosen = of_class[distances[of_class].argmin()]
            sums[label], counts[label] = self.sums[chosen], self.counts[chosen]
        return Centroid(sums, counts, self.distance)

    def _distances(self, images: np.ndarray) -> np.ndarray:
        flat = np.ascontiguousarray(images.reshape(len(images), math.prod(images.shape[1:])))
        return to_centres(flat, self.sums, self.counts, self.distance)


def prototypes(training: TrainingSet, count: int, distance: str, *, seed: int = 0) -> Prototypes:
    """At most ``count`` prototypes of each class: the means of its clusters by k-means (Lloyd; squared distances).

    Args:
        training: the images.
        count: prototypes a class; fewer where it has fewer different images.
        distance: by which new images are compared.
        seed: of where the clusters begin.

    Raises:
        MissingExtraError: where scikit-learn is not installed.
    """
    with require("sklearn", purpose="Several ideal images a class"):
        from sklearn.cluster import KMeans
    flat = training.images.reshape(len(training.images), math.prod(training.images.shape[1:]))
    sums, counts, owners = [], [], []
    for label in range(training.classes):
        of_class = flat[training.labels == label]
        most = min(count, len(np.unique(of_class, axis=0)))
        if not most:
            continue
        found = KMeans(most, n_init=1, max_iter=ROUNDS, random_state=seed).fit_predict(of_class.astype(np.float32))
        clusters = class_sums(of_class, found, most)  # the means in integers, as everywhere
        there = clusters.counts > 0
        sums.append(clusters.sums[there])
        counts.append(clusters.counts[there])
        owners.append(np.full(there.sum(), label))
    of_each = np.bincount(np.concatenate(owners), minlength=training.classes)
    return Prototypes(np.concatenate(sums), np.concatenate(counts), np.concatenate(owners), of_each, distance)
