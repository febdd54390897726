"""The optimizers and schedules by name, written out: what a step does with the gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from firstlight.models.training.recipes import Recipe

RISE = 0.2  # share of a one-cycle schedule in which the learning rate rises
LAST = 0.01  # share of the highest learning rate at its end
SECOND_BETA, EPSILON = 0.99, 1e-8  # of AdamW; 0.99 forgets faster than the usual 0.999, for short trainings


class Optimizer:
    """Parameters with their running means, which begin at zero; only matrices and filters decay.

    PyTorch's own optimizers compute the same (the tests hold them side by side), but the first one made in a
    process imports its compiler, for one to three seconds.

    Args:
        module: whose parameters are trained.
        recipe: momentum and weight decay.
    """

    means = 1  # running means a parameter

    def __init__(self, module: nn.Module, recipe: Recipe) -> None:
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.running = [[torch.zeros_like(one) for one in self.parameters] for _ in range(self.means)]
        self.momentum, self.weight_decay = recipe.momentum, recipe.weight_decay
        self.steps = 0

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Moves the parameters downhill, by their gradients and the learning rate."""
        self.steps += 1
        for decays in (True, False):
            used = [
                number
                for number, one in enumerate(self.parameters)
                if one.grad is not None and (one.ndim > 1) == decays
            ]
            if used:
                parameters: list[Tensor] = [self.parameters[number] for number in used]
                gradients = [one.grad for one in parameters if one.grad is not None]
                running = [[mean[number] for number in used] for mean in self.running]
                self.move(parameters, gradients, running, lr, self.weight_decay if decays else 0.0)

    def move(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        running: list[list[Tensor]],
        lr: float,
        weight_decay: float,
    ) -> None:
        """One group's step, in place."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """The running means by name, for a checkpoint; together with `steps` they are all its state."""
        return {
            f"{mean}.{number}": value for mean, values in enumerate(self.running) for number, value in enumerate(values)
        }


class SGD(Optimizer):
    """Stochastic gradient descent with Nesterov's momentum, as Sutskever et al. 2013 and PyTorch write it.

    g <- g + weight_decay * w;  m <- momentum * m + g;  w <- w - lr * (g + momentum * m)
    """

    def move(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        running: list[list[Tensor]],
        lr: float,
        weight_decay: float,
    ) -> None:
        (means,) = running
        if weight_decay:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=weight_decay))
        if self.momentum:
            torch._foreach_mul_(means, self.momentum)
            torch._foreach_add_(means, gradients)
            gradients = list(torch._foreach_add(gradients, means, alpha=self.momentum))
        torch._foreach_add_(parameters, gradients, alpha=-lr)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2).

    m <- b1 * m + (1 - b1) * g;  v <- b2 * v + (1 - b2) * g^2;
    w <- w - lr * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + weight_decay * w)
    """

    means = 2

    def move(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        running: list[list[Tensor]],
        lr: float,
        weight_decay: float,
    ) -> None:
        first, second = running
        if weight_decay:
            torch._foreach_mul_(parameters, 1 - lr * weight_decay)
        torch._foreach_lerp_(first, gradients, 1 - self.momentum)
        torch._foreach_mul_(second, SECOND_BETA)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - SECOND_BETA)
        spread = list(torch._foreach_sqrt(second))
        torch._foreach_div_(spread, math.sqrt(1 - SECOND_BETA**self.steps))
        torch._foreach_add_(spread, EPSILON)
        torch._foreach_addcdiv_(parameters, first, spread, -lr / (1 - self.momentum**self.steps))


def optimizer_for(module: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer over all parameters that are trained.

    Example:
        >>> type(optimizer_for(nn.Linear(2, 2), Recipe(optimizer="adamw"))).__name__
        'AdamW'
    """
    return {"sgd": SGD, "adamw": AdamW}[recipe.optimizer](module, recipe)


def clip(parameters: Sequence[Tensor], largest: float) -> None:
    """Scales all gradients down together so that their common norm is at most ``largest`` (Pascanu et al. 2013)."""
    gradients = [one.grad for one in parameters if one.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in gradients]))
    torch._foreach_mul_(gradients, torch.clamp(largest / (norm + 1e-6), max=1.0))


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
