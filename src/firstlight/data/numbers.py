"""`numbers()`: an image as the numbers that it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.decoding.picture import decoded, name_of
from firstlight.errors import ArgumentError, DataError, require

if TYPE_CHECKING:
    import torch
    from pandas.io.formats.style import Styler
    from PIL.Image import Image

COLORED = 32  # gray levels between the channels of a pixel that has a color; JPEG leaves fewer in gray pictures
FEW_PIXELS = 0.05  # of the image; so many may have a color
UNEVEN, UNEVEN_TINY, TINY = 0.1, 0.4, 16  # share of the border in another shade; of images up to 16 px ink is on it
SHADED = (
    0.65  # share between ground and ink: at most 0.44 of 300 digits of MNIST, over 0.65 of a quarter of gray photos
)
CLEAR = 0.25  # of the range from black to white: a border is dark or bright so near an end, and ink so far from it
FEW = 16  # columns, up to which cells are written in a size that is easy to read
CHANNELS = ("red", "green", "blue")
MOST_SHOWN = 32  # columns of a whole image that are printed, and rows, of all channels; a photo has millions of values


@dataclass(frozen=True, eq=False, repr=False)
class Numbers:
    """The values of an image, or of a part of it.

    Attributes:
        image: uint8 (H, W, C), the whole image, upright.
        rows: which of its rows are shown.
        columns: which of its columns are shown.

    Example:
        >>> shown = numbers(np.array([[0, 29], [166, 224]], np.uint8))
        >>> print(shown)
              0   1
          0   0  29
          1 166 224
        >>> shown.shape, shown.rank, shown.minimum, shown.mean, shown.maximum
        ((2, 2), 2, 0, 104.75, 224)
    """

    image: np.ndarray
    rows: range
    columns: range

    @property
    def array(self) -> np.ndarray:
        """uint8 (h, w) of a gray image, (h, w, 3) of a color one: the part that is shown."""
        part = self.image[self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]
        return part[:, :, 0] if part.shape[2] == 1 else part

    def tensor(self) -> torch.Tensor:
        """The same as a torch tensor.

        Raises:
            MissingExtraError: where torch is not installed.
        """
        with require("train", purpose="Tensors"):
            import torch
        return torch.from_numpy(self.array.copy())

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole image: (H, W), or (H, W, 3) in color."""
        return self.image.shape[:2] if self.image.shape[2] == 1 else self.image.shape

    @property
    def rank(self) -> int:
        """How many axes it has: 2 for a gray image, 3 for a color one."""
        return len(self.shape)

    @property
    def minimum(self) -> int:
        """The lowest value of the whole image."""
        return int(self.image.min())

    @property
    def mean(self) -> float:
        """The mean value of the whole image."""
        return float(self.image.mean())

    @property
    def maximum(self) -> int:
        """The highest value of the whole image."""
        return int(self.image.max())

    @property
    def polarity(self) -> str:
        """Whether something bright lies on dark ground or the other way round, by the border and what stands out."""
        neither = "neither white on black nor black on white: "
        if self.image.shape[2] > 1 and (np.ptp(self.image, axis=2) > COLORED).mean() > FEW_PIXELS:
            return f"{neither}the image has colors"
        tone = self.image.mean(axis=2)  # (H, W)
        edge = np.concatenate([tone[0], tone[-1], tone[1:-1, 0], tone[1:-1, -1]])
        ground = float(np.median(edge))
        away = np.abs(tone - ground)
        far = tone[away > CLEAR * 255]
        if not far.size:
            return f"{neither}hardly anything stands out from the border"
        if (np.abs(edge - ground) > CLEAR * 255).mean() > (UNEVEN if min(tone.shape) > TINY else UNEVEN_TINY):
            return f"{neither}the border is not of one shade"
        most = np.quantile(away[away > CLEAR * 255], 0.95)
        between = ((away > most / 3) & (away < most * 2 / 3)).sum() / (away > most / 3).sum()
        if min(tone.shape) > TINY and between > SHADED:
            return f"{neither}what stands out from the border has many shades, as a photo has"
        standing = float(far.mean())
        border, rest = f"median {ground:.0f}", f"mean {standing:.0f}"
        if ground < 255 * CLEAR and standing > 255 / 2:
            return (
                f"white on black: the border is dark ({border}), what stands out from it bright ({rest}), "
                "so 0 is the ground and 255 the ink"
            )
        if ground > 255 * (1 - CLEAR) and standing < 255 / 2:
            return (
                f"black on white: the border is bright ({border}), what stands out from it dark ({rest}), "
                "so 255 is the ground and 0 the ink"
            )
        return f"{neither}the border ({border}) and what stands out from it ({rest}) are not dark and bright"

    def middle(self, *, rows: int | None = None, columns: int = MOST_SHOWN) -> Numbers:
        """The middle of what is shown: at most so many rows and columns, the same where it has no more."""
        rows = MOST_SHOWN // self.image.shape[2] if rows is None else rows
        return Numbers(self.image, _middle(self.rows, rows), _middle(self.columns, columns))

    def style(self) -> Styler:
        """The values as a pandas table, each cell in its own gray or color.

        Raises:
            MissingExtraError: where pandas is not installed.
        """
        with require("pandas", purpose="Colored tables"):
            import pandas
        words, looks = self._cells()
        table = pandas.DataFrame(words, index=list(self.rows), columns=list(self.columns))
        styles = pandas.DataFrame(looks, index=table.index, columns=table.columns)
        return table.style.apply(lambda _: styles, axis=None).set_properties(**{"font-size": self._letters()})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("shape", "rank", "minimum", "mean", "maximum", "polarity")
        about = {name: getattr(self, name) for name in names} | {"dtype": str(self.image.dtype)}
        span = {"rows": [self.rows.start, self.rows.stop], "columns": [self.columns.start, self.columns.stop]}
        return about | span | {"values": self.array.tolist()}

    def _cells(self) -> tuple[list[list[str]], list[list[str]]]:
        """Of every cell what is written in it, and its colors as CSS."""
        values = self.array if self.array.ndim == 3 else self.array[:, :, None]
        words = [["/".join(map(str, cell)) for cell in row] for row in values]
        looks = [[f"background-color: {css(cell)}; color: {ink(cell)}" for cell in row] for row in values]
        return words, looks

    def _letters(self) -> str:
        return "6pt" if len(self.columns) > FEW else "9pt"

    def _repr_html_(self) -> str:
        # colors in each cell, since a style sheet is taken out of notebooks that are not trusted yet
        part = self.middle(rows=2 * MOST_SHOWN, columns=2 * MOST_SHOWN)
        head = "".join(f"<th>{column}</th>" for column in part.columns)
        lines = [
            f"<tr><th>{row}</th>{''.join(map(_cell, words, looks))}</tr>"
            for row, words, looks in zip(part.rows, *part._cells(), strict=True)
        ]
        cut = _cut(self, part)
        caption = f"<caption>{cut}</caption>" if cut else ""
        look = f"border-collapse: collapse; font-size: {part._letters()}"
        return f'<table style="{look}">{caption}<tr><th></th>{head}</tr>{"".join(lines)}</table>'

    def __repr__(self) -> str:
        return f"<Numbers of an image {self.shape} {self.image.dtype}, {self.minimum} to {self.maximum}>"

    def __str__(self) -> str:
        part = self.middle()
        return f"{part.plain()}\n{cut}" if (cut := _cut(self, part)) else part.plain()

    def plain(self) -> str:
        """All values that are shown, one table for each channel, in aligned columns."""
        width = self.width
        head = " " * (width - 1) + "".join(f"{column:>{width}}" for column in self.columns)
        lines = []
        for name, plane in self.planes():
            lines += [name, head] if name else [head]
            lines += [
                f"{row:>{width - 1}}" + "".join(f"{value:>{width}}" for value in line)
                for row, line in zip(self.rows, plane, strict=True)
            ]
        return "\n".join(lines)

    @property
    def width(self) -> int:
        """Characters of a printed cell: the longest value or number of a row or column, and a space."""
        return 1 + max(3, len(str(self.rows[-1])), len(str(self.columns[-1])))

    def planes(self) -> list[tuple[str, np.ndarray]]:
        """The channels (h, w) of what is shown, each with its name; a gray image has one, without a name."""
        values = self.array
        if values.ndim == 2:
            return [("", values)]
        return [(name, values[:, :, channel]) for channel, name in enumerate(CHANNELS)]


