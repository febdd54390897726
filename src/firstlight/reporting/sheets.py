"""Pictures of images: samples, ideal images, differences, weights, explanations; each made of arrays and names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.reporting.picture import Picture, Theme
from firstlight.reporting.pictures import MOST_NAMES, bare, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAIRS = 12  # of classes whose mean differences are drawn


def samples(images: np.ndarray, labels: np.ndarray, classes: Sequence[str], *, each: int = 8) -> Picture:
    """A sheet of images, a row for each class, evenly spaced among its images.

    Args:
        images: uint8 (N, H, W, C).
        labels: (N,) index into the classes.
        classes: K names; the first `MOST_NAMES` are drawn.
        each: images a class.
    """
    rows = []
    for label in range(min(len(classes), MOST_NAMES)):
        mine = np.flatnonzero(labels == label)
        rows.append(mine[np.linspace(0, len(mine) - 1, min(each, len(mine))).astype(int)] if len(mine) else mine)

    def draw(figure: Figure, theme: Theme) -> None:
        grid = figure.subplots(len(rows), each, squeeze=False)
        for label, (line, chosen) in enumerate(zip(grid, rows, strict=True)):
            for place, axes in enumerate(line):
                bare(axes)
                if place < len(chosen):
                    axes.imshow(_shown(images[chosen[place]]), cmap="gray", vmin=0, vmax=255)
            line[0].set_ylabel(short(classes[label], 14), rotation=0, ha="right", va="center", color=theme.text)

    title = "Samples of each class" if len(rows) == len(classes) else f"Samples of the first {len(rows)} classes"
    drawn = [(label, int(row)) for label, line in enumerate(rows) for row in line]
    columns: dict[str, Sequence[Any]] = {
        "class": [classes[label] for label, _ in drawn],
        "row": [row for _, row in drawn],
    }
    return Picture(title, f"{title}: {len(drawn)} images.", columns, draw, (6.4, 0.6 + 0.66 * len(rows)))


def ideals(images: np.ndarray, classes: Sequence[str]) -> Picture:
    """The ideal image of each class: the mean of its images.

    Args:
        images: (K, H, W, C), uint8 or in [0, 1].
        classes: K names; the first `MOST_NAMES` are drawn.
    """
    images = images if images.dtype == np.uint8 else np.rint(255 * images).astype(np.uint8)
    return _gallery(
        "Ideal images: the mean of each class", images, list(classes),
        lambda axes, image, _: axes.imshow(_shown(image), cmap="gray", vmin=0, vmax=255),
    )  # fmt: skip


def differences(images: np.ndarray, classes: Sequence[str]) -> Picture:
    """Mean differences between pairs of classes, the nearest pairs first: blue where the first is brighter.

    Args:
        images: (K, H, W, C) mean images in [0, 1].
        classes: K names.
    """
    flat = images.reshape(len(images), -1)
    pairs = sorted(combinations(range(len(classes)), 2), key=lambda p: float(np.abs(flat[p[0]] - flat[p[1]]).mean()))
    maps = np.array([(images[a] - images[b]).mean(axis=-1) for a, b in pairs[:PAIRS]])
    names = [f"{classes[a]} minus {classes[b]}" for a, b in pairs[:PAIRS]]
    return _signed("Mean differences between classes, the nearest first", maps, names)


def weights(images: np.ndarray, classes: Sequence[str]) -> Picture:
    """Weights as images: blue where a bright pixel argues for the class.

    Args:
        images: (K, H, W) signed.
        classes: K names; the first `MOST_NAMES` are drawn.
    """
    return _signed("Weights by class", images, list(classes))


def explanation_maps(images: np.ndarray, maps: np.ndarray, titles: Sequence[str]) -> Picture:
    """Images and, beside each, its signed map: blue argues for the predicted class, orange against it.

    Args:
        images: uint8 (n, H, W, C).
        maps: (n, H, W) signed.
        titles: n titles.
    """
    if not len(images) == len(maps) == len(titles):
        raise ArgumentError(f"{len(images)} images came with {len(maps)} maps and {len(titles)} titles; pass as many.")

    def draw(figure: Figure, theme: Theme) -> None:
        grid = figure.subplots(len(images), 2, squeeze=False)
        for (left, right), image, values, title in zip(grid, images, maps, titles, strict=True):
            bare(left)
            bare(right)
            left.imshow(_shown(image), cmap="gray", vmin=0, vmax=255)
            left.set_title(title, fontsize=9)
            most = float(np.abs(values).max()) or 1.0
            right.imshow(values, cmap=_diverging(theme), vmin=-most, vmax=most)

    sums = [float(values.sum()) for values in maps]
    told = "; ".join(f"{title}: sum {total:.4g}" for title, total in zip(titles, sums, strict=True))
    columns: dict[str, Sequence[Any]] = {"title": list(titles), "sum": sums}
    return Picture(
        "Why: pixels for and against", f"Signed maps. {told}.", columns, draw, (5.0, 0.5 + 2.4 * len(images))
    )


def _signed(title: str, maps: np.ndarray, names: Sequence[str]) -> Picture:
    most = float(np.abs(maps).max(initial=0)) or 1.0

    def show(axes: Axes, values: np.ndarray, theme: Theme) -> None:
        axes.imshow(values, cmap=_diverging(theme), vmin=-most, vmax=most)

    return _gallery(title, maps, names, show)


def _gallery(
    title: str, images: np.ndarray, names: Sequence[str], show: Callable[[Axes, np.ndarray, Theme], object]
) -> Picture:
    """Images with their names below one another."""
    count = min(len(images), MOST_NAMES)
    if count < len(images):
        title += f", the first {count} of {len(images):,}"
    across = min(6, max(2, math.ceil(math.sqrt(count * 1.6))))
    down = math.ceil(count / across)

    def draw(figure: Figure, theme: Theme) -> None:
        every = figure.subplots(down, across, squeeze=False).ravel()
        for place, axes in enumerate(every):
            bare(axes)
            if place < count:
                show(axes, images[place], theme)
                axes.set_title(short(names[place], 18), fontsize=9, loc="center")

    means = [float(np.mean(image)) for image in images]
    told = ", ".join(f"{name} (mean {mean:.3g})" for name, mean in zip(names[:6], means, strict=False))
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    size = (min(6.4, 0.4 + 1.25 * across), 0.5 + 1.3 * down)
    return Picture(title, f"{title}: {told}{more}.", {"name": list(names), "mean": means}, draw, size)


def _shown(image: np.ndarray) -> np.ndarray:
    return image[:, :, 0] if image.shape[2] == 1 else image


def _diverging(theme: Theme) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", theme.signed)
