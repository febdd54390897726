"""`TrainingRecord`: how a network was trained: what was used, what was decided, and what other seeds reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RangeCurve:
    """The curve of a learning-rate range test.

    Attributes:
        rates: (S,) the rates tried, in rising order.
        losses: (S,) the running mean of the loss at each.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class SeedResults:
    """How much the accuracy depends on the seed; everything is in the order of the seeds.

    Attributes:
        seeds: the seeds that the network was trained with.
        accuracies: what each reached, in [0, 1].
        mean: of the accuracies.
        standard_deviation: of the accuracies (n - 1 in the denominator).
        seconds: what each training took.
    """

    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    mean: float
    standard_deviation: float
    seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How a network was trained.

    Attributes:
        recipe: the fields of `Recipe` as they were used, with everything decided that it left open.
        device: where it was computed: ``"cpu"``, ``"cuda"``, ``"mps"``.
        threads: of the processor; with another number the last bits of the weights differ.
        parameters: how many numbers the network has to learn.
        reasons: a sentence for each decision.
        stopped: why training stopped before its last epoch, in one sentence; empty where it did not.
        seconds: of training, interrupted sessions included.
        lr_range: the learning-rate range test, where one was run.
        seeds: what the other seeds reached, where there were several.
    """

    recipe: Mapping[str, Any]
    device: str
    threads: int
    parameters: int
    reasons: tuple[str, ...] = ()
    stopped: str = ""
    seconds: float
    lr_range: RangeCurve | None = None
    seeds: SeedResults | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the parts that do not apply."""
        return {name: value for name, value in asdict(self).items() if value is not None}
