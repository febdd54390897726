"""`new_images()`: whatever a caller wants predicted, from one file to a table, as the `Pixels` that a model takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.data.decoding.align import aligned
from firstlight.data.decoding.header import choose_path
from firstlight.data.decoding.loading import Preprocessing
from firstlight.data.decoding.picture import FORMS, decoded, is_opened, name_of
from firstlight.data.decoding.threads import cores, in_order, spans
from firstlight.data.pixels import Pixels, load
from firstlight.data.scanning.entries import IMAGES
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError
from firstlight.progress import Progress

SEVERAL = 16  # images, from which more than one thread decodes them
NAMED = 3  # unreadable images that an error names
START = 1 << 16  # bytes of a file, which tell an image from a list or an archive


def new_images(
    images: Any, how: Preprocessing, progress: Progress = None, *, of_files: Preprocessing | None = None
) -> Pixels:
    """The images in the size and color that a model takes.

    Args:
        images: pixels, which are left as they are; a table; a folder, a DataFrame, (path, label) pairs, or anything
            else that `scan` takes; an image as a file, as the bytes of one, as a picture of Pillow or as an array;
            several of these in a list; or an array (N, H, W, C).
        how: what each image goes through.
        progress: called with a `Step` while a folder or table is decoded.
        of_files: what the images of a folder or table go through, where that differs: a model that decodes the files
            itself needs to know of each only whether it can be read.

    Returns:
        One row per image, named by its path or, without one, by its place: ``"0"``, ``"1"``, ... The images of a
        folder or table have their classes and splits, and at most 5 % of them may be unreadable; of a list none may.

    Raises:
        ArgumentError: where it is none of these, or an array has another shape or dtype.
        DataError: where a file, or the folder, cannot be read.

    Example:
        >>> several = [np.zeros((9, 9), np.uint8), np.zeros((5, 7, 3), np.uint8)]
        >>> found = new_images(several, Preprocessing((8, 8), "gray"))
        >>> found.keys, found.values.shape
        (['0', '1'], (2, 8, 8, 1))
    """
    if isinstance(images, Pixels):
        return images
    if isinstance(images, Table) or _is_source(images):
        return load(images, loading=(of_files or how).loading(), progress=progress)
    return _loaded(_each(images), how)


def _is_source(images: Any) -> bool:
    """Whether it is for `scan`: a folder, an archive, a list of names and labels, a data frame."""
    if isinstance(images, str | os.PathLike):
        path = os.fspath(images)
        if os.path.isdir(path):  # noqa: PTH112
            return True
        return os.path.splitext(path)[1].lower() not in IMAGES and not _starts_an_image(path)  # noqa: PTH122
    return hasattr(images, "columns") or _are_pairs(images)


def _are_pairs(images: Any) -> bool:
    """Whether it is a list of (path, label)."""
    first = images[0] if isinstance(images, list | tuple) and images else None
    if not isinstance(first, tuple) or len(first) != 2:
        return False
    return isinstance(first[0], str | os.PathLike) and isinstance(first[1], str)


def _starts_an_image(path: str) -> bool:
    """Whether a file without an image's extension is one all the same, as its content says."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return not choose_path(file.read(START)).startswith(("not an image", "empty file"))
    except (OSError, ValueError):
        return False


def _each(images: Any) -> list[Any]:
    """The images of what holds several; one alone is a list of one."""
    if isinstance(images, str | os.PathLike | bytes | bytearray | memoryview) or is_opened(images):
        return [images]
    if isinstance(images, np.ndarray) and images.ndim != 4:
        return [images]
    if not isinstance(images, Iterable):
        raise ArgumentError(f"{type(images).__name__} is not an image; pass {FORMS}, a list of these, or a folder.")
    found = list(images)
    if not found:
        raise ArgumentError("There is no image in the list; pass at least one.")
    return found


def _loaded(images: Sequence[Any], how: Preprocessing) -> Pixels:
    def shaped(span: range) -> list[np.ndarray | str]:
        found = (decoded(images[row]) for row in span)
        return [one if isinstance(one, str) else how.shaped(one) for one in found]

    names = [name_of(image) or str(row) for row, image in enumerate(images)]
    # Not so for pictures, since two threads could load the same one.
    threads = cores() if len(images) >= SEVERAL and all(isinstance(one, str | os.PathLike) for one in images) else 1
    parts = in_order(shaped, spans(len(images), 1 + len(images) // (4 * threads)), threads)
    every = [image for part in parts for image in part]
    _refuse({name: one for name, one in zip(names, every, strict=True) if isinstance(one, str)}, len(every))
    values = aligned(np.stack([one for one in every if not isinstance(one, str)]), how.align)
    values.flags.writeable = False
    unknown = np.full(len(names), -1)
    table = Table.build("", names, classes=(), labels=unknown, splits=unknown, layout="images")
    none = replace(table, rows=table.rows.slice(0, 0))
    return Pixels(values, table, none, how.size, how.color, how.resize, align=how.align)


def _refuse(problems: dict[str, str], count: int) -> None:
    """Raises where an image of a list cannot be read: without it the rows would no longer be those of the list."""
    if not problems:
        return
    named = "; ".join(f"{name}: {problem}" for name, problem in list(problems.items())[:NAMED])
    more = "; ..." if len(problems) > NAMED else ""
    if count == 1:
        raise DataError(f"The image cannot be read ({named}); pass one that another program shows.")
    raise DataError(f"{len(problems):,} of {count:,} images cannot be read ({named}{more}); leave them out.")