def numbers(
    image: str | Path | np.ndarray | Image, *, rows: slice | tuple[int, int] | None = None,
    columns: slice | tuple[int, int] | None = None,
) -> Numbers:  # fmt: skip
    """An image as numbers: its values, its shape, and whether it is white on black.

    Args:
        image: a file; a picture of Pillow's; or uint8 (H, W) or (H, W, C) with C = 1 or 3.
        rows: which rows: ``slice(4, 10)`` or ``(4, 10)``; all where left out.
        columns: which columns.

    Returns:
        What can be printed, shown in a notebook, or taken as an array or a tensor.

    Raises:
        DataError: where the file is no image that can be read.
        ArgumentError: where the array is of another shape or dtype, or nothing is left of it.

    Example:
        >>> from pathlib import Path
        >>> shown = numbers(sorted(Path(digits).glob("3/*.png"))[0], rows=(2, 5))
        >>> shown.shape, shown.array.shape, shown.polarity[:14]
        ((8, 8), (3, 8), 'white on black')
    """
    values = _values(image)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3) or not values.size:
        raise ArgumentError(f"The array is {values.dtype} {values.shape}; pass uint8 (H, W), (H, W, 1) or (H, W, 3).")
    height, width = values.shape[:2]
    return Numbers(values, _range(rows, height, "rows"), _range(columns, width, "columns"))


