"""`Embedded`: a linear head on the embeddings of a pretrained network, as a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from firstlight.data.decoding.loading import Preprocessing
from firstlight.data.pixels import Pixels
from firstlight.data.table import Table
from firstlight.errors import RunError
from firstlight.models.attribution import Attribution
from firstlight.models.classifier import Model, SearchSpace
from firstlight.models.pretrained.backbone import Backbone, tuned
from firstlight.models.pretrained.backbones import backbone
from firstlight.models.pretrained.embeddings import embeddings, try_embeddings
from firstlight.models.pretrained.heads import Head, unit

METHOD = "class-activation map (Zhou et al. 2016, arXiv 1512.04150): what each part of the image adds to the scores"
MOST_NEIGHBOURS = 10_000  # embeddings that are compared with each image
TUNED = "tuned."  # what the names of fine-tuned weights start with in a model file
NO_MAP = "this backbone has no maps of the image's parts"


@dataclass(frozen=True, eq=False)
class Embedded(Model):
    """A head on embeddings.

    Attributes:
        backbone: gives the embeddings.
        head: from embeddings to scores.
        changed: float16 weights of the backbone that were fine-tuned, by name.
    """

    kind: ClassVar[str] = "embedded"
    backbone: Backbone
    head: Head
    changed: Mapping[str, np.ndarray] = field(default_factory=dict)

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

    def scores_of_files(self, table: Table) -> tuple[np.ndarray, list[str | None]]:
        """(N, K) float64, of no meaning where there is a problem; known embeddings are not computed again."""
        values, problems = try_embeddings(table, self.backbone)
        return self.head.scores(values), problems

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
        base = backbone(self.backbone.name) if self.changed else self.backbone
        about = {"backbone": base.name, "weights": base.digest, "bytes": base.bytes}
        return about | {"centred": self.head.centred}

    def tensors(self) -> dict[str, np.ndarray]:
        """Those of the head and those that were fine-tuned; the backbone's other weights are a package's."""
        head = {"mean": self.head.mean, "weight": self.head.weight, "bias": self.head.bias}
        return head | {f"{TUNED}{name}": array for name, array in self.changed.items()}

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
        changed = {name.removeprefix(TUNED): array for name, array in tensors.items() if name.startswith(TUNED)}
        tensors = {name: array for name, array in tensors.items() if not name.startswith(TUNED)}
        expected = {"mean": (found.dimensions,), "weight": (classes, found.dimensions), "bias": (classes,)}
        there = {name: array.shape for name, array in tensors.items()}
        if there != expected or any(array.dtype != np.float32 for array in tensors.values()):
            raise RunError(f"The model has the tensors {there}; a head has float32 {expected}; fit it anew.")
        if not all(np.isfinite(array).all() for array in tensors.values()):
            raise RunError("The model's head has weights that are no numbers; fit it anew.")
        head = Head(tensors["mean"], tensors["weight"], tensors["bias"], options["centred"] is True)
        if not changed:
            return cls(found, head)
        own = {} if found.network is None else found.network.weights
        for name, array in changed.items():
            if name not in own or own[name].shape != array.shape or array.dtype != np.float16:
                kind = f"{array.dtype} {array.shape}"
                raise RunError(f"The tensor {TUNED + name!r} is {kind}, which {found.name} has not; fit it anew.")
        return cls(tuned(found, changed), head, changed)


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
