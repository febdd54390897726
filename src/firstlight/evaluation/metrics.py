"""`Evaluation`: the metrics of one set of predictions, each number with its n and its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from firstlight.characters import visible
from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Holder, Predictions, predictions_of
from firstlight.evaluation.uncertainty import mean_of_shares, mean_of_values, sum_of_gaps, wilson
from firstlight.notebook import Shown, View, data_frame
from firstlight.wording import plural

if TYPE_CHECKING:
    import pandas

BINS = 15  # of the calibration error, as in Guo et al. 2017


@dataclass(frozen=True)
class Recall:
    """How many of a class's images were recognised.

    Attributes:
        n: images of the class.
        correct: those that were recognised.
        interval: Wilson's 95 % interval of correct / n.
    """

    n: int
    correct: int
    interval: tuple[float, float]

    @property
    def recall(self) -> float | None:
        """correct / n; None for a class without images."""
        return self.correct / self.n if self.n else None


class Mistake(NamedTuple):
    """A cell of the confusion matrix off its diagonal.

    Attributes:
        label: the true class.
        predicted: the class that was predicted instead.
        images: how many.
    """

    label: str
    predicted: str
    images: int


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """The metrics of one rung on one split.

    Attributes:
        name: of the rung.
        split: that was measured on.
        n: images with a known class.
        correct: those that were classified correctly.
        accuracy: correct / n.
        interval: Wilson's 95 % interval of the accuracy.
        recall: by class.
        balanced_accuracy: the mean recall of the classes that have images.
        balanced_accuracy_interval: its 95 % interval, see `mean_of_shares`.
        log_loss: minus the mean natural logarithm of the probability of the true class.
        log_loss_interval: its 95 % interval, see `mean_of_values`; None where the log loss is infinite, or of one
            image.
        calibration_error: expected calibration error over 15 bins of equal width (Guo et al. 2017). This and the log
            loss are of temperatures that were not fitted on the image (`Predictions.unseen_log_probabilities`).
        calibration_error_interval: its 95 % interval, see `sum_of_gaps`.
        majority_share: the share of the most frequent class among these images.
        unreadable: images that could not be read and were skipped.
        mistakes: the confusions that occur, the most frequent first; of a thousand classes the whole matrix would be a
            million numbers.

    Example:
        >>> import firstlight as fl
        >>> metrics = fl.climb(digits, rungs=["centroid-l2"])["centroid-l2"].metrics
        >>> metrics.n, metrics.correct <= metrics.n, len(metrics.recall)
        (357, True, 10)
    """

    name: str
    split: str | None
    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    recall: dict[str, Recall]
    balanced_accuracy: float
    balanced_accuracy_interval: tuple[float, float]
    log_loss: float
    log_loss_interval: tuple[float, float] | None
    calibration_error: float
    calibration_error_interval: tuple[float, float]
    majority_share: float
    unreadable: int
    mistakes: tuple[Mistake, ...]

    @property
    def confusion(self) -> np.ndarray:
        """The confusion matrix, (K, K) int64: rows are true classes and columns predicted ones."""
        place = {name: number for number, name in enumerate(self.recall)}
        matrix = np.diag(np.array([one.correct for one in self.recall.values()], np.int64))
        for one in self.mistakes:
            matrix[place[one.label], place[one.predicted]] = one.images
        return matrix

    def __repr__(self) -> str:
        return visible(f"<Evaluation of {self.name}: {self}>")

    def _view(self) -> View:
        rows = ((name, one.n, one.correct, one.recall, *one.interval) for name, one in self.recall.items())
        return View(repr(self), ("class", "n", "correct", "recall", "low", "high"), rows, len(self.recall))

    def __str__(self) -> str:
        low, high = self.interval
        skipped = f"  {self.unreadable} unreadable" if self.unreadable else ""
        return (
            f"accuracy {self.accuracy:.3f} [{low:.3f}, {high:.3f}]  n={self.n}  "
            f"majority share {self.majority_share:.3f}{skipped}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a mistake is [true class, predicted class, images]."""
        recall = {
            name: {"n": one.n, "correct": one.correct, "interval": list(one.interval)}
            for name, one in self.recall.items()
        }
        mistakes = [list(one) for one in self.mistakes]
        intervals = {name: list(value) for name, value in vars(self).items() if name.endswith("interval") and value}
        return vars(self) | intervals | {"recall": recall, "mistakes": mistakes}

    def frame(self) -> pandas.DataFrame:
        """One row a class: n, correct, recall and its interval."""
        rows = [(name, one.n, one.correct, one.recall, *one.interval) for name, one in self.recall.items()]
        return data_frame(rows, ["class", "n", "correct", "recall", "low", "high"]).set_index("class")


