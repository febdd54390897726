"""`RungResult`: the result of one rung of a climb; nothing here knows about files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from firstlight.evaluation.metrics import Evaluation
from firstlight.evaluation.predictions import Predictions
from firstlight.notebook import Shown, View, data_frame
from firstlight.runs.history import Epoch
from firstlight.runs.seal import plain
from firstlight.runs.tensors import SavedModel
from firstlight.runs.training import TrainingRecord

if TYPE_CHECKING:
    import pandas

    from firstlight.models.classifier import Classifier

LADDER = (
    *("rung", "n", "correct", "accuracy", "low", "high", "balanced_accuracy", "log_loss", "calibration_error"),
    *("seconds_to_fit", "seconds_to_predict"),
)


@dataclass(frozen=True)
class Seconds:
    """How long a rung took.

    Attributes:
        fit: to fit it, once.
        predict: to predict all images that were measured; the median of several passes over a part of them.
    """

    fit: float
    predict: float


class Outputs(Protocol):
    """The large results of a rung, in memory or read from its files at first use."""

    @property
    def predictions(self) -> Predictions: ...
    @property
    def model(self) -> SavedModel: ...
    @property
    def history(self) -> tuple[Epoch, ...]: ...


@dataclass(frozen=True, eq=False)
class InMemory:
    """`Outputs` that are in memory."""

    predictions: Predictions
    model: SavedModel
    history: tuple[Epoch, ...] = ()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RungResult(Shown):
    """The result of one rung of a run.

    Attributes:
        name: the rung's name: letters, digits, ``-`` and ``_``.
        metrics: what `evaluate` says of its predictions.
        seconds: how long fitting and predicting took.
        outputs: predictions, model and history; those of a run that was read from its folder are loaded at first use.
        training: how it was trained; None for a rung that is computed in closed form.

    Example:
        >>> import firstlight as fl
        >>> rung = fl.climb(digits, rungs=["centroid-l2"])["centroid-l2"]
        >>> rung.metrics.n, rung.predictions.scores.shape, rung.classifier.shape
        (357, (357, 10), (8, 8, 1))
    """

    name: str
    metrics: Evaluation
    seconds: Seconds
    outputs: Outputs = field(repr=False)
    training: TrainingRecord | None = None

    @property
    def predictions(self) -> Predictions:
        """Its scores on the split that the run measures on."""
        return self.outputs.predictions

    @property
    def model(self) -> SavedModel:
        """The fitted model as plain data."""
        return self.outputs.model

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs of its training, those of all seeds; empty where it was not trained."""
        return self.outputs.history

    @cached_property
    def classifier(self) -> Classifier:
        """The fitted model, which predicts new images; restored at first use."""
        from firstlight.models.checkpoint import restore

        return restore(self.model)

    def predict(self, images: Any, *, split: str | None = None) -> Predictions:
        """Scores images, as `firstlight.predict` does: one file, picture or array, a list of these, a folder."""
        return self.classifier.predict(images, split=split)

    def to_dict(self) -> dict[str, Any]:
        """The rung's numbers as plain values: name, metrics and times in one dict."""
        about = {"seconds": self.seconds, "training": {} if self.training is None else self.training.to_dict()}
        return plain({**self.metrics.to_dict(), "name": self.name, **about})

    def __repr__(self) -> str:
        return self.row()

    def _view(self) -> View:
        return View(self.name, LADDER, [ladder_row(self)])

    def frame(self) -> pandas.DataFrame:
        """One row, as `Run.frame`."""
        return ladder_frame([self])

    def row(self, width: int = 0) -> str:
        """Its name, padded to a width, with its accuracy, interval and n."""
        metrics, (low, high) = self.metrics, self.metrics.interval
        return f"{self.name:<{width}}  {metrics.accuracy:.3f} [{low:.3f}, {high:.3f}]  n={metrics.n}"


def ladder_row(rung: RungResult) -> tuple[object, ...]:
    """The columns of `LADDER`."""
    seen, (low, high) = rung.metrics, rung.metrics.interval
    of = (rung.name, seen.n, seen.correct, seen.accuracy, low, high)
    return (*of, seen.balanced_accuracy, seen.log_loss, seen.calibration_error, rung.seconds.fit, rung.seconds.predict)


def ladder_frame(rungs: Sequence[RungResult]) -> pandas.DataFrame:
    """One row a rung."""
    return data_frame(map(ladder_row, rungs), LADDER)
