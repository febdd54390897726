"""Folders of small images for tests, and their tables without a scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from firstlight.data.table import SPLITS, Table

SUFFIXES = (".png", ".jpg")


def table_of(root: Path, *, split: bool = False) -> Table:
    """The table of root/class/image, or of root/split/class/image, in sorted order."""
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    keys = [path.relative_to(root).as_posix() for path in paths]
    classes = tuple(sorted({path.parent.name for path in paths}))
    names = [key.split("/")[0].replace("valid", SPLITS[1]) for key in keys]
    stats = [path.stat() for path in paths]
    return Table.build(
        str(root),
        keys,
        classes=classes,
        labels=np.array([classes.index(path.parent.name) for path in paths], np.int32),
        splits=np.array([SPLITS.index(name) if split else -1 for name in names], np.int8),
        columns={"size": [s.st_size for s in stats], "modified": [s.st_mtime_ns for s in stats]},
    )


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """uint8 values of any shape, always the same."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_images(root: Path, images: Mapping[str, np.ndarray | bytes]) -> Path:
    """Writes arrays (H, W) or (H, W, 3) as images, and bytes as they are; gives the root back."""
    for key, image in images.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            Image.fromarray(image).save(path)
    return root


def gray_folder(root: Path, *, count: int = 20, broken: int = 0, side: int = 6) -> Path:
    """``count`` gray PNGs of two classes, of which ``broken`` are no images."""
    images: dict[str, np.ndarray | bytes] = {
        f"{'ab'[i % 2]}/{i:03}.png": noise(side, side, seed=i) for i in range(count)
    }
    for key in list(images)[:broken]:
        images[key] = b"not an image " + key.encode()
    return write_images(root, images)
