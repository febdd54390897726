"""`Network`: a module that scores uint8 images as every model does; its weights as arrays and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.errors import ArgumentError, RunError
from firstlight.models.attribution import Attribution
from firstlight.models.classifier import Model, SearchSpace
from firstlight.models.training.architectures import build
from firstlight.models.training.attribution import attribute
from firstlight.models.training.embedding import last_layer_space
from firstlight.models.training.normalized_module import NormalizedModule, evaluating, moved

VALUES_AT_ONCE = 2**22  # float32 values of the images in one batch of scoring: 16 MiB
MOST_VIEWS = 64
MODULE = "module."  # what the names of a module's tensors start with
PIXELS_MEASURED = 2**23  # for mean and standard deviation, from evenly spaced images


@dataclass(frozen=True, eq=False, kw_only=True)
class Network(NormalizedModule, Model):
    """A module that scores images.

    Attributes:
        about: the module's name and sizes, for the checkpoint.
    """

    kind: ClassVar[str] = "network"
    about: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 -> (N, K) float64, in float32 arithmetic."""
        at_once = max(1, min(1024, VALUES_AT_ONCE // max(1, int(np.prod(images.shape[1:])))))
        parts = []
        with evaluating(self.module), torch.inference_mode():
            for start in range(0, max(len(images), 1), at_once):  # once even for no image, which gives (0, K)
                part = torch.from_numpy(np.array(images[start : start + at_once])).to(self.device)
                floats = self.floats(part.permute(0, 3, 1, 2))
                views = [self.module(moved(floats.clone(), *view)).float() for view in self.views]  # (B, K) each
                parts.append((sum(views[1:], views[0]) / len(views)).cpu().numpy())
        return np.concatenate(parts).astype(np.float64)

    def attribute(self, images: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> Attribution:
        """Exact maps for linear; else integrated gradients and occlusion."""
        return attribute(self, images, pairs)

    def search_space(self, images: np.ndarray) -> SearchSpace | None:
        """The inputs of the last fully connected layer; None for a module without one."""
        return last_layer_space(self, images)

    def options(self) -> dict[str, Any]:
        """The module's name and sizes, and the views."""
        return {**self.about, "views": [list(view) for view in self.views]}

    def tensors(self) -> dict[str, np.ndarray]:
        """Its numbers by name: mean and standard deviation, and the module's weights and buffers as ``module.*``."""
        weights = {f"{MODULE}{name}": value.cpu().numpy() for name, value in self.module.state_dict().items()}
        return {"normalize": np.array([self.mean, self.std]), **weights}


def views_of(shape: Sequence[int], mirrored: bool) -> tuple[tuple[int, int, bool], ...]:
    """The views of test-time augmentation, as in Jordan 2024 (arXiv 2404.00498), section 3.5.

    They are the image, the image moved by 1/32 of its shorter side in each direction, and the mirror images of these.

    Example:
        >>> views_of((28, 28, 1), mirrored=False)
        ((0, 0, False), (1, 0, False), (-1, 0, False), (0, 1, False), (0, -1, False))
    """
    step = max(1, round(min(shape[:2]) / 32))
    moves = ((0, 0), (step, 0), (-step, 0), (0, step), (0, -step))
    sides = (False, True) if mirrored else (False,)
    return tuple((*move, side) for side in sides for move in moves)


def restored(
    about: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
    classes: int,
    module: nn.Module | None = None,
) -> Network:
    """The network that these tensors belong to.

    Args:
        about: its name and sizes.
        tensors: as `Network.tensors` returns them.
        shape: (H, W, C) of the images.
        classes: K.
        module: one of the user's class, where that was trained; its copy gets the weights.

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
        try:
            with torch.device("meta"):  # shapes without memory: whatever sizes a file claims, they cost nothing
                made = build(str(about["module"]), shape, classes, about["sizes"])
        except ArgumentError as error:
            raise RunError(f"The model's description is invalid ({str(error).rstrip('.')}); fit it anew.") from error
    weights = {name.removeprefix(MODULE): value for name, value in tensors.items() if name.startswith(MODULE)}
    load_weights(made, {name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    found = tensors.get("normalize")
    if found is None or found.shape != (2,) or found.dtype != np.float64 or found[1] <= 0:
        got = "missing" if found is None else f"{found.dtype} {found.shape}"
        raise RunError(
            f"The tensor 'normalize' is {got}; a network has float64 (2,): mean and standard deviation; fit it anew."
        )
    views = tuple((int(down), int(right), bool(mirrored)) for down, right, mirrored in about["views"])
    if not 1 <= len(views) <= MOST_VIEWS:
        raise RunError(f"The model has {len(views)} views of an image; expected 1 to {MOST_VIEWS}; fit it anew.")
    return Network(module=laid_out(made.eval()), mean=float(found[0]), std=float(found[1]), about=about, views=views)


def laid_out(module: nn.Module) -> nn.Module:
    """The module with its filters in channels-last memory order, like the images; changed in place."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Loads weights and buffers into a module.

    Raises:
        RunError: where a tensor is missing, left over, or of another shape; the sentence names it.
    """
    wanted = module.state_dict()
    check_tensors("module", weights, wanted)
    module.load_state_dict(dict(weights), assign=any(value.is_meta for value in wanted.values()))


def check_tensors(owner: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Compares the names, dtypes and shapes of saved tensors with those of their owner.

    Raises:
        RunError: where a tensor is missing, left over, or of another shape; the sentence names it.
    """
    for name in sorted(expected.keys() | found.keys()):
        saved, wanted = _kind(found.get(name)), _kind(expected.get(name))
        if saved != wanted:
            raise RunError(f"The tensor {name!r} is {saved} and the {owner} has {wanted}; fit it anew.")


def _kind(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def statistics(images: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the pixels / 255, from at most 8 million of them.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        Mean and standard deviation; the latter is 1 where all pixels are equal.

    Example:
        >>> statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
        (0.5, 0.5)
    """
    step = -(-images.size // PIXELS_MEASURED)
    counts = np.bincount(
        np.ravel(images[::step]), minlength=256
    )  # integers, so that the order of adding up does not matter
    levels, shares = np.arange(256) / 255, counts / counts.sum()
    mean = float(shares @ levels)
    std = float(np.sqrt(shares @ (levels - mean) ** 2))
    return mean, std if std > 0 else 1.0
