"""`fine_tuned()`: the last blocks of the backbone trained on, starting from the linear head on its embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from firstlight.errors import ArgumentError
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.pretrained.backbone import Backbone, tuned
from firstlight.models.pretrained.embedded import Embedded
from firstlight.models.pretrained.heads import FittedHead, Head, fit_discriminant
from firstlight.models.pretrained.tail import PIXEL, Tail
from firstlight.models.training.fitting import fit_network
from firstlight.models.training.network import Network
from firstlight.models.training.setting import Fitted, Setting

AT_ONCE = 64  # images whose embeddings are computed at once


def fine_tuned(training: TrainingSet, setting: Setting) -> Fitted:
    """Trains the last blocks and the head, as Kumar et al. 2022 (arXiv 2202.10054): the head first, then both.

    Args:
        training: middle maps of the training images in V augmented versions, float16 (N, s, s, V C), as
            `firstlight.models.pretrained.middle.middle_maps` gives them.
        setting: with the backbone, a recipe, and validation images as middle maps.

    Raises:
        ArgumentError: where the backbone cannot be fine-tuned, or a field of the recipe has no effect here.
    """
    backbone, recipe = setting.backbone, setting.recipe
    assert backbone is not None and recipe is not None
    if backbone.network is None:
        raise ArgumentError(f"{backbone.name} cannot be fine-tuned; omit the rung, or use efficientnet-lite0.")
    for name, value in (("augment", "none"), ("tta", False), ("sizes", {}), ("normalize", True)):
        if getattr(recipe, name) != value:
            raise ArgumentError(f"{name}={getattr(recipe, name)!r} has no effect on fine-tune; omit it.")
    channels = backbone.middle(np.zeros((1, *backbone.shape), np.uint8)).shape[3]
    tail = Tail(backbone.network, channels, training.images.shape[1])
    tail.start_head(*_started(tail, training))
    fitted = fit_network(tail, training, replace(setting, recipe=replace(recipe, normalize=False)))
    assert isinstance(fitted.model, Network) and isinstance(fitted.model.module, Tail)
    return replace(fitted, model=_model(backbone, fitted.model.module))


def _started(tail: Tail, training: TrainingSet) -> FittedHead:
    """The head on the backbone's own embeddings, with its temperature."""
    return fit_discriminant(_embeddings(tail, training.images), training.labels, training.classes)


def _embeddings(tail: Tail, maps: np.ndarray) -> np.ndarray:
    """(N, s, s, V C) -> float32 (N, D), of the first version of each image."""
    parts = []
    tail.eval()
    with torch.inference_mode():
        for first in range(0, len(maps), AT_ONCE):
            some = torch.from_numpy(maps[first : first + AT_ONCE, :, :, : tail.channels].astype(np.float32) / PIXEL)
            parts.append(tail.embed(some.permute(0, 3, 1, 2)).numpy())
    return np.concatenate(parts)


def _model(backbone: Backbone, tail: Tail) -> Embedded:
    """The model with the trained weights, as float16 like those of the backbone."""
    weights = tail.weights()
    weight, bias = weights.pop("head.weight"), weights.pop("head.bias")
    changed = {name: array.astype(np.float16) for name, array in weights.items()}
    head = Head(np.zeros(weight.shape[1], np.float32), weight, bias)
    return Embedded(tuned(backbone, changed), head, changed)
