"""Augmentation of whole batches of training images: random shifts, rotations, scales, mirror images, cutouts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  # the field's name for it
from torch import Generator, Tensor

from firstlight.models.training.recipes import Augmentation


def augment(images: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    """The batch with each image augmented at random.

    The edge that a shift or rotation leaves bare is filled by reflection. Without rotation and scaling the pixels
    are moved and never interpolated, so that their values stay the same.

    Args:
        images: (B, C, H, W) float; cutouts are set to 0.
        how: which augmentations, and how far.
        generator: on the CPU, so that every device uses the same random numbers.

    Returns:
        (B, C, H, W), in channels-last memory order.

    Example:
        >>> images = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> augment(images, Augmentation(mirror=False), torch.Generator()) is images
        True
    """
    side = min(images.shape[2:])
    shift = round(how.shift * side)
    if how.rotate or how.scale:
        images = _rotated(images, how, shift, generator)
    elif shift or how.mirror is True:
        images = _moved(images, how, shift, generator)
    if how.cutout and side * how.cutout >= 1:
        images = images.masked_fill(_square(images, round(how.cutout * side), generator), 0.0)
        images = images.contiguous(memory_format=torch.channels_last)  # which masked_fill does not keep
    return images


def _moved(images: Tensor, how: Augmentation, shift: int, generator: Generator) -> Tensor:
    """Shifted by whole px and mirrored, by indexing rows and columns."""
    count, _, height, width = images.shape
    down, right = torch.randint(-shift, shift + 1, (2, count, 1), generator=generator)  # (B, 1) each
    rows = reflected(torch.arange(height) + down, height)  # (B, H)
    columns = reflected(torch.arange(width) + right, width)  # (B, W)
    if how.mirror is True:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    image, rows, columns = (
        index.to(images.device) for index in (torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :])
    )
    return images.permute(0, 2, 3, 1)[image, rows, columns].permute(0, 3, 1, 2)


def _rotated(images: Tensor, how: Augmentation, shift: int, generator: Generator) -> Tensor:
    """Shifted, rotated, scaled and mirrored at once, by bilinear interpolation."""
    count, _, height, width = images.shape
    angle, scale, right, down = torch.rand(4, count, generator=generator) * 2 - 1  # (B,) each, in [-1, 1]
    angle = angle * math.radians(how.rotate)
    scale = torch.exp(scale * math.log1p(how.scale))
    sign = torch.ones(count)
    if how.mirror is True:
        sign = 1 - 2 * (torch.rand(count, generator=generator) < 0.5).float()
    # From where each pixel is taken, in coordinates from -1 to 1; the ratios keep a rotation from shearing.
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    row_x = torch.stack([sign * cosine, -sign * sine * height / width, right * 2 * shift / width], 1)  # (B, 3)
    row_y = torch.stack([sine * width / height, cosine, down * 2 * shift / height], 1)  # (B, 3)
    grid = F.affine_grid(torch.stack([row_x, row_y], 1).to(images.device), list(images.shape), align_corners=False)
    rotated = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return rotated.contiguous(memory_format=torch.channels_last)


def reflected(index: Tensor, size: int) -> Tensor:
    """Row or column numbers beyond an edge, reflected at the edge pixel: -1 becomes 1."""
    if size == 1:
        return torch.zeros_like(index)
    index = index.abs()
    return (size - 1) - (size - 1 - index).abs()


def _square(images: Tensor, side: int, generator: Generator) -> Tensor:
    """(B, 1, H, W) bool: a square of ``side`` px around a random pixel, cut off at the edges."""
    count, _, height, width = images.shape
    row = torch.randint(0, height, (count, 1, 1), generator=generator)
    column = torch.randint(0, width, (count, 1, 1), generator=generator)
    high = (torch.arange(height)[None, :, None] - row + side // 2).unsqueeze(1)
    wide = (torch.arange(width)[None, None, :] - column + side // 2).unsqueeze(1)
    inside = (high >= 0) & (high < side) & (wide >= 0) & (wide < side)
    return inside.to(images.device)
