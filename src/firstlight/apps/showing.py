"""`firstlight show`: an image in the terminal, as a picture and as numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from firstlight.apps.screen import print_json
from firstlight.apps.terminal import colored, remark, say, width
from firstlight.data.decoding.resize import to_shape
from firstlight.data.numbers import MOST_SHOWN, Numbers, css, ink, numbers
from firstlight.errors import ArgumentError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

FORMS = ("table", "array", "tensor")
HIGHEST = 64  # px of the picture, two per line: with the table below it fits a screen or two
FRAME = (230, 159, 0)  # around the part that is shown as numbers; orange of Okabe and Ito's color-blind-safe colors


def show_numbers(image: str, *, rows: str | None, columns: str | None, as_: str, as_json: bool, quiet: bool) -> None:
    """Prints an image, or a part of it.

    Raises:
        ArgumentError: where the part or the form does not exist.
    """
    if as_ not in FORMS:
        raise ArgumentError(f"--as {as_} is not known; choose from {', '.join(FORMS)}.")
    shown = numbers(image, rows=_part(rows, "rows"), columns=_part(columns, "columns"))
    if as_json:
        print_json({"image": image} | shown.to_dict())
    elif as_ == "array":
        say(*repr(shown.array).split("\n"))
    elif as_ == "tensor":
        say(*str(shown.tensor()).split("\n"))
    else:
        from rich.console import Console

        console = Console(file=colored(sys.stdout), highlight=False)
        middle = fitting(shown, console)
        part = Numbers(
            shown.image,
            middle.rows if rows is None else shown.rows,
            middle.columns if columns is None else shown.columns,
        )
        draw(part, console)
        say(*facts(shown))
        if not quiet and (part.rows, part.columns) != (shown.rows, shown.columns):
            remark("These are values from the middle; --rows 4:10 --columns 4:10 shows another part.")


def facts(shown: Numbers) -> list[str]:
    """Shape, type, range and polarity of the whole image, in two lines."""
    shape = " x ".join(map(str, shown.shape))
    return [
        f"shape {shape}, rank {shown.rank}, {shown.image.dtype}; minimum {shown.minimum}, mean {shown.mean:.2f}, "
        f"maximum {shown.maximum}",
        f"{shown.polarity}.",
    ]


def fitting(shown: Numbers, console: Console) -> Numbers:
    """The middle of the image, as much as fits the terminal."""
    if _colored(console):
        return shown.middle(columns=_columns(shown, console))
    most = MOST_SHOWN if width(sys.stdout) is None else min(_columns(shown, console), MOST_SHOWN)
    return shown.middle(columns=most)


def draw(shown: Numbers, console: Console) -> None:
    """Prints the picture in half blocks with a frame around the part, and the part's values on their pixels' colors.

    Args:
        shown: the image; where there are more columns than the terminal is wide, they follow in a second table.
        console: where it is printed; where it has no colors, the values are printed plain and alone.
    """
    if not _colored(console):
        console.out(shown.plain(), highlight=False)
        return
    console.print(blocks(shown, console.width), no_wrap=True, crop=False)
    at_once = _columns(shown, console)
    for start in range(0, len(shown.columns), at_once):
        for text in tables(Numbers(shown.image, shown.rows, shown.columns[start : start + at_once])):
            console.print("\n", text, sep="", no_wrap=True, crop=False, overflow="ignore")
    console.print()


def tables(shown: Numbers) -> list[Text]:
    """The values, each on its own gray; of a color image one table for each channel."""
    from rich.text import Text

    width = shown.width
    found = []
    for channel, (name, plane) in enumerate(shown.planes()):
        text = Text(f"{name}\n" if name else "", style="bold")
        text.append(" " * width + "".join(f"{column:>{width - 1}} " for column in shown.columns), style="not bold dim")
        for row, line in zip(shown.rows, plane, strict=True):
            text.append(f"\n{row:>{width - 1}} ", style="not bold dim")
            for value in line:
                lit = np.arange(3) == channel if name else True
                pixel = np.where(lit, np.full(3, value), 0)
                text.append(f"{value:>{width - 1}} ", style=f"not bold {ink(pixel)} on {css(pixel)}")
        found.append(text)
    return found


def blocks(shown: Numbers, width: int) -> Text:
    """The picture: each character is two pixels, the upper one in its own color, the lower one behind it.

    Args:
        shown: the image; where it is a part, a frame is drawn around that part.
        width: of the terminal, in characters.
    """
    from rich.text import Text

    pixels, there = _framed(shown, width)
    text = Text()
    for top in range(0, len(pixels), 2):
        for column in range(pixels.shape[1]):
            colors = [
                css(pixels[row, column]) if row < len(pixels) and there[row, column] else "" for row in (top, top + 1)
            ]
            upper, lower = colors
            if upper:
                text.append("▀", style=f"{upper} on {lower}" if lower else upper)
            else:
                text.append("▄" if lower else " ", style=lower)
        text.append("\n")
    text.right_crop(1)
    return text


def _framed(shown: Numbers, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture scaled down to fit, (h, w, 3), and which of its pixels are there: of the margin only the frame is."""
    height, wide = shown.image.shape[:2]
    whole = (len(shown.rows), len(shown.columns)) == (height, wide)
    scale = min(1.0, (width if whole else width - 2) / wide, (HIGHEST if whole else HIGHEST - 2) / height)
    size = (max(1, round(height * scale)), max(1, round(wide * scale)))
    pixels = to_shape(shown.image, size=size, color="rgb")
    if whole:
        return pixels, np.ones(size, bool)
    pixels = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))  # so that there is room around a part that touches the border
    there = np.pad(np.ones(size, bool), 1)
    ends = []  # of the frame, just outside the part, in the padded picture
    for part, full, small in zip((shown.rows, shown.columns), (height, wide), size, strict=True):
        first = min(int(part.start * small / full), small - 1)
        ends.append((first, max(int(np.ceil(part.stop * small / full)), first + 1) + 1))
    (top, bottom), (left, right) = ends
    edge = np.zeros(there.shape, bool)
    edge[top : bottom + 1, left : right + 1] = True
    edge[top + 1 : bottom, left + 1 : right] = False
    pixels[edge] = FRAME
    return pixels, there | edge


def _colored(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def _columns(shown: Numbers, console: Console) -> int:
    """How many columns of values fit next to the row number."""
    return max(1, console.width // shown.width - 1)


def _part(text: str | None, name: str) -> slice | None:
    """``4:10``, ``:5``, ``-3:`` or a single number, as Python reads it."""
    if text is None:
        return None
    try:
        ends = [int(end) if end.strip() else None for end in text.split(":")]
        if len(ends) == 1 and ends[0] is not None:
            return slice(ends[0], ends[0] + 1 if ends[0] != -1 else None)
        start, stop = ends
    except ValueError:
        raise ArgumentError(f"--{name} {text} is not a range; pass a start and an end, as in 4:10.") from None
    return slice(start, stop)
