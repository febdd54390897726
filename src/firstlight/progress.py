"""`Meter`: progress of long work on standard error, a bar on a terminal and a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from firstlight.characters import visible

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 0.5  # seconds of silence before progress is shown
LINE_EVERY = 5.0  # seconds between two lines of progress where there is no terminal


class Meter:
    """Reports how much is done; it prints nothing where the work is quick or ``quiet`` is set.

    Args:
        what: the work, such as ``"decoding"``.
        quiet: say nothing at all.
        unit: ``"images"``, ``"steps"`` or ``"bytes"``.

    Example:
        >>> with Meter("unpacking photos", quiet=False, unit="bytes") as meter:
        ...     meter(10, 100)  # nothing is said within the first half second
    """

    def __init__(self, what: str, quiet: bool, unit: str = "images") -> None:
        self.what, self.quiet, self.unit = what, quiet, unit
        self.started = self.said = time.monotonic()
        self.bar: Progress | None = None

    def __enter__(self) -> Meter:
        return self

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.started < PATIENCE:
            return
        if sys.stderr.isatty():
            self._draw(done, total)
        elif now - self.said >= LINE_EVERY:
            self.said = now
            of = f" of {self._count(total)}" if total else ""
            end = " MB" if self.unit == "bytes" else ""
            print(f"{visible(self.what)}: {self._count(done)}{of}{end}", file=sys.stderr, flush=True)

    def _count(self, number: int) -> str:
        return f"{number / 1e6:,.1f}" if self.unit == "bytes" else f"{number:,}"

    def _draw(self, done: int, total: int) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.markup import escape
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            counted = DownloadColumn() if self.unit == "bytes" else MofNCompleteColumn()
            columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.add_task(escape(visible(self.what)), total=total or None)
            self.bar.start()
        self.bar.update(self.bar.task_ids[0], completed=done, total=total or None)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
