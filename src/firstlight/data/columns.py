"""A value for each image by which accuracy can be told in slices: a pixel statistic, a folder, a column of the list."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firstlight.arrow import to_numpy
from firstlight.data.pixels import Pixels
from firstlight.data.table import Table
from firstlight.errors import ArgumentError

STATISTICS = ("brightness", "contrast")  # of the pixels as the model sees them
KNOWN = (*STATISTICS, "size", "folder")
VALUES_AT_ONCE = 2**24  # pixels that are averaged at a time


def column(table: Table, by: str, pixels: Pixels | None = None) -> np.ndarray:
    """One value for each row of a table.

    Args:
        table: of the images.
        by: ``"brightness"`` (mean pixel) or ``"contrast"`` (standard deviation of the pixels), both in [0, 1];
            ``"size"`` (bytes of the file); ``"folder"`` (the folder that the image lies in); or the name of a
            column of the CSV list that the table was made of.
        pixels: of the same rows; asked for by brightness and contrast.

    Returns:
        (N,) float64, or words.

    Raises:
        ArgumentError: where there is no such column.

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
        return np.array([key.rpartition("/")[0] or "." for key in table.keys])
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


def _listed(table: Table, by: str) -> np.ndarray:
    """A column of the list beside the images, such as labels.csv, matched by file name."""
    from pyarrow import ArrowInvalid
    from pyarrow.csv import read_csv

    names = []
    for path in _lists(table):
        try:
            rows = read_csv(path)
        except (ArrowInvalid, OSError):
            continue
        names += [name for name in rows.column_names if name not in names]
        if by not in rows.column_names:
            continue
        values = dict(zip(rows.column(0).to_pylist(), rows[by].to_pylist(), strict=True))
        found = [values.get(key, values.get(key.rpartition("/")[2])) for key in table.keys]
        if any(value is not None for value in found):
            if all(isinstance(value, int | float) for value in found):
                return np.array(found, np.float64)
            return np.array(["not given" if value is None else str(value) for value in found])
    more = f", or a column of its list ({', '.join(names)})" if names else ""
    raise ArgumentError(f"There is no column {by!r} in {table.root}; choose from {', '.join(KNOWN)}{more}.")


def _lists(table: Table) -> list[Path]:
    """CSV files that lie beside the images."""
    root = Path(table.root)
    return sorted(root.glob("*.csv"))[:10] if root.is_dir() else []
