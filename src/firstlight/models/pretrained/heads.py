"""`Head`: from embeddings to scores, linear in the embedding's direction; two ways to fit one in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from firstlight.evaluation.calibration import fit_temperature

FEW = 5  # images a class, up to which centring helps (SimpleShot, Wang et al. 2019, arXiv 1911.04623; docs/log.md)
NEVER = -2.0  # the score of a class without training images: below every cosine
# Shares of the identity in the covariance, the largest first: where the images cannot tell, more shrinkage is safer.
SHRINKAGES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
LEFT_OUT = 1000  # images at most that are left out in turn; 5,000 choose no better (docs/log.md)
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


class FittedHead(NamedTuple):
    """A head, and the temperature of its scores, fitted on scores of training images that each was left out for."""

    head: Head
    temperature: float


def fit_centroid(embeddings: np.ndarray, labels: np.ndarray, classes: int) -> FittedHead:
    """The cosine with each class's mean direction: the nearest mean again, in another space.

    Up to five images a class, the mean of all training images is subtracted first.

    Args:
        embeddings: (N, D) float16 or float32.
        labels: (N,) integers in 0..K-1.
        classes: K.

    Returns:
        The head and its temperature.
    """
    sums, counts = _sums(embeddings, labels, classes)
    known = counts > 0
    centred = len(labels) <= FEW * int(known.sum()) and int(known.sum()) > 1
    mean = sums.sum(axis=0) / max(len(labels), 1) if centred else np.zeros(sums.shape[1])
    if centred:
        sums = np.zeros_like(sums)
        np.add.at(sums, labels, unit(unit(embeddings) - mean))
    head = _head(unit(sums), np.where(known, 0.0, NEVER), mean, centred=centred)
    rows = _left_out(labels, counts)
    own = np.arange(len(rows)), labels[rows]
    directions = unit(embeddings[rows]) - head.mean
    directions = unit(directions) if centred else directions
    scores = directions @ head.weight.T + head.bias
    rest = sums[labels[rows]] - directions  # the class's sum without the image
    scores[own] = (directions * unit(rest)).sum(axis=1)
    return FittedHead(head, fit_temperature(scores, labels[rows], smoothed=True))


def fit_discriminant(embeddings: np.ndarray, labels: np.ndarray, classes: int) -> FittedHead:
    """A linear discriminant with a shrunk covariance (Friedman 1989, "Regularized Discriminant Analysis").

    The covariance within the classes is (1 - g) S + g tr(S) / D I. The share g is the one of `SHRINKAGES` with the
    lowest log loss of training images that are left out one by one, each share with the temperature that suits it.

    Args:
        embeddings: (N, D) float16 or float32.
        labels: (N,) integers in 0..K-1.
        classes: K.

    Returns:
        The head and its temperature.
    """
    within = _Within.of(embeddings, labels, classes)
    rows = _left_out(labels, within.counts)
    tried = []
    for share, scores in zip(SHRINKAGES, within.left_out(embeddings[rows], labels[rows]), strict=True):
        temperature = fit_temperature(scores, labels[rows], smoothed=True)
        tried.append((_log_loss(scores / temperature, labels[rows]), temperature, share))
    _, temperature, share = min(tried, key=lambda one: one[0])
    return FittedHead(within.head(share), temperature)


HEADS: Mapping[str, Callable[[np.ndarray, np.ndarray, int], FittedHead]] = {
    "centroid": fit_centroid,
    "linear": fit_discriminant,
}


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the images; 0 without images."""
    logits = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(losses.sum()) / max(len(losses), 1)


