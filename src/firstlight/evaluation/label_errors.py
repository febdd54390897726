"""`label_errors()`: labels that may be wrong, by confident learning on out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from firstlight.characters import visible
from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions, predictions_of
from firstlight.notebook import Shown, View, data_frame
from firstlight.wording import plural

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class LabelErrors(Shown):
    """Images whose label may be wrong, the most likely errors first.

    Attributes:
        rows: (M,) row numbers of the predictions.
        keys: (M,) the images' names.
        labels: (M,) index of their class.
        suggested: (M,) index of the class that the model suggests.
        margins: (M,) probability of the label minus the highest of another class, in [-1, 1]; the lowest first.
        classes: (K,) names.
        thresholds: (K,) mean probability of a class among the images with its label; NaN without any.
        joint: (K, K) int64, images by label (rows) and confident class (columns).
        share: estimated share of wrong labels, which includes confident errors of the model.

    Example:
        >>> import firstlight as fl
        >>> found = fl.label_errors(fl.crossfit(digits, rung="centroid-l2"))
        >>> len(found.keys) == len(found) > 0
        True
    """

    rows: np.ndarray
    keys: tuple[str, ...]
    labels: np.ndarray
    suggested: np.ndarray
    margins: np.ndarray
    classes: tuple[str, ...]
    thresholds: np.ndarray
    joint: np.ndarray
    share: float

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<LabelErrors: {plural(len(self), 'label')} to check>"

    def _view(self) -> View:
        names = np.array(self.classes, object)
        rows = zip(self.keys, names[self.labels], names[self.suggested], self.margins.tolist(), strict=True)
        return View(repr(self), ("key", "label", "suggested", "margin"), rows, len(self))

    def frame(self) -> pandas.DataFrame:
        """One row an image: key, label, suggested, margin."""
        names = np.array(self.classes, object)
        columns = {"key": self.keys, "label": names[self.labels], "suggested": names[self.suggested]}
        return data_frame(columns | {"margin": self.margins})

    def __str__(self) -> str:
        head = f"{plural(len(self), 'label')} to check; estimated share of wrong labels {self.share:.4f}"
        lines = [
            f"  {key}  labelled {self.classes[label]}, looks like {self.classes[other]}  ({margin:+.3f})"
            for key, label, other, margin in zip(
                self.keys[:10], self.labels.tolist(), self.suggested.tolist(), self.margins.tolist(), strict=False
            )
        ]
        return "\n".join([head, *map(visible, lines)])


def label_errors(predictions: Predictions) -> LabelErrors:
    """Finds images that confidently belong to another class than their label says.

    An image confidently belongs to class j where its probability of j is at least the mean probability of j among the
    images labelled j. Of several such classes the most probable one counts. Where that is not the label, the image is
    a candidate; candidates are ranked by the margin of the label's probability. Northcutt, Jiang and Chuang 2021,
    "Confident Learning: Estimating Uncertainty in Dataset Labels", sections 3.1 and 3.2; the estimated share is that
    of their equation 3.

    Args:
        predictions: out-of-fold, from `crossfit`: each by a model that was fitted without the image.

    Returns:
        The candidates.

    Raises:
        ArgumentError: where no image has a label.

    Example:
        >>> scores = np.log([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.05, 0.95]])
        >>> seen = Predictions("cnn", ["a", "b", "c", "d"], ("3", "7"), np.array([0, 0, 0, 1]), scores)
        >>> found = label_errors(seen)
        >>> found.keys, found.thresholds.round(3).tolist()
        ((), [0.6, 0.95])
    """
    predictions = predictions_of(predictions)
    known = np.flatnonzero(predictions.labels >= 0)
    if not len(known):
        raise ArgumentError(
            f"{predictions.name} has {plural(len(predictions), 'image')}, none with a label; label some."
        )
    labels = predictions.labels[known].astype(np.int64)
    probabilities = predictions.probabilities[known]  # (N, K)
    n, k = probabilities.shape
    rows = np.arange(n)
    counts = np.bincount(labels, minlength=k)
    own = probabilities[rows, labels]
    thresholds = np.full(k, np.nan)
    there = counts > 0
    thresholds[there] = np.bincount(labels, weights=own, minlength=k)[there] / counts[there]
    confident = probabilities >= np.where(there, thresholds, np.inf)  # (N, K)
    sure = confident.any(axis=1)
    like = np.where(confident, probabilities, -1.0).argmax(axis=1)  # (N,)
    joint = np.bincount(labels[sure] * k + like[sure], minlength=k * k).reshape(k, k)
    others = probabilities.copy()
    others[rows, labels] = -1.0
    margins = own - others.max(axis=1) if k > 1 else own
    chosen = np.flatnonzero(sure & (like != labels))
    chosen = chosen[np.argsort(margins[chosen], kind="stable")]
    return LabelErrors(
        rows=known[chosen],
        keys=tuple(predictions.keys.take(pa.array(known[chosen])).to_pylist()),
        labels=labels[chosen],
        suggested=like[chosen],
        margins=margins[chosen],
        classes=predictions.classes,
        thresholds=thresholds,
        joint=joint,
        share=_share(joint, counts),
    )


def _share(joint: np.ndarray, counts: np.ndarray) -> float:
    """The off-diagonal share of the joint, with each row scaled to its class's number of images."""
    sums = joint.sum(axis=1)
    rows = np.where(sums > 0, counts / np.maximum(sums, 1), 0)
    scaled = joint * rows[:, None]
    total = float(scaled.sum())
    return 1 - float(np.trace(scaled)) / total if total else 0.0
