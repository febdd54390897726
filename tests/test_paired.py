"""The interval of a difference on the same images: published figures, SciPy's optimizer, and McNemar's test."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from firstlight.evaluation.compare import Counts, compare_all, corrected
from firstlight.evaluation.comparison import ALPHA
from firstlight.evaluation.paired import images_needed, paired_interval, smallest_shown, tango
from ladders import rung

# (only first, only second, n, level, low, high). The first two are Bentur and others 2009 and Cavo and others 2012, as
# Fagerland, Lydersen and Laake print them in "Statistical Analysis of Contingency Tables", 2017, chapter 8, and their R
# package contingencytables tests them; the third is what scoreci.mp(25, 28, 618) of the R package PropCIs gives.
PUBLISHED = [
    (1, 7, 21, 0.95, -0.517, -0.026),
    (6, 16, 161, 0.95, -0.1240, -0.0054),
    (28, 25, 618, 0.90, -0.0148, 0.0247),
]


def tables(n: int) -> list[tuple[int, int]]:
    """Every pair of discordant counts among n images."""
    return [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]


def score_by_optimizer(b: int, c: int, n: int, difference: float) -> float:
    """Tango's z with the nuisance share found by SciPy's bounded search instead of the formula."""

    def surprise(q: float) -> float:
        rest = 1 - 2 * q - difference
        return -float(
            sum(k * math.log(max(p, 1e-300)) for k, p in ((b, q + difference), (c, q), (n - b - c, rest)) if k)
        )

    low, high = max(0.0, -difference), (1 - difference) / 2
    q = optimize.minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (b - c - n * difference) / math.sqrt(n * (2 * q + difference - difference**2))


@pytest.mark.parametrize(("b", "c", "n", "level", "low", "high"), PUBLISHED)
def test_tango_gives_the_published_intervals(b: int, c: int, n: int, level: float, low: float, high: float) -> None:
    """Two examples of a textbook and one of an R package come out to the digits printed."""
    assert pytest.approx((low, high), abs=6e-4 if n == 21 else 6e-5) == tango(b, c, n, level=level)


@pytest.mark.parametrize(("b", "c", "n"), [(5, 1, 30), (12, 42, 2038), (3, 0, 40), (20, 20, 100), (700, 110, 2038)])
def test_the_score_at_tangos_ends_is_the_normal_quantile(b: int, c: int, n: int) -> None:
    """With the likelihood maximized by SciPy, the score is 1.96 at the lower end and -1.96 at the upper one."""
    low, high = tango(b, c, n)
    found = (score_by_optimizer(b, c, n, low), score_by_optimizer(b, c, n, high))
    assert pytest.approx((1.95996, -1.95996), abs=2e-3) == found


@pytest.mark.slow
def test_interval_and_p_never_contradict_in_any_table_up_to_40_images() -> None:
    """At 5 % and at 5 % of 28 comparisons 0 is outside exactly where SciPy's binomial p is below the level."""
    found, expected = [], []
    p_of = {(b, c): stats.binomtest(b, b + c).pvalue if b + c else 1.0 for b, c in tables(40)}
    for n, alpha in [*product(range(1, 41), [ALPHA]), *product((12, 25, 40), [ALPHA / 28])]:
        for b, c in tables(n):
            low, high = paired_interval(b, c, n, alpha=alpha)
            assert -1 <= low <= (b - c) / n <= high <= 1
            assert low < high
            found.append(low > 0 or high < 0)
            expected.append(p_of[b, c] < alpha)
    assert expected == found


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=2, max_size=6)
    )
)
def test_no_comparison_of_a_ladder_contradicts_itself(right: list[list[bool]]) -> None:
    """Corrected p, interval and verdict of every pair say the same, and the point estimate is inside."""
    rungs = [rung(f"rung-{place}", np.array(each)) for place, each in enumerate(right)]
    for one in compare_all(rungs):
        low, high = one.interval
        assert (one.p < ALPHA) == (low > 0 or high < 0) == (one.verdict != "no difference shown")
        assert low <= one.difference <= high


def test_where_the_score_test_is_more_lenient_the_interval_reaches_zero() -> None:
    """5 : 0 of 30 and 6 : 16 of 161 have p of 0.062 and 0.052; the ends move to 0, the other ends outwards."""
    for b, c, n in ((5, 0, 30), (6, 16, 161)):
        low, high = paired_interval(b, c, n)
        plain = tango(b, c, n)
        assert 0 in (low, high)
        assert low <= plain[0] and plain[1] <= high


def test_no_disagreement_still_has_a_width() -> None:
    """0 : 0 of 30 does not show that two classifiers are equal: the 2.5 % limit of the score is z^2 / (n + z^2)."""
    z2 = stats.norm.isf(0.025) ** 2
    assert pytest.approx((-z2 / (30 + z2), z2 / (30 + z2)), abs=1e-9) == paired_interval(0, 0, 30)


