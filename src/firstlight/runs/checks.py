"""What the numbers of a stored record must be, whatever its digest says; each check names the field."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from firstlight.errors import RunError
from firstlight.evaluation.comparison import Comparison
from firstlight.evaluation.metrics import Evaluation

# By the name of the field, wherever it is; every other number only has to be of a size that can be computed with.
SHARES = {"accuracy", "balanced_accuracy", "calibration_error", "majority_share", "p", "probability", "level"}
COUNTS = {"n", "correct", "images", "unreadable", "only_this", "only_other", "left_out", "count", "parameters"}
COUNTS |= {"epoch", "epochs", "test", "bytes", "threads", "seed", "seeds", "pairs"}
POSITIVE = {"seconds", "fit", "predict", "audit", "log_loss", "standard_deviation"}
MOST = 2**53  # up to which every whole number is a float
UNBOUNDED = {"seed", "seeds", "log_loss", "losses"}  # a seed has up to 64 bits; a loss may be infinite
CLOSE = 1e-9  # of a ratio that was written as a float


@dataclass(frozen=True)
class Doubt:
    """What is wrong with a field.

    Attributes:
        path: of the field, such as ``$.rungs[0].metrics.n``.
        value: that it has.
        expected: what it must be, in words.
    """

    path: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.path} is {str(self.value)[:60]!r}, expected {self.expected}"


def sound(record: Any, where: Path | str, remedy: str, *checks: Iterable[Doubt]) -> None:
    """Refuses a record in which a number cannot be what its name says.

    Args:
        record: a dataclass, from `firstlight.runs.records.record`.
        where: it comes from, for the error message.
        remedy: what to do, for the error message.
        checks: what else is wrong with it.

    Raises:
        RunError: at the first field that is wrong; the message names it.

    Example:
        >>> from firstlight.runs.rung_result import Seconds
        >>> sound(Seconds(fit=-1.0, predict=2.0), "run.json", "climb again")
        Traceback (most recent call last):
        firstlight.errors.RunError: run.json is not as expected ($.fit is '-1.0', expected a number that is not neg...
    """
    for doubts in (_numbers(record, "$", ""), *checks):
        for doubt in doubts:
            raise RunError(f"{where} is not as expected ({doubt}); {remedy}.")


def of_evaluation(metrics: Evaluation, path: str) -> Iterator[Doubt]:
    """Whether the numbers of an evaluation follow from each other."""
    n, correct = metrics.n, metrics.correct
    if not 0 <= correct <= n or n == 0:
        yield Doubt(f"{path}.correct", correct, f"at most n ({n}), and n at least 1")
        return
    if not math.isclose(metrics.accuracy, correct / n, abs_tol=CLOSE):
        yield Doubt(f"{path}.accuracy", metrics.accuracy, f"{correct} / {n}")
    wrong = {name: each.n - each.correct for name, each in metrics.recall.items()}
    if sum(each.n for each in metrics.recall.values()) != n or sum(wrong.values()) != n - correct:
        yield Doubt(f"{path}.recall", "other counts", f"{n} images, {correct} of them correct")
    for one in metrics.mistakes:
        if one.label == one.predicted or one.images < 1 or one.label not in wrong or one.predicted not in wrong:
            yield Doubt(f"{path}.mistakes", list(one), "two classes and how many images")
            return
        wrong[one.label] -= one.images
    if any(wrong.values()):
        yield Doubt(f"{path}.mistakes", "other counts", "the images of each class that are not correct")


def of_comparison(one: Comparison, path: str, rungs: Collection[str]) -> Iterator[Doubt]:
    """Whether a comparison is of two rungs, and its numbers follow from each other."""
    for name in (one.name, one.against):
        if name not in rungs:
            yield Doubt(path, name, "the name of a rung")
    if not 0 < one.level < 1:
        yield Doubt(f"{path}.level", one.level, "between 0 and 1")
    if one.n < max(1, one.only_this + one.only_other):
        yield Doubt(f"{path}.n", one.n, "at least 1, and as many as are right by one rung only")


def _numbers(value: Any, path: str, name: str) -> Iterator[Doubt]:
    """What is wrong with the numbers of a record and of those inside it; ``name`` is of the field."""
    if name == "facts":  # for machines, and of any size: times in nanoseconds
        return
    if is_dataclass(value):
        for each in fields(value):
            yield from _numbers(getattr(value, each.name), f"{path}.{each.name}", each.name)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _numbers(each, f"{path}[{str(key)[:60]!r}]", "")
    elif isinstance(value, tuple | list):
        if name == "interval" and not -1 - CLOSE <= value[0] <= value[1] <= 1 + CLOSE:
            yield Doubt(path, value, "two shares, the lower one first")
        for place, each in enumerate(value):
            yield from _numbers(each, f"{path}[{place}]", name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value != value or (abs(value) > MOST and name not in UNBOUNDED):
            yield Doubt(path, value, "a number that can be computed with")
        elif name in SHARES and not 0 <= value <= 1 + CLOSE:
            yield Doubt(path, value, "a share between 0 and 1")
        elif name in COUNTS | POSITIVE and value < 0:
            yield Doubt(path, value, "a number that is not negative")