def evaluate(predictions: Predictions | Holder) -> Evaluation:
    """Compares predictions with the known labels.

    Args:
        predictions: of images of which at least one has a known class; or a rung of a run.

    Returns:
        The metrics.

    Raises:
        ArgumentError: where no image has a known class.

    Example:
        >>> seen = Predictions("ink", ["a", "b"], ("3", "7"), np.array([0, 1]), np.array([[2.0, 0.0], [1.0, 0.0]]))
        >>> print(evaluate(seen))
        accuracy 0.500 [0.095, 0.905]  n=2  majority share 0.500
    """
    predictions = predictions_of(predictions)
    known = predictions.labels >= 0
    if not known.any():
        raise ArgumentError(
            f"{predictions.name} has {plural(len(predictions), 'image')}, none with a known class; "
            "pass images sorted by class."
        )
    seen = predictions if known.all() else predictions.select(known)
    n, k = len(seen), len(seen.classes)
    confusion = np.bincount(seen.labels.astype(np.int64) * k + seen.predicted, minlength=k * k).reshape(k, k)
    found, of = confusion.diagonal(), confusion.sum(axis=1)
    correct = int(found.sum())
    low, high = wilson(np.append(found, correct), np.append(of, n))
    losses = -seen.unseen_log_probabilities[np.arange(n), seen.labels]
    calibration, calibration_interval = _calibration_error(seen)
    return Evaluation(
        name=seen.name,
        split=seen.split,
        n=n,
        correct=correct,
        accuracy=correct / n,
        interval=(float(low[-1]), float(high[-1])),
        recall={
            name: Recall(int(of[c]), int(found[c]), (float(low[c]), float(high[c])))
            for c, name in enumerate(seen.classes)
        },
        balanced_accuracy=float((found[of > 0] / of[of > 0]).mean()),
        balanced_accuracy_interval=mean_of_shares(found[of > 0], of[of > 0]),
        log_loss=float(losses.mean()),
        log_loss_interval=mean_of_values(losses),
        calibration_error=calibration,
        calibration_error_interval=calibration_interval,
        majority_share=float(of.max() / n),
        unreadable=predictions.unreadable,
        mistakes=_mistakes(confusion, seen.classes),
    )


def _mistakes(confusion: np.ndarray, classes: tuple[str, ...]) -> tuple[Mistake, ...]:
    wrong = confusion - np.diag(confusion.diagonal())
    rows, columns = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, columns], kind="stable")
    return tuple(Mistake(classes[rows[at]], classes[columns[at]], int(wrong[rows[at], columns[at]])) for at in order)


def _calibration_error(seen: Predictions) -> tuple[float, tuple[float, float]]:
    """sum over bins of |right - confidence| / n, the confidence being the predicted class's probability; its interval.

    What is uncertain of a bin is the share of right images. Its standard deviation is that of Agresti and Coull 1998,
    with two more right and two more wrong images, so that a bin without a wrong image has one.
    """
    confidence = np.exp(seen.unseen_log_probabilities.max(axis=1))  # (N,)
    # Bin m is ((m - 1) / 15, m / 15], as in the paper.
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gap = np.bincount(bins, weights=seen.correct - confidence, minlength=BINS) / len(seen)
    right, of = np.bincount(bins[seen.correct], minlength=BINS), np.bincount(bins, minlength=BINS)
    share = (right + 2) / (of + 4)
    deviation = np.sqrt(share * (1 - share) / (of + 4)) * of / len(seen)
    return float(np.abs(gap).sum()), sum_of_gaps(gap, deviation)
