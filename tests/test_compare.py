"""`compare()` and `advise()`: paired, aligned by key, corrected for their number, and told in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_digits
from statsmodels.stats.multitest import multipletests

from firstlight.errors import ArgumentError
from firstlight.evaluation.advice import Advice, advise
from firstlight.evaluation.compare import compare
from firstlight.evaluation.comparison import Comparisons
from firstlight.evaluation.predictions import Predictions
from ladders import ladder, pair, rung


@dataclass(frozen=True)
class Rung:
    """As much of a run's rung as a comparison needs."""

    predictions: Predictions


@pytest.mark.parametrize(
    ("only_first", "only_second", "p", "verdict"),
    [
        (12, 42, "5.209e-05", "better"),
        (28, 52, "9.683e-03", "better"),
        (17, 11, "3.449e-01", "no difference shown"),
        (42, 12, "5.209e-05", "worse"),
        (0, 0, "1.000e+00", "no difference shown"),
    ],
)
def test_a_comparison_gives_the_known_figures(only_first: int, only_second: int, p: str, verdict: str) -> None:
    """The counts of real digits under three distances, as computed apart, give their p-value and verdict."""
    first, second = pair(only_first, only_second, 2038)
    found = compare(second, against=first)
    assert (only_second, only_first, 2038) == (found.only_this, found.only_other, found.n)
    assert (p, verdict) == (f"{found.p:.3e}", found.verdict)
    assert (only_second - only_first) / 2038 == found.difference
    assert found.interval[0] <= found.difference <= found.interval[1]


def test_the_difference_is_that_of_the_accuracies() -> None:
    """On noisy rungs the paired counts add up to what each accuracy says alone."""
    _, low, high = ladder(0.5, 0.7, 0.8)
    found = compare(high, against=low)
    assert pytest.approx(high.correct.mean() - low.correct.mean(), abs=1e-12) == found.difference


def test_swapping_turns_the_sign_and_nothing_else() -> None:
    """The p-value is the same to the last bit, the difference and the interval are mirrored."""
    first, second = pair(30, 60, 1000)
    assert compare(first, against=second) == compare(second, against=first).mirrored


def test_images_are_matched_by_their_keys() -> None:
    """Rows in another order give the same comparison to the last bit."""
    first, second = pair(30, 60, 1000)
    shuffled = second.select(np.random.default_rng(0).permutation(1000))
    assert compare(first, against=second) == compare(first, against=shuffled)


def test_a_pair_has_one_p_whatever_the_run_is_compared_with() -> None:
    """Seen from either rung, p, level and counts are the same; all pairs of the run are corrected together."""
    run = [Rung(one) for one in ladder(0.5, 0.7, 0.72, 0.74, n=300)]
    found = {}
    for one in run:
        for row in compare(run, against=one.predictions.name).rows:
            key = frozenset((row.name, row.against))
            figures = (row.p, row.level, row.pairs, frozenset((row.only_this, row.only_other)), row.smallest_shown)
            assert found.setdefault(key, figures) == figures
    assert 6 == len(found)
    raw = [stats.binomtest(*counts_of(a.predictions, b.predictions)).pvalue for a, b in combinations(run, 2)]
    adjusted = multipletests(raw, method="holm")[1]
    names = [frozenset((a.predictions.name, b.predictions.name)) for a, b in combinations(run, 2)]
    assert pytest.approx(dict(zip(names, adjusted, strict=True))) == {key: one[0] for key, one in found.items()}
    for row in advise_on(run).comparisons:
        assert row.p == found[frozenset((row.name, row.against))][0]


def counts_of(first: Predictions, other: Predictions) -> tuple[int, int]:
    """The images that only the first gets right, and all that exactly one gets right."""
    only_first = int((first.correct & ~other.correct).sum())
    return only_first, int((first.correct != other.correct).sum())


def advise_on(run: list[Rung]) -> Advice:
    """The advice on a run."""
    return advise([one.predictions for one in run])


@pytest.mark.parametrize(
    "forged", [{"n": 0}, {"only_this": -1}, {"only_this": 99}, {"p": 2.0}, {"level": 1.0}, {"pairs": 0}]
)
def test_a_comparison_of_impossible_figures_is_refused(forged: dict[str, float]) -> None:
    """As a forged run folder could hold them."""
    first, second = pair(3, 6, 100)
    with pytest.raises(ArgumentError, match="l2"):
        replace(compare(first, against=second), **forged)


