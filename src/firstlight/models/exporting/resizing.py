"""Resizing as an ONNX graph: the pixels of Pillow's BILINEAR to the bit, from any size to the model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from firstlight.models.graphs.values import Value, concat, local

# Pillow resizes in two passes and rounds after each. A pass is a product with a matrix of weights k / 2**22, k whole.
# Written as k = 65536 a + 256 b + c it is three products of bytes, each exact in 32 bits: MatMulInteger, which is also
# the fastest product there is. Where an image already fits, nothing is computed.
FIXED_POINT = 2**22


@dataclass(frozen=True)
class Region:
    """The part of an image that is resized, and to what size.

    Attributes:
        top, left, height, width: px of the image, float64.
        rows, columns: px of the result, int64.
    """

    top: Value
    left: Value
    height: Value
    width: Value
    rows: Value
    columns: Value


class _RegionOf(Protocol):
    def __call__(self, height: Value, width: Value, size: tuple[int, int]) -> Region: ...


def resized(images: Value, size: tuple[int, int], resize: str) -> Value:
    """uint8 (N, H, W, C) -> (N, h, w, C), as `firstlight.data.decoding.resize.to_shape` does it.

    Args:
        images: of any size.
        size: (h, w) in px.
        resize: ``"squish"``, ``"crop"`` or ``"pad"``.
    """
    rows, columns = images.size(1), images.size(2)
    fits = rows.equals(size[0]) & columns.equals(size[1])

    def resampled() -> Value:
        region = RESIZES[resize](rows.to(np.float64), columns.to(np.float64), size)
        row_weights = weight_bytes(rows, region.top, region.height, region.rows)
        column_weights = weight_bytes(columns, region.left, region.width, region.columns)
        saved_rows, saved_columns = rows - region.rows, columns - region.columns
        rows_first = (rows > region.rows) & (saved_rows > saved_columns + saved_columns)  # as Pillow orders them
        inner = images.graph.choose(
            rows_first,
            lambda: across(down(images, row_weights), column_weights),
            lambda: down(across(images, column_weights), row_weights),
        )
        return _with_black_around(inner, region, size) if resize == "pad" else inner

    return images.graph.choose(fits, lambda: images, resampled)


@local
def weight_bytes(n: Value, start: Value, length: Value, m: Value) -> Value:
    """(3 m, n) uint8: the weight of each of n pixels in each of m, as a, b and c.

    The weights are a triangle as wide as the scale, cut off at the edges.
    """
    pixel, column = _range(n), _range(m).unsqueeze(1)
    scale = length / m.to(np.float64)
    support = scale.at_least(1)
    centre = start + (column + 0.5) * scale  # (m, 1)
    first = (centre - support + 0.5).at_least(0).floor()
    end = (centre + support + 0.5).floor().at_most(n.to(np.float64))
    triangle = (1 - ((pixel - centre + 0.5) * (1 / support)).abs()).at_least(0)
    weights = ((pixel >= first) & (pixel < end)).where(triangle, 0)  # (m, n)
    whole = (weights / weights.sum(1, keepdims=True) * FIXED_POINT + 0.5).floor()
    a = (whole / 65536).floor()
    rest = whole - a * 65536
    b = (rest / 256).floor()
    return concat([a, b, rest - b * 256]).to(np.uint8)


def _range(count: Value) -> Value:
    graph = count.graph
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    return graph.op("Range", zero, count, one).to(np.float64)


@local
def pixels_of(a: Value, b: Value, c: Value) -> Value:
    """int32 of any shape -> uint8: 65536 a + 256 b + c over 2**22, rounded."""
    return ((a * 65536 + b * 256 + c + FIXED_POINT // 2) // FIXED_POINT).to(np.uint8)


@local
def down(images: Value, weights: Value) -> Value:
    """uint8 (N, H, W, C) and (3 h, H) -> (N, h, W, C)."""
    products = _product(weights, images.reshape([0, 0, -1]))
    return pixels_of(*products).reshape(concat([images.shape(0, 1), _rest(images), images.shape(2, 4)]))


@local
def across(images: Value, weights: Value) -> Value:
    """uint8 (N, H, W, C) and (3 w, W) -> (N, H, w, C)."""
    rows = images.transpose(0, 1, 3, 2).reshape(concat([_rest(images), images.shape(2, 3)]))  # (N H C, W)
    products = _product(rows, weights.transpose(1, 0))
    narrow = pixels_of(*products).reshape(concat([images.shape(0, 2), images.shape(3, 4), _rest(images)]))
    return narrow.transpose(0, 1, 3, 2)


def _product(one: Value, other: Value) -> list[Value]:
    return one.graph.op("MatMulInteger", one, other, dtype=np.int32).split(3, axis=1)


def _rest(value: Value) -> Value:
    return value.graph.constant([-1], np.int64)  # of a shape: the size that is left


def _whole(height: Value, width: Value, rows: Value, columns: Value) -> Region:
    zero = height.graph.constant(0, np.float64)
    return Region(zero, zero, height, width, rows, columns)


def _squish(height: Value, width: Value, size: tuple[int, int]) -> Region:
    rows, columns = (height.graph.constant(side, np.int64) for side in size)
    return _whole(height, width, rows, columns)


def _crop(height: Value, width: Value, size: tuple[int, int]) -> Region:
    """The centred part of the wanted proportions; in float32, since Pillow takes its box so."""
    scale = (height / size[0]).at_most(width / size[1])
    sides = []
    for length, wanted in zip((height, width), size, strict=True):
        box = scale * wanted
        free = (length - box) / 2
        start, end = free.at_least(0).to(np.float32), (free + box).at_most(length).to(np.float32)
        sides.append((start.to(np.float64), (end - start).to(np.float64)))
    (top, rows_there), (left, columns_there) = sides
    rows, columns = (height.graph.constant(side, np.int64) for side in size)
    return Region(top, left, rows_there, columns_there, rows, columns)


def _pad(height: Value, width: Value, size: tuple[int, int]) -> Region:
    """The whole image, as large as it fits in."""
    scale = (size[0] / height).at_most(size[1] / width)
    rows, columns = ((length * scale).round().to(np.int64).at_least(1) for length in (height, width))
    return _whole(height, width, rows, columns)


def _with_black_around(inner: Value, region: Region, size: tuple[int, int]) -> Value:
    before, after = [], []
    for wanted, there in zip(size, (region.rows, region.columns), strict=True):
        more = wanted - there
        half = more // 2
        before.append(half.unsqueeze(0))
        after.append((more - half).unsqueeze(0))
    graph = inner.graph
    none = graph.constant([0], np.int64)
    pads = concat([none, *before, none, none, *after, none])
    return graph.op("Pad", inner, pads, graph.constant(0, np.uint8))


RESIZES: Mapping[str, _RegionOf] = {"squish": _squish, "crop": _crop, "pad": _pad}
