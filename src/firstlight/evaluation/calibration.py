"""The temperature that turns scores into probabilities, and temperatures fitted without the image that they scale."""

from __future__ import annotations

import numpy as np

STEPS = 50  # Newton's method needs about eight; bisection, its fallback, halves the bracket at each step
SOFTEST, SHARPEST = 1e-6, 1e9  # bounds of 1 / temperature: from scores without information to scores without errors


def fit_temperature(scores: np.ndarray, labels: np.ndarray, *, smoothed: bool = False) -> float:
    """The temperature T for which softmax(scores / T) gives the labels the highest likelihood.

    It is one number for all classes, so no prediction changes (Guo et al. 2017, "On Calibration of Modern Neural
    Networks", section 4.2). The loss is convex in b = 1 / T with derivative E[sum_k p_k s_k - s_label], whose root is
    found by Newton's method inside a bracket. If every image is right, the likelihood has no maximum; then one more
    image with equal probabilities is assumed (Laplace's rule of succession).

    Args:
        scores: (N, K) float64 of held-out images, higher is better.
        labels: (N,) integers in 0..K-1.
        smoothed: assume the one more image always: of few images a single error may be too narrow to count.

    Returns:
        T > 0; 1.0 if there are no held-out images.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
        >>> round(2 / fit_temperature(scores, np.array([0, 0, 0, 1])), 6)  # log odds of 3 to 1
        1.098612
        >>> float(round(1 / (1 + np.exp(-2 / fit_temperature(scores, np.zeros(4, int)))), 6))  # (4 + 1/2) / 5
        0.9
    """
    if not len(labels):
        return 1.0
    shifted = scores - scores.max(axis=1, keepdims=True)  # (N, K), so that exp cannot overflow
    mine = shifted[np.arange(len(labels)), labels].mean()
    if smoothed or mine == 0:  # every image is right
        mine = (mine * len(labels) + shifted.mean()) / (len(labels) + 1)
    low, high, beta = SOFTEST, SHARPEST, 1 / max(float(shifted.std()), 1e-9)
    for _ in range(STEPS):
        weights = np.exp(beta * shifted)
        weights /= weights.sum(axis=1, keepdims=True)
        expected = (weights * shifted).sum(axis=1)
        slope = expected.mean() - mine  # derivative of the loss by beta
        low, high = (low, beta) if slope > 0 else (beta, high)
        curvature = ((weights * shifted**2).sum(axis=1) - expected**2).mean()
        newton = beta - slope / curvature if curvature > 0 else np.inf
        following = newton if low < newton < high else float(np.sqrt(low * high))
        if abs(following - beta) <= 1e-9 * beta:
            break
        beta = following
    return 1 / float(beta)


def crossfit_temperatures(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each image a temperature that was fitted on the half of the images that it is not in.

    Where a model's temperature was fitted on the very images that are measured, log loss and calibration error of its
    probabilities are too low. With these temperatures every image is measured by one that has not seen it
    (cross-fitting in two halves, stratified by class).

    Args:
        scores: (N, K) float64, higher is better.
        labels: (N,) integers in 0..K-1, or -1 where the class is not known: no temperature is fitted on these.

    Returns:
        (N,) float64; 1 where the other half has no labelled image.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[2.0, 0.0]] * 8)
        >>> labels = np.array([0, 0, 0, 0, 0, 0, 1, 0])  # the error is the first image of its class
        >>> sure, unsure = np.exp(scores[:2] / crossfit_temperatures(scores, labels)[:2, None])[:, 0]
        >>> bool(sure > unsure)  # the second image's temperature has seen the error
        True
    """
    order = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    place = np.empty(len(labels), np.int64)  # the number of an image within its class
    place[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    known, temperatures = labels >= 0, np.ones(len(labels))
    for half in (0, 1):
        other = known & (place % 2 != half)
        temperatures[place % 2 == half] = fit_temperature(scores[other], labels[other])
    return temperatures