@pytest.mark.parametrize("what", ["key", "label", "count", "class"])
def test_other_images_labels_or_classes_are_refused(what: str) -> None:
    """What was not measured on the same images cannot be paired, and both names are told."""
    first, second = pair(3, 6, 100)
    if what == "key":
        second = replace(second, keys=["other.png", *second.keys.to_pylist()[1:]])
    if what == "label":
        second = replace(second, labels=np.where(np.arange(100) == 5, 0, second.labels))
    if what == "count":
        second = second.select(np.arange(99))
    if what == "class":
        second = replace(second, classes=("3", "8"))
    with pytest.raises(ArgumentError, match="l1 and l2"):
        compare(first, against=second)


def test_no_image_is_reported() -> None:
    """There is nothing to compare on an empty selection."""
    first, second = (one.select(np.zeros(100, bool)) for one in pair(3, 6, 100))
    with pytest.raises(ArgumentError, match="l1"):
        compare(first, against=second)


def test_rungs_stand_for_their_predictions() -> None:
    """What holds predictions is compared as they are."""
    first, second = pair(12, 42, 2038)
    assert compare(second, against=first) == compare(Rung(second), against=Rung(first))


def test_a_run_is_compared_with_the_best_of_a_family() -> None:
    """``"centroid"`` is the centroid rung that is right most often, and the rest stands beside it."""
    _, low, high, other = ladder(0.5, 0.7, 0.8, 0.6)
    run = [Rung(replace(one, name=name)) for one, name in ((low, "centroid-l1"), (high, "centroid-l2"), (other, "ink"))]
    found = compare(run, against="centroid")
    assert isinstance(found, Comparisons)
    assert ("centroid-l2", ["centroid-l1", "ink"]) == (found.against, [row.name for row in found.rows])
    assert {"centroid-l2"} == {row.against for row in found.rows}


@pytest.mark.parametrize("against", ["cnn", "", "centroid-l1-"])
def test_a_rung_that_is_not_there_is_reported_with_those_that_are(against: str) -> None:
    """The sentence lists the names to choose from."""
    with pytest.raises(ArgumentError, match="prior, rung-1"):
        compare([Rung(one) for one in ladder(0.5, 0.8)], against=against)


def test_a_name_needs_a_run_and_a_run_needs_a_name() -> None:
    """Neither predictions against a name nor a run against predictions can be paired."""
    first, second = pair(3, 6, 100)
    with pytest.raises(ArgumentError, match="l2"):
        compare(first, against="l2")
    with pytest.raises(ArgumentError, match="name"):
        compare([Rung(first), Rung(second)], against=second)


def test_two_runs_are_compared_rung_by_rung() -> None:
    """Each rung with the one of its name in the other run, as the pair alone, p corrected; the others are left out."""
    first, second = pair(12, 42, 2038)
    run = [Rung(replace(second, name="l2")), Rung(first)]
    other = [Rung(replace(first, name="l2")), Rung(first), Rung(rung("cosine", np.ones(2038, bool)))]
    found = compare(run, against=other)
    assert isinstance(found, Comparisons)
    assert [("l2", 42, 12), ("l1", 0, 0)] == [(row.name, row.only_this, row.only_other) for row in found.rows]
    assert found.rows[0].p == pytest.approx(2 * compare(second, against=first).p)
    with pytest.raises(ArgumentError, match="cosine"):
        compare(run, against=other[2:])


def test_advice_where_every_image_is_right_asks_for_no_further_rung() -> None:
    """There is nothing left to gain on these images."""
    found = advise([rung("prior", np.arange(100) < 50), rung("cnn", np.ones(100, bool))])
    assert "no mistake" in found.sentence


def test_everything_has_strict_json() -> None:
    """Comparison, comparisons and advice are plain values all through."""
    rungs = ladder(0.5, 0.7, 0.72)
    values = (compare(rungs[1], against=rungs[0]), compare(map(Rung, rungs), against="prior"), advise(rungs))
    for value in values:
        assert value.to_dict() == json.loads(json.dumps(value.to_dict(), allow_nan=False))


