"""`NormalizedModule`: a module with its normalization, its views of an image and its device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from firstlight.models.training.augmentation import reflected

ONE_VIEW = ((0, 0, False),)


@dataclass(frozen=True, eq=False, kw_only=True)
class NormalizedModule:
    """A module and how its inputs are made from uint8 images.

    Attributes:
        module: (B, C, H, W) float -> (B, K).
        mean: of the training images' pixels / 255, over all channels: normalizing each channel alone takes ten times
            as long in channels-last order, and a network's first layer can do it.
        std: their standard deviation.
        views: (px down, px right, mirrored) of each view of an image in test-time augmentation; the scores are the
            mean over them. Without it the only view is the image itself.
        device: on which it computes.
    """

    module: nn.Module
    mean: float
    std: float
    views: tuple[tuple[int, int, bool], ...] = ONE_VIEW
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def floats(self, images: Tensor) -> Tensor:
        """Normalized images: (pixels / 255 - mean) / std, (B, C, H, W) uint8 -> float32."""
        return images.float().mul_(1 / (255 * self.std)).add_(-self.mean / self.std)


def moved(images: Tensor, down: int, right: int, mirrored: bool) -> Tensor:
    """The images (B, C, H, W) moved by whole px, the bare edge filled by reflection, then mirrored."""
    height, width = images.shape[2:]
    if down:
        images = images[:, :, reflected(torch.arange(height) - down, height)]
    if right:
        images = images[:, :, :, reflected(torch.arange(width) - right, width)]
    return images.flip(3) if mirrored else images


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts the module into evaluation mode inside the block, and each of its parts back into its own mode after it."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
