"""Pictures of images: samples, sizes, ideal images, differences, weights, explanations; made of arrays and names."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.reporting.drawing import LETTER, MOST_NAMES, annotate, bare, checked, diverging, ramp, short
from firstlight.reporting.picture import LIGHT, WIDTH, Picture, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAIRS = 12  # of classes whose mean differences are drawn
TILE = 1.5  # inches, the largest side of an image in a sheet
DETAIL_PX = 256  # the same of images that are looked at closely, two in a row
TILE_PX = 64  # from which larger images are made smaller, since a page shows no more
SAMPLE_PX = 32  # the same for samples, of which there are many
LINE = 0.17  # inches, the height of a line of 9 pt
SHADOW = 0.28  # of an image under its map
MOST_SIZES = 300  # spots that can be distinguished; more different sizes are binned
SQUARES = 30  # of the raster, a side
NAMED_SIZES = 5  # different sizes that are written next to their spots
MOST_TOLD = 6  # images whose numbers are in the alternative text

Tiles = Callable[[Theme], np.ndarray]  # uint8 (n, h, w, 4)


def samples(images: np.ndarray, labels: np.ndarray, classes: Sequence[str], *, each: int = 8) -> Picture:
    """A sheet of images, a row for each class, evenly spaced among its images.

    Args:
        images: uint8 (N, H, W, C).
        labels: (N,) index into the classes, -1 for an image without a label.
        classes: K names; the first `MOST_NAMES` are drawn.
        each: images a class.
    """
    checked(images=images, labels=labels)
    if labels.max() >= len(classes) or each < 1:
        raise ArgumentError(f"A sheet of {each} images of each of {len(classes)} classes has a label {labels.max()}; "
                            "pass a name for every label, and each=1 or more.")  # fmt: skip
    chosen = []
    for label in range(min(len(classes), MOST_NAMES)):
        mine = np.flatnonzero(labels == label)
        chosen.append(mine[np.linspace(0, len(mine) - 1, min(each, len(mine))).astype(int)])
    across = max(map(len, chosen))

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        bare(axes)
        rows = np.array([row for line in chosen for row in line])
        shown = iter(_colored(_small(images[rows], SAMPLE_PX)))
        height, width = _small(images[:1], SAMPLE_PX).shape[1:3]
        gap = max(1, width // 10)
        sheet = np.zeros((len(chosen) * (height + gap) - gap, across * (width + gap) - gap, 4), np.uint8)
        for down, line in enumerate(chosen):
            for right in range(len(line)):
                top, left = down * (height + gap), right * (width + gap)
                sheet[top : top + height, left : left + width] = next(shown)
        axes.imshow(sheet)
        axes.set_anchor("NW")
        centres = np.arange(len(chosen)) * (height + gap) + (height - 1) / 2
        axes.set_yticks(centres, [short(classes[label], 14) for label in range(len(chosen))], color=theme.text)

    title = "Samples of each class"
    if len(chosen) < len(classes):
        title = f"Samples of the first {len(chosen)} of {len(classes):,} classes"
    drawn = [(label, int(row)) for label, line in enumerate(chosen) for row in line]
    columns: dict[str, Sequence[Any]] = {
        "class": [classes[label] for label, _ in drawn],
        "row": [row for _, row in drawn],
    }
    names = ", ".join(classes[: min(len(chosen), 10)]) + (" and others" if len(chosen) > 10 else "")
    words = max(len(short(name, 14)) for name in classes[: len(chosen)]) * LETTER / 72 + 0.2
    tile = (WIDTH - words) / across * images.shape[1] / images.shape[2]
    alt = f"{title}, a row of up to {across} images for each: {names}."
    return Picture(title, alt, columns, draw, (WIDTH, 0.47 + min(tile, TILE) * len(chosen)))


def ideals(images: np.ndarray, classes: Sequence[str]) -> Picture:
    """The ideal image of each class: the mean of its images.

    Args:
        images: (K, H, W, C), uint8 or in [0, 1].
        classes: K names; the first `MOST_NAMES` are drawn.
    """
    checked(images=images, classes=classes)
    means = images.reshape(len(images), -1).mean(axis=1)
    if images.dtype == np.uint8:
        means = means / 255
    else:
        images = np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
    title = _first("Ideal images, the mean of each class", len(classes))
    alt = _described(title, [f"{name} (brightness {mean:.2f})" for name, mean in zip(classes, means, strict=True)])
    columns: dict[str, Sequence[Any]] = {"class": classes, "brightness": means.tolist()}
    tiles = _colored(_small(images[:MOST_NAMES]))
    return Picture(title, alt, columns, *_sheet(lambda _: tiles, [[name] for name in classes[:MOST_NAMES]]))


def differences(images: np.ndarray, classes: Sequence[str]) -> Picture:
    """Mean differences between pairs of classes, the nearest pairs first: blue where the first is brighter.

    Args:
        images: (K, H, W, C) mean images in [0, 1], of at least two classes.
        classes: K names; the `PAIRS` nearest pairs are drawn.
    """
    checked(images=images, classes=classes)
    if len(classes) < 2:
        raise ArgumentError("One class has nothing to differ from; pass the mean images of at least two.")
    small = _small(images)
    flat = small.reshape(len(small), -1).astype(np.float64)
    length = (flat**2).sum(axis=1)
    first, second = np.triu_indices(len(flat), 1)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b, so that a thousand classes cost one product of matrices
    square = (length[:, None] + length - 2 * flat @ flat.T)[first, second]
    order = np.argsort(square, kind="stable")[:PAIRS]
    first, second, apart = first[order], second[order], np.sqrt(np.maximum(square[order], 0) / flat.shape[1])
    names = [(classes[a], classes[b]) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    maps = (small[first] - small[second]).mean(axis=-1)
    title = "Mean differences" + (", nearest classes first" if len(names) > 1 else f" of {classes[0]} and {classes[1]}")
    alt = _described(title, [f"{a} minus {b} (apart {far:.3f})" for (a, b), far in zip(names, apart, strict=True)])
    columns: dict[str, Sequence[Any]] = {
        "first": [a for a, _ in names],
        "second": [b for _, b in names],
        "apart": apart.tolist(),
    }
    labels = [[a, f"minus {b}"] if max(len(a), len(b)) > 2 else [f"{a} minus {b}"] for a, b in names]
    caption = "blue: the first is brighter, orange: the second"
    return Picture(title, alt, columns, *_sheet(lambda theme: _signed(maps, theme), labels, caption))


def weights(images: np.ndarray, classes: Sequence[str]) -> Picture:
    """Weights as images: blue where a bright pixel supports the class.

    Args:
        images: (K, H, W) signed.
        classes: K names; the first `MOST_NAMES` are drawn.
    """
    checked(images=images, classes=classes)
    lowest, highest = images.min(axis=(1, 2)), images.max(axis=(1, 2))
    title = _first("Weights of each class", len(classes))
    ranges = [f"{name} ({low:.2g} to {high:.2g})" for name, low, high in zip(classes, lowest, highest, strict=True)]
    columns: dict[str, Sequence[Any]] = {"class": classes, "lowest": lowest.tolist(), "highest": highest.tolist()}
    maps = _small(images[:MOST_NAMES])
    labels = [[name] for name in classes[:MOST_NAMES]]
    caption = "blue: a bright pixel supports the class, orange: opposes it"
    sheet = _sheet(lambda theme: _signed(maps, theme), labels, caption)
    return Picture(title, _described(title, ranges), columns, *sheet)


def explanation_maps(images: np.ndarray, maps: np.ndarray, titles: Sequence[str]) -> Picture:
    """Images and, next to each, its signed map over a pale copy: blue supports the predicted class, orange the other.

    Args:
        images: uint8 (n, H, W, C).
        maps: (n, H, W) signed.
        titles: n titles.
    """
    checked(images=images, maps=maps, titles=titles)
    sums = maps.reshape(len(maps), -1).sum(axis=1).tolist()
    sums_text = [f"{title}: sum {total:.4g}" for title, total in zip(titles, sums, strict=True)]
    plain, small = _colored(_small(images, DETAIL_PX)), _small(maps, DETAIL_PX)

    strength = 0.7 if plain.shape[1] > TILE_PX else 1.0  # so that what a photo shows stays visible

    def tiles(theme: Theme) -> np.ndarray:
        most = np.abs(small).max(axis=(1, 2), keepdims=True)
        share = np.abs(small) / np.where(most, most, 1)
        shadow = _rgb(theme.surface) + SHADOW * (plain[..., :3].mean(axis=-1, keepdims=True) - _rgb(theme.surface))
        color = np.where(small[..., None] < 0, _rgb(theme.signed[0]), _rgb(theme.signed[2]))
        over = shadow + strength * share[..., None] * (color - shadow)
        over = np.concatenate([over, np.full((*over.shape[:3], 1), 255)], axis=-1)
        return np.stack([plain, np.rint(over).astype(np.uint8)], axis=1).reshape(-1, *plain.shape[1:])

    labels = [part for title in titles for part in (textwrap.wrap(title, 50, max_lines=2, placeholder=" …"), [])]
    columns = {"title": list(titles), "sum": sums}
    sheet = _sheet(tiles, labels, "blue supports the class, orange the other", across=2)
    return Picture("Why: pixels for and against", _described("Signed maps", sums_text), columns, *sheet)


def sizes(widths: Sequence[int], heights: Sequence[int]) -> Picture:
    """Width and height of the images: a spot as large as there are images of that size, or shades where many differ.

    Args:
        widths: (N,) px.
        heights: (N,) px.
    """
    checked(widths=widths, heights=heights)
    pairs, counts = np.unique(np.stack([widths, heights], 1), axis=0, return_counts=True)
    main = pairs[counts.argmax()]
    alt = f"Sizes of {len(widths):,} images: "
    alt += "all are" if len(pairs) == 1 else f"{len(pairs):,} different ones, most often ({counts.max():,})"
    alt += f" {main[0]} x {main[1]} px."

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        if len(pairs) > MOST_SIZES:
            raster, ends = _raster(pairs, counts)
            shades = ramp(theme)
            most = raster.max()
            axes.imshow(
                np.where(raster, raster, np.nan).T, cmap=shades, vmin=-0.2 * most, vmax=most, origin="lower",
                aspect="auto", extent=(0, ends[0], 0, ends[1]),
            )  # fmt: skip
            axes.set_title(f"the strongest shade is {most:,} images", fontsize=9, color=theme.muted)
        else:
            area = 6 + 400 * counts / counts.max()  # square points
            axes.scatter(pairs[:, 0], pairs[:, 1], s=area, color=theme.series[0], alpha=0.6, linewidths=0)
        if len(pairs) <= NAMED_SIZES:
            for (width, height), count, radius in zip(pairs, counts, np.sqrt(area / np.pi), strict=True):
                annotate(axes, f"{width} x {height}: {count:,}", (width, height), theme, away=radius + 4)
        axes.set_xlabel("width, px")
        axes.set_ylabel("height, px")
        axes.set_xlim(0, pairs[:, 0].max() * (1.5 if len(pairs) <= NAMED_SIZES else 1.1))
        axes.set_ylim(0, pairs[:, 1].max() * 1.15)

    columns = {"width": pairs[:, 0].tolist(), "height": pairs[:, 1].tolist(), "images": counts.tolist()}
    return Picture("Sizes of the images", alt, columns, draw, (WIDTH, 3.4))


def _raster(pairs: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images in the squares of a raster (SQUARES, SQUARES) by width and height, and where it ends in px."""
    ends = pairs.max(axis=0) + 1
    square = pairs * SQUARES // ends
    flat = np.bincount(square @ [SQUARES, 1], weights=counts, minlength=SQUARES**2)
    return flat.reshape(SQUARES, SQUARES).astype(int), ends


