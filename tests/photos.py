"""Photos of two classes that the tests make: coarse and fine colored noise, as JPEG files in folders of splits."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from PIL import Image


def photos(folder: Path, each: int = 6, side: tuple[int, int] = (120, 90), mode: str = "RGB") -> Path:
    """Colored noise of two kinds, as JPEG; every third is a validation image."""
    generator = np.random.default_rng(0)
    for number, name in itertools.product(range(each), ("coarse", "fine")):
        grain = 12 if name == "coarse" else 2
        cells = generator.integers(0, 256, (side[1] // grain + 1, side[0] // grain + 1, 3), dtype=np.uint8)
        image = cells.repeat(grain, 0).repeat(grain, 1)[: side[1], : side[0]]
        path = folder / ("val" if number % 3 == 2 else "train") / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).convert(mode).save(path, quality=92)
    return folder
