"""Alignment by ink as an ONNX graph: what `firstlight.data.decoding.align` does, in float64 and in the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from firstlight.data.decoding.align import LEAST
from firstlight.models.graphs.values import Value, local

Places = tuple[Value | None, Value]  # rows (N, h), where they change, and columns (N, 1 or h, w) of each new pixel


@local
def aligned(images: Value, *, align: str, shape: Sequence[int]) -> Value:
    """uint8 (N, h, w, c) -> the same shape.

    Args:
        images: of the model's size.
        align: ``"box"``, ``"mass"`` or ``"deskew"``.
        shape: (h, w, c).
    """
    height, width, channels = shape
    border = np.ones((1, height, width, 1))
    border[:, 1:-1, 1:-1] = 0
    values = images.to(np.float64)
    ground = (values * border).sum(1, 2) / border.sum()  # (N, c)
    ground_gray = (ground.sum(-1, keepdims=True) / channels).unsqueeze(2)
    ink = (values.sum(-1) / channels - ground_gray).abs()  # (N, h, w)
    rows, columns = (np.arange(side)[None] + 0.5 for side in (height, width))
    down, right = ALIGNMENTS[align](ink, rows, columns)
    result = along(values, right, ground)
    if down is not None:
        turned = result.transpose(0, 2, 1, 3)
        result = along(turned, down.unsqueeze(1), ground).transpose(0, 2, 1, 3)
    return (result + 0.5).floor().to(np.uint8)


@local
def along(values: Value, places: Value, ground: Value) -> Value:
    """(N, H, W, C), (N, H or 1, W) and (N, C): the values at these columns of every row, linearly interpolated."""
    graph = values.graph
    at_pixel = places - 0.5
    first = at_pixel.floor()
    part = (at_pixel - first).unsqueeze(3)
    last, background, shape = values.shape(2, 3).to(np.float64) - 1, ground.unsqueeze(1, 2), values.shape()

    def at(columns: Value) -> Value:
        inside = columns.at_least(0).at_most(last)
        indices = graph.op("Expand", inside.to(np.int64).unsqueeze(3), shape)
        found = graph.op("GatherElements", values, indices, axis=2)
        return columns.equals(inside).unsqueeze(3).where(found, background)

    return (1 - part) * at(first) + part * at(first + 1)


def _box(ink: Value, rows: np.ndarray, columns: np.ndarray) -> Places:
    strong = (ink >= ink.max(1, 2, keepdims=True) / 2).to(np.float32)
    down, right = (_stretched(strong.max(axis), places) for axis, places in ((2, rows), (1, columns)))
    return down, right.unsqueeze(1)


def _stretched(there: Value, places: np.ndarray) -> Value:
    """(N, S): the places from the first to the last 1 of (N, S)."""
    op = there.graph.op
    first = op("ArgMax", there, dtype=np.int64, axis=1).to(np.float64)
    last = op("ArgMax", there, dtype=np.int64, axis=1, select_last_index=1).to(np.float64)
    return first + places * ((last - first + 1) / places.size)


class _Centre:
    """The ink's sums by row (N, h) and by column (N, w), and its centre of mass, each (N, 1)."""

    def __init__(self, ink: Value, rows: np.ndarray, columns: np.ndarray) -> None:
        self.there = (ink.max(1, 2) > 0).unsqueeze(1)
        total = ink.sum(1, 2).at_least(LEAST).unsqueeze(1)
        self.by_row = ink.sum(2)
        self.y = (self.by_row * rows).sum(1, keepdims=True) / total
        self.x = (ink.sum(1) * columns).sum(1, keepdims=True) / total


def _mass(ink: Value, rows: np.ndarray, columns: np.ndarray) -> Places:
    centre = _Centre(ink, rows, columns)
    down = rows + centre.there.where(centre.y - rows.size / 2, 0)
    right = columns + centre.there.where(centre.x - columns.size / 2, 0)
    return down, right.unsqueeze(1)


def _deskew(ink: Value, rows: np.ndarray, columns: np.ndarray) -> Places:
    centre = _Centre(ink, rows, columns)
    off_row, off_column = rows - centre.y, columns - centre.x
    variance = (centre.by_row * (off_row * off_row)).sum(1, keepdims=True)
    covariance = ((ink * off_column.unsqueeze(1)).sum(2) * off_row).sum(1, keepdims=True)
    slant = covariance / variance.at_least(LEAST)
    return None, columns + centre.there.where(slant * off_row, 0).unsqueeze(2)


ALIGNMENTS: Mapping[str, Callable[[Value, np.ndarray, np.ndarray], Places]] = {
    "box": _box,
    "mass": _mass,
    "deskew": _deskew,
}
