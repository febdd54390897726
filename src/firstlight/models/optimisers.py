"""The optimisers and schedules by name."""

from __future__ import annotations

import torch
from torch import nn

from firstlight.models.recipes import Recipe

RISE = 0.2  # share of a one-cycle schedule in which the learning rate rises
LAST = 0.01  # share of the highest learning rate at its end


def optimiser_for(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser over all parameters that are trained; only matrices and filters decay.

    Example:
        >>> type(optimiser_for(nn.Linear(2, 2), Recipe(optimiser="adamw"))).__name__
        'AdamW'
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [one for one in trained if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in trained if one.ndim <= 1], "weight_decay": 0.0},
    ]
    lr = 0.0  # every step sets its own
    if recipe.optimiser == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(groups, lr=lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)
    return torch.optim.AdamW(groups, lr=lr, betas=(recipe.momentum, 0.99), fused=True)


def schedule(name: str, progress: float) -> float:
    """The learning rate as a share of its highest.

    Args:
        name: ``"constant"``, or ``"one_cycle"``: a straight rise over the first fifth and a straight fall to a
            hundredth (Smith 2018, arXiv 1803.09820, with straight lines as in Jordan 2024, arXiv 2404.00498).
        progress: the share of the steps that are done, in [0, 1).

    Example:
        >>> schedule("one_cycle", 0.1), schedule("one_cycle", 0.2), round(schedule("one_cycle", 0.6), 3)
        (0.505, 1.0, 0.505)
    """
    if name == "constant":
        return 1.0
    share = progress / RISE if progress < RISE else (1 - progress) / (1 - RISE)
    return LAST + (1 - LAST) * share
