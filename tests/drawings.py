"""The embedded handwritten digits at the size of MNIST's: 20 px in a frame of 28 px, light on dark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from firstlight.data.fetching.catalog import write_digits


def large_digits(root: Path, classes: Sequence[str] | None = None) -> Path:
    """Writes root/class/number.png in 28 x 28 px; gives the root back."""
    for path in write_digits(root, classes).glob("*/*.png"):
        with Image.open(path) as small:
            drawn = small.resize((20, 20), Image.Resampling.BICUBIC)
        ImageOps.expand(drawn, border=4).save(path)
    return root
