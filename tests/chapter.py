"""The block of numbers that the chapter prints, and an image that holds it."""

from __future__ import annotations

import numpy as np

# fastbook, chapter 4: im3_t[4:10, 4:10]
CHAPTER = [
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 29],
    [0, 0, 0, 48, 166, 224],
    [0, 93, 244, 249, 253, 187],
    [0, 107, 253, 253, 230, 48],
    [0, 3, 20, 20, 15, 0],
]


def three() -> np.ndarray:
    """An image (28, 28) like the chapter's three: black, with the chapter's block and one white pixel."""
    values = np.zeros((28, 28), np.uint8)
    values[4:10, 4:10] = CHAPTER
    values[14, 19] = 255
    return values
