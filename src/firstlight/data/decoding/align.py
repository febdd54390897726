"""`aligned()`: drawings aligned by their ink: cropped to its box, centred by its weight, or set upright."""

from __future__ import annotations

from typing import Literal

import numpy as np

from firstlight.errors import ArgumentError

Align = Literal["none", "box", "mass", "deskew"]
ALIGNMENTS = ("none", "box", "mass", "deskew")
LEAST = 1e-9  # a divisor that would be 0 where there is no ink
BATCH = 2**22  # pixels at once: 32 MB of float64 for each of a handful of arrays


def aligned(images: np.ndarray, align: Align) -> np.ndarray:
    """The images with their ink aligned; the images themselves for ``"none"``.

    Ink is how far a pixel, the mean of its channels, is from the ground, the mean of the outermost pixels; so light
    on dark and dark on light are the same. New pixels are sampled bilinearly, with the ground where there were none.

    - ``"box"``: the box of what has half of the strongest ink, or more, is stretched to the whole image.
    - ``"mass"``: moved, so that the ink's centre of mass is in the middle.
    - ``"deskew"``: sheared sideways about the centre of mass until columns and rows of the ink are not correlated:
      by cov(x, y) / var(y) px a row. (The slant correction of LeCun and others 1998, section III.A.)

    Args:
        images: uint8 (N, H, W, C).
        align: one of `ALIGNMENTS`.

    Returns:
        uint8 (N, H, W, C); an image without ink stays as it is.

    Raises:
        ArgumentError: where there is no such alignment.

    Example:
        >>> image = np.zeros((1, 5, 5, 1), np.uint8)
        >>> image[0, 1, 3] = 200
        >>> [row.tolist() for row in aligned(image, "mass")[0, 1:4, :, 0]]  # moved to the middle
        [[0, 0, 0, 0, 0], [0, 0, 200, 0, 0], [0, 0, 0, 0, 0]]
    """
    if align not in ALIGNMENTS:
        raise ArgumentError(f"align={align!r} is not known; choose from {', '.join(ALIGNMENTS)}.")
    if align == "none" or not len(images):
        return images
    result = np.empty_like(images)
    batch = max(1, BATCH // images[0].size)
    for start in range(0, len(images), batch):
        part = images[start : start + batch].astype(np.float64)
        ground, ink = _ink(part)
        down, right = _places(ink, align)
        part = _along(part, right, ground)
        if down is not None:
            part = _along(part.swapaxes(1, 2), down[:, None], ground).swapaxes(1, 2)
        result[start : start + batch] = np.floor(part + 0.5)
    result.flags.writeable = False
    return result


def _ink(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, C), the ground; (N, H, W), how far each pixel is from it."""
    border = np.ones(images.shape[1:3], bool)
    border[1:-1, 1:-1] = False
    ground = images[:, border].mean(axis=1)
    return ground, np.abs(images.mean(axis=3) - ground.mean(axis=1)[:, None, None])


def _places(ink: np.ndarray, align: Align) -> tuple[np.ndarray | None, np.ndarray]:
    """From which row, (N, H), and which column, (N, H or 1, W), each new pixel comes; the first pixel's middle is 0.5.

    No rows where they stay.
    """
    _, height, width = ink.shape
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    if align == "box":
        strong = ink >= ink.max(axis=(1, 2), keepdims=True) / 2
        top, tall = _extent(strong.any(axis=2))
        left, wide = _extent(strong.any(axis=1))
        right = left[:, None] + columns * (wide / width)[:, None]
        return top[:, None] + rows * (tall / height)[:, None], right[:, None]
    total = np.maximum(ink.sum(axis=(1, 2)), LEAST)
    by_row, by_column = ink.sum(axis=2), ink.sum(axis=1)
    there = (ink.max(axis=(1, 2)) > 0)[:, None]
    y = ((by_row * rows).sum(axis=1) / total)[:, None]
    x = ((by_column * columns).sum(axis=1) / total)[:, None]
    if align == "mass":
        down = rows + np.where(there, y - height / 2, 0)
        return down, (columns + np.where(there, x - width / 2, 0))[:, None]
    off_row = rows - y  # (N, H)
    variance = (by_row * off_row**2).sum(axis=1)
    covariance = ((ink * (columns - x)[:, None]).sum(axis=2) * off_row).sum(axis=1)
    slant = (covariance / np.maximum(variance, LEAST))[:, None]
    return None, columns + np.where(there, slant * off_row, 0)[:, :, None]


def _extent(there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) twice: the first place and how many there are up to the last, of booleans (N, S)."""
    first, last = there.argmax(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1)
    return first, last - first


def _along(values: np.ndarray, places: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(N, H, W, C): of every row the values at these columns, (N, H or 1, W), linearly between two pixels."""
    width = values.shape[2]
    first = np.floor(places - 0.5)
    part = (places - 0.5 - first)[..., None]

    def at(columns: np.ndarray) -> np.ndarray:
        inside = ((columns >= 0) & (columns < width))[..., None]
        found = np.take_along_axis(values, columns.clip(0, width - 1).astype(np.int64)[..., None], axis=2)
        return np.where(inside, found, ground[:, None, None])

    return (1 - part) * at(first) + part * at(first + 1)
