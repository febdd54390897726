"""`Step`: what long work reports, in one way everywhere; `Meter` and `Meters`: how it is shown on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstlight.characters import visible
from firstlight.errors import ArgumentError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE = 0.5  # seconds of silence before progress is shown
FIRST_LINE, LINE_EVERY = 0.6, 5.0  # seconds to the first line and between two where there is no terminal


@dataclass(frozen=True)
class Step:
    """What long work reports to the function that was passed as ``progress``, from the thread that works.

    Attributes:
        work: what is under way, such as ``"decoding"`` or ``"training cnn"``.
        done: how much of it is done.
        total: how much there is; 0 where that is not known.
        unit: what is counted: ``"images"``, ``"steps"``, ``"epochs"``, ``"rungs"``, ``"folds"`` or ``"bytes"``.
        result: what has just become complete: the `Pixels`, each `Epoch`, each `RungResult`, at the end the `Run`; or
            a remark, a sentence; else None.

    Example:
        >>> import firstlight as fl
        >>> def show(step: fl.Step) -> None:
        ...     if isinstance(step.result, fl.RungResult):
        ...         print(step.done, "of", step.total, step.unit, step.result.name)
        >>> run = fl.climb(digits, rungs=["prior", "ink"], progress=show)
        1 of 2 rungs prior
        2 of 2 rungs ink
    """

    work: str
    done: int
    total: int
    unit: str = "images"
    result: Any = None


Report = Callable[[Step], None]
Progress = Report | bool | None  # as it is passed: a function; True for meters on standard error
Count = Callable[[int, int], None]  # (done, total) of one piece of work


@contextmanager
def reported(progress: Progress) -> Iterator[Report]:
    """What long work reports to: the function that was passed, meters where ``progress=True``, else nobody."""
    if progress is True:
        with Meters() as meters:
            yield meters
    elif not progress or callable(progress):
        yield progress or _unseen
    else:
        raise ArgumentError(f"progress={progress!r} cannot be called; pass a function that takes a Step, or True.")


def counted(report: Report, work: str, unit: str = "images") -> Count:
    """The counts of one piece of work, reported as steps."""
    return lambda done, total: report(Step(work, done, total, unit))


def _unseen(_: Step) -> None:
    pass


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
        self.started = time.monotonic()
        self.next_line = self.started + FIRST_LINE
        self.bar: Bar | None = None

    def __enter__(self) -> Meter:
        return self

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.started < PATIENCE:
            return
        if sys.stderr.isatty():
            self._draw(done, total)
        elif now >= self.next_line:
            self.next_line = now + LINE_EVERY
            of = f" of {self._count(total)}" if total else ""
            end = " MB" if self.unit == "bytes" else ""
            left = self._left(done, total, now - self.started)
            print(f"{visible(self.what)}: {self._count(done)}{of}{end}{left}", file=sys.stderr, flush=True)

    def _left(self, done: int, total: int, seconds: float) -> str:
        """How long the rest takes at the pace so far."""
        if not 0 < done < total:
            return ""
        rest = seconds * (total - done) / done
        return f", about {f'{rest:.0f} s' if rest < 120 else f'{rest / 60:.0f} min'} left"

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
            self.bar = Progress(
                *columns, console=Console(file=getattr(sys.stderr, "colored", sys.stderr)), transient=True
            )
            self.bar.add_task(escape(visible(self.what)), total=total or None)
            self.bar.start()
        self.bar.update(self.bar.task_ids[0], completed=done, total=total or None)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


class Meters:
    """Shows steps as meters, one after the other, and remarks; what becomes complete is not shown.

    Args:
        quiet: say nothing at all.

    Example:
        >>> with Meters() as meters:
        ...     meters(Step("decoding", 10, 100))  # nothing is said within the first half second
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.meter: Meter | None = None
        self.next_line = 0.0  # of any meter, where there is no terminal

    def __enter__(self) -> Meters:
        return self

    def __call__(self, step: Step) -> None:
        if isinstance(step.result, str) and not self.quiet:
            print(visible(step.result), file=sys.stderr)
        if step.result is not None:
            return
        if self.meter is None or self.meter.what != step.work:
            self.__exit__()
            self.meter = Meter(step.work, self.quiet, step.unit)
            self.meter.next_line = max(self.meter.next_line, self.next_line)
        self.meter(step.done, step.total)

    def __exit__(self, *_: object) -> None:
        if self.meter is not None:
            self.meter.__exit__()
            self.next_line = self.meter.next_line
            self.meter = None
