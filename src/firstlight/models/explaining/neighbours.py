"""The nearest training images of an image, in the space that its model compares images in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firstlight.data.table import SPLITS
from firstlight.models.classifier import Classifier

if TYPE_CHECKING:
    from firstlight.data.pixels import Pixels

NEAREST = 5
MOST_IMAGES = 10_000  # training images that are searched


class Neighbour(NamedTuple):
    """A training image that is near another image.

    Attributes:
        key: its name.
        distance: to the other image.
        label: its class, or None.
    """

    key: str
    distance: float
    label: str | None


def neighbours(classifier: Classifier, images: np.ndarray, pixels: Pixels) -> tuple[list[tuple[Neighbour, ...]], str]:
    """The nearest training images of each image.

    Args:
        classifier: its `Model.search_space` decides by which distance.
        images: (n, H, W, C) uint8.
        pixels: at most 10,000 of its training images are searched, evenly spaced.

    Returns:
        The five nearest of each image, the nearest first, and a description of what was searched; both empty where
        there is no training image, or the model compares no images.
    """
    every = np.flatnonzero(pixels.splits == SPLITS.index("train"))
    space = classifier.model.search_space(images) if len(every) and len(images) else None
    if space is None:
        return [()] * len(images), ""
    most = min(MOST_IMAGES, space.most, len(every))
    rows = every[np.arange(most) * len(every) // most]
    distances = space.distances(pixels, rows)  # (n, M)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEAREST]
    names, keys, labels = (*pixels.classes, None), pixels.table.rows["key"], pixels.labels
    found = [
        tuple(
            Neighbour(keys[int(rows[one])].as_py(), float(distances[image, one]), names[labels[rows[one]]])
            for one in chosen
        )
        for image, chosen in enumerate(nearest)
    ]
    searched = f"{most:,}" if most == len(every) else f"{most:,} evenly spaced ones of the {len(every):,}"
    return found, f"{searched} training images {space.description}"
