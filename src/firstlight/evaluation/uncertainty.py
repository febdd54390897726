"""Uncertainty of numbers: Wilson's interval and others, the exact McNemar test, Holm's correction; arrays in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def wilson(correct: int | np.ndarray, n: int | np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval for a share such as an accuracy.

    Its coverage is right for small n and near 0 and 1, where that of the textbook's p +- 1.96 s is not.
    Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Args:
        correct: successes, 0..n; a number or an array.
        n: trials; 0 gives (0, 1), since nothing is known.
        level: how often such intervals contain the true share.

    Returns:
        Lower and upper end, float64 in [0, 1], of the shape of the arguments.

    Example:
        >>> low, high = wilson(1939, 2038)
        >>> print(f"{low:.4f} {high:.4f}")
        0.9412 0.9599
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    n = np.asarray(n, np.float64)
    trials = np.maximum(n, 1)
    share = np.asarray(correct, np.float64) / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # An end that is 0 or 1 exactly comes out with a rounding error.
    low = np.where((n == 0) | (share == 0), 0.0, np.maximum(centre - half, 0))
    high = np.where((n == 0) | (share == 1), 1.0, np.minimum(centre + half, 1))
    return low, high


def mean_of_shares(correct: np.ndarray, n: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """The interval of the mean of several shares, such as the recalls of all classes.

    Recovers the variances at the ends from Wilson's intervals of the shares: Zou, Huang and Zhang 2009, "A note on
    confidence interval estimation for a linear function of binomial proportions", equation 4.

    Args:
        correct: (K,) successes of each share.
        n: (K,) trials of each, at least 1.
        level: how often such intervals contain the true mean.

    Returns:
        Lower and upper end, in [0, 1].

    Example:
        >>> low, high = mean_of_shares(np.array([9, 40]), np.array([10, 50]))
        >>> print(f"{low:.3f} {high:.3f}")
        0.685 0.910
    """
    share, (low, high) = correct / n, wilson(correct, n, level=level)
    mean, k = float(share.mean()), len(share)
    below, above = (math.sqrt(((end - share) ** 2).sum()) / k for end in (low, high))
    return max(mean - below, 0.0), min(mean + above, 1.0)


def mean_of_values(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float] | None:
    """The interval of the mean of a skewed quantity that is not negative, such as the losses of images.

    Hall 1992, "On the removal of skewness by transformation", section 2: the studentized mean becomes nearly normal.
    With few values the plain interval of a skewed mean misses the truth far more often than it promises.

    Args:
        values: (N,) at least 0.
        level: how often such intervals contain the true mean.

    Returns:
        Lower and upper end; None for fewer than two values, or where one is infinite. Without width where all values
        are equal.

    Example:
        >>> low, high = mean_of_values(np.array([0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 2.0]))
        >>> print(f"{low:.3f} {high:.3f}")
        0.056 2.375
    """
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return None
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if not deviation:
        return mean, mean
    skewness = float(((values - mean) ** 3).mean()) / float(values.std()) ** 3
    t = NormalDist().inv_cdf((1 + level) / 2) / math.sqrt(n)
    low, high = (mean - deviation * _unskewed(end - skewness / (6 * n), skewness) for end in (t, -t))
    return max(low, 0.0), high


def _unskewed(shift: float, skewness: float) -> float:
    """The root w of w + g w^2 / 3 + g^2 w^3 / 27 = shift, Hall's transformation, which is a cube."""
    if abs(skewness) < 1e-6:
        return shift
    return float(3 / skewness * (np.cbrt(1 + skewness * shift) - 1))


def sum_of_gaps(gaps: np.ndarray, deviations: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """The interval of a sum of absolute gaps that were each measured with an error, such as a calibration error.

    The measured sum is too large on average, since errors do not cancel; where all true gaps are 0 it is the sum of
    the absolute errors. It exceeds the true sum by at most that, whose mean and variance for normal errors are
    sqrt(2 / pi) and 1 - 2 / pi times the sums of the deviations and of their squares: so far reaches the interval
    below. Above, it reaches as far as for gaps that keep their sign.

    Args:
        gaps: (B,) measured.
        deviations: (B,) their standard deviations.
        level: how often such intervals contain the true sum, at least about.

    Returns:
        Lower and upper end, at least 0.

    Example:
        >>> low, high = sum_of_gaps(np.array([0.02, -0.01]), np.array([0.01, 0.01]))
        >>> print(f"{low:.3f} {high:.3f}")
        0.000 0.058
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    total, root = float(np.abs(gaps).sum()), math.sqrt((deviations**2).sum())
    noise = math.sqrt(2 / math.pi) * float(deviations.sum()) + z * math.sqrt(1 - 2 / math.pi) * root
    return max(total - noise, 0.0), total + z * root


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test: are two classifiers equally accurate?

    Only images count that exactly one of them gets right; if both are equally accurate, either one is right with
    probability 1/2. McNemar 1947; exact form: the binomial test.

    Args:
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.

    Returns:
        p in [0, 1]; 0 where it is smaller than the smallest float64.

    Example:
        >>> print(f"{mcnemar(12, 42):.3e}")
        5.209e-05
    """
    fewer, n = min(only_first, only_second), only_first + only_second
    # log C(n, i) for i = 0..fewer as a running sum of log((n - i + 1) / i); n may be in the millions
    i = np.arange(1, fewer + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - i + 1) / i))]) - n * np.log(2)
    top = logs.max()
    return float(min(1.0, 2 * np.exp(top) * np.exp(logs - top).sum()))


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's correction for several tests: reject where the adjusted p is below alpha.

    Holm 1979, "A simple sequentially rejective multiple test procedure".

    Args:
        p_values: (M,) in [0, 1].

    Returns:
        (M,) float64, adjusted, in the order given.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    return np.minimum(np.asarray(p_values, np.float64) * holm_factors(p_values), 1)


def holm_factors(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """What Holm's correction multiplies each p-value with; so each has its own level, alpha divided by this.

    Args:
        p_values: (M,) in [0, 1].

    Returns:
        (M,) float64 in [1, M], in the order given.

    Example:
        >>> holm_factors([0.01, 0.04, 0.03]).tolist()
        [3.0, 1.5, 2.0]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1, dtype=np.float64)
    stepped = np.maximum.accumulate(p[order] * steps)
    factors = np.empty_like(p)
    factors[order] = np.divide(stepped, p[order], out=steps, where=p[order] > 0)
    return factors
