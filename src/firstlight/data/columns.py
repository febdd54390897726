"""A value for each image by which accuracy can be told in slices: a pixel statistic, a folder, a column of the list."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from firstlight.arrow import strings, to_numpy
from firstlight.data.files import open_root
from firstlight.data.pixels import Pixels
from firstlight.data.scanning.entries import entries_of_zip
from firstlight.data.scanning.labels import match
from firstlight.data.scanning.layout import SPLIT_WORDS
from firstlight.data.scanning.lists import METADATA, NAMES, LabelList
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError

STATISTICS = ("brightness", "contrast")  # of the pixels as the model sees them
KNOWN = (*STATISTICS, "size", "folder")
NOTHING = ("", "na", "n/a", "nan", "none", "null")  # what stands in a list where there is no value
VALUES_AT_ONCE = 2**24  # pixels that are averaged at a time


def column(table: Table, by: str, pixels: Pixels | None = None) -> np.ndarray:
    """One value for each row of a table.

    Args:
        table: of the images.
        by: ``"brightness"`` (mean pixel) or ``"contrast"`` (standard deviation of the pixels), both in [0, 1];
            ``"size"`` (bytes of the file); ``"folder"`` (the folder that the image lies in, below that of its split);
            or the name of a column of a list beside the images.
        pixels: of the same rows; asked for by brightness and contrast.

    Returns:
        (N,) float64, NaN where a list gives no number; or words.

    Raises:
        ArgumentError: where there is no such column.
        DataError: where a list cannot be read.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.scan(digits))
        >>> column(pixels.table, "brightness", pixels).shape
        (1797,)
        >>> column(pixels.table, "folder")[:2].tolist()
        ['0', '0']
    """
    if by in STATISTICS:
        if pixels is None:
            raise ArgumentError(f"{by} is a statistic of pixels; pass the pixels of these images too.")
        return _statistic(pixels.values, by)
    if by == "size":
        return to_numpy(table.rows["size"]).astype(np.float64)
    if by == "folder":
        return _folders(table)
    return _listed(table, by)


def _statistic(values: np.ndarray, by: str) -> np.ndarray:
    """Mean or standard deviation of each image's pixels / 255."""
    flat = values.reshape(len(values), -1)
    step = max(1, VALUES_AT_ONCE // max(flat.shape[1], 1))
    found = np.empty(len(flat))
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        found[start : start + step] = part.mean(axis=1) if by == "brightness" else part.std(axis=1)
    return found / 255


def _folders(table: Table) -> np.ndarray:
    """The folder of each image below the root, without the folder that only says its split."""
    folders, codes = np.unique([key.rpartition("/")[0] for key in table.keys], return_inverse=True)
    names = []
    for folder in folders.tolist():
        parts = folder.split("/")
        words = [] if table.layout == "root/class" else [at for at, p in enumerate(parts) if p.lower() in SPLIT_WORDS]
        names.append("/".join(part for at, part in enumerate(parts) if at not in words[:1]) or ".")
    return np.array(names)[codes]


def _listed(table: Table, by: str) -> np.ndarray:
    """A column of a list beside the images, such as labels.csv, matched by name as `scan` does it."""
    headings: list[str] = []
    names: list[str] = []
    values: list[str] = []
    read = open_root(table.root)
    for key in _lists(table):
        try:
            found = _read(read(key), key)
        except OSError as error:
            raise DataError(f"{key} in {table.root} cannot be read ({error.strerror or error}); mend it.") from error
        headings += [heading for heading in found if heading not in headings]
        if by in found:
            naming = next((heading for heading in found if heading.strip().lower() in NAMES), next(iter(found)))
            names += _below(found[naming], key)
            values += found[by]
    # Together, since a list of another split may give the same file names in its own folder.
    listed = LabelList(by, strings(names), strings(values), strings(values))
    rows = match(listed, table.rows["key"].combine_chunks()).rows
    if (rows >= 0).any():
        return _plain(np.array([*values, ""], object)[rows])
    more = f", or a column of a list beside the images ({', '.join(headings)})" if headings else ""
    raise ArgumentError(f"There is no column {by!r} in {table.root}; choose from {', '.join(KNOWN)}{more}.")


def _lists(table: Table) -> list[str]:
    """The lists beside the images: CSV files in the root, Hugging Face's metadata in any folder of images."""
    root = Path(table.root)
    if not root.is_dir():
        return [str(key) for key in entries_of_zip(table.root).lists.to_pylist() if str(key).lower().endswith(".csv")]
    folders = sorted({key.rpartition("/")[0] for key in table.keys} | {""})
    metadata = [f"{folder}/{name}" for folder in folders if folder for name in METADATA]
    in_root = sorted(path.name for path in root.iterdir() if path.suffix.lower() == ".csv" or path.name in METADATA)
    return in_root + [key for key in metadata if (root / key).is_file()]


def _read(data: bytes, key: str) -> dict[str, list[str]]:
    """The columns of a list, everything as text; none where it cannot be read as one."""
    import csv
    import json

    text = data.decode("utf-8-sig", errors="replace")
    try:
        if key.lower().endswith(".jsonl"):
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
            return {name: [str(row.get(name, "")) for row in rows] for name in rows[0]} if rows else {}
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        first, *rest = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except (ValueError, AttributeError, csv.Error):  # nothing in it, or no list
        return {}
    rest = [row for row in rest if len(row) == len(first)]
    return {name: [row[at].strip() for row in rest] for at, name in enumerate(first)}


def _below(names: list[str], key: str) -> list[str]:
    """The names that a list gives, as keys: they count from the list's own folder."""
    folder = key.rpartition("/")[0]
    plain = [name.replace("\\", "/").removeprefix("./") for name in names]
    return [f"{folder}/{name}" for name in plain] if folder else plain


def _plain(words: np.ndarray) -> np.ndarray:
    """Numbers, NaN where there is none, if all that is given are numbers; else words."""
    given = np.array([str(word).lower() not in NOTHING for word in words])
    numbers = np.full(len(words), np.nan)
    try:
        numbers[given] = words[given].astype(np.float64)
    except ValueError:
        return np.where(given, words, "not given").astype(str)
    return numbers
