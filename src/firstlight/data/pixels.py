"""`Pixels` and `load()`: a table's images decoded once to uint8 (N, H, W, C), memory-mapped after that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import booleans, strings, to_numpy
from firstlight.data.decoding.align import Align, aligned
from firstlight.data.decoding.cached import stack_through_cache
from firstlight.data.decoding.loading import Loading, LoadingOptions, Preprocessing
from firstlight.data.decoding.resize import Color, Resize
from firstlight.data.decoding.stack import Stack, stack
from firstlight.data.given import table_of
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError
from firstlight.notebook import Shown, View
from firstlight.progress import Progress, counted, reported
from firstlight.wording import choose, plural

if TYPE_CHECKING:
    import pandas

MOST_UNREADABLE = 0.05  # above this share the whole folder is suspect, not a few files


@dataclass(frozen=True, eq=False, repr=False)
class Pixels(Shown):
    """The images of a table in one size and color, each row aligned with the table's.

    Made by `load`. ``values`` is read-only: other processes may map the same file.

    Attributes:
        values: uint8 (N, H, W, C), C = 1 (gray) or 3 (RGB); read-only, in memory or mapped from the cache.
        table: the N images that could be read.
        unreadable: the images that were skipped, each with its ``problem``.
        size: (height, width) in px.
        color: ``"gray"`` or ``"rgb"``.
        resize: ``"squish"``, ``"crop"`` or ``"pad"``.
        reasons: why this size and this color, and what went wrong with the cache, a sentence each.
        align: ``"none"``, ``"box"``, ``"mass"`` or ``"deskew"``.
        allow_unreadable: whether more than 5 % of the images may be unreadable.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits), validation=0.25))
        >>> pixels
        <Pixels: 1,797 images of 8 x 8 px, gray>
        >>> len(pixels.select("train")) + len(pixels.select("validation"))
        1797
    """

    values: np.ndarray
    table: Table
    unreadable: Table
    size: tuple[int, int]
    color: Color
    resize: Resize
    reasons: tuple[str, ...] = ()
    align: Align = "none"
    allow_unreadable: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        height, width = self.size
        left_out = f", {len(self.unreadable):,} unreadable" if len(self.unreadable) else ""
        return f"<Pixels: {plural(len(self), 'image')} of {height} x {width} px, {self.color}{left_out}>"

    def _view(self) -> View:
        return replace(self.table._view(), title=repr(self), remarks=self.reasons)

    def frame(self) -> pandas.DataFrame:
        """One row an image, as `Table.frame`; row n describes ``values[n]``."""
        return self.table.frame()

    @property
    def preprocessing(self) -> Preprocessing:
        """What every image went through, and a new image goes through."""
        return Preprocessing(self.size, self.color, self.resize, self.align)

    @property
    def loading(self) -> Loading:
        """How these images are loaded again, with the size and the color that were chosen."""
        return self.preprocessing.loading(allow_unreadable=self.allow_unreadable)

    def aligned(self, align: Align) -> Pixels:
        """The same images, aligned by their ink (for drawings), in memory.

        Args:
            align: ``"box"`` stretches the ink's box to the image, ``"mass"`` centres it by its weight, ``"deskew"``
                straightens it; ``"none"`` changes nothing. See `firstlight.data.decoding.align.aligned`.

        Raises:
            ArgumentError: where there is no such alignment, or the images are aligned already.

        Example:
            >>> import firstlight as fl
            >>> pixels = fl.load(fl.scan(digits))
            >>> pixels.aligned("deskew").preprocessing.align
            'deskew'
        """
        if align == "none":
            return self
        if self.align != "none":
            raise ArgumentError(
                f"The images are already aligned by {self.align!r}; load them again to align them in another way."
            )
        return replace(self, values=aligned(self.values, align), align=align)

    @property
    def labels(self) -> np.ndarray:
        """(N,) int32: the index into ``classes``; -1 where the class is not known."""
        return self.table.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, one list for all splits."""
        return self.table.classes

    @property
    def splits(self) -> np.ndarray:
        """(N,) int8: the index into `SPLITS`; -1 where the image has no split."""
        return self.table.splits

    @property
    def keys(self) -> list[str]:
        """The (N,) names below the root."""
        return self.table.keys

    def select(self, rows: str | Iterable[str] | np.ndarray) -> Pixels:
        """Some of the images, in their order: a view where the rows follow each other, else a copy in memory.

        Args:
            rows: the name of a split, several names, or an array of booleans (N,) or row numbers.

        Returns:
            The images with the same classes. With names of splits, ``unreadable`` is narrowed to them as well.

        Raises:
            ArgumentError: where a name is no split's.
        """
        unreadable = self.unreadable
        if not isinstance(rows, np.ndarray):
            names = [rows] if isinstance(rows, str) else list(rows)
            unreadable = unreadable.select(names)
            rows = np.isin(self.splits, [SPLITS.index(name) for name in names])
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        if len(numbers) and (np.diff(numbers) == 1).all():
            values = self.values[int(numbers[0]) : int(numbers[-1]) + 1]
        else:
            values = self.values[numbers]
            values.flags.writeable = False
        return replace(self, values=values, table=self.table.select(rows), unreadable=unreadable)