def _sheet(
    tiles: Tiles, labels: Sequence[Sequence[str]], caption: str = "", *, across: int = 0
) -> tuple[Callable[[Figure, Theme], None], tuple[float, float]]:
    """How tiles are drawn, each under its lines of words, and in which size.

    Args:
        tiles: the images in the colors of a theme.
        labels: n lists of lines; a tile without any leaves its place to the words of the one before.
        caption: what the colors mean.
        across: tiles in a row; else as many as leave the fewest places empty.
    """
    count, wide = len(labels), across == 0
    across = across or min(count, min((4, 5), key=lambda most: (-count % most, most)))
    side = (WIDTH - 0.15) / across  # inches, with the gap
    side = min(TILE, side) if wide else side
    letters = int((0.94 if wide else 2) * 72 * side / LETTER)
    height, width = tiles(LIGHT).shape[1:3]
    gap = max(1, round(0.06 * width))
    inch = (width + gap) / side  # px
    words = math.ceil(max(map(len, labels)) * LINE * inch)
    step = height + 2 * gap + words
    deep = math.ceil(count / across) * step - 2 * gap + (math.ceil(1.5 * LINE * inch) if caption else 0)

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        bare(axes)
        sheet = np.zeros((deep, across * (width + gap) - gap, 4), np.uint8)
        for place, tile in enumerate(tiles(theme)):
            top, left = words + place // across * step, place % across * (width + gap)
            sheet[top : top + height, left : left + width] = tile
            written = "\n".join(short(line, letters) for line in labels[place])
            _write(axes, written, (left - 0.5, top - 0.5 - 0.04 * inch), theme.text)
        axes.imshow(sheet)
        axes.set_anchor("NW")
        _write(axes, caption, (-0.5, deep - 0.5), theme.muted)

    return draw, (WIDTH, 0.45 + deep / inch)


