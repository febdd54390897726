"""Decoding a folder into one uint8 array: Firstlight without its cache, a Pillow loop, and only reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from firstlight import load, scan
from folders import files, folder, read
from rounds import Benchmark


def _decoding(name: str, about: str, root: Path) -> Benchmark:
    table, paths = scan(root), files(root)

    def ours() -> None:
        load(table, cache=False)

    def pillow() -> None:
        np.stack([np.asarray(Image.open(path)) for path in paths])

    def reading() -> None:
        for path in paths:
            read(path)

    def check() -> None:
        pixels = load(table, cache=False)
        expected = np.stack([np.asarray(Image.open(f"{table.root}/{key}")) for key in pixels.table.keys])
        if not np.array_equal(expected.reshape(pixels.values.shape), pixels.values):
            raise SystemExit(f"{name}: the pixels are not those of Pillow")

    contenders = {"firstlight": ours, "Pillow loop": pillow, "only reading (floor)": reading}
    return Benchmark(name, about, contenders, check)


def png() -> Benchmark:
    """14,434 small gray PNGs."""
    root = folder("mnist_sample")
    return _decoding("decode-png", "mnist_sample, 14,434 gray PNGs of 28 x 28, to one uint8 array", root)


def jpeg() -> Benchmark:
    """10,000 small color JPEGs."""
    root = folder("cifar10") / "test"
    return _decoding("decode-jpeg", "cifar10's test folder, 10,000 JPEGs of 32 x 32, to one uint8 array", root)
