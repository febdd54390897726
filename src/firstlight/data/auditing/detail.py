"""How fine the detail of images is and how noisy they are, measured in a few of their lines."""

from __future__ import annotations

import math

import numpy as np

LEAST = 64  # px of the shorter side, below which neither is measured: a digit of 28 px has no detail to lose
COMMON = 128  # px of the shorter side to which larger images are brought, so that photos of all sizes compare
LINES = 32  # rows and columns, at most, that are measured
BLOCK = 32  # px of a row, in which noise is measured
FLOOR = 0.1  # share of the blocks that have less noise than the image is said to have: texture fills some, noise all
CLIPPED = 16  # gray levels from black and white, within which noise is cut off
ENOUGH = 0.1  # share of the blocks that must be neither black nor white
VISIBLE = 4.0  # gray levels of noise, below which it does not matter whether it is texture
WHITE = 0.7  # of the response with every second pixel: noise of deviation 20 as JPEG 90 has 1.0, the gravel 0.57
# Immerkaer 1996, "Fast noise variance estimation", eq. 4: the mask's response to white noise has this mean magnitude.
RESPONSE = 6 * math.sqrt(2 / math.pi)


def fineness(luma: np.ndarray) -> np.ndarray:
    """How much of the change over two pixels already happens over one, with the shorter side brought to 128 px.

    The mean square of the differences of neighbouring pixels, over that of pixels two apart, both along rows and
    columns. It is 1 for white noise, 0.5 for sharp edges far from each other (of two pixel pairs that span an edge
    one is its neighbour), and 0.25 where changes are linear over three pixels, as in a blurred image. Size, contrast
    and the number of edges do not matter.

    Args:
        luma: (B, H, W), gray levels.

    Returns:
        (B,) float32 in [0, 1]; 0 where nothing changes, and where a side is below 64 px.

    Example:
        >>> board = 255 * (np.indices((1, 100, 100)) // 10).sum(axis=0) % 510
        >>> ramp = np.indices((1, 100, 100)).sum(axis=0)
        >>> fineness(board).round(1), fineness(ramp)
        (array([0.5], dtype=float32), array([0.25], dtype=float32))
    """
    height, width = luma.shape[1:]
    shorter = min(height, width)
    if shorter < LEAST:
        return np.zeros(len(luma), np.float32)
    if shorter > COMMON:
        luma = np.stack([_shrunk(image, COMMON / shorter) for image in luma.astype(np.uint8)])
    one, two = np.zeros(len(luma), np.float32), np.zeros(len(luma), np.float32)
    for along in (luma, luma.transpose(0, 2, 1)):
        lines = along[:, :: -(-along.shape[1] // LINES)].astype(np.float32)  # (B, lines, px)
        near, far = lines[:, :, 1:] - lines[:, :, :-1], lines[:, :, 2:] - lines[:, :, :-2]
        one += np.einsum("blp,blp->b", near, near) / near[0].size
        two += np.einsum("blp,blp->b", far, far) / far[0].size
    return np.divide(one, two, out=np.zeros_like(one), where=two > 0).clip(0, 1)


def _shrunk(luma: np.ndarray, scale: float) -> np.ndarray:
    """Means of boxes of pixels: unlike the resizer's triangles they blur next to nothing, and take half the time."""
    from PIL.Image import Resampling, fromarray

    height, width = luma.shape
    size = (round(width * scale), round(height * scale))
    return np.asarray(fromarray(luma).resize(size, Resampling.BOX, reducing_gap=1.0))


def noise(luma: np.ndarray) -> np.ndarray:
    """The standard deviation of the noise: that of the tenth of an image where there is least of it.

    Immerkaer's 3 x 3 mask, the second difference along rows of the second difference along columns, does not see edges
    along rows and columns. Texture looks like noise to it, but seldom fills an image, while noise does; and the mask
    with every second pixel responds more to texture, and as much to noise, which is how gravel is told from it.

    Args:
        luma: (B, H, W), gray levels.

    Returns:
        (B,) float32, gray levels; 0 for texture, where nearly all is black or white, and where a side is below 64 px.

    Example:
        >>> clean = np.full((1, 300, 300), 128.0)
        >>> noise(clean), noise(clean + np.random.default_rng(0).normal(0, 20, (1, 300, 300))).round()
        (array([0.], dtype=float32), array([16.], dtype=float32))
    """
    if min(luma.shape[1:]) < LEAST:
        return np.zeros(len(luma), np.float32)
    least = _least_response(luma, 1)
    doubtful = np.flatnonzero(least > VISIBLE)
    if len(doubtful):
        least[doubtful[least[doubtful] < WHITE * _least_response(luma[doubtful], 2)]] = 0
    return least


def _least_response(luma: np.ndarray, step: int) -> np.ndarray:
    """(B,) float32: Immerkaer's estimate of the noise, with pixels ``step`` apart, in the tenth with least of it."""
    height, width = luma.shape[1:]
    rows = np.arange(0, height - 2 * step, -(-(height - 2 * step) // LINES))
    width = (width - 2 * step) // BLOCK * BLOCK + 2 * step  # whole blocks, and what the mask needs in addition
    above, middle, below = (luma[:, rows + down, :width].astype(np.float32) for down in (0, step, 2 * step))
    curved = above + below - 2 * middle  # (B, rows, px)
    response = np.abs(curved[:, :, : -2 * step] + curved[:, :, 2 * step :] - 2 * curved[:, :, step:-step])
    shape = (len(luma), len(rows), -1, BLOCK)
    blocks = (response.reshape(shape).mean(axis=3) / RESPONSE).reshape(len(luma), -1)
    levels = middle[:, :, step:-step].reshape(shape).mean(axis=3).reshape(len(luma), -1)
    blocks[(levels < CLIPPED) | (levels > 255 - CLIPPED)] = np.inf
    blocks.sort(axis=1)
    counts = np.isfinite(blocks).sum(axis=1)
    least = blocks[np.arange(len(luma)), (FLOOR * counts).astype(int)]
    return np.where(counts > ENOUGH * blocks.shape[1], least, 0).astype(np.float32)
