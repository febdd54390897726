"""`advise()`: where to stop on the ladder, or that there are too few images to say, with what the rung costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.characters import visible
from firstlight.errors import ArgumentError
from firstlight.evaluation.compare import compare_all, with_one
from firstlight.evaluation.comparison import ALPHA, Comparison, Comparisons
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.paired import images_needed
from firstlight.evaluation.predictions import Holder, Predictions, predictions_of
from firstlight.notebook import Shown, View
from firstlight.wording import p_value, plural, rough

if TYPE_CHECKING:
    import pandas

# Accuracies that differ by less are equal in practice: the region of practical equivalence of Benavoli, Corani, Demsar
# and Zaffalon 2017, "Time for a change", Journal of Machine Learning Research 18, section 4.
MARGIN = 0.01
PRIOR = "prior"


@dataclass(frozen=True, repr=False)
class Advice(Shown):
    """Where to stop on the ladder.

    Attributes:
        rung: the simplest rung that no later rung beats and that no simpler rung exceeds in accuracy; where the images
            are too few, the best guess.
        sentence: the advice in words.
        comparisons: of every other rung with it, corrected for all pairs of rungs.
        enough: False where a later rung is at least 0.01 ahead of that simplest rung without being shown to beat it:
            more images could show it, so the more accurate rung is advised, as the best guess.
        smallest_shown: the smallest difference in accuracy that these images show with 80 % power, for the pair of
            rungs that decided; None where there is one rung only.

    Example:
        >>> import firstlight as fl
        >>> advice = fl.climb(digits, rungs=["prior", "ink", "centroid-l2"]).advice
        >>> advice.rung, len(advice.comparisons)
        ('centroid-l2', 2)
    """

    rung: str
    sentence: str
    comparisons: tuple[Comparison, ...] = field(default=())
    enough: bool = True
    smallest_shown: float | None = None

    def __repr__(self) -> str:
        return visible(f"<Advice: {self.rung}>")

    def _view(self) -> View:
        return replace(self.compared._view(), title=self.sentence)

    def frame(self) -> pandas.DataFrame:
        """One row for every other rung: its comparison with the advised one."""
        return self.compared.frame()

    def __str__(self) -> str:
        return self.sentence

    @property
    def compared(self) -> Comparisons:
        """Every other rung compared with the advised one."""
        return Comparisons(self.rung, self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rung": self.rung,
            "sentence": self.sentence,
            "enough": self.enough,
            "smallest_shown": self.smallest_shown,
            "comparisons": [one.to_dict() for one in self.comparisons],
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


@dataclass(frozen=True)
class _Ladder:
    """The rungs of a run, simplest first, and every pair of them compared."""

    rungs: Sequence[Predictions]
    comparisons: Sequence[Comparison]

    def right(self, place: int) -> int:
        """Images that a rung classifies correctly."""
        return int(np.count_nonzero(self.rungs[place].correct))

    def pair(self, this: int, other: int) -> Comparison:
        """One rung compared with another; `compare_all` has the pairs of a later rung one after the other."""
        if this < other:
            return self.pair(other, this).mirrored
        return self.comparisons[this * (this - 1) // 2 + other]

    def beats(self, this: int, other: int) -> bool:
        """Whether one rung is shown to be more accurate than another."""
        row = self.pair(this, other)
        return row.p < ALPHA and row.difference > 0

    def unbeaten(self, place: int) -> bool:
        """Whether no later rung is shown to beat this one."""
        return not any(self.beats(later, place) for later in range(place + 1, len(self.rungs)))

    def best(self) -> int:
        """The most accurate rung, of equal ones the simplest."""
        return max(range(len(self.rungs)), key=self.right)


def advise(
    rungs: Iterable[Predictions | Holder],
    *,
    comparisons: Sequence[Comparison] | None = None,
    costs: Mapping[str, Cost] | None = None,
) -> Advice:
    """Finds the simplest rung that no later one beats, by McNemar's test corrected for all pairs by Holm's method.

    A rung that is less accurate than a simpler one is skipped, so that the advice never goes up the ladder and down
    in accuracy. Few images show little: where a later rung is ahead by 0.01 or more and this is not shown, the advice
    is not to stop but the best guess, the simplest rung that is less than 0.01 below the most accurate one.

    Args:
        rungs: predictions of each rung on the same images, simplest first; or a run.
        comparisons: of all pairs of these rungs, as `compare_all` makes them; default: they are made.
        costs: what each rung costs, by name; the sentence compares it with the most accurate rung.

    Returns:
        The advice, with the comparisons that it is based on.

    Raises:
        ArgumentError: where there is no rung, or the images differ.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "ink", "centroid"])
        >>> found = fl.advise([rung.predictions for rung in run])
        >>> found.rung, found.enough, round(found.smallest_shown, 3)
        ('centroid-l2', False, 0.036)
    """
    seen = [predictions_of(one) for one in rungs]
    if not seen:
        raise ArgumentError("rungs is empty; pass the predictions of at least one rung.")
    ladder = _Ladder(seen, compare_all(seen) if comparisons is None else comparisons)
    stop, place = _places(ladder)
    rung = seen[place]
    sentence, decisive = _stop(ladder, place) if stop == place else _guess(ladder, stop, place)
    if rung.split == "test":
        sentence += " This was measured on the test split: report it, but choose by validation."
    elif len(seen) > 1 and rung.name != PRIOR:
        sentence += f" {rung.name} was chosen on these images, so expect slightly less on new ones."
    if costs:
        sentence += _cost_sentence(ladder, place, costs)
    return Advice(
        rung=rung.name,
        sentence=sentence,
        comparisons=with_one(ladder.comparisons, rung.name).rows,
        enough=stop == place,
        smallest_shown=None if decisive is None else decisive.smallest_shown,
    )


def _places(ladder: _Ladder) -> tuple[int, int]:
    """The simplest rung that no later one beats, and the one to advise: the same where the images suffice."""
    rungs, most, stop = ladder.rungs, -1, 0
    for stop in range(len(rungs)):
        if ladder.right(stop) >= most and ladder.unbeaten(stop):
            break
        most = max(most, ladder.right(stop))
    best = ladder.right(ladder.best())
    close = MARGIN * np.count_nonzero(rungs[stop].labels >= 0)
    later = (place for place in range(stop, len(rungs)) if best - ladder.right(place) < close)
    return stop, next(place for place in later if ladder.unbeaten(place))


def _stop(ladder: _Ladder, place: int) -> tuple[str, Comparison | None]:
    """The sentence where no later rung is ahead by the margin, and the comparison that decided."""
    rung, reached = ladder.rungs[place], _reached(ladder, place)
    later, simpler = range(place + 1, len(ladder.rungs)), range(place)
    if later:
        best = ladder.pair(max(later, key=ladder.right), place)
        power = f"These images show differences of {best.smallest_shown:.3f} or more with 80 % power."
        if best.smallest_shown >= 1:
            power = f"{plural(best.n, 'image is', 'images are')} too few to show any difference with 80 % power."
        if rung.name == PRIOR:
            return f"{_nothing(reached)} {power}", best
        ahead = f"{best.name} {best.difference:+.3f}, {p_value(best.p)}"
        return f"Stop at {rung.name}, {reached}: no later rung is shown to beat it ({ahead}). {power}", best
    if not simpler:
        return f"{rung.name} reaches {reached}; climb with more rungs to compare it.", None
    # The last rung is advised only where it is at least as accurate as each simpler one.
    unsure = [ladder.rungs[other].name for other in simpler if not ladder.beats(place, other)]
    verdict = f"but is not shown to beat {', '.join(unsure)}" if unsure else "and beats every simpler one"
    rest = "This is the last rung; try more rungs or --effort thorough."
    if rung.correct[rung.labels >= 0].all():
        rest = "It makes no mistake on these images."
    text = f"{rung.name} is the most accurate of these rungs, {reached}, {verdict}. {rest}"
    return text, ladder.pair(place, max(simpler, key=ladder.right))


def _guess(ladder: _Ladder, stop: int, place: int) -> tuple[str, Comparison | None]:
    """The sentence where the images are too few to tell the rung to advise from a simpler one, and this comparison."""
    rung, pair = ladder.rungs[place], ladder.pair(place, stop)
    unsure = [ladder.rungs[other].name for other in range(place) if not ladder.beats(place, other)]
    needed = images_needed(pair.difference, pair.only_this + pair.only_other, pair.n, alpha=1 - pair.level)
    text = (
        f"{plural(pair.n, 'image is', 'images are')} too few to tell apart rungs that differ by less than "
        f"{pair.smallest_shown:.3f} in "
        f"accuracy (with 80 % power); about {needed:,} would show the difference found here. "
        f"{rung.name} is the best guess, {_reached(ladder, place)}; it is not shown to "
        f"beat {', '.join(unsure)} ({pair.against} {-pair.difference:+.3f}, {p_value(pair.p)})."
    )
    if ladder.rungs[stop].name == PRIOR:
        text += f" {_nothing(_reached(ladder, stop))}"
    return text, pair


def _nothing(guessed: str) -> str:
    """What to do where no rung beats the prior, which is right as often as this."""
    return (
        f"No rung is shown to beat always guessing the most frequent training class, {guessed}; "
        "look at the images and their labels, or measure on more images."
    )


def _reached(ladder: _Ladder, place: int) -> str:
    """The accuracy of a rung with its interval and its n."""
    reached = evaluate(ladder.rungs[place])
    low, high = reached.interval
    return f"{reached.accuracy:.3f} [{low:.3f}, {high:.3f}] on {plural(reached.n, 'image')}"


def _cost_sentence(ladder: _Ladder, place: int, costs: Mapping[str, Cost]) -> str:
    """The cost of the advised rung, compared with the most accurate rung, or with the one before if it is that."""
    best = ladder.best()
    against = best if ladder.right(best) > ladder.right(place) else max(place - 1, 0)
    rung, other = ladder.rungs[place], ladder.rungs[against]
    text = f" {rung.name} takes {costs[rung.name]}"
    if against == place:
        return f"{text}."
    gap = evaluate(other).accuracy - evaluate(rung).accuracy
    accuracy = f"{abs(gap):.3f} {'more' if gap > 0 else 'less'} accurate" if gap else "as accurate"
    return f"{text}; {other.name}, {accuracy}, takes {costs[other.name]}."
