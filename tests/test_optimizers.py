"""Optimizers against PyTorch's, the book's gradients and steps by hand; what decays; clipping; the schedule."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.models.training.optimizers import Optimizer, schedule
from firstlight.models.training.recipes import OPTIMIZERS, SCHEDULES, Recipe

KINDS = [
    Recipe(optimizer="sgd", momentum=0.0),
    Recipe(optimizer="sgd", momentum=0.0, weight_decay=0.1),
    Recipe(optimizer="sgd", momentum=0.85, weight_decay=0.1),
    Recipe(optimizer="sgd", momentum=0.9),
    Recipe(optimizer="adamw", momentum=0.9, weight_decay=0.1),
    Recipe(optimizer="adamw", momentum=0.0),
]
each_kind = pytest.mark.parametrize(
    "recipe", KINDS, ids=lambda one: f"{one.optimizer}-{one.momentum}-{one.weight_decay}"
)


class Numbers(nn.Module):
    """A module that is its parameters."""

    def __init__(self, *values: Tensor) -> None:
        super().__init__()
        self.values = nn.ParameterList(nn.Parameter(value.clone()) for value in values)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Module:
    """Filters, a norm, a matrix and biases; always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


def with_gradients(module: nn.Module, step: int) -> nn.Module:
    """The module with random gradients, those of this step."""
    for number, parameter in enumerate(module.parameters()):
        parameter.grad = normal(*parameter.shape, seed=100 * step + number)
    return module


