"""`Centroid`: the class of the nearest mean (or median) image; a few sums of the training images, no training loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from firstlight.models.attribution import Attribution
from firstlight.models.classifier import Model, SearchSpace
from firstlight.models.closed_form.contributions import METHODS, contributions, exact_attribution
from firstlight.models.closed_form.distances import NEVER, to_centres
from firstlight.models.closed_form.saved import check_tensors, checked_distance
from firstlight.models.closed_form.sums import ClassSums

CENTRES = ("mean", "median")


class Nearest(Model):
    """What models have in common whose scores are minus the distances to images."""

    distance: str

    def distances(self, scores: np.ndarray) -> np.ndarray:
        """(N, K) float64, the distances to the nearest image of each class."""
        return -scores

    def search_space(self, images: np.ndarray) -> SearchSpace:
        """The pixels, by the model's own distance."""
        own = flattened(images)

        def distances(candidates: np.ndarray) -> np.ndarray:
            sums = candidates.reshape(len(candidates), -1).astype(np.int64)
            return to_centres(own, sums, np.ones(len(sums), np.int64), self.distance)

        description = f"by the {self.distance} distance of their pixels"
        return SearchSpace.of_values(distances, description, values=own.shape[1])

    def options(self) -> dict[str, Any]:
        """The distance."""
        return {"distance": self.distance}


@dataclass(frozen=True)
class Centroid(Nearest):
    """The class whose mean (or median) image is nearest.

    By L2 this is a linear classifier: argmin |x - m|^2 = argmax 2 m.x - |m|^2.

    Attributes:
        sums: (K, P) int64, the numerators of the centres.
        counts: (K,) int64, their denominators; 0 for a class without training images.
        distance: ``"l1"``, ``"l2"`` or ``"cosine"``.
    """

    kind: ClassVar[str] = "centroid"
    sums: np.ndarray
    counts: np.ndarray
    distance: str

    @property
    def centres(self) -> np.ndarray:
        """(K, P) float64 in [0, 1]: the mean (or median) image of each class; zeros for a class without images."""
        return ClassSums(self.counts, self.sums).means / 255

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Minus the distance to each class's centre, (N, K) float64."""
        scores = np.full((len(images), len(self.counts)), NEVER)
        known = self.counts > 0
        scores[:, known] = -to_centres(flattened(images), self.sums[known], self.counts[known], self.distance)
        return scores

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """Exact maps: the shares of the pixels in the difference of the two distances."""
        return exact_attribution(
            images,
            pairs=pairs,
            scores=scores,
            known=self.counts > 0,
            contributions=lambda row: self.contributions(images[row], *pairs[row]),
            method=METHODS[self.distance],
        )

    def contributions(self, image: np.ndarray, predicted: int, other: int) -> np.ndarray:
        """(P,) float64: what each pixel of one image (H, W, C) adds to one class's score minus another's."""
        rows = [predicted, other]
        first, second = self.sums[rows] / self.counts[rows][:, None]
        return contributions(image.reshape(-1).astype(np.float64), first, second, self.distance)

    def tensors(self) -> dict[str, np.ndarray]:
        """Numerators and denominators of the centres."""
        return {"sums": self.sums, "counts": self.counts}

    @classmethod
    def restored(
        cls, options: Mapping[str, Any], tensors: Mapping[str, np.ndarray], shape: tuple[int, ...], classes: int
    ) -> Centroid:
        """The model of a model file; raises `RunError` where its parts do not fit together."""
        check_tensors(cls.kind, tensors, {"sums": (classes, math.prod(shape)), "counts": (classes,)})
        return cls(tensors["sums"], tensors["counts"], checked_distance(options["distance"]))


def flattened(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (N, P), C-contiguous."""
    return np.ascontiguousarray(images.reshape(len(images), math.prod(images.shape[1:])))
