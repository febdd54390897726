"""Maps of the trained rungs: exact for linear; integrated gradients and occlusion by Captum for the others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.errors import require
from firstlight.models.explaining.closed import Account
from firstlight.models.training.architectures import Linear
from firstlight.models.training.network import Network, evaluating, moved

STEPS = (32, 64, 128, 256, 512)  # of the integral; the next number is taken where the last was too coarse
OF_DIFFERENCE, OF_MAP = 1e-2, 1e-3  # completeness error that is small enough: this share of the difference that is
# explained, or, where pixels cancel each other out, of the sum of the map's absolute values
VALUES_AT_ONCE = 2**19  # float32 values of the images, all views, in one batch with gradients: 2 MiB, and some
# hundred times that for what the layers keep for the gradient
WINDOW = 5  # windows of occlusion side by side on the shorter side, each of which moves by half of itself

Scorer = Callable[[Tensor, Tensor, Tensor], Tensor]  # images, classes argued for, classes argued against -> (B,)
TIMES_WEIGHT = (
    "each normalized pixel times the difference of its two weights; the difference of the two biases is spread evenly "
    "over all pixels"
)


def account_of(network: Network, images: np.ndarray, pairs: np.ndarray) -> Account:
    """Why a network gave one class a higher score than another.

    Args:
        network: what scored the images; where it looks in several views, the mean over them is explained.
        images: (n, H, W, C) uint8.
        pairs: (n, 2) the predicted class and the one argued against.

    Returns:
        For linear the exact map; else integrated gradients from a flat image of the mean training value, and
        occlusion by that value.

    Raises:
        MissingExtraError: where a network has to be explained and Captum is not installed.
    """
    if isinstance(network.module, Linear):
        return _linear(network, images, pairs)
    with require("explain", purpose="Explanations of networks"):
        from captum.attr import Occlusion
    n, height, width, channels = images.shape
    at_once = max(1, VALUES_AT_ONCE // (height * width * channels * len(network.views)))
    side = max(1, round(min(height, width) / WINDOW))
    step = max(1, side // 2)
    maps, hidden = np.zeros((n, height, width)), np.zeros((n, height, width))
    baseline, steps = np.zeros(n), np.zeros(n, np.int64)

    def score(batch: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return _difference(_scores(network.module, batch, network.views), first, second)

    with evaluating(network.module):
        for start in range(0, n, at_once):
            rows = slice(start, start + at_once)
            values = torch.from_numpy(np.array(images[rows])).to(network.device)
            floats = network.floats(values.permute(0, 3, 1, 2))
            classes = tuple(one.to(network.device) for one in _classes(pairs[rows]))
            maps[rows], baseline[rows], steps[rows] = _integrated(score, floats, classes, at_once)
            covered = Occlusion(score).attribute(
                floats,
                sliding_window_shapes=(channels, side, side),
                strides=(channels, step, step),
                baselines=0.0,
                additional_forward_args=classes,
                perturbations_per_eval=max(1, at_once // len(floats)),
            )
            hidden[rows] = _array(covered[:, 0])  # a window covers all channels: each holds the same
    start_of = f"from a flat image of the mean training value{_seen(network)}"
    covered_by = f"occlusion by that value, {side} x {side} px at a time"
    methods = [f"integrated gradients in {number} steps {start_of}; {covered_by}" for number in steps]
    return Account(pairs, maps, methods, np.zeros(n, bool), baseline, occlusion=hidden)


def _integrated(
    score: Scorer, floats: Tensor, classes: tuple[Tensor, ...], at_once: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrated gradients (n, H, W), the score of the flat image (n,), and the steps that were taken (n,).

    Each image gets twice the steps as long as its integral is not good enough: along the way a ReLU network's gradient
    jumps, so no rule of integration is exact.
    """
    from captum.attr import IntegratedGradients

    with torch.no_grad():
        flat, whole = _array(score(torch.zeros_like(floats), *classes)), _array(score(floats, *classes))
    maps, taken = np.zeros((len(floats), *floats.shape[2:])), np.zeros(len(floats), np.int64)
    left = np.arange(len(floats))
    for steps in STEPS:
        rows = torch.from_numpy(left).to(floats.device)
        found = IntegratedGradients(score).attribute(
            floats[rows].requires_grad_(),
            baselines=0.0,
            additional_forward_args=tuple(one[rows] for one in classes),
            n_steps=steps,
            internal_batch_size=max(at_once, len(left)),
        )
        maps[left], taken[left] = _array(found.sum(dim=1)), steps
        explained, size = (whole - flat)[left], np.abs(maps[left]).sum(axis=(1, 2))
        lost = np.abs(explained - maps[left].sum(axis=(1, 2)))
        left = left[lost > np.maximum(OF_DIFFERENCE * np.abs(explained), OF_MAP * size)]
        if not len(left):
            break
    return maps, flat, taken


def _linear(network: Network, images: np.ndarray, pairs: np.ndarray) -> Account:
    """Gradient times pixel in float64; the gradient of a linear function is its weights, whatever the views.

    The scores are computed anew in float64: those in float32 are rounded by some 1e-6.
    """
    n, height, width, _ = images.shape
    module = copy.deepcopy(network.module).cpu().double()
    pixels = (torch.from_numpy(np.array(images)).double() / 255 - network.mean) / network.spread
    pixels = pixels.permute(0, 3, 1, 2).requires_grad_()
    scores = _scores(module, pixels, network.views)
    (weights,) = torch.autograd.grad(_difference(scores, *_classes(pairs)).sum(), pixels)  # (n, C, H, W)
    with torch.no_grad():
        biases = module(torch.zeros((1, *pixels.shape[1:]), dtype=torch.float64))[0].numpy()  # (K,)
        maps = (weights * pixels).sum(dim=1).numpy()
    bias = biases[pairs[:, 0]] - biases[pairs[:, 1]]
    maps = maps + bias[:, None, None] / (height * width)
    methods = [TIMES_WEIGHT + _seen(network)] * n
    return Account(pairs, maps, methods, np.ones(n, bool), np.zeros(n), scores=_array(scores))


def _scores(module: nn.Module, images: Tensor, views: Sequence[tuple[int, int, bool]]) -> Tensor:
    """(B, C, H, W) normalized -> (B, K): the mean over the views, as `Network.scores` has it, with its gradient."""
    # A copy for each view, since a module may write into what it is given.
    each = [module(moved(images.clone(), *view)) for view in views]
    return sum(each[1:], each[0]) / len(each)


def _difference(scores: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """(B,): by how much the first class's score is higher than the second's."""
    return (scores.gather(1, first[:, None]) - scores.gather(1, second[:, None]))[:, 0]


def _classes(pairs: np.ndarray) -> tuple[Tensor, Tensor]:
    """(n,) the predicted classes, (n,) those argued against."""
    first, second = torch.from_numpy(pairs.T.astype(np.int64))
    return first, second


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()  # mps has no float64


def _seen(network: Network) -> str:
    return f", the mean over the network's {len(network.views)} views of the image" if len(network.views) > 1 else ""