def theirs(module: nn.Module, recipe: Recipe, lr: float) -> torch.optim.Optimizer:
    """PyTorch's optimizer for the same recipe."""
    groups = [
        {"params": [one for one in module.parameters() if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in module.parameters() if one.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return torch.optim.AdamW(groups, lr=lr, betas=(recipe.momentum, 0.99), eps=1e-8)


@each_kind
def test_steps_are_those_of_pytorchs_optimizer(recipe: Recipe) -> None:
    """After each of ten steps with gradients and rates that change, every parameter is where PyTorch has it."""
    ours, other = network(), network()
    optimizer, oracle = Optimizer(ours, recipe), theirs(other, recipe, 0.1)
    for step in range(10):
        lr = 0.1 / (step + 1)
        for group in oracle.param_groups:
            group["lr"] = lr
        with_gradients(other, step)
        oracle.step()
        with_gradients(ours, step)
        optimizer.step(lr)
        for mine, expected in zip(ours.parameters(), other.parameters(), strict=True):
            assert torch.equal(mine, expected)


@pytest.mark.parametrize(("start", "gradient"), [([3.0], [6.0]), ([3.0, 4.0, 10.0], [6.0, 8.0, 20.0])])
def test_a_plain_step_goes_against_the_books_gradients(start: list[float], gradient: list[float]) -> None:
    """The gradient of the sum of x^2 is 6 at 3, and 6, 8, 20 at 3, 4, 10; a step is a tenth of it, downhill."""
    module = Numbers(torch.tensor(start))
    optimizer = Optimizer(module, Recipe(momentum=0.0))
    (x,) = module.parameters()
    x.square().sum().backward()
    assert x.grad is not None
    assert gradient == x.grad.tolist()
    optimizer.step(0.1)
    assert [value - 0.1 * slope for value, slope in zip(start, gradient, strict=True)] == pytest.approx(x.tolist())


def test_two_steps_with_nesterovs_momentum_by_hand() -> None:
    """From 1, with gradients 1 and 2, momentum 0.5 and rate 0.1: minus 0.1 (1 + 0.5), then minus 0.1 (2 + 1.25)."""
    module = Numbers(torch.tensor([1.0]))
    optimizer = Optimizer(module, Recipe(momentum=0.5))
    (x,) = module.parameters()
    x.grad = torch.tensor([1.0])
    optimizer.step(0.1)
    assert [0.85] == pytest.approx(x.tolist())
    x.grad = torch.tensor([2.0])
    optimizer.step(0.1)  # the mean is 0.5 * 1 + 2 = 2.5, of which a half is looked ahead
    assert [0.525] == pytest.approx(x.tolist())


def test_the_first_step_of_adamw_is_the_rate_by_hand() -> None:
    """Whatever the size of the gradient, each number moves by the rate against its sign."""
    module = Numbers(torch.tensor([1.0, 1.0, 1.0]))
    optimizer = Optimizer(module, Recipe(optimizer="adamw"))
    (x,) = module.parameters()
    x.grad = torch.tensor([1e-3, -5.0, 200.0])
    optimizer.step(0.25)
    assert [0.75, 1.25, 0.75] == pytest.approx(x.tolist(), rel=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_matrices_and_filters_decay(name: str) -> None:
    """Without a gradient's pull, weights shrink by rate times decay; biases and norms stay, to the bit."""
    module = network()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    Optimizer(module, Recipe(optimizer=name, momentum=0.0, weight_decay=0.1)).step(0.5)  # type: ignore[arg-type]
    assert {1, 2, 4} == {parameter.ndim for parameter in module.parameters()}
    for old, new in zip(before, module.parameters(), strict=True):
        torch.testing.assert_close(new, old * 0.95 if old.ndim > 1 else old, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_that_are_fixed_or_unused_stay_where_they_are(name: str) -> None:
    """What is not trained, and what took no part in the loss, neither moves nor decays."""
    module = Numbers(normal(2, 2), normal(3, 3), normal(4, 4))
    fixed, unused, used = module.parameters()
    fixed.requires_grad_(False)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    optimizer = Optimizer(module, Recipe(optimizer=name, weight_decay=0.1))  # type: ignore[arg-type]
    used.square().sum().backward()
    optimizer.step(0.1)
    assert torch.equal(before[0], fixed) and torch.equal(before[1], unused)
    assert not torch.equal(before[2], used)
    assert [(3, 3), (4, 4)] == [tuple(one.shape) for one in optimizer.parameters.values()]


@each_kind
def test_gradients_are_forgotten(recipe: Recipe) -> None:
    """After zero_grad there is none, so that the next one is not added to it."""
    module = with_gradients(network(), 0)
    Optimizer(module, recipe).zero_grad()
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_step_leaves_the_gradients_as_they_are() -> None:
    """Momentum and decay are added to copies."""
    for recipe in KINDS:
        module = with_gradients(network(), 0)
        before = [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]
        Optimizer(module, recipe).step(0.1)
        for old, parameter in zip(before, module.parameters(), strict=True):
            assert parameter.grad is not None and torch.equal(old, parameter.grad)


@each_kind
def test_the_running_means_and_the_steps_are_the_whole_state(recipe: Recipe) -> None:
    """Another optimizer that is given both goes on to the same bits."""
    first = network()
    one = Optimizer(first, recipe)
    for step in range(3):
        with_gradients(first, step)
        one.step(0.1)
    second = network()
    second.load_state_dict(first.state_dict())
    other = Optimizer(second, recipe)
    assert one.state.keys() == other.state.keys()
    for name, value in other.state.items():
        value.copy_(one.state[name])
    for module, optimizer in ((first, one), (second, other)):
        with_gradients(module, 3)
        optimizer.step(0.1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "parts"), [("sgd", {"momentum_buffer"}), ("adamw", {"exp_avg", "exp_avg_sq", "step"})]
)
def test_the_state_is_named_as_pytorchs_and_begins_at_zero(name: Any, parts: set[str]) -> None:
    """Each parameter has what PyTorch's optimizer holds of it, under the parameter's own name."""
    module = network()
    optimizer = Optimizer(module, Recipe(optimizer=name))
    expected = {f"{part}.{parameter}" for part in parts for parameter, _ in module.named_parameters()}
    assert expected == optimizer.state.keys()
    assert not any(value.any() for value in optimizer.state.values())
    oracle = theirs(with_gradients(module, 0), Recipe(optimizer=name), 0.1)
    oracle.step()
    assert parts == set(next(iter(oracle.state.values())))


@pytest.mark.slow
def test_steps_do_not_import_the_compiler() -> None:
    """Making one of PyTorch's optimizer objects does, which takes a second."""
    code = (
        "import sys, torch\n"
        "from firstlight.models.training.optimizers import Optimizer\n"
        "from firstlight.models.training.recipes import Recipe\n"
        "module = torch.nn.Linear(2, 2)\n"
        "module(torch.ones(1, 2)).sum().backward()\n"
        "for name in ('sgd', 'adamw'):\n"
        "    optimizer = Optimizer(module, Recipe(optimizer=name))\n"
        "    optimizer.clip(1.0)\n"
        "    optimizer.step(0.1)\n"
        "print('torch._dynamo' in sys.modules)\n"
        "torch.optim.SGD(module.parameters(), lr=0.1)\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ["False", "True"] == done.stdout.split()


@pytest.mark.parametrize("largest", [0.01, 1.0, 100.0])
def test_gradients_are_clipped_as_pytorch_clips_them(largest: float) -> None:
    """Their common norm is at most the bound; below it they stay as they are, and a parameter without one is let be."""
    ours, other = with_gradients(network(), 0), with_gradients(network(), 0)
    for module in (ours, other):
        next(module.parameters()).grad = None
    Optimizer(ours, Recipe()).clip(largest)
    before = nn.utils.clip_grad_norm_(other.parameters(), largest)
    pairs = zip(ours.parameters(), other.parameters(), strict=True)
    gradients = [(mine.grad, expected.grad) for mine, expected in pairs if mine.grad is not None]
    assert len(list(ours.parameters())) - 1 == len(gradients)
    for mine, expected in gradients:
        torch.testing.assert_close(mine, expected)
    norm = math.sqrt(sum(float(mine.square().sum()) for mine, _ in gradients))
    assert min(largest, float(before)) == pytest.approx(norm, rel=1e-4)


def test_zero_gradients_are_clipped_to_zero() -> None:
    """Nothing is divided by a norm of zero."""
    module = Numbers(normal(3))
    (x,) = module.parameters()
    x.grad = torch.zeros(3)
    Optimizer(module, Recipe()).clip(1.0)
    assert [0.0, 0.0, 0.0] == x.grad.tolist()


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0, 0.01), (0.05, 0.2575), (0.1, 0.505), (0.2, 1.0), (0.6, 0.505), (0.8, 0.2575), (1, 0.01)],
)
def test_one_cycle_rises_and_falls_in_straight_lines(progress: float, expected: float) -> None:
    """From a hundredth to the whole in the first fifth, and back to a hundredth at the end."""
    assert expected == pytest.approx(schedule("one_cycle", progress))


def test_one_cycle_has_one_maximum_and_stays_above_zero() -> None:
    """The rate rises in each step of the first fifth and falls in each step after it."""
    progress = np.linspace(0, 1, 1001)
    rates = np.array([schedule("one_cycle", float(one)) for one in progress])
    assert 200 == rates.argmax()
    assert (np.diff(rates[:201]) > 0).all() and (np.diff(rates[200:]) < 0).all()
    assert 0.01 == pytest.approx(rates.min())


def test_a_constant_schedule_is_the_rate_itself() -> None:
    """At the start, in the middle and at the end."""
    assert [1.0, 1.0, 1.0] == [schedule("constant", progress) for progress in (0, 0.5, 1)]


def test_every_schedule_that_a_recipe_takes_has_its_highest_rate_once_at_one() -> None:
    """``lr`` is the highest rate of any schedule."""
    for name in SCHEDULES:
        assert 1.0 == pytest.approx(max(schedule(name, step / 100) for step in range(100)))
