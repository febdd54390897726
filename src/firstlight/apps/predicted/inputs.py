"""Images to predict: files, folders, archives, lists and standard input -> `Source`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.compute as pc

from firstlight.apps.predicted.source import Source
from firstlight.arrow import strings, to_numpy
from firstlight.data.scanning.entries import NO_UTF8, entries_of_zip
from firstlight.data.scanning.walk import entries_of_folder
from firstlight.data.sources import LOOSE, UNNAMED, scan
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError

STANDARD_INPUT = "-"
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
WITHOUT_CLASS = (LOOSE, UNNAMED)  # reasons why `scan` skips an image that can be predicted all the same


def sources(paths: Iterable[str], *, listed: bool = False, stack: ExitStack) -> list[Source]:
    """The images in the order of the arguments; those of a folder in the order of their keys.

    Args:
        paths: files, folders, .zip and .tar archives, .csv lists, saved tables, or ``-`` for standard input.
        listed: standard input is not an image but a list of paths, one per line or separated by NULs.
        stack: removes the unpacked archives when it is closed.

    Raises:
        ArgumentError: where ``listed`` is set and no path is ``-``.
        DataError: where a path does not exist, or is a folder or an archive without images.

    Example:
        >>> with ExitStack() as stack:
        ...     (found,) = sources([digits], stack=stack)
        >>> len(found), found.paths(range(2)) == [f"{digits}/{key}" for key in found.table.keys[:2]]
        (1797, True)
    """
    paths = list(paths)
    if listed and STANDARD_INPUT not in paths:
        raise ArgumentError("--list reads paths from standard input; pass - among the arguments.")
    found: list[Source] = []
    for is_file, group in groupby(_named(paths, listed, stack), key=lambda one: isinstance(one, _File)):
        if is_file:
            found += _files([one for one in group if isinstance(one, _File)])
        else:
            found += [one for one in group if isinstance(one, Source)]
    return found


@dataclass(frozen=True)
class _File:
    """A single file: the name that is shown, and its path."""

    name: str
    place: str


def _named(paths: Iterable[str], listed: bool, stack: ExitStack) -> Iterator[_File | Source]:
    for path in paths:
        if path != STANDARD_INPUT:
            if not os.path.exists(path):  # noqa: PTH110 - a name too long is no error, but not there
                raise DataError(
                    f"{_shown(path)} does not exist; pass images, folders, archives, or - for standard input."
                )
            yield _understood(path, stack)
        elif listed:
            yield from (_understood(line, stack) for line in _lines(sys.stdin.buffer.read()))
        else:
            file = Path(stack.enter_context(TemporaryDirectory(prefix="firstlight-")), "standard-input")
            file.write_bytes(sys.stdin.buffer.read())
            yield _File(STANDARD_INPUT, str(file))


def _lines(data: bytes) -> list[str]:
    """The names of a list; separated by NULs, as find -print0 writes them, they may contain line ends."""
    parted = data.split(b"\0") if b"\0" in data else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in parted if name]


def _understood(path: str, stack: ExitStack) -> _File | Source:
    lower = path.lower()
    if not os.path.exists(path):  # noqa: PTH110 - of a list: the row will say so
        return _File(path, path)
    if os.path.isdir(path) or lower.endswith(".zip"):  # noqa: PTH112
        return Source(_whole(path), os.path.join(path, ""))  # noqa: PTH118 - a path is shown as it was typed
    if lower.endswith(TARS):
        from firstlight.data.fetching.unpack import unpack

        folder = stack.enter_context(TemporaryDirectory(prefix="firstlight-"))
        try:
            unpack(Path(path), Path(folder))
        except OSError as error:
            raise DataError(f"{path} cannot be unpacked ({error.strerror}); pass the unpacked folder.") from error
        return Source(_whole(folder, path), os.path.join(path, ""), origin=path)  # noqa: PTH118
    if lower.endswith(TABLES):
        table = scan(path)
        home = os.path.dirname(path)  # noqa: PTH120 - a path is shown as it was typed, where it begins so
        shown = home if table.root == os.path.abspath(home) else table.root  # noqa: PTH100
        return Source(table, os.path.join(shown, "") if shown else "")  # noqa: PTH118
    return _File(path, path)


def _whole(root: str, name: str = "") -> Table:
    """The table of a folder or zip, with the images that have no class."""
    path = os.path.abspath(root)  # noqa: PTH100
    try:
        table = scan(path)
    except DataError as error:
        if not os.path.isdir(path) or len(entries_of_folder(path)):  # noqa: PTH112
            raise
        raise DataError(f"{name or root} holds no images; pass a folder of images, or image files.") from error
    if not table.skipped.keys() & set(WITHOUT_CLASS):
        return table
    entries = entries_of_folder(path) if os.path.isdir(path) else entries_of_zip(path)  # noqa: PTH112
    rows = to_numpy(pc.index_in(entries.keys, table.rows["key"].combine_chunks()))  # -1: it is not in the table
    return Table.build(
        table.root,
        entries.keys,
        classes=table.classes,
        labels=np.append(table.labels, -1)[rows],
        splits=np.append(table.splits, -1)[rows],
        columns={"size": entries.sizes, "modified": entries.modified},
        layout=table.layout,
        skipped={reason: count for reason, count in table.skipped.items() if reason not in WITHOUT_CLASS},
    )


def _files(files: list[_File]) -> Iterator[Source]:
    """Single files as tables whose root is that of the file system."""
    placed = [(one.name, _absolute(one.place)) for one in files]
    for anchor, group in groupby(placed, key=lambda one: Path(one[1]).anchor):
        names, places = zip(*group, strict=True)
        problems = [None if _is_utf8(place) else NO_UTF8 for place in places]
        sizes, modified = np.array([_size_and_time(place) for place in places], np.int64).T
        unknown = np.full(len(places), -1)
        table = Table.build(
            anchor,
            [_shown(place)[len(anchor) :] for place in places],
            classes=(),
            labels=unknown,
            splits=unknown,
            columns={"size": sizes, "modified": modified, "problem": strings(problems)},
            layout="files",
        )
        yield Source(table, names=strings(map(_shown, names)))


def _absolute(place: str) -> str:
    """Without ``..``, which no key may contain; links are followed only to resolve it."""
    return os.path.realpath(place) if ".." in Path(place).parts else os.path.abspath(place)  # noqa: PTH100


def _size_and_time(place: str) -> tuple[int, int]:
    try:
        about = os.stat(place)  # noqa: PTH116
    except (OSError, ValueError):  # the reading will say why
        return 0, 0
    return about.st_size, about.st_mtime_ns


def _is_utf8(name: str) -> bool:
    return _shown(name) == name


def _shown(name: str) -> str:
    """A name that Arrow, JSON and a terminal can hold: what is no UTF-8 is written as \\udc80 and the like."""
    return name.encode(errors="backslashreplace").decode()
