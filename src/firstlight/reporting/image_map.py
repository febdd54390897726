"""The map of images in a report: points by class, and one sheet of thumbnails for all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.reporting.images import address
from firstlight.runs.evidence import ImageMap

WIDTH, HEIGHT, MARGIN = 640, 420, 14  # of the drawing, in its own units
SHAPES = 5  # as many as there are colors; classes beyond these are drawn as one, in gray
# Of a point at 0, 0: circle, square, triangle, diamond, cross.
PATHS = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
    "M-4-4h8v8h-8z",
    "M0-5.2 5 3.8h-10z",
    "M0-5.6 5.6 0 0 5.6-5.6 0z",
    "M-1.6-5h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z",
    "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0",
)


def image_map(found: ImageMap, classes: Sequence[str]) -> dict[str, Any]:
    """The values that the page shows.

    Args:
        found: images as points of a plane.
        classes: of the run.

    Returns:
        The points (x, y, shape, class, name, wrong), the legend, the sheet of thumbnails and how many are in a row.
    """
    counts = Counter(label for label in found.labels if label >= 0)
    shown = [label for label, _ in counts.most_common(SHAPES)]
    shape_of = {label: place for place, label in enumerate(sorted(shown))}
    extent = found.points.max(axis=0, initial=0)
    scale = min((WIDTH - 2 * MARGIN) / max(extent[0], 1e-6), (HEIGHT - 2 * MARGIN) / max(extent[1], 1e-6))
    places = MARGIN + found.points * scale
    names = (*classes, "class not known")
    points = [
        {
            "x": round(float(x), 1),
            "y": round(float(y), 1),
            "shape": shape_of.get(label, SHAPES),
            "label": names[label],
            "key": key,
            "wrong": wrong,
        }
        for (x, y), label, key, wrong in zip(places, found.labels, found.keys, found.wrong, strict=True)
    ]
    rest = len(found.labels) - sum(counts[label] for label in shown)
    legend = [{"shape": shape_of[label], "name": classes[label], "count": counts[label]} for label in sorted(shown)]
    legend += [{"shape": SHAPES, "name": "other classes", "count": rest}] if rest else []
    across = math.ceil(math.sqrt(len(found.thumbs)))
    return {
        "points": points,
        "paths": PATHS,
        "legend": legend,
        "share": found.share,
        "images": found.images,
        "sheet": address(_sheet(found.thumbs, across)),
        "across": across,
        "side": found.thumbs.shape[1],
        "size": (WIDTH, math.ceil(float(extent[1]) * scale + 2 * MARGIN)),
        "wrong": any(found.wrong),
    }


def _sheet(thumbs: np.ndarray, across: int) -> np.ndarray:
    """uint8 (n, h, w, C) -> one image, so many in a row."""
    count, height, width, channels = thumbs.shape
    down = math.ceil(count / across)
    sheet = np.zeros((down * across, height, width, channels), np.uint8)
    sheet[:count] = thumbs
    return (
        sheet.reshape(down, across, height, width, channels)
        .transpose(0, 2, 1, 3, 4)
        .reshape(down * height, across * width, channels)
    )
