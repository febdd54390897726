"""`CentroidClassifier`, `InkClassifier` and `PriorClassifier`: closed-form rungs as scikit-learn estimators."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from firstlight.errors import ArgumentError, require
from firstlight.evaluation.calibration import fit_temperature
from firstlight.models.closed_form.baselines import Ink, Prior
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.sums import ClassSums
from firstlight.models.closed_form.training_set import HELD_OUT, TrainingSet
from firstlight.models.rungs import centroid_name

with require("sklearn", purpose="The scikit-learn estimators"):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.metrics import pairwise_distances
    from sklearn.utils import Tags
    from sklearn.utils.extmath import softmax
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data


class _ClosedForm(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What the three have in common: from class sums to scores; uint8 is summed exactly, as in `firstlight.models`."""

    centre = "mean"
    _poor = False  # whether low accuracy is expected

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fits the classes' centres, and the temperature on every fifth image of each class (1,000 at most).

        Args:
            X: (N, P) numbers, or images (N, H, W) or (N, H, W, C); uint8 is summed exactly.
            y: (N,) class names or numbers.

        Returns:
            The estimator itself.
        """
        samples, y = self._checked(X, y=y, reset=True)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        return self._learn(samples, labels, None)

    @available_if(lambda self: self.centre == "mean")  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:  # noqa: N803
        """Adds samples to the class sums: for uint8, batches give the same centres as one `fit`, to the bit.

        The temperature is fitted on the last 1,000 samples that were scored before they were added ("prequential",
        Dawid 1984, "Statistical Theory: The Prequential Approach"). The first call fits it as `fit` does; it is 1 until
        every class has samples.

        Args:
            X: (N, P) numbers or images, as for `fit`.
            y: (N,) class names or numbers.
            classes: (K,) all classes, also those that come later; required by the first call.

        Returns:
            The estimator itself.

        Raises:
            ArgumentError: if the classes are missing, have changed, or lack one of ``y``.

        Example:
            >>> nearest = CentroidClassifier().partial_fit([[0], [8]], [3, 7], classes=[3, 7])
            >>> nearest.partial_fit([[2], [4]], [3, 3]).centres_.tolist()
            [[2.0], [8.0]]
        """
        before = getattr(self, "_sums", None)
        samples, y = self._checked(X, y=y, reset=before is None)
        if before is None and classes is None:
            raise ArgumentError("The first call of partial_fit needs all classes; pass classes=[...].")
        known = self.classes_ if classes is None else np.unique(classes)
        if before is not None and not np.array_equal(known, self.classes_):
            raise ArgumentError(f"The classes are {self.classes_}, but {known} was passed; pass the same or none.")
        unknown = np.setdiff1d(y, known)
        if len(unknown):
            raise ArgumentError(f"The labels {unknown} are not among the classes {known}; fit again with all classes.")
        self.classes_ = known
        return self._learn(samples, np.searchsorted(known, y), before)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The class of each sample, (N,); the first of equally near classes."""
        best = self._fitted_scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The probability of each class, (N, K) float64: softmax(scores / temperature_)."""
        return np.asarray(softmax(self._fitted_scores(X) / self.temperature_))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.poor_score = self._poor
        return tags

    def _checked(self, samples: Any, **checks: Any) -> Any:
        """Flat samples, uint8 or else float64, with their labels if ``y`` is given."""
        if getattr(samples, "ndim", 2) > 2:
            samples = samples.reshape(len(samples), int(np.prod(samples.shape[1:])))
        return validate_data(self, samples, dtype=[np.float64, np.uint8], **checks)

    def _learn(self, samples: np.ndarray, labels: np.ndarray, before: ClassSums | None) -> Self:
        """Adds the samples to ``before``, and fits the temperature on samples scored before they were added."""
        added = self._sums_of(samples, labels)
        if before is None:
            self.unit_ = 255.0 if samples.dtype == np.uint8 else float(np.abs(samples).max()) or 1.0
            self._unseen = np.empty((0, len(self.classes_))), np.empty(0, np.int64)  # their scores and labels
            rows, unaware = self._held_out(samples, labels, added)
            self._sums = added
        else:
            rows, unaware = np.arange(0, len(labels), -(-len(labels) // HELD_OUT)), before
            self._sums = before + added
        if len(rows) and unaware.counts.all():
            scores, truth = self._unseen
            scores = np.concatenate([scores, self._scores(samples[rows], unaware)])[-HELD_OUT:]
            self._unseen = scores, np.concatenate([truth, labels[rows]])[-HELD_OUT:]
        self.temperature_ = fit_temperature(*self._unseen)
        self.centres_ = self._sums.means
        mean = self.centre == "mean"
        self.counts_ = self._sums.counts if mean else np.bincount(labels, minlength=len(self.classes_))
        return self

    def _held_out(self, samples: np.ndarray, labels: np.ndarray, added: ClassSums) -> tuple[np.ndarray, ClassSums]:
        """The row numbers of the held-out samples, as the rungs hold them out, and the sums of the rest."""
        numbers = TrainingSet(np.arange(len(labels)), labels, len(self.classes_))
        rows = numbers.held_out.images
        if self.centre == "mean" and len(rows):
            return rows, added - self._sums_of(samples[rows], labels[rows])
        rest = np.delete(numbers.images, rows)
        return rows, self._sums_of(samples[rest], labels[rest])

    def _sums_of(self, samples: np.ndarray, labels: np.ndarray) -> ClassSums:
        """Each class's centre as (K, P) divided by (K,): integers for uint8, else float64."""
        classes = len(self.classes_)
        if samples.dtype == np.uint8:
            return TrainingSet(samples, labels, classes).centres(self.centre)
        counts = np.bincount(labels, minlength=classes)
        middle = np.sum if self.centre == "mean" else np.median
        sums = np.zeros((classes, samples.shape[1]))
        for label in np.flatnonzero(counts):
            sums[label] = middle(samples[labels == label], axis=0)
        return ClassSums(counts if self.centre == "mean" else np.minimum(counts, 1), sums)

    def _fitted_scores(self, samples: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._scores(self._checked(samples, reset=False), self._sums)

    def _scores(self, samples: np.ndarray, sums: ClassSums) -> np.ndarray:
        """(N, K) float64, higher is better, from the centres ``sums``."""
        raise NotImplementedError


class CentroidClassifier(_ClosedForm):
    """The class whose mean (or median) image is nearest.

    For uint8 it gives the same bits as the rung ``centroid``; other numbers are converted to float64. It is the
    simplest classifier that uses every pixel, so compare any better one with it.

    Args:
        distance: ``"l1"``, the mean over pixels of |difference|; ``"l2"``, the root of the mean squared
            difference; ``"cosine"``, one minus the cosine of the angle.
        centre: ``"mean"`` or ``"median"``, the latter without `partial_fit`.

    Attributes:
        classes_: (K,) the class names, sorted.
        n_features_in_: P.
        centres_: (K, P) float64, each class's centre, in the units of ``X``.
        counts_: (K,) int64, the number of training samples of each class.
        unit_: l1 and l2 are divided by it: 255 for uint8, else the largest |number| of the first fit.
        temperature_: probabilities are softmax(-distance / temperature_).

    Raises:
        ArgumentError: by `fit`, if there is no such distance or centre.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> images, names = load_digits(return_X_y=True)  # (1797, 64), numbers from 0 to 16
        >>> nearest = CentroidClassifier(distance="l2").fit(images[:1000].astype("uint8"), names[:1000])
        >>> nearest.predict(images[1000:1005].astype("uint8")), names[1000:1005]
        (array([1, 4, 0, 5, 3]), array([1, 4, 0, 5, 3]))
        >>> round(nearest.score(images[1000:].astype("uint8"), names[1000:]), 3)
        0.891
    """

    def __init__(self, distance: str = "l1", centre: str = "mean") -> None:
        self.distance = distance
        self.centre = centre

    def _learn(self, samples: np.ndarray, labels: np.ndarray, before: ClassSums | None) -> Self:
        centroid_name(self.distance, self.centre)  # raises if there is no such distance or centre
        return super()._learn(samples, labels, before)

    def _scores(self, samples: np.ndarray, sums: ClassSums) -> np.ndarray:
        if _exact(samples, sums):
            return Centroid(sums.sums, sums.counts, self.distance).scores(samples)
        images, centres = samples / self.unit_, sums.means / self.unit_
        if self.distance == "l2":  # centred, since |x|^2 - 2 x.c + |c|^2 cancels far from zero
            middle = centres.mean(axis=0)
            images, centres = images - middle, centres - middle
        terms = {"l1": images.shape[1], "l2": images.shape[1] ** 0.5, "cosine": 1}[self.distance]
        distances = pairwise_distances(images, centres, metric=self.distance) / terms
        return np.where(sums.counts > 0, -distances, -np.inf)


class InkClassifier(_ClosedForm):
    """The class whose mean pixel is nearest to the sample's.

    It shows the accuracy that brightness alone gives: a better classifier uses the shapes in the image.

    Attributes:
        classes_: (K,) the class names, sorted.
        n_features_in_: P.
        centres_: (K, P) float64, each class's mean image; its mean over P is compared.
        counts_: (K,) int64, the number of training samples of each class.
        unit_: distances are divided by it: 255 for uint8, else the largest |number| of the first fit.
        temperature_: probabilities are softmax(-distance / temperature_).

    Example:
        >>> dark_and_bright = np.array([[0, 10], [200, 220]], np.uint8)
        >>> InkClassifier().fit(dark_and_bright, ["dark", "bright"]).predict(np.array([[90, 0]], np.uint8))
        array(['dark'], dtype='<U6')
    """

    _poor = True

    def _scores(self, samples: np.ndarray, sums: ClassSums) -> np.ndarray:
        if _exact(samples, sums):
            return Ink(sums.sums.sum(axis=1), sums.counts * samples.shape[1]).scores(samples)
        distances = np.abs(samples.mean(axis=1)[:, None] - sums.means.mean(axis=1)) / self.unit_
        return np.where(sums.counts > 0, -distances, -np.inf)


class PriorClassifier(_ClosedForm):
    """Always the most frequent training class: the accuracy that is reached without looking at the sample.

    Attributes:
        classes_: (K,) the class names, sorted.
        n_features_in_: P.
        counts_: (K,) int64, the number of training samples of each class.
        temperature_: 1, since the scores are logarithms of the class shares.

    Example:
        >>> PriorClassifier().fit([[1], [2], [3]], ["cat", "dog", "dog"]).predict([[1]])
        array(['dog'], dtype='<U3')
    """

    _poor = True

    def _learn(self, samples: np.ndarray, labels: np.ndarray, before: ClassSums | None) -> Self:
        counts = np.bincount(labels, minlength=len(self.classes_))
        self._sums = ClassSums(counts, np.zeros((len(counts), 0), np.int64))  # no pixel is read
        if before is not None:
            self._sums = before + self._sums
        self.counts_, self.temperature_ = self._sums.counts, 1.0
        return self

    def _scores(self, samples: np.ndarray, sums: ClassSums) -> np.ndarray:
        return Prior(sums.counts).scores(samples)


def _exact(samples: np.ndarray, sums: ClassSums) -> bool:
    """Whether the samples and all summed samples were uint8, so that nothing is rounded."""
    return samples.dtype == np.uint8 and sums.sums.dtype == np.int64
