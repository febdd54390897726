"""`Estimate`: how long a rung will take, from its first steps; it is announced, or does not fit into the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

from firstlight.progress import Count, Report, Step
from firstlight.wording import rough

LONG = 60.0  # seconds, from which a rung is announced
SETTLED = 2.0  # seconds of steps after the first, before an estimate is made of them
FEWEST = 3  # of these steps


class DoesNotFitError(Exception):
    """A rung that would take longer than a climb has left.

    Attributes:
        seconds: that it would take; None where no time was left at its beginning.
    """

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Estimate:
    """Counts the steps of one rung and says once how long it will take.

    Args:
        rung: its name.
        count: called with every step.
        report: called with the announcement.
        deadline: when the climb should end, by ``clock``; None: whenever it is done.
        clock: in seconds.
    """

    def __init__(
        self,
        rung: str,
        count: Count,
        report: Report,
        *,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rung, self.count, self.report, self.deadline, self.clock = rung, count, report, deadline, clock
        self.started = clock()
        self.first: tuple[int, float] | None = None  # a first step also loads libraries
        self.made = False

    def __call__(self, done: int, total: int) -> None:
        """Counts a step.

        Raises:
            DoesNotFitError: where the rung would end after the deadline.
        """
        self.count(done, total)
        now = self.clock()
        if self.first is None or done < self.first[0]:
            self.first = (done, now)
            return
        steps, seconds = done - self.first[0], now - self.first[1]
        if self.made or steps < FEWEST or seconds < SETTLED:
            return
        self.made = True
        left = (total - done) * seconds / steps
        if self.deadline is not None and now + left > self.deadline:
            raise DoesNotFitError(now - self.started + left)
        if left > LONG:
            sentence = f"{self.rung} takes about {rough(left)}; Ctrl-C keeps what is done."
            self.report(Step(self.rung, done, total, "steps", sentence))


def skipped(rung: str, minutes: float, error: DoesNotFitError) -> str:
    """The sentence on a rung that does not fit.

    Example:
        >>> skipped("cnn", 10, DoesNotFitError(1500))
        'cnn is skipped: it would take about 25 min, more than is left of 10 minutes.'
    """
    long = "" if error.seconds is None else f"it would take about {rough(error.seconds)}, more than "
    return f"{rung} is skipped: {long or 'nothing '}is left of {minutes:g} minutes."
