"""The cnn's share of the machine: the rate of its training steps beside that of a bfloat16 matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import nn

import firstlight as fl
from firstlight.data.pixels import Pixels
from firstlight.models.training.fitting import decided, start
from firstlight.models.training.loop import Training
from firstlight.models.training.monitoring import training_set
from firstlight.models.training.network import laid_out
from firstlight.models.training.recipes import EFFORTS, recipe_for
from firstlight.models.training.setting import Setting
from folders import folder
from rounds import Benchmark, Figure

SIZE = 2048  # of the matrices whose product is the measure
STEPS = 4  # a turn


@cache
def pixels(name: str) -> Pixels:
    """The decoded pixels of a dataset."""
    return fl.load(fl.scan(folder(name)))


def of_products() -> Benchmark:
    """The rate of training steps on real pixels, augmentation and optimizer included, beside a product's rate."""
    square = torch.randn(SIZE, SIZE, dtype=torch.bfloat16)
    rates: dict[str, list[tuple[float, float, float]]] = {}  # steps, the same by the rule of three, product; FLOP/s

    def product() -> float:
        """The fewest seconds of five."""
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            torch.mm(square, square)
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    def trained(data: str, effort: str) -> Callable[[], float]:
        images, key = training_set(pixels(data)), f"{data} {effort}"
        recipe = recipe_for("cnn", effort, {"device": "cpu"})
        network = start("cnn", images, recipe, 0)
        recipe, _ = decided(recipe, images, Setting(classes=pixels(data).classes), torch.device("cpu"))
        forward, done = products(network.module, images.images.shape[1:])
        laid_out(network.module).train()
        training = Training(network, images, recipe, 0)
        batches, seeds = training.order(0)

        def work() -> float:
            started = time.perf_counter()
            for rows, seed in zip(batches[:STEPS], seeds, strict=False):
                training.step(rows, seed, 1e-3)
            seconds = time.perf_counter() - started
            rate = sum(map(len, batches[:STEPS])) / seconds
            rates.setdefault(key, []).append((rate * done, rate * 3 * forward, 2 * SIZE**3 / product()))
            return seconds

        return work

    def figures() -> dict[str, Figure]:
        found = {}
        for key, rounds in rates.items():
            ours, by_three, peak = (np.array(values) for values in zip(*rounds[1:], strict=True))
            note = f"{np.median(ours) / 1e9:.0f} of {np.median(peak) / 1e9:.0f} GFLOP/s"
            note += f"; {np.median(by_three / peak):.3f} with three times the forward pass"
            found[f"{key}, share of the product's rate"] = Figure(float(np.median(ours / peak)), note=note)
        return found

    contenders: dict[str, Callable[[], float]] = {
        f"{data} {effort}": trained(data, effort) for data in ("mnist_png", "cifar10") for effort in EFFORTS
    }
    contenders[f"bfloat16 product of {SIZE} x {SIZE}"] = product
    return Benchmark("cnn-share", f"{STEPS} training steps of the cnn", contenders, figures=figures)


def products(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Floating-point operations of convolutions and linear layers for an image: forwards, and in a whole step.

    A step has the forward pass, the gradient by the weights, and the gradient by the layer's input, each as large:
    three times the forward pass, but for a layer that is fixed, as the stem is, and for what comes right after it,
    whose input asks for no gradient.
    """
    forward, whole = [], []

    def count(layer: nn.Module, given: tuple[torch.Tensor], output: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        forward.append(2 * output.numel() * weight[0].numel())
        whole.append(forward[-1] * (1 + weight.requires_grad + given[0].requires_grad))

    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    module.eval()(torch.zeros(1, shape[2], *shape[:2]))
    for hook in hooks:
        hook.remove()
    return sum(forward), sum(whole)
