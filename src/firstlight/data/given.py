"""`table_of()`: the table of what a caller names images by: itself, pixels, a folder, a list."""

from __future__ import annotations

from typing import Any

from firstlight.data.sources import scan
from firstlight.data.table import Table


def table_of(source: Any) -> Table:
    """The table itself, that of pixels, or that of a folder or anything else that `scan` takes.

    Raises:
        ArgumentError: where it is nothing that names images.
        DataError: as `scan`.

    Example:
        >>> len(table_of(digits))
        1797
    """
    table = getattr(source, "table", source)
    return table if isinstance(table, Table) else scan(source)
