"""`Prior` and `Ink`: models that use no pixel, or only the mean of all pixels; every other rung has to beat them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from firstlight.errors import RunError
from firstlight.models.attribution import Attribution
from firstlight.models.classifier import Model
from firstlight.models.closed_form.contributions import exact_attribution
from firstlight.models.closed_form.distances import NEVER
from firstlight.models.closed_form.saved import check_tensors

COUNTED = 128  # the middle between black and white
NO_PIXEL = "the shares of the classes in the training images decide, whatever the image: no pixel contributes"
HALFWAY = (
    "each pixel's share is its distance from the value halfway between the two classes' mean pixels, so that the "
    "shares sum to the difference exactly"
)


@dataclass(frozen=True)
class Prior(Model):
    """Always the most frequent training class: the accuracy that is reached without looking at the image.

    Attributes:
        counts: (K,) int64, the training images of each class.
    """

    kind: ClassVar[str] = "prior"
    counts: np.ndarray

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Logarithms of the class shares, with one image added to each class (Laplace), (N, K) float64."""
        shares = (self.counts + 1) / (self.counts + 1).sum()
        return np.tile(np.log(shares), (len(images), 1))

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """Maps of zeros."""
        n = len(images)
        return Attribution(np.zeros(images.shape[:3]), [NO_PIXEL] * n, exact=np.zeros(n, bool), baseline=np.zeros(n))

    def options(self) -> dict[str, Any]:
        """None."""
        return {}

    def tensors(self) -> dict[str, np.ndarray]:
        """The counts."""
        return {"counts": self.counts}

    @classmethod
    def restored(
        cls, options: Mapping[str, Any], tensors: Mapping[str, np.ndarray], shape: tuple[int, ...], classes: int
    ) -> Prior:
        """The model of a model file; raises `RunError` where its parts do not fit together."""
        check_tensors(cls.kind, tensors, {"counts": (classes,)})
        return cls(tensors["counts"])


@dataclass(frozen=True)
class Ink(Model):
    """The class whose mean pixel is nearest to that of the image.

    Attributes:
        totals: (K,) int64, the sum of all pixels of the class's training images.
        pixels: (K,) int64, the number of these pixels.
        measure: ``"mean"`` of the pixels, or ``"count"``: pixels from `COUNTED` on count as 255, the others as 0.
    """

    kind: ClassVar[str] = "ink"
    totals: np.ndarray
    pixels: np.ndarray
    measure: str = "mean"

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Minus the distance of the mean pixel to each class's, (N, K) float64 in [-1, 0]."""
        flat = images.reshape(len(images), math.prod(images.shape[1:]))
        flat = flat if self.measure == "mean" else counted(flat)
        inks = flat.sum(axis=1, dtype=np.int64) / flat.shape[1]  # (N,)
        distances = np.abs(inks[:, None] - self._means()) / 255
        return np.where(self.pixels > 0, -distances, NEVER)

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """Exact maps: the shares of the pixels in the difference of the two distances."""
        return exact_attribution(
            images,
            pairs=pairs,
            scores=scores,
            known=self.pixels > 0,
            contributions=lambda row: self._contributions(images[row], *pairs[row]),
            method=HALFWAY,
        )

    def options(self) -> dict[str, Any]:
        """The measure."""
        return {"measure": self.measure}

    def tensors(self) -> dict[str, np.ndarray]:
        """The sums and numbers of pixels."""
        return {"totals": self.totals, "pixels": self.pixels}

    @classmethod
    def restored(
        cls, options: Mapping[str, Any], tensors: Mapping[str, np.ndarray], shape: tuple[int, ...], classes: int
    ) -> Ink:
        """The model of a model file; raises `RunError` where its parts do not fit together."""
        check_tensors(cls.kind, tensors, {"totals": (classes,), "pixels": (classes,)})
        measure = options.get("measure", "mean")
        if measure not in ("mean", "count"):
            raise RunError(f"The model measures ink by {measure!r}; expected mean or count; fit it anew.")
        return cls(tensors["totals"], tensors["pixels"], measure)

    def _means(self) -> np.ndarray:
        return self.totals / np.maximum(self.pixels, 1)  # (K,)

    def _contributions(self, image: np.ndarray, predicted: int, other: int) -> np.ndarray:
        """(P,) what each pixel adds to the predicted class's score minus the other's.

        These are the integrated gradients of f(i) = |i - b| - |i - a| along the straight path from an image that is
        flat at the value halfway between a and b, where f is 0. Between a and b f is linear; beyond them it is
        constant, and one slope for all pixels still sums to it.
        """
        flat = image.reshape(-1)
        flat = flat.astype(np.float64) if self.measure == "mean" else counted(flat).astype(np.float64)
        a, b = self._means()[[predicted, other]]
        ink, halfway = flat.mean(), (a + b) / 2
        beyond = abs(ink - halfway) > abs(a - b) / 2
        slope = (abs(ink - b) - abs(ink - a)) / (ink - halfway) if beyond else 2 * np.sign(a - b)
        return slope * (flat - halfway) / (255 * flat.size)


def counted(values: np.ndarray) -> np.ndarray:
    """uint8 of the same shape: 255 for pixels that count as ink (light on dark), else 0."""
    return np.where(values >= COUNTED, 255, 0).astype(np.uint8)