@pytest.mark.parametrize("counts", [(3, 9, 30), (0, 4, 12), (40, 12, 2038)])
def test_swapping_mirrors_the_interval(counts: tuple[int, int, int]) -> None:
    """The second classifier compared with the first has the negative ends."""
    b, c, n = counts
    low, high = paired_interval(b, c, n)
    assert (-high, -low) == paired_interval(c, b, n)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "gain", "loss"), [(30, 0.2, 0.2), (60, 0.15, 0.05), (200, 0.03, 0.01)])
def test_the_interval_covers_the_truth_at_least_nearly_as_often_as_promised(n: int, gain: float, loss: float) -> None:
    """Of all tables of a true pair of shares, weighed by their chance, at least 93.5 % have the difference inside."""
    covered = 0.0
    for b, c in tables(n):
        chance = stats.multinomial.pmf([b, c, n - b - c], n, [gain, loss, 1 - gain - loss]) if b + c < 60 else 0.0
        if chance > 1e-7:
            low, high = paired_interval(b, c, n)
            covered += chance * (low <= gain - loss <= high)
    assert covered >= 0.935


def power_by_enumeration(n: int, share: float, difference: float, alpha: float) -> float:
    """How often the exact test shows a difference: the sum over all tables, by SciPy."""
    power = 0.0
    for m in range(n + 1):
        weight = stats.binom.pmf(m, n, share)
        if weight > 1e-12:
            k = np.arange(m + 1)
            p = 2 * stats.binom.cdf(np.minimum(k, m - k), m, 0.5)
            power += weight * stats.binom.pmf(k, m, (1 + difference / share) / 2)[p < alpha].sum()
    return power


@pytest.mark.slow
@pytest.mark.parametrize(("n", "discordant"), [(357, 40), (2038, 60)])
@pytest.mark.parametrize("alpha", [ALPHA, ALPHA / 28])
def test_the_smallest_difference_shown_has_about_the_power(n: int, discordant: int, alpha: float) -> None:
    """The exact power at the difference that the formula gives is 75 to 85 %."""
    difference = smallest_shown(discordant, n, alpha=alpha)
    assert 0.75 <= power_by_enumeration(n, max(discordant / n, difference), difference, alpha) <= 0.85


@pytest.mark.parametrize("n", [1, 5, 6, 10, 19, 40, 69])
@pytest.mark.parametrize("alpha", [ALPHA, ALPHA / 28])
def test_few_images_show_exactly_the_difference_that_is_said(n: int, alpha: float) -> None:
    """The exact power reaches 80 % at that difference and not below; where it never does, the difference is 1."""
    for discordant in (0, 1, n // 3):
        difference = smallest_shown(discordant, n, alpha=alpha)
        shown = power_by_enumeration(n, max(discordant / n, difference), difference, alpha)
        assert shown == pytest.approx(0.8, abs=1e-6) or (difference == 1 and shown < 0.8)


def test_more_images_show_smaller_differences() -> None:
    """With the same share of discordant images ten times as many show a third of the difference, about."""
    found = [smallest_shown(n // 10, n) for n in (100, 1000, 10_000)]
    assert pytest.approx([math.sqrt(10)] * 2, rel=0.03) == [found[0] / found[1], found[1] / found[2]]
    assert 1.0 == smallest_shown(1, 1)


def test_each_pair_has_the_level_of_its_step_in_holms_method() -> None:
    """Of three pairs the smallest p is multiplied by 3 and has the level 1 - 0.05 / 3."""
    rows = corrected([Counts("a", "b", 100, 12, 2), Counts("c", "b", 100, 9, 5), Counts("c", "a", 100, 30, 4)])
    raw = [stats.binomtest(b, b + c).pvalue for b, c in ((12, 2), (9, 5), (30, 4))]
    assert pytest.approx([2 * raw[0], raw[1], 3 * raw[2]]) == [row.p for row in rows]
    assert pytest.approx([1 - 0.05 / 2, 0.95, 1 - 0.05 / 3]) == [row.level for row in rows]
    assert {3} == {row.pairs for row in rows}


@pytest.mark.parametrize(("difference", "discordant", "n"), [(0.1, 20, 100), (0.03, 40, 500), (-0.02, 30, 60)])
def test_so_many_images_show_the_difference(difference: float, discordant: int, n: int) -> None:
    """`smallest_shown` of that many is the difference, to within the rounding."""
    count = images_needed(difference, discordant, n)
    assert smallest_shown(round(discordant / n * count), count) == pytest.approx(abs(difference), rel=0.07)
