"""Many images into one array: decoded by threads, in order, to memory or a file; with what failed."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from firstlight.atomic import writing
from firstlight.data.decoding.decode import decode_all
from firstlight.data.decoding.loading import Loading
from firstlight.data.decoding.plan import Plan, first_plan, next_plan
from firstlight.data.decoding.resize import Color, to_shape
from firstlight.data.decoding.threads import in_order, keys_of, median_bytes, spans
from firstlight.data.files import Read, reader
from firstlight.data.table import Table
from firstlight.errors import DataError

Progress = Callable[[int, int], None]

IN_MEMORY = 1 << 30  # bytes; a larger result goes to a temporary file
BLOCK = 4 << 20  # bytes of pixels, or of files, that a thread works on at once


@dataclass(frozen=True)
class Stack:
    """The images that could be decoded, and why the others could not.

    Attributes:
        values: uint8 (N, H, W, C), read-only.
        color: ``"gray"`` or ``"rgb"``.
        reasons: why this size and this color, a sentence each.
        failures: why an image could not be decoded, by row number.
    """

    values: np.ndarray
    color: Color
    reasons: tuple[str, ...]
    failures: dict[int, str]


class _DiffersError(Exception):
    """An image for which the plan does not hold."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.shape = shape


def stack(table: Table, loading: Loading, *, path: Path | None = None, progress: Progress | None = None) -> Stack:
    """Decodes the images of a table.

    Args:
        table: the images, none with a problem that is known already.
        loading: the size, color and resize that are requested; aligning comes after this.
        path: the .npy file to be written. Without it the result is in memory, or in a temporary file where it
            is larger than `IN_MEMORY`.
        progress: called with (images done, images in all).

    Returns:
        The images in the order of the rows. With ``path`` they are in the file only and ``values`` is an
        empty array: on Windows the folder of a file that is mapped could not be renamed.

    Raises:
        OSError: where ``path`` cannot be written.
    """
    read = reader(table)
    plan = first_plan(table, loading, read)
    if plan is None:
        return Stack(np.zeros((0, 1, 1, 1), np.uint8), "gray", (), failures_of(table, range(len(table))))
    while True:
        failures: dict[int, str] = {}
        shape = (len(table), *plan.shape)
        try:
            with contextlib.closing(_blocks(table, plan, read, failures)) as blocks:
                shown = _shown(blocks, failures, len(table), progress)
                values = _to_memory(shown, shape) if path is None else _to_file(shown, shape, path)
        except _DiffersError as other:
            plan = next_plan(plan, other.shape, table, read)
        else:
            return Stack(values, plan.color, plan.reasons, failures)


def failures_of(table: Table, rows: Iterable[int]) -> dict[int, str]:
    """Those of some rows that cannot be decoded, with the reason."""
    failures = {}
    read = reader(table)
    for row in rows:
        (image,) = decode_all([_bytes(read, table.rows["key"][row].as_py())])
        if isinstance(image, str):
            failures[row] = image
    return failures


def read_all(read: Read, keys: list[str]) -> list[bytes | str]:
    """The bytes of some files, or the reason why one cannot be read."""
    try:
        return list(map(read, keys))
    except OSError:  # one by one, to say of each what is wrong with it
        return [_bytes(read, key) for key in keys]


def _bytes(read: Read, key: str) -> bytes | str:
    """The bytes of a file, or the reason why it cannot be read."""
    try:
        return read(key)
    except FileNotFoundError:
        return "no longer there"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _blocks(table: Table, plan: Plan, read: Read, failures: dict[int, str]) -> Generator[np.ndarray, None, None]:
    """uint8 (B, H, W, C) of one run of rows after another; the rows that fail go to ``failures``."""
    shape = plan.shape
    as_it_is = shape if plan.common in (None, plan.size) else None  # such an image needs no further look

    def block(span: range) -> tuple[np.ndarray, dict[int, str]]:
        # All are read before the first is decoded, so that threads seldom hand Python's lock to each other.
        images = decode_all(read_all(read, keys_of(table, span)))
        if {getattr(image, "shape", None) for image in images} == {as_it_is}:
            return np.concatenate(images).reshape(-1, *shape), {}  # np.stack takes three times as long
        values = np.empty((len(span), *shape), np.uint8)
        failed = {}
        count = 0
        for row, image in zip(span, images, strict=True):
            if isinstance(image, str):
                failed[row] = image
                continue
            if image.shape != as_it_is:
                if not plan.holds(image.shape):
                    raise _DiffersError(image.shape)
                image = to_shape(image, size=plan.size, color=plan.color, resize=plan.resize)
            values[count] = image
            count += 1
        return values[:count], failed

    rows = BLOCK // max(math.prod(shape), median_bytes(table))
    with contextlib.closing(in_order(block, spans(len(table), rows), plan.threads)) as found:
        for values, failed in found:
            failures |= failed
            yield values


def _shown(
    blocks: Iterable[np.ndarray], failures: dict[int, str], total: int, progress: Progress | None
) -> Iterable[np.ndarray]:
    count = 0
    for block in blocks:
        yield block
        count += len(block)
        if progress is not None:
            progress(count + len(failures), total)


def _to_memory(blocks: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    if math.prod(shape) > IN_MEMORY:
        with (
            writing(Path(tempfile.gettempdir()), DataError),
            tempfile.TemporaryFile(prefix="firstlight-") as file,
        ):
            shape = _write(file, blocks, shape)
            # The map holds the file open by a handle of its own; the file is gone when the array is.
            return np.memmap(file, np.uint8, "r", file.tell(), shape).view(np.ndarray)
    values = np.empty(shape, np.uint8)
    count = 0
    for block in blocks:
        values[count : count + len(block)] = block
        count += len(block)
    values = values[:count]
    values.flags.writeable = False
    return values


def _to_file(blocks: Iterable[np.ndarray], shape: tuple[int, ...], path: Path) -> np.ndarray:
    with path.open("wb") as file:
        shape = _write(file, blocks, shape)
    return np.zeros((0, *shape[1:]), np.uint8)


def _write(file: BinaryIO, blocks: Iterable[np.ndarray], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Writes a .npy file of at most ``shape``; gives the shape that it has in the end.

    Plain writes and no writable map: on a full disk a write raises, where a map would kill the process.
    """
    count = 0
    _write_header(file, shape)
    for block in blocks:
        file.write(block.data)
        count += len(block)
    file.seek(0)
    _write_header(file, (count, *shape[1:]))  # NumPy pads it so that the first axis may have any length
    file.flush()
    os.fsync(file.fileno())
    return (count, *shape[1:])  # and the file position is where the pixels begin


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
