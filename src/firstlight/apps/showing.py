"""`firstlight show`: an image in the terminal, as a picture and as the numbers it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from firstlight.apps.screen import print_json
from firstlight.data.decoding.resize import to_shape
from firstlight.data.numbers import CHANNELS, Numbers, css, ink, numbers
from firstlight.errors import ArgumentError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

FORMS = ("table", "array", "tensor")
CELL = 4  # characters of a value
MOST_ROWS = 32  # of a table where no rows were asked for


def show_numbers(image: str, *, rows: str | None, columns: str | None, as_: str, as_json: bool, quiet: bool) -> None:
    """Prints an image, or the part of it that was asked for.

    Raises:
        ArgumentError: where a part or a form is not known.
    """
    if as_ not in FORMS:
        raise ArgumentError(f"--as {as_} is not known; choose from {', '.join(FORMS)}.")
    shown = numbers(image, rows=_part(rows, "rows"), columns=_part(columns, "columns"))
    if as_json:
        print_json({"image": image} | shown.to_dict())
    elif as_ == "array":
        print(repr(shown.array))
    elif as_ == "tensor":
        print(shown.tensor())
    else:
        from rich.console import Console

        draw(shown, Console(), chosen=rows is not None or columns is not None)
        if not quiet:
            print(*facts(shown), sep="\n")


def facts(shown: Numbers) -> list[str]:
    """What there is to know of the whole image, in two lines."""
    shape = " x ".join(map(str, shown.shape))
    return [
        f"shape {shape}, rank {shown.rank}, {shown.image.dtype}; minimum {shown.minimum}, mean {shown.mean:.2f}, "
        f"maximum {shown.maximum}",
        f"{shown.polarity}.",
    ]


def draw(shown: Numbers, console: Console, *, chosen: bool) -> None:
    """The picture in half blocks where there is colour, and the table of values in the colours of the pixels.

    Args:
        shown: the image.
        console: where it is printed.
        chosen: whether rows or columns were asked for; else the table is cut to what fits, in the middle.
    """
    if console.color_system is not None:
        console.print(blocks(shown.image, console.width))
        console.print()
    if not chosen:
        fitting = max(1, (console.width - CELL) // CELL)
        shown = Numbers(shown.image, _middle(shown.rows, MOST_ROWS), _middle(shown.columns, fitting))
        if (len(shown.rows), len(shown.columns)) != shown.image.shape[:2]:
            print("Its middle; --rows 4:10 --columns 4:10 shows another part.", file=sys.stderr)
    if console.color_system is None:
        print(shown)
        return
    for text in tables(shown):
        console.print(text, no_wrap=True, crop=False, overflow="ignore")


def tables(shown: Numbers) -> list[Text]:
    """The values, each on its own gray; of a colour image one table for each channel."""
    from rich.text import Text

    values = shown.array
    planes = [("", values)] if values.ndim == 2 else [(name, values[:, :, c]) for c, name in enumerate(CHANNELS)]
    found = []
    for channel, (name, plane) in enumerate(planes):
        text = Text(f"{name}\n" if name else "", style="bold")
        head = " " * CELL + "".join(f"{column:>{CELL}}" for column in shown.columns)
        text.append(head + "\n", style="not bold dim")
        for row, line in zip(shown.rows, plane, strict=True):
            text.append(f"{row:>{CELL - 1}} ", style="not bold dim")
            for value in line:
                pixel = np.full(3, value)
                if name:
                    pixel = np.where(np.arange(3) == channel, value, 0)
                text.append(f"{value:>{CELL - 1}} ", style=f"not bold {ink(pixel)} on {css(pixel)}")
            text.append("\n")
        text.right_crop(1)
        found.append(text)
    return found


def blocks(image: np.ndarray, width: int) -> Text:
    """The picture: each character is two pixels, the upper one in its own colour, the lower one behind it."""
    from rich.text import Text

    height, wide = image.shape[:2]
    if wide > width:
        height, wide = max(1, round(height * width / wide)), width
        image = to_shape(image, size=(height, wide), colour="gray" if image.shape[2] == 1 else "rgb")
    pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    text = Text()
    for top in range(0, height, 2):
        for column in range(wide):
            lower = f" on {css(pixels[top + 1, column])}" if top + 1 < height else ""
            text.append("▀", style=f"{css(pixels[top, column])}{lower}")
        text.append("\n")
    text.right_crop(1)
    return text


def _middle(part: range, most: int) -> range:
    if len(part) <= most:
        return part
    start = part.start + (len(part) - most) // 2
    return range(start, start + most)


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
        raise ArgumentError(f"--{name} {text} is no part of an image; pass a start and an end, as in 4:10.") from None
    return slice(start, stop)
