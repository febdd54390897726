"""`stack_through_cache()`: decoded images out of the cache, or into it."""

from __future__ import annotations

from collections.abc import Callable

from firstlight.data.decoding import cache
from firstlight.data.decoding.loading import Loading
from firstlight.data.decoding.stack import Progress, Stack, failures_of, stack
from firstlight.data.table import Table


def stack_through_cache(
    table: Table, loading: Loading, check: Callable[[dict[int, str]], object], progress: Progress | None
) -> tuple[Stack | None, tuple[str, ...]]:
    """The decoded images of a table from the cache, or decoded and written into it.

    Args:
        table: the images, none with a problem that is known already.
        loading: the size, color and resize that are requested.
        check: called with why images could not be decoded, by row; raises where the result is not to be cached.
        progress: called with (images done, images in all).

    Returns:
        The images, mapped from the cache; or None and the reason why they cannot be cached.
    """
    if table.rows["modified"].null_count or table.rows["size"].null_count:
        return None, ("Not saved in the cache, since the table does not have the times of the files.",)
    color = None if loading.color == "auto" else loading.color
    key = cache.key_of(table, loading.sides, color, loading.resize)
    stacked = _read(key, table)
    if stacked is not None:
        return stacked, ()
    about: dict[str, object] = {}
    try:
        with cache.write(key, table.root, about) as path:
            stacked = stack(table, loading, path=path, progress=progress)
            check(stacked.failures)  # before it is saved: what is refused is not
            about["shape"] = (len(table) - len(stacked.failures), *stacked.values.shape[1:])
            about |= {"color": stacked.color, "reasons": stacked.reasons}
            about["unreadable"] = list(stacked.failures)
    except cache.CacheError as error:
        return None, (f"Not saved in the cache: {error}",)
    return _read(key, table), ()


def _read(key: str, table: Table) -> Stack | None:
    """An entry of the cache; None where none fits, or where an image that failed can be read now.

    Images that failed are tried again at each reading: an optional package may have been installed since, or
    a permission given, and neither changes the file's time.
    """
    found = cache.read(key)
    if found is None:
        return None
    values, about = found
    try:
        rows = [int(row) for row in about["unreadable"]]
        reasons = tuple(str(reason) for reason in about["reasons"])
    except (KeyError, TypeError, ValueError):
        rows, reasons = [-1], ()
    fits = len(values) + len(set(rows)) == len(table) and all(0 <= row < len(table) for row in rows)
    fits = fits and values.shape[3] in (1, 3)
    failures = failures_of(table, rows) if fits and rows else {}
    if not fits or len(failures) < len(rows):
        cache.discard(key)
        return None
    return Stack(values, "gray" if values.shape[3] == 1 else "rgb", reasons, failures)