def _write(axes: Axes, text: str, at: tuple[float, float], color: str) -> None:
    """Words over a place, in a space that the sheet leaves them."""
    written = axes.text(*at, text, fontsize=9, color=color, va="bottom", linespacing=1.1)
    written.set_in_layout(False)


def _colored(images: np.ndarray) -> np.ndarray:
    """uint8 (n, H, W, 4) of uint8 images of one to four channels."""
    channels = images.shape[-1]
    clear = images[..., channels - 1 :] if channels in (2, 4) else np.full((*images.shape[:-1], 1), 255, np.uint8)
    color = np.repeat(images[..., :1], 3, axis=-1) if channels < 3 else images[..., :3]
    return np.concatenate([color, clear], axis=-1)


def _signed(maps: np.ndarray, theme: Theme) -> np.ndarray:
    """uint8 (n, H, W, 4) of signed maps (n, H, W), in one scale of colors."""
    most = float(np.abs(maps).max()) or 1.0
    colored: np.ndarray = diverging(theme)(0.5 + maps / most / 2, bytes=True)
    return colored


def _small(images: np.ndarray, most: int = TILE_PX) -> np.ndarray:
    """Images (n, H, W, ...) of at most so many px a side: means of squares, a rest at the edge left out."""
    factor = math.ceil(max(images.shape[1:3]) / most)
    if factor == 1:
        return images
    height, width = (max(side // factor, 1) for side in images.shape[1:3])
    whole = images[:, : height * factor, : width * factor]
    squares = whole.reshape(len(images), height, -1, width, whole.shape[2] // width, *images.shape[3:])
    means: np.ndarray = squares.mean(axis=(2, 4))
    return np.rint(means).astype(np.uint8) if images.dtype == np.uint8 else means


def _rgb(color: str) -> np.ndarray:
    """#rrggbb as (3,) in 0..255."""
    return np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)], np.float64)


def _first(title: str, count: int) -> str:
    return title if count <= MOST_NAMES else f"{title}: the first {MOST_NAMES} of {count:,}"


def _described(title: str, parts: Sequence[str]) -> str:
    """The alternative text: what it is, and the first few in numbers."""
    more = f" and {len(parts) - MOST_TOLD} more" if len(parts) > MOST_TOLD else ""
    return f"{title}: {'; '.join(parts[:MOST_TOLD])}{more}."
