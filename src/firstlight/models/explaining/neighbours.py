"""The training images that a model finds most like an image: in a network's last layer, or by a centroid's distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firstlight.data.table import SPLITS
from firstlight.models.classifier import Classifier
from firstlight.models.closed_form.centroid import Centroid, Ink, Prior
from firstlight.models.closed_form.distances import to_centres
from firstlight.models.closed_form.prototypes import Prototypes

if TYPE_CHECKING:
    from torch import Tensor

    from firstlight.data.pixels import Pixels
    from firstlight.models.training.network import Network

NEAREST = 5
MOST_IMAGES = 10_000  # training images that are looked through
MOST_VALUES = 2**27  # of their pixels: 892 images of 224 x 224 px in color, which a cnn passes in some 10 s
BLOCK = 2**22  # values at a time, 32 MiB as int64

Distances = Callable[[np.ndarray], np.ndarray]  # (M, H, W, C) training images -> (n, M)


class Neighbour(NamedTuple):
    """A training image that is near in the eyes of a model.

    Attributes:
        key: its name.
        distance: how near.
        label: its class, or None.
    """

    key: str
    distance: float
    label: str | None


def neighbours(classifier: Classifier, images: np.ndarray, pixels: Pixels) -> tuple[list[tuple[Neighbour, ...]], str]:
    """The nearest training images of each image.

    Args:
        classifier: a network: L2 distance of what enters its last fully connected layer; or a centroid: its own
            distance, between pixels.
        images: (n, H, W, C) uint8.
        pixels: those of the split train are looked through, at most 10,000, evenly spaced.

    Returns:
        The five nearest of each, the nearest first, and what was looked through; nothing where there is no training
        image, or the model compares no images.
    """
    every = np.flatnonzero(pixels.splits == SPLITS.index("train"))
    found = _distances(classifier, images) if len(every) and len(images) else None
    if found is None:
        return [()] * len(images), ""
    measure, where = found
    most = max(1, min(MOST_IMAGES, MOST_VALUES // images[0].size, len(every)))
    rows = every[np.arange(most) * len(every) // most]
    some = max(1, BLOCK // images[0].size)
    parts = [measure(pixels.values[rows[start : start + some]]) for start in range(0, most, some)]
    distances = np.concatenate(parts, axis=1)  # (n, M)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEAREST]
    names, keys, labels = (*pixels.classes, None), pixels.table.rows["key"], pixels.labels
    told = [
        tuple(
            Neighbour(keys[int(rows[one])].as_py(), float(distances[image, one]), names[labels[rows[one]]])
            for one in chosen
        )
        for image, chosen in enumerate(nearest)
    ]
    searched = f"{most:,}" if most == len(every) else f"{most:,} evenly spaced ones of the {len(every):,}"
    return told, f"{searched} training images {where}"


def _distances(classifier: Classifier, images: np.ndarray) -> tuple[Distances, str] | None:
    """What measures from the images to a block of others, and how that is called."""
    model = classifier.model
    if isinstance(model, Centroid | Prototypes):
        flat, distance = images.reshape(len(images), -1), model.distance

        def by_pixels(others: np.ndarray) -> np.ndarray:
            sums = others.reshape(len(others), -1).astype(np.int64)
            return to_centres(np.ascontiguousarray(flat), sums, np.ones(len(sums), np.int64), distance)

        return by_pixels, f"by the {distance} distance of their pixels"
    if isinstance(model, Prior | Ink):
        return None
    from firstlight.models.training.network import Network

    assert isinstance(model, Network)
    return _in_last_layer(model, images)


def _in_last_layer(network: Network, images: np.ndarray) -> tuple[Distances, str] | None:
    import torch

    from firstlight.models.training.architectures import Linear

    here = last_inputs(network, images)  # (n, D)
    if here is None:
        return None

    def in_layer(others: np.ndarray) -> np.ndarray:
        # Not by a matrix product, which leaves a distance above 0 between equal rows.
        there = last_inputs(network, others)
        assert there is not None
        return torch.cdist(here, there, compute_mode="donot_use_mm_for_euclid_dist").double().numpy()

    linear = isinstance(network.module, Linear)
    return in_layer, f"by the L2 distance {'of their normalized pixels' if linear else 'in the last layer'}"


def last_inputs(network: Network, images: np.ndarray) -> Tensor | None:
    """What enters the fully connected layer that is called last, the image seen as it is.

    Args:
        network: looked into in evaluation mode.
        images: (N, H, W, C) uint8.

    Returns:
        (N, D) float32 on the CPU; None where the module has no such layer.
    """
    import torch
    from torch import nn

    from firstlight.models.training.network import evaluating

    last: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        last[:] = [given[0]]

    layers = [part for part in network.module.modules() if isinstance(part, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    at_once = max(1, min(1024, BLOCK // images[0].size))
    parts = []
    try:
        with evaluating(network.module), torch.inference_mode():
            for start in range(0, len(images), at_once):
                part = torch.from_numpy(np.array(images[start : start + at_once])).to(network.device)
                network.module(network.floats(part.permute(0, 3, 1, 2)))
                if not last:
                    return None
                parts.append(last.pop().reshape(len(part), -1).float().cpu())
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(parts)
