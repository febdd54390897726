"""What pictures are put together of: words at their places, names cut short, colors that can be read."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.reporting.picture import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

MOST_NAMES = 24  # rows that can be read; of more classes only the weakest are drawn, and the title says so
SHORT = 22  # letters of a class name
LETTER = 5.6  # pt, the width of a letter of 9 pt


def checked(**columns: Sized) -> None:
    """Raises where columns are of different lengths, or empty."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        counts = " and ".join(f"{count:,} {name}" for name, count in lengths.items())
        raise ArgumentError(f"A picture cannot be drawn of {counts}; pass equally many of each, at least one.")


def short(name: str, most: int = SHORT) -> str:
    """A name of at most so many letters; its end stays, since names often differ in the number at their end."""
    tail = most // 3
    return name if len(name) <= most else f"{name[: most - 1 - tail]}…{name[-tail:]}"


def annotate(axes: Axes, text: str, at: tuple[float, float], theme: Theme, *, away: float = 6) -> None:
    """Words to the right of a place."""
    words = axes.annotate(text, at, (away, 0), textcoords="offset points", va="center", fontsize=9, color=theme.text)
    words.set_in_layout(False)  # it is inside the axes; measuring it would only cost time


def bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def legible(background: Sequence[float], theme: Theme) -> str:
    """Of the theme's text and page the one with more contrast, by their luminance (WCAG 2.2, relative luminance)."""
    from matplotlib.colors import to_rgb

    def luminance(color: Sequence[float]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722])) + 0.05

    behind = luminance(background)
    return max((theme.text, theme.surface), key=lambda one: abs(np.log(luminance(to_rgb(one)) / behind)))


def ramp(theme: Theme) -> LinearSegmentedColormap:
    """Shades from nothing to most."""
    return _mixed(theme.ramp)


def diverging(theme: Theme) -> LinearSegmentedColormap:
    """Colors from negative over nothing to positive."""
    return _mixed(theme.signed)


def _mixed(colors: Sequence[str]) -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("theme", list(colors))
