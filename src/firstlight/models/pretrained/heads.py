"""`Head`: from embeddings to scores, linear in the embedding's direction; two ways to fit one in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from firstlight.evaluation.calibration import fit_temperature

FEW = 5  # images a class, up to which centring helps (SimpleShot, Wang et al. 2019, arXiv 1911.04623; docs/log.md)
NEVER = -2.0  # the score of a class without training images: below every cosine
# Shares of the identity in the covariance, the largest first: where the folds cannot tell, more shrinkage is safer.
SHRINKAGES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
FOLDS = 5
FOLDS_OF_MANY = 2  # of the five, where there are at least twice as many images as dimensions
ROWS = 4096  # embeddings at a time, 40 MiB as float64


@dataclass(frozen=True, eq=False)
class Head:
    """Scores of embeddings, linear in the unit vector of an embedding.

    With u = z / |z| for an embedding z, and c = u - mean, brought to length 1 where ``centred``, the scores are
    weight c + bias.

    Attributes:
        mean: (D,) float32, subtracted from the unit vectors; zeros where they are not centred.
        weight: (K, D) float32.
        bias: (K,) float32.
        centred: whether the difference from the mean is brought to length 1 again.

    Example:
        >>> head = Head(np.zeros(2), np.eye(2), np.zeros(2))
        >>> head.scores(np.array([[3.0, 4.0]])).round(2)  # its cosines with the two axes
        array([[0.6, 0.8]])
    """

    mean: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    centred: bool = False

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) float16 or float32 -> (N, K) float64."""
        scores = np.empty((len(embeddings), len(self.bias)))
        weight = self.weight.T.astype(np.float64)
        for first in range(0, len(embeddings), ROWS):
            directions = unit(embeddings[first : first + ROWS]) - self.mean
            if self.centred:
                directions = unit(directions)
            scores[first : first + ROWS] = directions @ weight + self.bias
        return scores

    def contributions(self, maps: np.ndarray, first: int, second: int) -> tuple[np.ndarray, float]:
        """What each position of an image adds to the score of one class over another.

        The embedding z is the mean of its P positions f_p, so weight z / |z| is the sum of weight f_p / (P |z|).

        Args:
            maps: (P, D) float32, the last maps of the backbone.
            first: the class.
            second: the class that it is compared with.

        Returns:
            (P,) float64, and the part of the difference that no position adds; together they are the difference.
        """
        mean = maps.mean(axis=0, dtype=np.float64)  # (D,)
        length = np.linalg.norm(mean)
        weight = self.weight[first].astype(np.float64) - self.weight[second]
        scale = float(np.linalg.norm(mean / length - self.mean)) if self.centred else 1.0
        constant = float(self.bias[first]) - float(self.bias[second]) - float(weight @ self.mean) / scale
        return maps.astype(np.float64) @ weight / (len(maps) * length * scale), constant


