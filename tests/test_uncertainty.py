"""Intervals and tests: held against SciPy, figures computed apart, and simulated worlds."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from firstlight.evaluation.uncertainty import holm, mcnemar, mean_of_shares, mean_of_values, sum_of_gaps, wilson

# The nearest class mean on the validation images of mnist_sample, computed apart with float64 NumPy.
GOLDEN_WILSON = [
    (1343, 2038, 0.6381, 0.6792),
    (1939, 2038, 0.9412, 0.9599),
    (1969, 2038, 0.9574, 0.9732),
    (1963, 2038, 0.9541, 0.9705),
]
GOLDEN_MCNEMAR = [(12, 42, "5.209e-05"), (28, 52, "9.683e-03"), (17, 11, "3.449e-01")]


@pytest.mark.parametrize(("correct", "n", "low", "high"), GOLDEN_WILSON)
def test_wilson_gives_the_known_intervals(correct: int, n: int, low: float, high: float) -> None:
    """The intervals of four classifiers on real digits come out to the digits printed."""
    assert (low, high) == tuple(round(float(end), 4) for end in wilson(correct, n))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 2, 7, 100, 2038, 1_000_000])
def test_wilson_equals_scipy(n: int, level: float) -> None:
    """Every share from none to all has the interval that SciPy gives it."""
    correct = np.unique(np.linspace(0, n, 9).astype(int))
    oracle = [stats.binomtest(int(k), n).proportion_ci(level, method="wilson") for k in correct]
    np.testing.assert_allclose(np.transpose(oracle), wilson(correct, n, level=level), rtol=1e-9, atol=1e-12)


def test_wilson_knows_nothing_without_trials() -> None:
    """No images leave everything open, beside a class that has some."""
    low, high = wilson(np.array([0, 5]), np.array([0, 5]))
    assert (0.0, 1.0) == (low[0], high[0])
    assert (0.5655, 1.0) == (round(float(low[1]), 4), high[1])


def test_wilson_keeps_exact_ends() -> None:
    """None right begins at exactly 0 and all right ends at exactly 1, for every n up to 3000."""
    n = np.arange(1, 3001)
    assert {0.0} == set(wilson(np.zeros_like(n), n)[0].tolist())
    assert {1.0} == set(wilson(n, n)[1].tolist())


@pytest.mark.parametrize(("share", "n"), [(0.5, 40), (0.9, 100), (0.97, 200), (0.3, 2038)])
def test_wilson_covers_the_truth_as_often_as_promised(share: float, n: int) -> None:
    """Of all results that a true share can give, weighed by their chance, 93 to 97 % have it inside."""
    correct = np.arange(n + 1)
    low, high = wilson(correct, n)
    covered = stats.binom.pmf(correct, n, share)[(low <= share) & (share <= high)].sum()
    assert 0.93 <= covered <= 0.97


def test_the_interval_of_a_mean_of_recalls_covers_the_truth() -> None:
    """Of three classes with few images each, in 93 to 98 % of 2,000 simulated evaluations."""
    generator, n, shares = np.random.default_rng(0), np.array([8, 20, 60]), np.array([0.9, 0.7, 0.97])
    ends = np.array([mean_of_shares(one, n) for one in generator.binomial(n, shares, (2000, 3))])
    assert 0.93 <= ((ends[:, 0] <= shares.mean()) & (shares.mean() <= ends[:, 1])).mean() <= 0.98


@pytest.mark.parametrize("n", [40, 400])
def test_the_interval_of_a_skewed_mean_covers_the_truth(n: int) -> None:
    """Losses of a gamma distribution with skewness 2.8: Student's interval covers 90 % at n = 40, this one 93 %."""
    values = np.random.default_rng(1).gamma(0.5, 1.0, (1000, n))
    ends = np.array([mean_of_values(one) for one in values])
    assert 0.925 <= ((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)).mean() <= 0.97


def test_the_interval_of_a_symmetric_mean_is_nearly_students() -> None:
    """Without skewness the transformation changes nothing."""
    values = np.concatenate([np.arange(1, 501), np.arange(1, 501)]) / 500.0
    known = stats.t.interval(0.95, 999, values.mean(), stats.sem(values))
    assert pytest.approx(known, abs=1e-4) == mean_of_values(values)
    assert (0.5, 0.5) == mean_of_values(np.full(9, 0.5))
    assert mean_of_values(np.array([1.0])) is None


