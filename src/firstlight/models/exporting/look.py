"""`look()`: polarity, size, centring and stroke width of drawings, so that the page can draw new ones alike."""

from __future__ import annotations

from typing import Any

import numpy as np

EVEN = 32.0  # gray levels by which a background may differ from black or white
SURE = 0.95  # share of the images that have to be drawings of the same polarity


def look(images: np.ndarray) -> dict[str, Any] | None:
    """The look of drawings on an even background, black or white.

    Args:
        images: uint8 (N, H, W, C), at least one.

    Returns:
        None where they are not such drawings. Otherwise ``light_on_dark``; ``extent``, the longer side of the ink's box
        (half as strong as ink can be, or stronger) as a share of the image's longer side; ``centred``, "mass" or
        "box", whichever of the two is closer to the middle; ``stroke``, the width of the strokes as a share of
        the longer side: twice the area over the contour's length, which for gray values is the total variation
        (coarea formula: Fleming and Rishel, 1960). Each is the median over the images.

    Example:
        >>> drawing = np.zeros((1, 28, 28, 1), np.uint8)
        >>> drawing[:, 4:24, 12:16] = 255
        >>> seen = look(drawing)
        >>> seen["light_on_dark"], round(seen["extent"], 2), seen["centred"], round(seen["stroke"], 2)
        (True, 0.71, 'mass', 0.12)
        >>> look(np.full((1, 28, 28, 1), 128, np.uint8)) is None
        True
    """
    gray = images.mean(axis=3)  # (N, H, W), 0 to 255
    frame = np.ones(gray.shape[1:], bool)
    frame[1:-1, 1:-1] = False
    border = gray[:, frame]  # (N, pixels of the frame)
    dark, light = ((np.abs(border - ground) <= EVEN).mean(axis=1) > 0.75 for ground in (0, 255))
    if max(dark.mean(), light.mean()) < SURE:
        return None
    light_on_dark = bool(dark.mean() >= light.mean())
    ink = (gray if light_on_dark else 255 - gray)[dark if light_on_dark else light] / 255
    ink = ink[(ink >= 0.5).any(axis=(1, 2))]
    if not len(ink):
        return None
    side = max(ink.shape[1:])
    boxes = np.array([_box(one >= 0.5) for one in ink])  # (N, 4): top, bottom, left, right
    extent = (boxes[:, [1, 3]] - boxes[:, [0, 2]]).max(axis=1) / side
    middles = np.stack([boxes[:, :2].mean(axis=1), boxes[:, 2:].mean(axis=1)], axis=1)
    middle = np.array(ink.shape[1:]) / 2
    by_box, by_mass = (np.abs(points - middle).mean() for points in (middles, _mass(ink)))
    return {
        "light_on_dark": light_on_dark,
        "extent": float(np.median(extent)),
        "centred": "mass" if by_mass <= by_box else "box",
        "stroke": float(np.median(_stroke(ink) / side)),
    }


def _box(there: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def _mass(ink: np.ndarray) -> np.ndarray:
    """(N, 2): row and column of the centre of mass, the middle of a pixel being at half."""
    rows, columns = (np.arange(size) + 0.5 for size in ink.shape[1:])
    total = ink.sum(axis=(1, 2))
    return (
        np.stack([(ink.sum(axis=2) * rows).sum(axis=1), (ink.sum(axis=1) * columns).sum(axis=1)], axis=1)
        / total[:, None]
    )


def _stroke(ink: np.ndarray) -> np.ndarray:
    """(N,): 2 A / P in px."""
    around = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    down, right = np.diff(around, axis=1)[:, :, :-1], np.diff(around, axis=2)[:, :-1]
    return 2 * ink.sum(axis=(1, 2)) / np.hypot(down, right).sum(axis=(1, 2))
