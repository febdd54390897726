"""`Network`: a module with its normalising and its device, so that it scores uint8 images as every rung does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.errors import ArgumentError, RunError
from firstlight.models.networks import build

VALUES_AT_ONCE = 2**22  # float32 values of the images in one batch of scoring: 16 MiB
MODULE = "module."  # what the names of a module's tensors start with
PIXELS_MEASURED = 2**23  # that mean and standard deviation are taken of, from images evenly spaced


@dataclass(frozen=True, eq=False)
class Network:
    """A module that scores images.

    Attributes:
        module: (B, C, H, W) float -> (B, K).
        mean: (C,) float32, of the training images' pixels / 255.
        spread: (C,) float32, their standard deviation.
        about: what the checkpoint says of the module: its name and sizes.
        device: where it computes.
    """

    module: nn.Module
    mean: np.ndarray
    spread: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def floats(self, images: Tensor) -> Tensor:
        """Normalised images: (pixels / 255 - mean) / spread, (B, C, H, W) uint8 -> float32."""
        scale = torch.from_numpy(1 / (255 * self.spread)).to(images.device)[:, None, None]
        offset = torch.from_numpy(-self.mean / self.spread).to(images.device)[:, None, None]
        return torch.addcmul(offset, images.float(), scale)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 -> (N, K) float64, in float32 arithmetic."""
        at_once = max(1, min(1024, VALUES_AT_ONCE // max(1, int(np.prod(images.shape[1:])))))
        training = self.module.training
        self.module.eval()
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), at_once):
                part = torch.from_numpy(np.array(images[start : start + at_once])).to(self.device)
                parts.append(self.module(self.floats(part.permute(0, 3, 1, 2))).float().cpu().numpy())
        self.module.train(training)
        return np.concatenate(parts).astype(np.float64)

    def tensors(self) -> dict[str, np.ndarray]:
        """Every number of it by name: mean, spread, and the module's weights and buffers below ``module.``."""
        weights = {f"{MODULE}{name}": value.cpu().numpy() for name, value in self.module.state_dict().items()}
        return {"mean": self.mean, "spread": self.spread, **weights}


def restored(
    about: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
    classes: int,
    module: nn.Module | None = None,
) -> Network:
    """The network that gave these tensors.

    Args:
        about: its name and sizes.
        tensors: what `Network.tensors` gave.
        shape: (H, W, C) of the images.
        classes: K.
        module: of the user's own, where that was trained; its copy takes the weights.

    Raises:
        ArgumentError: where the user's own module is missing.
        RunError: where a tensor is missing, left over or of another shape; the sentence names it.
    """
    if about["own"]:
        if module is None:
            raise ArgumentError(
                f"The model is your own module {str(about['module'])[:60]!r}, and a model file holds no code; pass one "
                "of the same class: restore(saved, module=...)."
            )
        made = copy.deepcopy(module)
    else:
        with torch.random.fork_rng(devices=[]):
            made = build(str(about["module"]), shape, classes, about["sizes"])
    weights = {name.removeprefix(MODULE): value for name, value in tensors.items() if name.startswith(MODULE)}
    load_weights(made, {name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    for name in ("mean", "spread"):
        found = tensors.get(name)
        if found is None or found.shape != shape[2:] or found.dtype != np.float32:
            got = "missing" if found is None else f"{found.dtype} {found.shape}"
            raise RunError(f"The tensor {name!r} is {got}; a network has float32 {shape[2:]}; fit it anew.")
    return Network(laid_out(made.eval()), tensors["mean"], tensors["spread"], about)


def laid_out(module: nn.Module) -> nn.Module:
    """The module with its filters in channels-last memory order, as the images lie; changed in place."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Puts weights and buffers into a module.

    Raises:
        RunError: where a tensor is missing, left over, or of another shape; the sentence names it.
    """
    wanted = module.state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        found, expected = (_told(part.get(name)) for part in (weights, wanted))
        if found != expected:
            raise RunError(f"The tensor {name!r} is {found} and the module has {expected}; fit it anew.")
    module.load_state_dict(dict(weights))


def _told(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the pixels / 255 of each channel, from at most 8 million pixels.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        (C,) float32 each; the deviation of a channel of one value is 1.

    Example:
        >>> statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
        (array([0.5], dtype=float32), array([0.5], dtype=float32))
    """
    step = -(-images[..., 0].size // PIXELS_MEASURED)
    histograms = np.zeros((images.shape[3], 256), np.int64)  # integers, so the order of adding up is nothing
    for channel, histogram in enumerate(histograms):
        histogram += np.bincount(np.ravel(images[::step, :, :, channel]), minlength=256)
    levels = np.arange(256) / 255
    shares = histograms / histograms.sum(axis=1, keepdims=True)
    mean = shares @ levels
    spread = np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(axis=1))
    return mean.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)