@pytest.mark.parametrize("true", [0.0, 0.01, 0.05])
def test_the_interval_of_a_sum_of_gaps_covers_the_truth(true: float) -> None:
    """Ten bins whose gaps are measured with an error of 0.02 each; where all are 0, the sum is not measured as 0."""
    generator, deviations = np.random.default_rng(2), np.full(10, 0.02)
    measured = true + deviations * generator.normal(size=(2000, 10))
    ends = np.array([sum_of_gaps(one, deviations) for one in measured])
    assert 0.95 <= ((ends[:, 0] <= 10 * true) & (10 * true <= ends[:, 1])).mean()


@pytest.mark.parametrize(("only_first", "only_second", "p"), GOLDEN_MCNEMAR)
def test_mcnemar_gives_the_known_p_values(only_first: int, only_second: int, p: str) -> None:
    """The three comparisons of distances on real digits come out to the digits printed."""
    assert p == f"{mcnemar(only_first, only_second):.3e}"


@pytest.mark.slow
def test_mcnemar_equals_scipy_for_all_small_counts() -> None:
    """All pairs of counts up to 40 have the p-value of SciPy's binomial test."""
    pairs = [(first, second) for first in range(41) for second in range(41) if first + second]
    oracle = [stats.binomtest(first, first + second).pvalue for first, second in pairs]
    np.testing.assert_allclose([mcnemar(*pair) for pair in pairs], oracle, rtol=1e-10)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 1074), (0, 5000), (4900, 5300), (499_000, 501_000), (3, 1_000_000)]
)
def test_mcnemar_holds_for_large_counts(only_first: int, only_second: int) -> None:
    """Up to a million disagreements the p-value is SciPy's, down to what a float can hold."""
    oracle = stats.binomtest(only_first, only_first + only_second).pvalue
    np.testing.assert_allclose(mcnemar(only_first, only_second), oracle, rtol=1e-7)


@pytest.mark.parametrize("n", [30, 200, 1001])
def test_mcnemar_cries_wolf_no_more_often_than_promised(n: int) -> None:
    """If both are equally good, p is below 0.05 in at most 5 % of all outcomes, weighed by their chance."""
    first = np.arange(n + 1)
    significant = np.array([mcnemar(int(k), n - int(k)) < 0.05 for k in first])
    assert 0 < stats.binom.pmf(first, n, 0.5)[significant].sum() <= 0.05


def test_holm_gives_the_values_worked_out_by_hand() -> None:
    """0.01 x 4, then 0.02 x 3, 0.03 x 2 held up to it, and 0.04 x 1 held up too, in the order given."""
    np.testing.assert_allclose([0.06, 0.04, 0.06, 0.06], holm([0.03, 0.01, 0.04, 0.02]), rtol=1e-12)


def test_holm_rejects_what_the_step_down_rule_rejects() -> None:
    """Adjusted values below alpha are those that Holm's own step-down procedure rejects one by one."""
    generator = np.random.default_rng(6)
    for _ in range(200):
        p = generator.random(6) ** 4
        rejected = np.zeros(6, bool)
        for step, place in enumerate(np.argsort(p)):
            if p[place] > 0.05 / (6 - step):
                break
            rejected[place] = True
        assert rejected.tolist() == (holm(p) <= 0.05).tolist()


def test_holm_follows_the_order_and_stops_at_one() -> None:
    """Every order of the same values gives the same adjusted values in that order, none above 1."""
    values = (0.001, 0.4, 0.6, 0.7)
    expected = dict(zip(values, holm(values).tolist(), strict=True))
    assert 1.0 == max(expected.values())
    assert all([expected[p] for p in order] == holm(order).tolist() for order in permutations(values))


def test_holm_leaves_a_single_value_and_nothing_alone() -> None:
    """One test needs no correction, and no test gives no value."""
    assert ([0.03], []) == (holm([0.03]).tolist(), holm([]).tolist())
