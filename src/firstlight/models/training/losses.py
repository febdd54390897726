"""The losses by name, from scores and targets to the loss of each image; and the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812  # the field's name for it
from torch import Tensor

from firstlight.errors import ArgumentError


def l1(scores: Tensor, targets: Tensor) -> Tensor:
    """Half the L1 distance between the probabilities and the targets: 1 - p of the right class.

    For two classes this is the loss of the fastai book, chapter 4, ``where(target == 1, 1 - p, p)``.

    Args:
        scores: (B, K) float.
        targets: (B, K) float, each row adds up to 1.

    Returns:
        (B,) float in [0, 1].

    Example:
        >>> p = torch.tensor([0.9, 0.4, 0.2])  # of the second class
        >>> scores = torch.stack([1 - p, p], dim=1).log()
        >>> print(f"{l1(scores, one_hot(torch.tensor([1, 0, 1]), 2)).mean():.4f}")
        0.4333
    """
    return (scores.softmax(dim=1) - targets).abs().sum(dim=1) / 2


def mse(scores: Tensor, targets: Tensor) -> Tensor:
    """Half the squared distance between the probabilities and the targets (B,): half of Brier's score (1950).

    For two classes it is (p - target)^2 of either class.
    """
    return (scores.softmax(dim=1) - targets).square().sum(dim=1) / 2


def bce(scores: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, each class against the rest by its own sigmoid, summed over the classes (B,).

    For two classes it is computed once, from the difference of their scores.
    """
    if scores.shape[1] == 2:
        scores, targets = scores[:, 1:] - scores[:, :1], targets[:, 1:]
    return F.binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(dim=1)


def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Minus the logarithm of the probability of the right class (B,), by softmax."""
    return -(scores.log_softmax(dim=1) * targets).sum(dim=1)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "mse": mse,
    "bce": bce,
    "cross_entropy": cross_entropy,
}


def one_hot(labels: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """The targets: 1 for the right class, 0 for the others; smoothing distributes a share evenly over all classes.

    Args:
        labels: (B,) int64 in 0..K-1.
        classes: K.
        smoothing: that share, 0 to 1 (Szegedy et al. 2016, section 7).

    Returns:
        (B, K) float32.

    Example:
        >>> one_hot(torch.tensor([1]), 4, smoothing=0.2)
        tensor([[0.0500, 0.8500, 0.0500, 0.0500]])
    """
    share = smoothing / classes
    targets = torch.full((len(labels), classes), share, device=labels.device)
    return targets.scatter_(1, labels[:, None], 1 - smoothing + share)


def balanced(labels: Tensor, classes: int) -> Tensor:
    """Class weights that make every class with images count equally; the mean over the images is 1.

    Args:
        labels: (N,) int64.
        classes: K.

    Returns:
        (K,) float32, n / (classes present * images of the class); 0 for a class without images.

    Example:
        >>> balanced(torch.tensor([0, 0, 0, 1]), 2)
        tensor([0.6667, 2.0000])
    """
    counts = labels.bincount(minlength=classes)
    weights = len(labels) / (counts.count_nonzero() * counts.clamp(min=1))
    return torch.where(counts > 0, weights, 0.0)


def checked(losses: Tensor, count: int) -> Tensor:
    """The losses that a function returned, after a check of their shape.

    Raises:
        ArgumentError: where they are not one number per image.
    """
    if not isinstance(losses, Tensor) or losses.shape != (count,):
        got = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise ArgumentError(
            f"The loss gave {got} for a batch of {count} images; it takes scores and targets, both (B, K), and must "
            f"return each image's loss, ({count},): leave out the mean."
        )
    return losses
