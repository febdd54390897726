"""`Prototypes`: several mean images per class, found by k-means; an image belongs to the class of the nearest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from firstlight.errors import RunError, require
from firstlight.models.attribution import Attribution
from firstlight.models.closed_form.centroid import Centroid, Nearest, flattened
from firstlight.models.closed_form.contributions import METHODS, exact_attribution
from firstlight.models.closed_form.distances import NEVER, to_centres
from firstlight.models.closed_form.saved import check_tensors, checked_distance
from firstlight.models.closed_form.sums import class_sums
from firstlight.models.closed_form.training_set import TrainingSet

ROUNDS = 100  # of k-means at most


@dataclass(frozen=True)
class Prototypes(Nearest):
    """The class of the nearest prototype.

    Attributes:
        sums: (M, P) int64, the numerators of the prototypes.
        counts: (M,) int64, their denominators, all above 0.
        owners: (M,) int64, the class of each.
        classes: (K,) int64, the number of prototypes of each class; 0 for one without training images.
        distance: ``"l1"``, ``"l2"`` or ``"cosine"``.
    """

    kind: ClassVar[str] = "prototypes"
    sums: np.ndarray
    counts: np.ndarray
    owners: np.ndarray
    classes: np.ndarray
    distance: str

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Minus the distance to each class's nearest prototype, (N, K) float64."""
        distances = self._to_prototypes(images)
        scores = np.full((len(images), len(self.classes)), NEVER)
        for label in np.unique(self.owners):
            scores[:, label] = -distances[:, self.owners == label].min(axis=1)
        return scores

    def nearest(self, image: np.ndarray) -> Centroid:
        """Each class's prototype that is nearest to one image (H, W, C), as the mean images of a centroid."""
        distances = self._to_prototypes(image[None])[0]
        sums = np.zeros((len(self.classes), self.sums.shape[1]), np.int64)
        counts = np.zeros(len(self.classes), np.int64)
        for label in np.unique(self.owners):
            of_class = np.flatnonzero(self.owners == label)
            chosen = of_class[distances[of_class].argmin()]
            sums[label], counts[label] = self.sums[chosen], self.counts[chosen]
        return Centroid(sums, counts, self.distance)

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """Exact maps, by the nearest prototypes of the two classes."""
        return exact_attribution(
            images,
            pairs=pairs,
            scores=scores,
            known=self.classes > 0,
            contributions=lambda row: self.nearest(images[row]).contributions(images[row], *pairs[row]),
            method=METHODS[self.distance],
        )

    def tensors(self) -> dict[str, np.ndarray]:
        """Numerators and denominators of the prototypes, their classes, and the number of each class."""
        return {"sums": self.sums, "counts": self.counts, "owners": self.owners, "classes": self.classes}

    @classmethod
    def restored(
        cls, options: Mapping[str, Any], tensors: Mapping[str, np.ndarray], shape: tuple[int, ...], classes: int
    ) -> Prototypes:
        """The model of a model file; raises `RunError` where its parts do not fit together."""
        owners = tensors.get("owners", np.zeros(0, np.int64))
        if owners.ndim != 1 or owners.max(initial=0) >= classes:
            raise RunError("The tensor 'owners' names a class that the model does not have; fit it anew.")
        count = len(owners)
        shapes: dict[str, tuple[int, ...]] = {"sums": (count, math.prod(shape)), "counts": (count,)}
        check_tensors(cls.kind, tensors, shapes | {"owners": (count,), "classes": (classes,)})
        return cls(**tensors, distance=checked_distance(options["distance"]))

    def _to_prototypes(self, images: np.ndarray) -> np.ndarray:
        return to_centres(flattened(images), self.sums, self.counts, self.distance)


def prototypes(training: TrainingSet, count: int, distance: str, *, seed: int = 0) -> Prototypes:
    """At most ``count`` prototypes of each class: the means of its clusters by k-means (Lloyd; squared distances).

    Args:
        training: the images.
        count: prototypes per class; fewer where a class has fewer different images.
        distance: with which new images are compared.
        seed: random seed of the first cluster centres.

    Raises:
        MissingExtraError: where scikit-learn is not installed.
    """
    with require("sklearn", purpose="Several mean images per class"):
        from sklearn.cluster import KMeans
    flat = flattened(training.images)
    sums, counts, owners = [], [], []
    for label in range(training.classes):
        of_class = flat[training.labels == label]
        most = min(count, len(np.unique(of_class, axis=0)))
        if not most:
            continue
        found = KMeans(most, n_init=1, max_iter=ROUNDS, random_state=seed).fit_predict(of_class.astype(np.float32))
        clusters = class_sums(of_class, found, most)  # exact, in integers
        filled = clusters.counts > 0
        sums.append(clusters.sums[filled])
        counts.append(clusters.counts[filled])
        owners.append(np.full(filled.sum(), label))
    of_each = np.bincount(np.concatenate(owners), minlength=training.classes)
    return Prototypes(np.concatenate(sums), np.concatenate(counts), np.concatenate(owners), of_each, distance)
