"""An explained image and its map, drawn in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.models.explaining.explanation import Explanation
from firstlight.reporting.picture import LIGHT

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS = 24  # terminal columns of a small image


def drawn(one: Explanation, console: Console) -> Text:
    """The image and its map side by side in half blocks, one column per pixel; small images are enlarged, wide ones
    shrunk."""
    from rich.text import Text

    across = max(1, console.width // 2 - 2)  # columns of each, after a gap of two
    ratio, times = -(-one.map.shape[1] // across), max(1, min(COLUMNS, across) // one.map.shape[1])
    parts = (_smaller(values, ratio) for values in (one.image, one.map[..., None]))
    image, signed = (np.repeat(np.repeat(values, times, axis=0), times, axis=1) for values in parts)
    signed /= np.abs(signed).max() or 1
    ends = [np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) for color in LIGHT.signed]
    against, nothing, towards = ends
    shades = nothing + np.abs(signed) * np.where(signed > 0, towards - nothing, against - nothing)  # (h, w, 3)
    gap = np.full((len(image), 2, 3), -1.0)
    both = np.concatenate([gap, np.broadcast_to(image, shades.shape), gap, shades], axis=1)
    both = np.pad(both, ((0, len(both) % 2), (0, 0), (0, 0)), constant_values=-1)
    text = Text()
    for upper, lower in zip(both[::2].tolist(), both[1::2].tolist(), strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            if top[0] < 0:
                text.append(" ")
            else:
                text.append("▀", _hexadecimal(top) + ("" if bottom[0] < 0 else f" on {_hexadecimal(bottom)}"))
        text.append("\n")
    return text


def _smaller(values: np.ndarray, ratio: int) -> np.ndarray:
    """(H, W, C) as the means of squares of ``ratio`` px, float64; squares at the edges may be smaller."""
    height, width = values.shape[:2]
    rows, columns = np.arange(0, height, ratio), np.arange(0, width, ratio)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.float64), columns, axis=1)
    counts = np.diff(rows, append=height)[:, None] * np.diff(columns, append=width)
    return sums / counts[..., None]


def _hexadecimal(color: Sequence[float]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in color)
