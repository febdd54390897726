"""`table_of()`: the table of what a caller names images by: itself, pixels, a folder, a list."""

from __future__ import annotations

from typing import Any

from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.errors import ArgumentError


def table_of(source: Any) -> Table:
    """The table itself, that of pixels, or that of a folder or anything else that `scan` takes.

    Raises:
        ArgumentError: where it is nothing that names images.
        DataError: as `scan`.

    Example:
        >>> len(table_of(digits))
        1797
        >>> table_of(None)
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: NoneType names no images; pass a folder, or a table from scan.
    """
    table = getattr(source, "table", source)
    if isinstance(table, Table):
        return table
    try:
        return scan(source)
    except TypeError as error:
        raise ArgumentError(f"{type(source).__name__} names no images; pass a folder, or a table from scan.") from error
