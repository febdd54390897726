"""Distances from images to class centres, L1, L2 and cosine, with the same bits in whatever order they are summed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

DISTANCES = ("l1", "l2", "cosine")

NEVER = -2.0  # the score of a class without training images: no distance is above 1
FRACTION = 1 << 16  # centres are rounded to 1/65536 of a gray level, which moves a mean L1 by less than 3e-8
COMPILED_FROM = 500_000_000  # pixel differences: NumPy takes 1 to 1.5 ns for each, and Numba 0.7 s to start
NUMPY_BYTES = 1 << 18  # of a temporary array, so that it stays in the second-level cache


def to_centres(images: np.ndarray, sums: np.ndarray, counts: np.ndarray, distance: str) -> np.ndarray:
    """The distance of every image to every class centre ``sums / counts``.

    Args:
        images: (N, P) uint8, C-contiguous.
        sums: (K, P) int64, the numerators of the centres (for a mean: the class sums).
        counts: (K,) int64 > 0, their denominators.
        distance: ``"l1"``, the mean over pixels of |difference|; ``"l2"``, the root of the mean squared
            difference; ``"cosine"``, one minus the cosine of the angle, and 1 where either is all black.

    Returns:
        (N, K) float64; for l1 and l2 in [0, 1], a pixel of 255 being 1.

    Example:
        >>> import numpy as np
        >>> images = np.array([[0, 255]], np.uint8)
        >>> to_centres(images, np.array([[0, 0], [510, 510]]), np.array([1, 2]), "l1")
        array([[0.5, 0.5]])
    """
    return _DISTANCES[distance](images, sums, counts)


def _l1(images: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    centres = ((2 * FRACTION * sums + counts[:, None]) // (2 * counts[:, None])).astype(np.int32)  # rounded
    out = np.empty((len(images), len(sums)), np.int64)
    if images.shape[0] * sums.size >= COMPILED_FROM or "firstlight.models.closed_form.l1_kernel" in sys.modules:
        _l1_compiled(images, centres, out)
    else:
        _l1_numpy(images, centres, out)
    return out / (FRACTION * 255.0 * images.shape[1])


def _l1_numpy(images: np.ndarray, centres: np.ndarray, out: np.ndarray) -> None:
    rows = max(1, NUMPY_BYTES // (4 * images.shape[1]))
    # Allocated once: fresh memory for every block takes as long as the arithmetic.
    blocks, differences = np.empty((2, min(rows, len(images)), images.shape[1]), np.int32)
    for start in range(0, len(images), rows):
        part = images[start : start + rows]
        block, difference = blocks[: len(part)], differences[: len(part)]
        np.multiply(part, FRACTION, out=block, dtype=np.int32)
        for k, centre in enumerate(centres):
            np.subtract(block, centre, out=difference)
            np.abs(difference, out=difference)
            out[start : start + rows, k] = difference.sum(axis=1, dtype=np.int64)


def _l1_compiled(images: np.ndarray, centres: np.ndarray, out: np.ndarray) -> None:
    from firstlight.models.closed_form import l1_kernel as kernel

    workers = os.cpu_count() or 1
    rows = max(1, -(-len(images) // (4 * workers)))  # four parts per worker, so that none waits long
    starts = range(0, len(images), rows)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda at: kernel.l1(images[at : at + rows], centres, out[at : at + rows]), starts))


def _dot(images: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products with the sums (N, K) and squared norms (N,), both exact.

    Every term is an integer and every partial sum is below 2**53 (with 784 pixels up to 1e8 images per class), so
    float64 adds without rounding, in whatever order a matrix product adds.
    """
    right = sums.T.astype(np.float64)  # (P, K)
    products, norms = np.empty((len(images), len(sums))), np.empty(len(images))
    rows = max(1, 4 * NUMPY_BYTES // (8 * images.shape[1]))
    blocks = np.empty((min(rows, len(images)), images.shape[1]))
    for start in range(0, len(images), rows):
        part = images[start : start + rows]
        block = blocks[: len(part)]
        block[:] = part
        np.matmul(block, right, out=products[start : start + rows])
        np.vecdot(block, block, out=norms[start : start + rows])
    return products, norms


def _l2(images: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    # |x - s/n|^2 = |x|^2 - 2 x.s/n + |s/n|^2
    products, norms = _dot(images, sums)
    centres = ((sums / counts[:, None]) ** 2).sum(axis=1)  # (K,)
    squared = norms[:, None] - 2 * products / counts + centres
    return np.sqrt(np.maximum(squared, 0) / images.shape[1]) / 255


def _cosine(images: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    # The length of a centre does not matter, so s gives the same as s/n.
    products, norms = _dot(images, sums)
    lengths = np.sqrt(norms)[:, None] * np.sqrt((sums.astype(np.float64) ** 2).sum(axis=1))  # (N, K)
    return 1 - np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)


_DISTANCES: dict[str, Callable[..., np.ndarray]] = {"l1": _l1, "l2": _l2, "cosine": _cosine}