def unit(vectors: np.ndarray) -> np.ndarray:
    """(N, D) -> float64 (N, D) of length 1; zeros stay zeros."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def fit_centroid(embeddings: np.ndarray, labels: np.ndarray, classes: int) -> Head:
    """The cosine with each class's mean direction: the nearest mean again, in another space.

    Up to five images a class, the mean of all training images is subtracted first.

    Args:
        embeddings: (N, D) float16 or float32.
        labels: (N,) integers in 0..K-1.
        classes: K.
    """
    sums, counts = _sums(embeddings, labels, classes)
    known = counts > 0
    centred = len(labels) <= FEW * int(known.sum()) and int(known.sum()) > 1
    mean = sums.sum(axis=0) / max(len(labels), 1) if centred else np.zeros(sums.shape[1])
    if centred:
        sums = np.zeros_like(sums)
        np.add.at(sums, labels, unit(unit(embeddings) - mean))
    return _head(unit(sums), np.where(known, 0.0, NEVER), mean, centred=centred)


def fit_discriminant(embeddings: np.ndarray, labels: np.ndarray, classes: int) -> Head:
    """A linear discriminant with a shrunk covariance (Friedman 1989, "Regularized Discriminant Analysis").

    The covariance within the classes is (1 - g) S + g tr(S) / D I. The share g is the one of `SHRINKAGES` with the
    lowest log loss in a stratified cross-validation on the training images, each with the temperature that suits it.

    Args:
        embeddings: (N, D) float16 or float32.
        labels: (N,) integers in 0..K-1.
        classes: K.
    """
    fold_of = _folds(labels, classes)
    used = FOLDS_OF_MANY if len(labels) >= 2 * embeddings.shape[1] else FOLDS
    outside, truth = [], []
    for fold in range(used):
        inside = fold_of == fold
        inside &= np.isin(labels, labels[~inside])  # a class that no other fold has cannot be predicted
        if inside.any():
            found = _Within.of(embeddings[fold_of != fold], labels[fold_of != fold], classes)
            outside.append(np.stack([found.head(share).scores(embeddings[inside]) for share in SHRINKAGES]))
            truth.append(labels[inside])
    best = _best(np.concatenate(outside, axis=1), np.concatenate(truth)) if outside else SHRINKAGES[0]
    return _Within.of(embeddings, labels, classes).head(best)


HEADS: Mapping[str, Callable[[np.ndarray, np.ndarray, int], Head]] = {
    "centroid": fit_centroid,
    "linear": fit_discriminant,
}


def _best(scores: np.ndarray, labels: np.ndarray) -> float:
    """The shrinkage whose scores (shrinkages, N, K) of images outside the fit have the lowest log loss."""
    losses = []
    for one in scores:
        logits = one / fit_temperature(one, labels)
        logits -= logits.max(axis=1, keepdims=True)
        losses.append((np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]).mean())
    return SHRINKAGES[int(np.argmin(losses))]


@dataclass(frozen=True, eq=False)
class _Within:
    """Class means, and the covariance within the classes as its eigenvectors.

    Attributes:
        means: (K, D) float64; zeros for a class without images.
        counts: (K,).
        vectors: (D, r) float64, those with a variance.
        variances: (r,) float64.
    """

    means: np.ndarray
    counts: np.ndarray
    vectors: np.ndarray
    variances: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray, labels: np.ndarray, classes: int) -> _Within:
        sums, counts = _sums(embeddings, labels, classes)
        means = sums / np.maximum(counts, 1)[:, None]
        count, dimensions = embeddings.shape
        if count < dimensions:  # by the smaller matrix of the residuals' products
            residuals = unit(embeddings) - means[labels]
            squares, left = np.linalg.eigh(residuals @ residuals.T)
            used = squares > squares[-1] * 1e-10
            vectors = residuals.T @ (left[:, used] / np.sqrt(squares[used]))
            return cls(means, counts, vectors, squares[used] / count)
        scatter = np.zeros((dimensions, dimensions))
        for rows in _blocks(count):
            residuals = (unit(embeddings[rows]) - means[labels[rows]]).astype(np.float32)
            scatter += residuals.T @ residuals
        variances, vectors = np.linalg.eigh(scatter / count)
        return cls(means, counts, vectors, np.maximum(variances, 0))

    def head(self, share: float) -> Head:
        """With this share of the identity."""
        known = self.counts > 0
        floor = self.variances.sum() / self.means.shape[1]  # tr(S) / D
        if floor == 0:  # no two different images of a class: the nearest mean by L2
            weight = self.means.copy()
        else:
            inverse = 1 / ((1 - share) * self.variances + share * floor) - 1 / (share * floor)
            weight = (self.means @ self.vectors * inverse) @ self.vectors.T + self.means / (share * floor)
        bias = np.log(np.maximum(self.counts, 1) / self.counts.sum()) - (weight * self.means).sum(axis=1) / 2
        weight -= weight[known].mean(axis=0)  # the same for every class, so no probability changes
        bias -= bias[known].mean()
        least = -(np.linalg.norm(weight, axis=1) + np.abs(bias))[known].max() - 1
        return _head(np.where(known[:, None], weight, 0), np.where(known, bias, least), np.zeros(weight.shape[1]))


def _head(weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, *, centred: bool = False) -> Head:
    return Head(mean.astype(np.float32), weight.astype(np.float32), bias.astype(np.float32), centred)


def _sums(embeddings: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(K, D) float64, of the unit vectors of each class; (K,) how many."""
    sums = np.zeros((classes, embeddings.shape[1]))
    for rows in _blocks(len(labels)):
        np.add.at(sums, labels[rows], unit(embeddings[rows]))
    return sums, np.bincount(labels, minlength=classes)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(first, first + ROWS) for first in range(0, count, ROWS))


def _folds(labels: np.ndarray, classes: int) -> np.ndarray:
    """(N,) the fold of each image: those of a class are dealt out in turn."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=classes)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place % FOLDS
