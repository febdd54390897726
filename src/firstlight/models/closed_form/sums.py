"""`ClassSums`: the sum of each class's images, in integers: exact in any order; sums can be merged and updated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.wording import plural

ROWS = 4096  # images summed at a time: bounds the memory, and 4096 * 255 is far below 2**32


@dataclass(frozen=True, repr=False)
class ClassSums:
    """The number of images of each class, and their sum, pixel by pixel.

    Integers have the same sum in any order, so one process, eight processes and a cluster get the same means:
    ``a + b`` merges the sums of two of them.

    Attributes:
        counts: (K,) int64, the number of images of each class.
        sums: (K, P) int64, their sum; P = H * W * C, pixels in 0..255.

    Example:
        >>> import numpy as np
        >>> images = np.array([[[[0]]], [[[10]]], [[[20]]]], np.uint8)  # (3, 1, 1, 1)
        >>> half = class_sums(images[:2], np.array([0, 1]), 2)
        >>> both = half + class_sums(images[2:], np.array([1]), 2)
        >>> both.means.ravel().tolist()
        [0.0, 15.0]
    """

    counts: np.ndarray  # (K,)
    sums: np.ndarray  # (K, P)

    def __repr__(self) -> str:
        return (
            f"<ClassSums: {plural(int(self.counts.sum()), 'image')} of {plural(len(self.counts), 'class', 'classes')}>"
        )

    def __add__(self, other: ClassSums) -> ClassSums:
        return ClassSums(self.counts + other.counts, self.sums + other.sums)

    def __sub__(self, other: ClassSums) -> ClassSums:
        return ClassSums(self.counts - other.counts, self.sums - other.sums)

    @property
    def means(self) -> np.ndarray:
        """(K, P) float64 in [0, 255]: each class's mean image; zeros for a class without images."""
        return self.sums / np.maximum(self.counts, 1)[:, None]


def class_sums(images: np.ndarray, labels: np.ndarray, classes: int) -> ClassSums:
    """Sums the images of each class.

    Args:
        images: (N, ...) uint8; may be a memory map larger than memory.
        labels: (N,) integers in 0..K-1; rows with -1 are skipped.
        classes: K.

    Returns:
        The counts (K,) and the sums (K, P), int64.

    Raises:
        ArgumentError: where the images are not uint8.

    Example:
        >>> import numpy as np
        >>> images = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.uint8)  # (3, 1, 2)
        >>> class_sums(images, np.array([0, 1, 0]), 2).sums.tolist()
        [[6, 8], [3, 4]]
    """
    dtype = getattr(images, "dtype", type(images).__name__)
    if dtype != np.uint8:
        raise ArgumentError(f"The images are {dtype}; pass uint8 pixels in 0..255, for which class sums are exact.")
    flat = images.reshape(len(images), math.prod(images.shape[1:]))  # (N, P)
    counts = np.bincount(labels[labels >= 0], minlength=classes).astype(np.int64)
    sums = np.zeros((classes, flat.shape[1]), np.int64)
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        together = len(rows) and rows[-1] - rows[0] + 1 == len(rows)  # one block is read in place, without a copy
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            block = flat[part[0] : part[-1] + 1] if together else flat[part]
            sums[label] += block.sum(axis=0, dtype=np.uint32)
    return ClassSums(counts, sums)
