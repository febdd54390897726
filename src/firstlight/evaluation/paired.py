"""Two classifiers on the same images: an interval of the difference that agrees with McNemar's test, and its power."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from firstlight.evaluation.uncertainty import mcnemar

STEPS = 50  # halvings of [-1, 1], after which 2e-15 are left
POWER = 0.8  # the usual one, Cohen 1988, "Statistical Power Analysis", section 2.4


def tango(only_first: int, only_second: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the difference of two accuracies on the same images.

    It has every difference that the score test with the restricted maximum likelihood estimate does not reject. Its
    coverage is near the level with few images, too, and it has a width where both classifiers agree on every image.
    Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17; recommended by Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33.

    Args:
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.
        n: images in all, at least 1.
        level: how often such intervals contain the true difference.

    Returns:
        Lower and upper end of (first - second), in [-1, 1].

    Example:
        >>> print("{:.4f} {:.4f}".format(*tango(6, 16, 161)))  # Cavo and others 2012, in Fagerland and others 2017
        -0.1240 -0.0054
    """
    return _ends(only_first, only_second, n, NormalDist().inv_cdf((1 + level) / 2))


def paired_interval(only_first: int, only_second: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Tango's interval, which excludes 0 exactly where McNemar's exact p is below ``alpha``.

    Where the exact test and the score test disagree about 0, the limit of the score moves to its value at 0: the
    exact test is the stricter one for a few discordant images, so the interval then grows until it contains 0.

    Args:
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.
        n: images in all, at least 1.
        alpha: 1 minus the level of the interval.

    Returns:
        Lower and upper end of (first - second), in [-1, 1].

    Example:
        >>> print("{:.4f} {:.4f}".format(*paired_interval(6, 16, 161)))  # p = 0.052
        -0.1301 0.0000
        >>> print("{:+.3f} {:+.3f}".format(*paired_interval(0, 0, 30)))
        -0.114 +0.114
    """
    limit = -NormalDist().inv_cdf(alpha / 2)
    discordant = only_first + only_second
    at_zero = abs(only_first - only_second) / math.sqrt(discordant) if discordant else 0.0
    if mcnemar(only_first, only_second) < alpha:
        low, high = _ends(only_first, only_second, n, min(limit, at_zero))
        least = math.ulp(0.0)
        return (max(low, least), high) if only_first > only_second else (low, min(high, -least))
    if at_zero < limit:
        return _ends(only_first, only_second, n, limit)
    low, high = _ends(only_first, only_second, n, at_zero)
    return (0.0, high) if only_first > only_second else (low, 0.0)


def smallest_shown(discordant: int, n: int, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest difference of two accuracies that McNemar's test shows with a given power.

    Solves n d^2 = (z_(1 - alpha/2) sqrt(s) + z_power sqrt(s - d^2))^2 for the difference d, where s is the share of
    discordant images (Miettinen 1968; Connor 1987, "Sample size for testing differences in proportions for the
    paired-sample design", Biometrics 43), with the share that was observed, or d where that is larger. The exact test
    needs about one image more, since it is stricter than the formula's.

    Args:
        discordant: images that exactly one of the two gets right.
        n: images in all, at least 1.
        alpha: the level of the test.
        power: how often such a difference is to be shown.

    Returns:
        The difference, in (0, 1]; 1 where even that would not be shown.

    Example:
        >>> print(f"{smallest_shown(28, 2038):.4f} {smallest_shown(28, 69):.3f}")
        0.0073 0.211
    """
    needed, strength = -NormalDist().inv_cdf(alpha / 2), NormalDist().inv_cdf(power)

    def shown(difference: float) -> bool:
        share = max(discordant / n, difference)
        deviation = needed * math.sqrt(share) + strength * math.sqrt(share - difference**2)
        return math.sqrt(n) * difference >= deviation

    return _first(shown, 0.0, 1.0)


def _ends(b: int, c: int, n: int, limit: float) -> tuple[float, float]:
    """Where the score, which falls with the difference, is ``limit`` and -``limit``."""
    estimate = (b - c) / n
    low = _first(lambda difference: _score(b, c, n, difference) <= limit, -1.0, estimate)
    high = -_first(lambda difference: _score(c, b, n, difference) <= limit, -1.0, -estimate)
    return low, high


def _score(b: int, c: int, n: int, difference: float) -> float:
    """Tango's z of a difference: equation 3 with the restricted estimate of the share of c, its equation 4."""
    linear = (2 * n - b + c) * difference - b - c
    constant = -c * difference * (1 - difference)
    share = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    gap = b - c - n * difference
    if variance <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(variance)


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The smallest number of [low, high] for which a statement holds that holds for all larger ones; else ``high``."""
    if holds(low):
        return low
    for _ in range(STEPS):
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