def test_the_table_is_aligned_and_names_its_test() -> None:
    """Each rung has a line, and differences stand under each other."""
    text = str(compare(map(Rung, ladder(0.5, 0.7, 0.72)), against="prior"))
    head, counts, _, names, *lines = text.splitlines()
    assert "prior" in head and "McNemar" in head and "Holm" in head
    assert "a : b" in counts and "a : b" in names
    assert ["rung-1", "rung-2"] == [line.split()[0] for line in lines]
    assert 1 == len({line.index("+") for line in lines})


def test_the_frame_has_a_row_a_comparison() -> None:
    """A run compared has a table of its rungs."""
    frame = compare(map(Rung, ladder(0.5, 0.7, 0.72)), against="prior").frame()
    assert ["rung-1", "rung-2"] == frame["name"].tolist()
    assert {"difference", "only_this", "only_other", "p", "verdict"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((0.5, 0.8, 0.8), "rung-1"),
        ((0.5, 0.6, 0.9), "rung-2"),
        ((0.5, 0.8, 0.6), "rung-1"),
        ((0.5, 0.5, 0.5), "prior"),
        ((0.5, 0.5, 0.9), "rung-2"),
        ((0.5,), "prior"),
    ],
)
def test_the_advice_is_the_simplest_rung_that_no_later_one_beats(accuracies: tuple[float, ...], expected: str) -> None:
    """Gains that are shown are taken, gains that are not shown and losses are left."""
    assert expected == advise(ladder(*accuracies)).rung


@pytest.mark.slow
def test_the_advice_follows_a_plain_search() -> None:
    """On 60 random ladders it is what SciPy's binomial test and statsmodels' Holm, searched by hand, give."""
    generator = np.random.default_rng(7)
    guessed = 0
    for seed in range(60):
        rungs = ladder(*np.sort(generator.uniform(0.5, 0.9, 4)), n=400, seed=seed)
        places = list(combinations(range(4), 2))
        p = [stats.binomtest(*counts_of(rungs[b], rungs[a])).pvalue for a, b in places]
        right = [int(one.correct.sum()) for one in rungs]
        adjusted = dict(zip(places, multipletests(p, method="holm")[1], strict=True))
        beaten = [any(adjusted[a, b] < 0.05 and right[b] > right[a] for b in range(a + 1, 4)) for a in range(4)]
        stop = next(a for a in range(4) if not beaten[a] and right[a] == max(right[: a + 1]))
        close = [a for a in range(stop, 4) if max(right) - right[a] < 4 and not beaten[a]]
        found = advise(rungs)
        assert (rungs[close[0]].name, close[0] == stop) == (found.rung, found.enough)
        guessed += not found.enough
    assert 2 < guessed < 58


def test_few_images_are_no_reason_to_stop() -> None:
    """Ants and bees: 69 images on which the last rung is 12 points ahead, which is not shown; it is the best guess."""
    right = [np.arange(69) < 35, np.arange(69) < 38, (np.arange(69) >= 7) & (np.arange(69) < 54)]
    rungs = [rung(name, each) for name, each in zip(("prior", "ink", "cnn"), right, strict=True)]
    found = advise(rungs)
    assert ("cnn", False) == (found.rung, found.enough)
    assert "Stop" not in found.sentence
    pair = next(row for row in found.comparisons if row.name == "prior")
    assert found.smallest_shown == pair.smallest_shown
    assert f"{found.smallest_shown:.3f}" in found.sentence and "best guess" in found.sentence
    assert "beat always guessing" in found.sentence


def test_the_same_differences_on_more_images_are_shown() -> None:
    """Thirty times as many images of the same kind advise the same rung, and no guess is needed."""
    right = [np.arange(69) < 35, np.arange(69) < 38, (np.arange(69) >= 7) & (np.arange(69) < 54)]
    rungs = [rung(name, np.tile(each, 30)) for name, each in zip(("prior", "ink", "cnn"), right, strict=True)]
    found = advise(rungs)
    assert ("cnn", True) == (found.rung, found.enough)
    assert "beats every simpler one" in found.sentence
    assert found.smallest_shown is not None and found.smallest_shown < 0.05


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=2, max_size=6)
    )
)
def test_no_advice_is_far_below_the_best_or_contradicts_its_table(right: list[list[bool]]) -> None:
    """The advised rung is unbeaten, less than 0.01 below the best, and beats every simpler one only if all p say so."""
    rungs = [rung(f"rung-{place}", np.array(each)) for place, each in enumerate(right)]
    found = advise(rungs)
    best, reached = max(map(sum, right)), sum(right[int(found.rung.removeprefix("rung-"))])
    assert best - reached < 0.01 * len(right[0])
    assert not any(row.verdict == "better" for row in found.comparisons if row.name > found.rung)
    simpler = [row for row in found.comparisons if row.name < found.rung]
    if "beats every simpler one" in found.sentence:
        assert simpler and {"worse"} == {row.verdict for row in simpler}


