"""The quality setting that a JPEG file was saved with, from its own tables."""

from __future__ import annotations

from struct import Struct
from typing import Final

import numpy as np

# The luma table of quality 50, row by row (ITU-T T.81, table K.1).
# fmt: off
STANDARD: Final = np.array([
    16, 11, 10, 16,  24,  40,  51,  61, 12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56, 14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77, 24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103,  99,
])
# fmt: on
SEGMENTS = 1000  # of a file, at most
MARKER_AND_LENGTH = Struct(">HH").unpack_from
TABLES, START_OF_SCAN = 0xFFDB, 0xFFDA
START = b"\xff\xd8"


def _sums() -> np.ndarray:
    """The sum of the luma table for each quality of 1 to 100, as libjpeg scales it (jcparam.c)."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return ((STANDARD * scale[:, None] + 50) // 100).clip(1, 255).sum(axis=1)


SUMS: Final = _sums()  # (100,), falling


def jpeg_quality(data: bytes) -> int:
    """The quality of libjpeg whose luma table is nearest to a file's in its sum; other programs' tables lie between.

    Args:
        data: the file's bytes.

    Returns:
        1 to 100; 0 for what is not a JPEG file, and where no luma table comes before the pixels.

    Example:
        >>> jpeg_quality(b"GIF89a")
        0
    """
    if not data.startswith(START):
        return 0
    at = 2
    for _ in range(SEGMENTS):
        if at + 4 > len(data):
            return 0
        marker, length = MARKER_AND_LENGTH(data, at)
        if marker == START_OF_SCAN or marker < 0xFF01 or length < 2:
            return 0
        if marker == TABLES and (total := _luma_sum(data[at + 4 : at + 2 + length])):
            return int(np.abs(SUMS - total).argmin()) + 1
        at += length + 2
    return 0


def _luma_sum(tables: bytes) -> int:
    """The sum of table 0 among the tables of a segment; 0 where it is not there."""
    while len(tables) >= 65:
        wide, number = tables[0] >> 4, tables[0] & 15
        size = 129 if wide else 65
        values = tables[1:size]
        if number == 0 and len(values) == size - 1:
            return sum(np.frombuffer(values, ">u2").tolist()) if wide else sum(values)
        tables = tables[size:]
    return 0
