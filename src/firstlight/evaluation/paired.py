"""Two classifiers on the same images: an interval of the difference that agrees with McNemar's test, and its power."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from firstlight.evaluation.uncertainty import mcnemar

STEPS = 50  # halvings of [-1, 1], after which 2e-15 are left
POWER = 0.8  # the usual one, Cohen 1988, "Statistical Power Analysis", section 2.4
ENUMERATED = 200  # images up to which the power is the sum over all tables


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


def images_needed(difference: float, discordant: int, n: int, *, alpha: float = 0.05, power: float = POWER) -> int:
    """About how many images would show a difference by McNemar's test, if as many of them were discordant.

    Args:
        difference: of two accuracies, not 0.
        discordant: images among ``n`` that exactly one of the two gets right, at least ``|difference| * n``.
        n: the images of which this was seen.
        alpha: the level of the test.
        power: how often such a difference is to be shown.

    Returns:
        The count by Connor's formula, see `smallest_shown`, rounded up to two digits.

    Example:
        >>> images_needed(0.1, 20, 100)
        160
    """
    needed, strength = -NormalDist().inv_cdf(alpha / 2), NormalDist().inv_cdf(power)
    share = max(discordant / n, abs(difference))
    exact = ((needed * math.sqrt(share) + strength * math.sqrt(share - difference**2)) / difference) ** 2
    digit = 10 ** max(math.floor(math.log10(exact)) - 1, 0)
    return math.ceil(exact / digit) * digit


@lru_cache(maxsize=1024)  # a ladder asks again and again for the same few
def smallest_shown(discordant: int, n: int, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest difference of two accuracies that McNemar's test shows with a given power.

    The share s of discordant images is the one that was observed, or the difference d where that is larger. Up to 200
    images the power of the exact test is added up over all tables. Beyond, d solves n d^2 = (z_(1 - alpha/2) sqrt(s) +
    z_power sqrt(s - d^2))^2 (Miettinen 1968; Connor 1987, "Sample size for testing differences in proportions for the
    paired-sample design", Biometrics 43), which is wrong for few images: five never have an exact p below 0.05.

    Args:
        discordant: images that exactly one of the two gets right.
        n: images in all, at least 1.
        alpha: the level of the test.
        power: how often such a difference is to be shown.

    Returns:
        The difference, in (0, 1]; 1 where even that would not be shown.

    Example:
        >>> print(f"{smallest_shown(28, 2038):.4f} {smallest_shown(28, 69):.3f} {smallest_shown(0, 5):.0f}")
        0.0073 0.221 1
    """
    needed, strength = -NormalDist().inv_cdf(alpha / 2), NormalDist().inv_cdf(power)
    tables = _Rejected(n, alpha) if n <= ENUMERATED else None

    def shown(difference: float) -> bool:
        share = max(discordant / n, difference)
        if difference <= 0:
            return False
        if tables is not None:
            return tables.probability(share, difference) >= power
        deviation = needed * math.sqrt(share) + strength * math.sqrt(share - difference**2)
        return math.sqrt(n) * difference >= deviation

    return _first(shown, 0.0, 1.0)


class _Rejected:
    """The tables of n images in which McNemar's exact test rejects that both are equally accurate."""

    def __init__(self, n: int, alpha: float) -> None:
        logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # of the factorials
        both = np.arange(n + 1)
        discordant, first = (each.ravel() for each in np.meshgrid(both, both, indexing="ij"))
        inside = first <= discordant
        discordant, first = discordant[inside], first[inside]
        chance = np.zeros((n + 1, n + 1))
        fair = logs[discordant] - logs[first] - logs[discordant - first] - discordant * math.log(2)
        chance[discordant, first] = np.exp(fair)
        p = 2 * np.cumsum(chance, axis=1)[discordant, np.minimum(first, discordant - first)]
        found = p < alpha
        self.n, self.first, self.other = n, first[found], (discordant - first)[found]
        self.log_counts = logs[n] - logs[self.first] - logs[self.other] - logs[n - self.first - self.other]

    def probability(self, share: float, difference: float) -> float:
        """How often such a table comes, if so many images are discordant and the accuracies differ by so much."""
        cells = ((share + difference) / 2, (share - difference) / 2, 1 - share)
        powers = [
            np.concatenate([[0.0], np.arange(1, self.n + 1) * (math.log(cell) if cell > 0 else -math.inf)])
            for cell in cells
        ]
        counts = (self.first, self.other, self.n - self.first - self.other)
        terms = sum((power[count] for power, count in zip(powers, counts, strict=True)), self.log_counts)
        return float(np.exp(terms).sum())


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
