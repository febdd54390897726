"""One value per image to slice accuracy by: a statistic of the pixels, the folder, or a column of a list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import to_numpy
from firstlight.data.files import Read, open_root
from firstlight.data.pixels import Pixels
from firstlight.data.scanning.entries import entries_of_zip
from firstlight.data.scanning.folder_names import SPLIT_WORDS
from firstlight.data.scanning.headings import naming_column
from firstlight.data.scanning.lists import LISTS, METADATA, LabelList, names_below, read_sheet
from firstlight.data.scanning.matching import match
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError

STATISTICS = ("brightness", "contrast")  # of the pixels as the model sees them
KNOWN = (*STATISTICS, "size", "folder")
NOTHING = ("", "na", "n/a", "nan", "none", "null")  # what a list has where there is no value
VALUES_AT_ONCE = 2**24  # pixels that are averaged at a time


def column(table: Table, by: str, pixels: Pixels | None = None) -> np.ndarray:
    """One value for each row of a table.

    Args:
        table: of the images.
        by: ``"brightness"`` (mean pixel) or ``"contrast"`` (standard deviation of the pixels), both in [0, 1];
            ``"size"`` (bytes of the file); ``"folder"`` (the folder of the image, below that of its split);
            or the name of a column of a list next to the images.
        pixels: of the same rows; required for brightness and contrast.

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
    """A column of a list next to the images, such as labels.csv, matched by name as `scan` does it."""
    headings: list[str] = []
    names: list[pa.StringArray] = []
    values: list[pa.StringArray] = []
    damaged: list[DataError] = []
    for read, key in _lists(table):
        try:
            sheet = read_sheet(read, key)
        except DataError as error:  # perhaps some other file
            damaged.append(error)
            continue
        headings += [heading for heading in sheet.headings if heading not in headings]
        if by in sheet.headings:
            # The first column names the images where no heading says which.
            named, given = sheet.columns([naming_column(sheet) or 0, sheet.headings.index(by)])
            names.append(names_below(named, key))
            values.append(pc.utf8_trim_whitespace(given))
    if names:
        # Together, since a list of another split may give the same file names in its own folder.
        every = pa.concat_arrays(values)
        listed = LabelList(by, pa.concat_arrays(names), every, every)
        rows = match([listed], table.rows["key"].combine_chunks()).rows
        if (rows >= 0).any():
            return _plain(np.array([*every.to_pylist(), ""], object)[rows])
    if damaged:
        raise damaged[0]
    more = f", or a column of a list next to the images ({', '.join(headings)})" if headings else ""
    raise ArgumentError(f"There is no column {by!r} in {table.root}; choose from {', '.join(KNOWN)}{more}.")


def _lists(table: Table) -> list[tuple[Read, str]]:
    """The list that was passed itself, wherever it is; then those next to the images."""
    read, source = open_root(table.root), Path(table.source)
    next_to = [(read, key) for key in _keys_of_lists(table)]
    if source.suffix.lower() in LISTS and source.parent != Path(table.root) and source.is_file():
        return [(open_root(str(source.parent)), source.name), *next_to]
    return next_to


def _keys_of_lists(table: Table) -> list[str]:
    """CSV and TSV files in the root, and Hugging Face's metadata in any folder of images."""
    root = Path(table.root)
    if not root.is_dir():
        return [
            key for key in map(str, entries_of_zip(table.root).lists.to_pylist()) if Path(key).suffix.lower() in LISTS
        ]
    folders = sorted({key.rpartition("/")[0] for key in table.keys} | {""})
    metadata = [f"{folder}/{name}" for folder in folders if folder for name in METADATA]
    in_root = sorted(path.name for path in root.iterdir() if path.suffix.lower() in LISTS[:2] or path.name in METADATA)
    return in_root + [key for key in metadata if (root / key).is_file()]


def _plain(words: np.ndarray) -> np.ndarray:
    """Numbers, NaN where there is none, if all that is given are numbers; else words."""
    given = np.array([str(word).lower() not in NOTHING for word in words])
    numbers = np.full(len(words), np.nan)
    try:
        numbers[given] = words[given].astype(np.float64)
    except ValueError:
        return np.where(given, words, "not given").astype(str)
    return numbers
