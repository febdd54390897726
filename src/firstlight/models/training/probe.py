"""One small batch through a copy of the module and the loss, so that a mismatch is an error before training."""

from __future__ import annotations

import copy

import numpy as np
import torch

from firstlight.errors import ArgumentError
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.losses import LOSSES, checked, one_hot
from firstlight.models.training.network import Network
from firstlight.models.training.recipes import Recipe

IMAGES = 8  # of the batch, at most


def probe(network: Network, data: TrainingSet, recipe: Recipe) -> None:
    """Checks that the module takes the images, gives a score for each class, and that the loss has a gradient.

    Args:
        network: not changed.
        data: the training images; a few are used.
        recipe: its loss and batch size.

    Raises:
        ArgumentError: where one of these is not so; the sentence says what was given and what is expected.
    """
    steps = -(-len(data.labels) // recipe.batch_size)
    count = min(IMAGES, len(data.labels) // steps)  # no more than the smallest batch: one image is too few for some
    rows = np.arange(count)
    images = network.floats(torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2))  # (count, C, H, W)
    module = copy.deepcopy(network.module).train()
    given = f"images {tuple(images.shape)}"
    with torch.random.fork_rng(devices=[]):
        try:
            scores = module(images)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ArgumentError(
                f"The module failed on {given}: {reason}; it takes (B, C, H, W) and gives (B, K)."
            ) from error
    got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
    if got != (count, data.classes):
        raise ArgumentError(
            f"The module gave {got} for {given} of {data.classes} classes; its last layer must give "
            f"{data.classes} scores per image: {(count, data.classes)}."
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ArgumentError("The module has no parameter that can be trained; give it at least one layer with weights.")
    targets = one_hot(torch.from_numpy(np.array(data.labels[rows], np.int64)), data.classes, recipe.label_smoothing)
    loss_of = recipe.loss if callable(recipe.loss) else LOSSES[recipe.loss]
    try:
        losses = loss_of(scores.float(), targets)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArgumentError(
            f"The loss {getattr(recipe.loss, '__name__', recipe.loss)} failed on scores and targets {got}: {reason}; "
            "it takes both, (B, K), and gives each image's loss, (B,)."
        ) from error
    if not checked(losses, count).requires_grad:
        raise ArgumentError(
            "The loss has no gradient by the scores; compute it with torch from the scores, without argmax or rounding."
        )
