"""`advise()`: where to stop on the ladder, in one sentence, with what the rung costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.evaluation.compare import Comparison, among, pair, shown
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.wording import p_value, rough


@dataclass(frozen=True)
class Advice:
    """Where to stop on the ladder.

    Attributes:
        rung: the simplest rung that no later rung beats and that no simpler rung exceeds in accuracy.
        sentence: the advice in words.
        comparisons: of each later rung with it.
    """

    rung: str
    sentence: str
    comparisons: tuple[Comparison, ...] = field(default=())

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rung": self.rung,
            "sentence": self.sentence,
            "later": [one.to_dict() for one in self.comparisons],
        }


@dataclass(frozen=True)
class Cost:
    """What a rung costs.

    Attributes:
        seconds: to fit it.
        microseconds: to predict one image of many, the median of several passes.
        megabytes: of the model file, 10^6 bytes.
    """

    seconds: float
    microseconds: float
    megabytes: float

    def __str__(self) -> str:
        size = f"{self.megabytes:.2g} MB" if self.megabytes >= 0.001 else f"{self.megabytes * 1e6:.0f} bytes"
        return f"{rough(self.seconds)} to fit, {rough(self.microseconds / 1e6)} an image, {size}"


def advise(rungs: Sequence[Predictions], *, costs: Mapping[str, Cost] | None = None) -> Advice:
    """Finds the simplest rung that no later one beats, by McNemar's test corrected by Holm's method.

    A rung that is less accurate than a simpler one is skipped, so that the advice never goes up the ladder and down
    in accuracy. At least the most accurate rung remains.

    Args:
        rungs: predictions of each rung on the same images, simplest first.
        costs: what each rung costs, by name; the sentence compares it with the most accurate rung.

    Returns:
        The advice, with the comparisons that it is based on.

    Raises:
        ArgumentError: where there is no rung, or the images differ.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "ink", "centroid"])
        >>> fl.advise([rung.predictions for rung in run]).rung
        'centroid-l1'
    """
    if not rungs:
        raise ArgumentError("rungs is empty; pass the predictions of at least one rung.")
    most = -1  # right images of the best rung so far
    for place, rung in enumerate(rungs):
        right = int(np.count_nonzero(rung.correct))
        if right >= most and not any(shown([(one, rung) for one in rungs[place + 1 :]])):
            break
        most = max(most, right)
    later = among([pair(one, rung, 0) for one in rungs[place + 1 :]])
    sentence = _sentence(rung, rungs[:place], later)
    if costs:
        sentence += _cost_sentence(rung, rungs, costs)
    if rung.split == "test":
        sentence += " This was measured on the test split: report it, but choose by validation."
    return Advice(rung.name, sentence, later)


def _cost_sentence(rung: Predictions, rungs: Sequence[Predictions], costs: Mapping[str, Cost]) -> str:
    """The cost of the advised rung, compared with the most accurate rung, or with the one before if it is that."""
    place = [one.name for one in rungs].index(rung.name)
    best = max(rungs, key=lambda one: int(np.count_nonzero(one.correct)))
    other = best if np.count_nonzero(best.correct) > np.count_nonzero(rung.correct) else rungs[max(place - 1, 0)]
    text = f" {rung.name} takes {costs[rung.name]}"
    if other is rung:
        return f"{text}."
    gap = evaluate(other).accuracy - evaluate(rung).accuracy
    accuracy = f"{abs(gap):.3f} {'more' if gap > 0 else 'less'} accurate" if gap else "as accurate"
    return f"{text}; {other.name}, {accuracy}, takes {costs[other.name]}."


def _sentence(rung: Predictions, simpler: Sequence[Predictions], later: tuple[Comparison, ...]) -> str:
    reached = evaluate(rung)
    low, high = reached.interval
    accuracy = f"{reached.accuracy:.3f} [{low:.3f}, {high:.3f}] on {reached.n:,} images"
    if rung.name == "prior" and later:
        text = (
            f"No rung is shown to beat always guessing the most frequent training class, {accuracy}; "
            "look at the images and their labels, or measure on more images."
        )
    elif later:
        best = max(later, key=lambda one: one.difference)
        text = (
            f"Stop at {rung.name}, {accuracy}: no later rung is shown to beat it "
            f"({best.name} {best.difference:+.3f}, {p_value(best.p)})."
        )
    elif simpler:
        # The last rung is advised only where it is at least as accurate as each simpler one.
        better = shown([(rung, one) for one in simpler])
        unsure = [one.name for one, sure in zip(simpler, better, strict=True) if not sure]
        verdict = f"but is not shown to beat {', '.join(unsure)}" if unsure else "and beats every simpler one"
        rest = "This is the last rung; try more rungs or --effort thorough."
        if reached.correct == reached.n:
            rest = "It makes no mistake on these images."
        text = f"{rung.name} is the most accurate of these rungs, {accuracy}, {verdict}. {rest}"
    else:
        text = f"{rung.name} reaches {accuracy}; climb with more rungs to compare it."
    return text