def test_the_advice_names_what_the_best_later_rung_would_give() -> None:
    """The sentence has the accuracy with its interval, the other's gain and its p-value."""
    prior, first, later = ladder(0.5, 0.8, 0.8)
    found = advise([prior, first, later])
    gained = (int(later.correct.sum()) - int(first.correct.sum())) / len(first)
    assert "rung-1" in found.sentence and f"rung-2 {gained:+.3f}, p = " in found.sentence
    assert f"{first.correct.mean():.3f} [" in found.sentence
    assert ("prior", "rung-2") == tuple(one.name for one in found.comparisons)
    assert f"{found.comparisons[1].smallest_shown:.3f} or more" in found.sentence


def test_the_advice_names_the_best_of_the_later_rungs() -> None:
    """Of two rungs that gain too little to be shown, the sentence has the one that gains more."""
    right = [np.arange(500) >= wrong for wrong in (400, 100, 97, 99)]
    rungs = [rung(name, part) for name, part in zip(("prior", "a", "b", "c"), right, strict=True)]
    assert "(b +0.006, p = " in advise(rungs).sentence


def test_advice_from_the_test_split_says_so() -> None:
    """What is read from test is no ground for choosing."""
    on_test = [replace(one, split="test") for one in ladder(0.5, 0.8, 0.8)]
    assert "test split" in advise(on_test).sentence
    assert "test split" not in advise(ladder(0.5, 0.8, 0.8)).sentence


def test_no_rung_is_reported() -> None:
    """There is no advice on nothing."""
    with pytest.raises(ArgumentError, match="rung"):
        advise([])


def test_real_digits_are_reported_apart_as_scipy_tells_them() -> None:
    """Nearest means of 8 x 8 scans under L2 and under L1: counts by hand, p by SciPy."""
    images, labels = load_digits(return_X_y=True)
    fitted, seen = slice(0, 1000), slice(1000, None)
    means = np.stack([images[fitted][labels[fitted] == c].mean(axis=0) for c in range(10)])
    gaps = images[seen][:, None] - means
    keys, names = [str(row) for row in range(797)], [str(c) for c in range(10)]
    l1 = Predictions("l1", keys, names, labels[seen], -np.abs(gaps).sum(axis=2))
    l2 = Predictions("l2", keys, names, labels[seen], -(gaps**2).sum(axis=2))
    gained = int(((l2.scores.argmax(1) == labels[seen]) & (l1.scores.argmax(1) != labels[seen])).sum())
    lost = int(((l1.scores.argmax(1) == labels[seen]) & (l2.scores.argmax(1) != labels[seen])).sum())
    found = compare(l2, against=l1)
    assert (gained, lost) == (found.only_this, found.only_other)
    assert pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-10) == found.p


def test_images_without_a_known_class_do_not_count() -> None:
    """Comparison and advice are those of the others alone."""
    first, second = pair(3, 60, 500)
    unknown = [replace(one, labels=np.where(np.arange(500) % 9 == 0, -1, one.labels)) for one in (first, second)]
    known = [one.select(np.arange(500) % 9 != 0) for one in (first, second)]
    assert compare(known[1], against=known[0]) == compare(unknown[1], against=unknown[0])
    assert advise(known).to_dict() == advise(unknown).to_dict()


def test_the_advice_is_the_same_without_the_prior() -> None:
    """A ladder that begins above the prior advises the same rung; one that never beats it advises the prior."""
    for rungs in (ladder(0.5, 0.8, 0.8), ladder(0.5, 0.8)):
        assert "rung-1" == advise(rungs).rung == advise(rungs[1:]).rung
    assert "prior" == advise(ladder(0.5, 0.5)).rung
