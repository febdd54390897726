"""Rows of a table shared out among threads: spans of rows in, results in order out, few waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

import numpy as np

from firstlight.arrow import to_numpy
from firstlight.data.table import Table

T = TypeVar("T")

SPAN = 256  # rows; what a thread takes on at once, so that handing it over costs nothing compared with the work


def spans(count: int, rows: int = SPAN) -> Iterator[range]:
    """The rows 0 to ``count`` in runs of ``rows``, which is brought between 1 and `SPAN`.

    Example:
        >>> list(spans(5, 2))
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    rows = min(max(rows, 1), SPAN)
    return (range(first, min(first + rows, count)) for first in range(0, count, rows))


def spans_by_bytes(sizes: np.ndarray, most: int, *, first: int = 0, rows: int = SPAN) -> Iterator[range]:
    """Runs of rows whose files together have at most so many bytes, so that photos are shared out one by one.

    Args:
        sizes: (N,) bytes of each file.
        most: bytes of a run; a larger file is a run of its own.
        first: the row to begin with.
        rows: the most rows of a run, which is brought between 1 and `SPAN`.

    Example:
        >>> list(spans_by_bytes(np.array([5, 5, 20, 1]), 10))
        [range(0, 2), range(2, 3), range(3, 4)]
    """
    ends = np.cumsum(sizes)  # (N,)
    rows = min(max(rows, 1), SPAN)
    while first < len(sizes):
        full = int(np.searchsorted(ends, (ends[first - 1] if first else 0) + most, side="right"))
        end = min(max(full, first + 1), first + rows, len(sizes))
        yield range(first, end)
        first = end


def keys_of(table: Table, span: range) -> list[str]:
    """The names of a run of rows; made when needed, since a list of all would cost memory for nothing."""
    return cast("list[str]", table.rows["key"].slice(span.start, len(span)).to_pylist())


def median_bytes(table: Table) -> int:
    """The median size of the files; 0 where no size is known."""
    sizes = to_numpy(table.rows["size"].drop_null())
    return int(np.median(sizes)) if len(sizes) else 0


def in_order(task: Callable[[range], T], over: Iterable[range], threads: int) -> Generator[T, None, None]:
    """The results of a task over spans of rows, in their order.

    A few spans are worked on ahead and no more, so memory does not grow where the results are used slowly.

    Args:
        task: what is done with a span; called in several threads at once.
        over: the spans.
        threads: how many; with one the task runs in the calling thread.

    Example:
        >>> list(in_order(len, spans(5, 2), 2))
        [2, 2, 1]
    """
    if threads == 1:
        yield from map(task, over)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[T]] = deque()
    try:
        for span in over:
            waiting.append(pool.submit(task, span))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
