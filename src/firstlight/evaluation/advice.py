"""`advise()`: where to stop on the ladder, in one sentence, with what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.evaluation.compare import Comparison, among, pair, shown
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.wording import duration, p_value


@dataclass(frozen=True)
class Advice:
    """Where to stop on the ladder.

    Attributes:
        rung: the simplest rung that no later one beats, and no simpler one surpasses.
        sentence: the advice in words.
        comparisons: of the later rungs with it.
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
        microseconds: to predict one image, among many.
        megabytes: of the model file, 10^6 bytes.
    """

    seconds: float
    microseconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"{duration(self.seconds)} to fit, {self.microseconds:,.1f} us an image, {self.megabytes:.2g} MB"


def advise(rungs: Sequence[Predictions], *, costs: Mapping[str, Cost] | None = None) -> Advice:
    """Where to stop: the simplest rung that no later one beats, by McNemar's test corrected by Holm's method.

    A rung that is right less often than a simpler one is passed over, so that the advice never goes up the
    ladder and down in accuracy; some rung is always left, since the most accurate one is neither.

    Args:
        rungs: predictions of each rung on the same images, simplest first.
        costs: what each rung costs, by its name; told beside that of the most accurate one.

    Returns:
        The advice, with the comparisons that it stands on.

    Raises:
        ArgumentError: where there is no rung, or the images differ.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "ink", "centroid"])
        >>> fl.advise([rung.predictions for rung in run]).rung
        'centroid-l1'
    """
    if not rungs:
        raise ArgumentError("There is no rung to advise on; pass the predictions of at least one.")
    most = -1  # images that the rungs so far get right
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
    """What the advised rung costs, beside the most accurate one, or beside the one before if it is that itself."""
    place = [one.name for one in rungs].index(rung.name)
    best = max(rungs, key=lambda one: int(np.count_nonzero(one.correct)))
    other = best if np.count_nonzero(best.correct) > np.count_nonzero(rung.correct) else rungs[max(place - 1, 0)]
    text = f" It takes {costs[rung.name]}"
    if other is rung:
        return f"{text}."
    gap = evaluate(other).accuracy - evaluate(rung).accuracy
    told = f"{abs(gap):.3f} {'more' if gap > 0 else 'less'} accurate" if gap else "as accurate"
    return f"{text}; {other.name}, {told}, takes {costs[other.name]}."


def _sentence(rung: Predictions, simpler: Sequence[Predictions], later: tuple[Comparison, ...]) -> str:
    reached = evaluate(rung)
    low, high = reached.interval
    accuracy = f"{reached.accuracy:.3f} [{low:.3f}, {high:.3f}] on {reached.n:,} images"
    if rung.name == "prior" and later:
        text = (
            f"No rung is shown to beat always guessing the commonest training class, {accuracy}; "
            "look at the images and their labels, or measure on more images."
        )
    elif later:
        best = max(later, key=lambda one: one.difference)
        text = (
            f"Stop at {rung.name}, {accuracy}: no later rung is shown to beat it "
            f"({best.name} {best.difference:+.3f}, {p_value(best.p)})."
        )
    elif simpler:
        # The last rung is advised only where it is right more often than each simpler one.
        better = shown([(rung, one) for one in simpler])
        unsure = [one.name for one, sure in zip(simpler, better, strict=True) if not sure]
        verdict = f"but is not shown to beat {', '.join(unsure)}" if unsure else "and beats every simpler one"
        rest = "it is the last one, so a further rung may do better still"
        if reached.correct == reached.n:
            rest = "no image is left on which a further one could do better"
        text = f"{rung.name} is the most accurate of these rungs, {accuracy}, {verdict}; {rest}."
    else:
        text = f"{rung.name} reaches {accuracy}; climb with more rungs to learn what it is worth."
    return text