def _values(image: str | Path | np.ndarray | Image) -> np.ndarray:
    """The pixels as every part of Firstlight sees them: a file and a picture go through the one decoder."""
    if isinstance(image, np.ndarray):
        return image
    found = decoded(image)
    if isinstance(found, str) and not isinstance(image, str | Path):
        raise ArgumentError(
            f"A Pillow image of mode {image.mode} cannot be shown ({found}); pass picture.convert('L') or 'RGB'."
        )
    if isinstance(found, str):
        raise DataError(f"{name_of(image) or 'The image'} cannot be shown ({found}); pass an image.")
    return found


def _range(wanted: slice | tuple[int, int] | None, size: int, name: str) -> range:
    if wanted is None:
        return range(size)
    part = wanted if isinstance(wanted, slice) else slice(*wanted)
    if part.step not in (None, 1):
        raise ArgumentError(f"{name} were requested in steps of {part.step}; pass a start and an end, such as (4, 10).")
    found = range(*part.indices(size))
    if not len(found):
        start, stop = ("" if end is None else end for end in (part.start, part.stop))
        raise ArgumentError(f"{name} {start}:{stop} hold nothing: the image has the {name} 0:{size}.")
    return found


def _middle(part: range, most: int) -> range:
    if len(part) <= most:
        return part
    start = part.start + (len(part) - most) // 2
    return range(start, start + most)


def _cut(whole: Numbers, part: Numbers) -> str:
    """What is to be said where only a part is printed."""
    if (part.rows, part.columns) == (whole.rows, whole.columns):
        return ""
    return f"the middle of {len(whole.rows)} x {len(whole.columns)}; rows=(4, 10), columns=(4, 10) show another part"


def _cell(words: str, look: str) -> str:
    return f'<td style="{look}; min-width: 2em; text-align: center">{words}</td>'


def css(cell: np.ndarray) -> str:
    """A pixel's color as ``#rrggbb``, of one value or three."""
    return "#" + "".join(f"{int(value):02x}" for value in np.broadcast_to(cell, 3))


def ink(cell: np.ndarray) -> str:
    """Black or white, whichever has the higher contrast to a pixel's color (WCAG 2.1, relative luminance)."""
    share = np.asarray(cell) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = float(np.dot(np.broadcast_to(linear, 3), (0.2126, 0.7152, 0.0722)))
    return "#000000" if luminance > 0.179 else "#ffffff"  # 0.179 = sqrt(1.05 * 0.05) - 0.05: both have 4.6 : 1
