"""The learning-rate range test behind `lr="auto"`, with its curve."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from firstlight.errors import ArgumentError
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.loop import Training
from firstlight.models.training.network import Network
from firstlight.models.training.recipes import Recipe

STEPS = 100  # of the test
LOWEST, HIGHEST = {"sgd": 1e-4, "adamw": 1e-6}, {"sgd": 10.0, "adamw": 1.0}
MEMORY = 0.95  # weight of the earlier losses in the running mean
DIVERGED = 4.0  # times the lowest loss: no larger rate is tried; a loss below 0 may rise as far


@dataclass(frozen=True)
class RangeTest:
    """The result of the test.

    Attributes:
        lr: the suggested learning rate.
        rates: (S,) the rates tried, lowest first.
        losses: (S,) the running mean of the loss at each.
    """

    lr: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]


def find_lr(network: Network, data: TrainingSet, recipe: Recipe, seed: int) -> RangeTest:
    """Tries increasing learning rates on a copy of the module, and suggests one well below where the loss rises.

    Smith 2017, "Cyclical Learning Rates" (arXiv 1506.01186), section 3.3. The suggested rate is a tenth of the
    one with the lowest running mean of the loss, as fastbook, chapter 5, reads the curve.

    Args:
        network: with the weights that training would start from; not changed.
        data: the training images.
        recipe: its optimizer, loss, batch size and augmentation are used.
        seed: random seed.

    Raises:
        ArgumentError: where the loss is not finite even at the lowest rate.
    """
    copied = replace(network, module=copy.deepcopy(network.module))
    copied.module.train()
    random_state = torch.get_rng_state()
    training = Training(copied, data, replace(recipe, schedule="constant"), seed)
    low, high = LOWEST[recipe.optimizer], HIGHEST[recipe.optimizer]
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    try:
        while len(rates) < STEPS:
            batches, seeds = training.order(len(rates) // training.steps)
            for rows, step_seed in zip(batches[: STEPS - len(rates)], seeds, strict=False):
                rate = low * (high / low) ** (len(rates) / (STEPS - 1))
                mean = MEMORY * mean + (1 - MEMORY) * float(training.step(rows, step_seed, rate))
                unbiased = mean / (1 - MEMORY ** (len(rates) + 1))
                lowest = min(losses, default=math.inf)
                if not math.isfinite(unbiased) or unbiased - lowest > (DIVERGED - 1) * abs(lowest):
                    return _found(rates, losses)
                rates.append(rate)
                losses.append(unbiased)
    finally:
        torch.set_rng_state(random_state)
    return _found(rates, losses)


def _found(rates: list[float], losses: list[float]) -> RangeTest:
    if not losses:
        raise ArgumentError(
            "The loss is not finite at the first step, before any learning rate matters; look at the loss and the "
            "module for a division by zero, a logarithm of zero or weights that are not finite."
        )
    lr = rates[int(np.argmin(losses))] / 10
    return RangeTest(float(f"{lr:.2g}"), tuple(rates), tuple(losses))
