"""SGD and AdamW by PyTorch's functions, with weight decay on matrices and filters only; clipping; the schedules."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from firstlight.models.training.recipes import Recipe

RISE = 0.2  # share of a one-cycle schedule in which the learning rate rises
LAST = 0.01  # share of the highest learning rate at its end
SECOND_BETA, EPSILON = 0.99, 1e-8  # of AdamW; 0.99 forgets faster than the usual 0.999, for short trainings
STATE = {"sgd": ("momentum_buffer",), "adamw": ("exp_avg", "exp_avg_sq", "step")}  # of a parameter, as PyTorch names it


class Optimizer:
    """PyTorch's SGD (Nesterov's momentum) or AdamW over a module's trained parameters.

    The functions behind `torch.optim.SGD` and `torch.optim.AdamW` are called, not the classes: making an object of
    these imports PyTorch's compiler, 828 modules in 1.1 s (docs/design.md). The steps are the same to the bit.

    Args:
        module: whose parameters are trained.
        recipe: the optimizer, its momentum and weight decay.

    Attributes:
        parameters: the trained ones, by name.
        state: running means and steps by ``"NAME.PARAMETER"``; all zero before the first step.
    """

    def __init__(self, module: nn.Module, recipe: Recipe) -> None:
        self.recipe = recipe
        self.parameters = {name: one for name, one in module.named_parameters() if one.requires_grad}
        self.state: dict[str, Tensor] = {}
        for part in STATE[recipe.optimizer]:
            for name, parameter in self.parameters.items():
                self.state[f"{part}.{name}"] = torch.zeros(()) if part == "step" else torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Moves the parameters downhill, by their gradients and the learning rate."""
        with_gradient = [name for name, one in self.parameters.items() if one.grad is not None]
        matrices = [name for name in with_gradient if self.parameters[name].ndim > 1]
        others = [name for name in with_gradient if self.parameters[name].ndim <= 1]  # biases, scales of norms
        for names, weight_decay in ((matrices, self.recipe.weight_decay), (others, 0.0)):
            if names:
                self._step(names, lr, weight_decay)

    def _step(self, names: list[str], lr: float, weight_decay: float) -> None:
        parameters: list[Tensor] = [self.parameters[name] for name in names]
        gradients = [one.grad for one in parameters if one.grad is not None]
        state = [[self.state[f"{part}.{name}"] for name in names] for part in STATE[self.recipe.optimizer]]
        if self.recipe.optimizer == "sgd":
            sgd(
                parameters,
                gradients,
                list(state[0]),
                weight_decay=weight_decay,
                momentum=self.recipe.momentum,
                lr=lr,
                dampening=0.0,
                nesterov=True,
                maximize=False,
            )
        else:
            first, second, steps = state
            adamw(
                parameters,
                gradients,
                first,
                second,
                [],
                steps,
                amsgrad=False,
                beta1=self.recipe.momentum,
                beta2=SECOND_BETA,
                lr=lr,
                weight_decay=weight_decay,
                eps=EPSILON,
                maximize=False,
            )

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def clip(self, largest: float) -> None:
        """Scales all gradients down together so that their common norm is at most ``largest`` (Pascanu et al. 2013)."""
        nn.utils.clip_grad_norm_(self.parameters.values(), largest)


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