def load(
    table: Any,
    *,
    loading: Loading | None = None,
    cache: bool = True,
    progress: Progress = None,
    **options: Unpack[LoadingOptions],
) -> Pixels:
    """Decodes the images of a table into one array, or maps the decoded images from the cache.

    The cache identifies files by name, size and time: new labels or splits decode nothing, and a file that was
    written again is decoded again. `firstlight.data.decoding.cache.folder` is its place.

    Args:
        table: from `scan` or `split`; or a folder, or anything else that `scan` takes. Rows with a ``problem`` are
            not read.
        loading: size, color, resize, align and allow_unreadable in one value.
        cache: read decoded images from the cache, and write them into it.
        progress: called with a `Step` now and then while decoding, whose ``done`` goes back when an image changes the
            choice of size or color; True shows a meter.
        options: the fields of `Loading` by name, such as ``size=32``, instead of ``loading``.

    Returns:
        The images that could be read, with the others in ``unreadable``.

    Raises:
        ArgumentError: where an option has no such value, or is passed next to ``loading``.
        DataError: where there is no image, none that can be read, or more than 5 % that cannot.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.scan(digits))
        >>> pixels.values.shape, pixels.values.dtype
        ((1797, 8, 8, 1), dtype('uint8'))
        >>> pixels.reasons
        ('Size 8 x 8 px, since every image has it.', 'Color gray, since every image is gray.')
        >>> fl.load(fl.scan(digits), size=32, color="rgb").values.shape
        (1797, 32, 32, 3)
    """
    loading = loading_of(loading, options)
    table = table_of(table)
    usable = table
    if table.rows["problem"].null_count < len(table):
        usable = table.select(to_numpy(pc.is_null(table.rows["problem"])))
    if not len(usable):
        _refuse(table, loading.allow_unreadable)

    def checked(failures: dict[int, str]) -> Table:
        found = _with_problems(table, failures)
        _refuse(found, loading.allow_unreadable)
        return found

    stacked: Stack | None = None
    reasons: tuple[str, ...] = ()
    with reported(progress) as report:
        count = counted(report, "decoding")
        if cache:
            stacked, reasons = stack_through_cache(usable, loading, checked, count)
        if stacked is None:
            stacked = stack(usable, loading, progress=count)
    table = checked(stacked.failures)
    unreadable = replace(table, rows=table.rows.slice(0, 0))
    if table.rows["problem"].null_count < len(table):
        bad = to_numpy(pc.is_valid(table.rows["problem"]))
        table, unreadable = table.select(~bad), table.select(bad)
    height, width = stacked.values.shape[1:3]
    return Pixels(
        values=stacked.values,
        table=table,
        unreadable=unreadable,
        size=(height, width),
        color=stacked.color,
        resize=loading.resize,
        reasons=(*stacked.reasons, *reasons),
        allow_unreadable=loading.allow_unreadable,
    ).aligned(loading.align)


def loading_of(loading: Loading | None, options: LoadingOptions) -> Loading:
    """The loading that was passed, or that of the options.

    Raises:
        ArgumentError: where both were passed, or one is no loading or no option.
    """
    if loading is not None and not isinstance(loading, Loading):
        raise ArgumentError(f"loading={loading!r} is not a Loading; pass loading=Loading(size=32), for example.")
    if loading is not None and options:
        raise ArgumentError(f"{next(iter(options))} and loading were both passed; put it into the Loading.")
    for name in options:
        if name not in Loading.__dataclass_fields__:
            raise ArgumentError(f"load has no option {name!r}; {choose(name, Loading.__dataclass_fields__)}.")
    return loading or Loading(**options)


def _with_problems(table: Table, failures: dict[int, str]) -> Table:
    """The table with ``problem`` filled for the rows that failed, counted among those without a problem."""
    if not failures:
        return table
    column = table.rows["problem"].combine_chunks()
    rows = np.flatnonzero(to_numpy(pc.is_null(column)))[list(failures)]
    failed = np.zeros(len(table), bool)
    failed[rows] = True
    reasons = strings(failures.values())
    return table.with_columns(problem=pc.replace_with_mask(column, booleans(failed), reasons))


def _refuse(table: Table, allow_unreadable: bool) -> None:
    """Raises where the images with a problem are all, or more than a few."""
    if not len(table):
        raise DataError(f"{table.root} contains no images; pass a folder of class folders.")
    count = len(table) - table.rows["problem"].null_count
    few = count <= MOST_UNREADABLE * len(table) or allow_unreadable
    if few and count < len(table):
        return
    first = table.select(to_numpy(pc.is_valid(table.rows["problem"]))).rows.slice(0, 3)
    named = "; ".join(
        f"{key}: {problem}" for key, problem in zip(first["key"].to_pylist(), first["problem"].to_pylist(), strict=True)
    )
    more = "; ..." if count > 3 else ""
    if count == len(table):
        raise DataError(
            f"None of the {count:,} images in {table.root} can be read ({named}{more}); "
            "open one of them in another program to see what it is, and pass a folder of images."
        )
    raise DataError(
        f"{count:,} of {len(table):,} images in {table.root} cannot be read ({named}{more}), more than "
        f"{MOST_UNREADABLE:.0%}; repair or remove them, or skip them with --allow-unreadable "
        "(allow_unreadable=True)."
    )
