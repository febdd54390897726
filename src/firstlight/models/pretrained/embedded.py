"""`Embedded`: a linear head on the embeddings of a pretrained network, as a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from firstlight.data.decoding.loading import Preprocessing
from firstlight.data.pixels import Pixels
from firstlight.errors import RunError
from firstlight.models.attribution import Attribution
from firstlight.models.classifier import Model, SearchSpace
from firstlight.models.pretrained.backbone import Backbone, backbone
from firstlight.models.pretrained.embeddings import embeddings
from firstlight.models.pretrained.heads import Head, unit

METHOD = "class-activation map (Zhou et al. 2016, arXiv 1512.04150): what each part of the image adds to the scores"
MOST_NEIGHBOURS = 10_000  # embeddings that are compared with each image
NO_MAP = "this backbone has no maps of the image's parts"


@dataclass(frozen=True, eq=False)
class Embedded(Model):
    """A head on embeddings.

    Attributes:
        backbone: gives the embeddings.
        head: from embeddings to scores.
    """

    kind: ClassVar[str] = "embedded"
    backbone: Backbone
    head: Head

    @property
    def preprocessing(self) -> Preprocessing:
        """The backbone's own, whatever the images were loaded for."""
        return self.backbone.preprocessing

    def scores(self, images: np.ndarray) -> np.ndarray:
        """(N, S, S, 3) uint8 -> (N, K) float64."""
        return self.head.scores(self.backbone.embed(images))

    def scores_of(self, pixels: Pixels) -> np.ndarray:
        """(N, K) float64; embeddings that were computed before are not computed again."""
        return self.head.scores(embeddings(pixels, self.backbone))

    def embeddings_of(self, pixels: Pixels, rows: np.ndarray) -> np.ndarray:
        """(n, D) float16."""
        return embeddings(pixels, self.backbone, rows=rows)

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """Class-activation maps, exact since the scores are linear in the mean of the backbone's maps."""
        height, width = images.shape[1:3]
        maps, baseline = np.zeros((len(images), height, width)), np.zeros(len(images))
        activations = self.backbone.maps(images)
        if activations is None:
            return Attribution(maps, [NO_MAP] * len(images), np.zeros(len(images), bool), baseline)
        rows, columns = activations.shape[2:]
        spread_rows, spread_columns = spreading(height, rows), spreading(width, columns)
        flat = activations.reshape(*activations.shape[:2], -1).transpose(0, 2, 1)  # (n, h w, D)
        for row, (first, second) in enumerate(pairs.tolist()):
            shares, baseline[row] = self.head.contributions(flat[row], first, second)
            maps[row] = spread_rows @ shares.reshape(rows, columns) @ spread_columns.T
        precise = self.head.scores(flat.mean(axis=1))
        return Attribution(maps, [METHOD] * len(images), np.ones(len(images), bool), baseline, scores=precise)

    def search_space(self, images: np.ndarray) -> SearchSpace:
        """The directions of the embeddings, by the cosine distance."""
        own = unit(self.backbone.embed(images))

        def distances(pixels: Pixels, rows: np.ndarray) -> np.ndarray:
            return np.maximum(1 - own @ unit(embeddings(pixels, self.backbone, rows=rows)).T, 0.0)

        return SearchSpace(distances, "by the cosine distance of their embeddings", MOST_NEIGHBOURS)

    def options(self) -> dict[str, Any]:
        """The backbone's name, the digest of its weights and their size."""
        about = {"backbone": self.backbone.name, "weights": self.backbone.digest, "bytes": self.backbone.bytes}
        return about | {"centred": self.head.centred}

    def tensors(self) -> dict[str, np.ndarray]:
        """Those of the head; the backbone's weights are a package's."""
        return {"mean": self.head.mean, "weight": self.head.weight, "bias": self.head.bias}

    @classmethod
    def restored(
        cls, options: Mapping[str, Any], tensors: Mapping[str, np.ndarray], shape: tuple[int, ...], classes: int
    ) -> Embedded:
        """The model of a model file.

        Raises:
            ArgumentError: where there is no such backbone.
            MissingExtraError: where the backbone's package is not installed.
            RunError: where the parts do not fit together, or the backbone has other weights than at the fit.
        """
        found = backbone(str(options["backbone"]))
        if found.digest != options["weights"] or found.shape != tuple(shape):
            raise RunError(
                f"The model was fitted on the embeddings of {found.name} with the weights "
                f"{str(options['weights'])[:16]}, and those that are installed are {found.digest[:16]}; fit it anew."
            )
        expected = {"mean": (found.dimensions,), "weight": (classes, found.dimensions), "bias": (classes,)}
        there = {name: array.shape for name, array in tensors.items()}
        if there != expected or any(array.dtype != np.float32 for array in tensors.values()):
            raise RunError(f"The model has the tensors {there}; a head has float32 {expected}; fit it anew.")
        return cls(found, Head(tensors["mean"], tensors["weight"], tensors["bias"], options["centred"] is True))


def spreading(side: int, positions: int) -> np.ndarray:
    """(side, positions): how what is at a position is shared out among the px around it; each column sums to 1.

    A position has a triangle twice as wide as its part of the side, as bilinear interpolation has it.

    Example:
        >>> spreading(4, 2).T.round(2)
        array([[0.43, 0.43, 0.14, 0.  ],
               [0.  , 0.14, 0.43, 0.43]])
    """
    each = side / positions
    centres = (np.arange(positions) + 0.5) * each
    distances = np.abs(np.arange(side)[:, None] + 0.5 - centres)  # (side, positions)
    triangles = np.maximum(1 - distances / each, 0.0)
    return triangles / triangles.sum(axis=0)