def _left_out(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Rows of images whose class has others, evenly of all classes where they are too many."""
    order = np.argsort(labels, kind="stable")
    order = order[counts[labels[order]] > 1]
    some = min(len(order), LEFT_OUT)
    return order[np.arange(some) * len(order) // max(some, 1)]


@dataclass(frozen=True, eq=False)
class _Within:
    """Class means, and the scatter W within the classes as its eigenvectors: W = vectors squares vectors^T.

    With B = I + k W and k = (1 - g) D / (g tr(W)), the shrunk covariance is g tr(S) / D times B. The scores are those
    of the linear discriminant times this factor, so that they go over into those of the nearest mean where the scatter
    goes to 0 or g to 1.

    Attributes:
        means: (K, D) float64; zeros for a class without images.
        counts: (K,).
        vectors: (D, r) float64, those with a scatter.
        squares: (r,) float64.
    """

    means: np.ndarray
    counts: np.ndarray
    vectors: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray, labels: np.ndarray, classes: int) -> _Within:
        sums, counts = _sums(embeddings, labels, classes)
        means = sums / np.maximum(counts, 1)[:, None]
        count, dimensions = embeddings.shape
        if count < dimensions:  # by the smaller matrix of the residuals' products
            residuals = unit(embeddings) - means[labels]
            squares, left = np.linalg.eigh(residuals @ residuals.T)
            used = squares > max(squares[-1] * 1e-10, 1e-20)
            return cls(means, counts, residuals.T @ (left[:, used] / np.sqrt(squares[used])), squares[used])
        scatter = np.zeros((dimensions, dimensions))
        for rows in _blocks(count):
            residuals = (unit(embeddings[rows]) - means[labels[rows]]).astype(np.float32)
            scatter += residuals.T @ residuals
        squares, vectors = np.linalg.eigh(scatter)
        return cls(means, counts, vectors, np.maximum(squares, 0))

    def head(self, share: float) -> Head:
        """With this share of the identity."""
        known, projected, kept = self.counts > 0, self.means @ self.vectors, self._kept(share)
        weight = self.means - (projected * (1 - kept)) @ self.vectors.T  # means B^-1
        bias = self._prior(share) - (weight * self.means).sum(axis=1) / 2
        weight -= weight[known].mean(axis=0)  # the same for every class, so no probability changes
        bias -= bias[known].mean()
        least = -(np.linalg.norm(weight, axis=1) + np.abs(bias))[known].max() - 1
        return _head(np.where(known[:, None], weight, 0), np.where(known, bias, least), np.zeros(weight.shape[1]))

    def left_out(self, embeddings: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
        """For each share the scores (n, K) of images, each by the means and the scatter without it.

        Without an image with the residual r in a class of n, the class's mean is r / (n - 1) less and W is
        n / (n - 1) r r^T less, so B^-1 changes by the formula of Sherman and Morrison (1950). k is that of all images.
        A mean of fewer images is longer by its own noise, which would put the image's class at a disadvantage: of the
        expected length, tr(B^-1 S) / n, the part that is due to the missing image is subtracted.
        """
        others = self.counts[labels] - 1.0  # (n,)
        projected = self.means @ self.vectors  # (K, r)
        residuals = (unit(embeddings) - self.means[labels]) @ self.vectors  # (n, r): they are in this space
        inner, squared = self.means @ self.means.T, residuals**2
        own = np.arange(len(labels)), labels
        for share in SHRINKAGES:
            kept = self._kept(share)
            of_means = inner - (projected * (1 - kept)) @ projected.T  # (K, K) means B^-1 means^T
            crossed = residuals @ (projected * kept).T  # (n, K) residuals B^-1 means^T
            length = squared @ kept  # (n,) r B^-1 r
            turn = crossed[own] + length  # r B^-1 z, for the image z = mean + r
            change = self._scale(share) * (others + 1) / others
            change = change / (1 - change * length)  # of B^-1, times B^-1 r r^T B^-1
            along = crossed.copy()  # r B^-1 mean, of the means without the image
            along[own] -= length / others
            with_image = of_means[labels] + crossed  # (n, K) mean B^-1 z
            with_image[own] -= turn / others
            with_itself = np.tile(np.diag(of_means), (len(labels), 1))  # mean B^-1 mean
            with_itself[own] += length / others**2 - 2 * crossed[own] / others
            with_itself[own] -= float(self.squares @ kept) / self._free * (1 / others - 1 / (others + 1))
            scores = with_image + along * (change * turn)[:, None]
            scores += self._prior(share) - (with_itself + change[:, None] * along**2) / 2
            scores[:, self.counts == 0] = scores.min(initial=0.0) - 1
            yield scores

    @property
    def _free(self) -> int:
        """Degrees of freedom of the scatter."""
        return max(int(self.counts.sum() - (self.counts > 0).sum()), 1)

    def _scale(self, share: float) -> float:
        """The k of B = I + k W."""
        total = float(self.squares.sum())
        return (1 - share) * self.means.shape[1] / (share * total) if total > 0 else 0.0

    def _kept(self, share: float) -> np.ndarray:
        """(r,) the eigenvalues of B^-1."""
        return 1 / (1 + self._scale(share) * self.squares)

    def _prior(self, share: float) -> np.ndarray:
        """(K,) the logarithms of the classes' shares, in the unit of the scores."""
        count = max(int(self.counts.sum()), 1)
        unit_of_scores = share * float(self.squares.sum()) / (count * self.means.shape[1])  # g tr(S) / D
        return unit_of_scores * np.log(np.maximum(self.counts, 1) / count)


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
