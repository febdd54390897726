"""Attribution of networks: exact for linear; for others integrated gradients and occlusion, by Captum."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.errors import require
from firstlight.models.attribution import Attribution
from firstlight.models.training.architectures import Linear
from firstlight.models.training.normalized_module import NormalizedModule, evaluating, moved

STEPS = (32, 64, 128, 256, 512)  # of the integral; the next number is tried where the last was too coarse
OF_DIFFERENCE, OF_MAP = 1e-2, 1e-3  # largest completeness error: this share of the difference that is explained, or,
# where pixels cancel each other out, of the sum of the map's absolute values
VALUES_AT_ONCE = 2**19  # float32 values of the images, with all views, in one batch with gradients: 2 MiB, and about
# a hundred times that for the activations that the gradient needs
WINDOW = 5  # occlusion windows along the shorter side; they move by half their size

Scorer = Callable[[Tensor, Tensor, Tensor], Tensor]  # images, predicted classes, other classes -> (B,)
TIMES_WEIGHT = (
    "each normalized pixel times the difference of its two weights; the difference of the two biases is divided evenly "
    "among all pixels"
)


def attribute(network: NormalizedModule, images: np.ndarray, pairs: np.ndarray) -> Attribution:
    """How much each pixel adds to the score of one class over another.

    Args:
        network: with test-time augmentation the mean over its views is explained.
        images: (n, H, W, C) uint8.
        pairs: (n, 2) the predicted class and the class it is compared with.

    Returns:
        For linear the exact map; else integrated gradients from a flat image of the mean training value, and
        occlusion by that value.

    Raises:
        MissingExtraError: where the network is not linear and Captum is not installed.
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
            change = Occlusion(score).attribute(
                floats,
                sliding_window_shapes=(channels, side, side),
                strides=(channels, step, step),
                baselines=0.0,
                additional_forward_args=classes,
                perturbations_per_eval=max(1, at_once // len(floats)),
            )
            hidden[rows] = _array(change[:, 0])  # a window covers all channels, so all have the same value
    start_of = f"from a flat image of the mean training value{_views(network)}"
    hidden_by = f"occlusion by that value, {side} x {side} px at a time"
    methods = [f"integrated gradients in {number} steps {start_of}; {hidden_by}" for number in steps]
    return Attribution(maps, methods, exact=np.zeros(n, bool), baseline=baseline, occlusion=hidden)


def _integrated(
    score: Scorer, floats: Tensor, classes: tuple[Tensor, ...], at_once: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrated gradients (n, H, W), the score of the flat image (n,), and the number of steps (n,).

    Each image gets twice the steps until its integral is accurate enough: the gradient of a ReLU network jumps along
    the path, so no rule of integration is exact.
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


def _linear(network: NormalizedModule, images: np.ndarray, pairs: np.ndarray) -> Attribution:
    """Gradient times pixel in float64; the gradient of a linear function is its weights, whatever the views.

    The scores are computed again in float64: in float32 they are rounded by about 1e-6.
    """
    n, height, width, _ = images.shape
    module = copy.deepcopy(network.module).cpu().double()
    pixels = (torch.from_numpy(np.array(images)).double() / 255 - network.mean) / network.std
    pixels = pixels.permute(0, 3, 1, 2).requires_grad_()
    scores = _scores(module, pixels, network.views)
    (weights,) = torch.autograd.grad(_difference(scores, *_classes(pairs)).sum(), pixels)  # (n, C, H, W)
    with torch.no_grad():
        biases = module(torch.zeros((1, *pixels.shape[1:]), dtype=torch.float64))[0].numpy()  # (K,)
        maps = (weights * pixels).sum(dim=1).numpy()
    bias = biases[pairs[:, 0]] - biases[pairs[:, 1]]
    maps = maps + bias[:, None, None] / (height * width)
    methods = [TIMES_WEIGHT + _views(network)] * n
    return Attribution(maps, methods, exact=np.ones(n, bool), baseline=np.zeros(n), scores=_array(scores))


def _scores(module: nn.Module, images: Tensor, views: Sequence[tuple[int, int, bool]]) -> Tensor:
    """(B, C, H, W) normalized -> (B, K): the mean over the views, as in `Network.scores`, with its gradient."""
    # A copy for each view, since a module may write into its input.
    each = [module(moved(images.clone(), *view)) for view in views]
    return sum(each[1:], each[0]) / len(each)


def _difference(scores: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """(B,): the first class's score minus the second's."""
    return (scores.gather(1, first[:, None]) - scores.gather(1, second[:, None]))[:, 0]


def _classes(pairs: np.ndarray) -> tuple[Tensor, Tensor]:
    """(n,) the predicted classes, (n,) the other classes."""
    first, second = torch.from_numpy(pairs.T.astype(np.int64))
    return first, second


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()  # mps has no float64


def _views(network: NormalizedModule) -> str:
    return f", the mean over the network's {len(network.views)} views of the image" if len(network.views) > 1 else ""
