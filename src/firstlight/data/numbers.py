"""`numbers()`: an image as the numbers that it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.decode import decode
from firstlight.errors import ArgumentError, DataError, MissingExtraError

if TYPE_CHECKING:
    import torch
    from pandas.io.formats.style import Styler
    from PIL.Image import Image

CLEAR = 0.15  # of the range between black and white: so far from its middle is a border that is dark or bright
CHANNELS = ("red", "green", "blue")
MOST_SHOWN = 32  # rows and columns of a whole image that are printed; a photo has millions of values


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
        """uint8 (h, w) of a gray image, (h, w, 3) of a colour one: the part that is shown."""
        part = self.image[self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]
        return part[:, :, 0] if part.shape[2] == 1 else part

    def tensor(self) -> torch.Tensor:
        """The same as a torch tensor.

        Raises:
            MissingExtraError: where torch is not installed.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("Tensors", "train") from error
        return torch.from_numpy(self.array.copy())

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole image: (H, W), or (H, W, 3) in colour."""
        return self.image.shape[:2] if self.image.shape[2] == 1 else self.image.shape

    @property
    def rank(self) -> int:
        """How many axes it has: 2 for a gray image, 3 for a colour one."""
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
        tone = self.image.mean(axis=2)  # (H, W)
        ground = float(np.median(np.concatenate([tone[0], tone[-1], tone[1:-1, 0], tone[1:-1, -1]])))
        far = tone[np.abs(tone - ground) > CLEAR * 255]
        neither = "neither white on black nor black on white: "
        if not far.size:
            return f"{neither}hardly anything stands out from the border"
        ink = float(far.mean())
        seen = f"the border is {{}} (median {ground:.0f}), what stands out from it {{}} (mean {ink:.0f})"
        if ground < 255 * (0.5 - CLEAR) and ink > 255 / 2:
            return f"white on black: {seen.format('dark', 'bright')}, so 0 is the ground and 255 the ink"
        if ground > 255 * (0.5 + CLEAR) and ink < 255 / 2:
            return f"black on white: {seen.format('bright', 'dark')}, so 255 is the ground and 0 the ink"
        return f"{neither}{seen.format('of tone', 'of tone').replace('of tone (', '(')}"

    def middle(self, *, rows: int = MOST_SHOWN, columns: int = MOST_SHOWN) -> Numbers:
        """The middle of what is shown: at most so many rows and columns, the same where it has no more."""
        return Numbers(self.image, _middle(self.rows, rows), _middle(self.columns, columns))

    def style(self) -> Styler:
        """The values as a pandas table, each cell in its own gray or colour; what a notebook shows.

        Raises:
            MissingExtraError: where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("Coloured tables", "pandas") from error
        values = self.array
        colours = values if values.ndim == 3 else np.repeat(values[:, :, None], 3, axis=2)
        words = values if values.ndim == 2 else np.array([["/".join(map(str, cell)) for cell in row] for row in values])
        table = pandas.DataFrame(words, index=list(self.rows), columns=list(self.columns))
        looks = [[f"background-color: {css(cell)}; color: {ink(cell)}" for cell in row] for row in colours]
        styles = pandas.DataFrame(looks, index=table.index, columns=table.columns)
        return table.style.apply(lambda _: styles, axis=None).set_properties(**{"font-size": "6pt"})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("shape", "rank", "minimum", "mean", "maximum", "polarity")
        about = {name: getattr(self, name) for name in names} | {"dtype": str(self.image.dtype)}
        span = {"rows": [self.rows.start, self.rows.stop], "columns": [self.columns.start, self.columns.stop]}
        return about | span | {"values": self.array.tolist()}

    def _repr_html_(self) -> str:
        return str(self.style().to_html())

    def __repr__(self) -> str:
        return f"<Numbers of an image {self.shape} {self.image.dtype}, {self.minimum} to {self.maximum}>"

    def __str__(self) -> str:
        values = self.array
        planes = [("", values)] if values.ndim == 2 else [(name, values[:, :, c]) for c, name in enumerate(CHANNELS)]
        blocks = []
        for name, plane in planes:
            lines = [f"{name:<4}" + "".join(f"{column:>4}" for column in self.columns)] if not name else [name]
            lines += ["    " + "".join(f"{column:>4}" for column in self.columns)] if name else []
            lines += [
                f"{row:>4}" + "".join(f"{value:>4}" for value in line)
                for row, line in zip(self.rows, plane, strict=True)
            ]
            blocks.append("\n".join(line.removeprefix(" ") for line in lines))
        return "\n".join(blocks)


def numbers(
    image: str | Path | np.ndarray, *, rows: slice | tuple[int, int] | None = None,
    columns: slice | tuple[int, int] | None = None,
) -> Numbers:  # fmt: skip
    """An image as numbers: its values, its shape, and whether it is white on black.

    Args:
        image: a file, or uint8 (H, W) or (H, W, C) with C = 1 or 3.
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
    values = _read(Path(image)) if isinstance(image, str | Path) else np.asarray(image)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3) or not values.size:
        raise ArgumentError(f"The array is {values.dtype} {values.shape}; pass uint8 (H, W), (H, W, 1) or (H, W, 3).")
    height, width = values.shape[:2]
    return Numbers(values, _range(rows, height, "rows"), _range(columns, width, "columns"))


def _read(path: Path) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); pass an image file.") from error
    found = decode(data)
    if isinstance(found, str):
        raise DataError(f"{path} cannot be shown: {found}; pass an image file.")
    return found


def _range(wanted: slice | tuple[int, int] | None, size: int, name: str) -> range:
    if wanted is None:
        return range(size)
    part = wanted if isinstance(wanted, slice) else slice(*wanted)
    found = range(*part.indices(size))
    if not len(found) or found.step != 1:
        raise ArgumentError(f"{name}={wanted!r} leaves nothing of the {size} {name}; pass a part such as (4, 10).")
    return found


def css(cell: np.ndarray) -> str:
    """A pixel's colour as ``#rrggbb``."""
    return "#" + "".join(f"{int(value):02x}" for value in cell)


def ink(cell: np.ndarray) -> str:
    """Black or white, whichever can be read on a pixel's colour (by its luma, ITU-R BT.601)."""
    return "#000000" if np.dot(cell, (0.299, 0.587, 0.114)) > 140 else "#ffffff"
