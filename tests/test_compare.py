"""`compare()` and `advise()`: paired, aligned by key, corrected for their number, and told in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits

from firstlight.errors import ArgumentError
from firstlight.evaluation.advice import advise
from firstlight.evaluation.compare import Comparisons, compare
from firstlight.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Rung:
    """As much of a run's rung as a comparison needs."""

    predictions: Predictions


def rung(name: str, right: np.ndarray, *, split: str | None = "validation") -> Predictions:
    """Predictions that are right exactly where ``right`` (N,) says; every other image is a 7."""
    labels = np.arange(len(right)) % 2
    scores = np.eye(2)[np.where(right, labels, 1 - labels)]
    return Predictions(name, [f"{row}.png" for row in range(len(right))], ("3", "7"), labels, scores, 1.0, split)


def pair(only_first: int, only_second: int, n: int) -> tuple[Predictions, Predictions]:
    """Two classifiers that differ on exactly these counts of images and are both right on the others."""
    first, second = np.ones(n, bool), np.ones(n, bool)
    second[:only_first] = False
    first[only_first : only_first + only_second] = False
    return rung("l1", first), rung("l2", second)


def ladder(*accuracies: float, n: int = 2000, seed: int = 0) -> list[Predictions]:
    """Rungs that are right at random this often; the first is the prior."""
    generator = np.random.default_rng(seed)
    names = ["prior", *(f"rung-{place}" for place in range(1, len(accuracies)))]
    return [rung(name, generator.random(n) < share) for name, share in zip(names, accuracies, strict=True)]


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
    there, back = compare(second, against=first), compare(first, against=second)
    assert (there.p, -there.difference) == (back.p, back.difference)
    width = there.interval[1] - there.interval[0]
    np.testing.assert_allclose((-there.interval[1], -there.interval[0]), back.interval, atol=0.1 * width)


def test_images_are_matched_by_their_keys() -> None:
    """Rows in another order give the same comparison to the last bit."""
    first, second = pair(30, 60, 1000)
    shuffled = second.select(np.random.default_rng(0).permutation(1000))
    assert compare(first, against=second) == compare(first, against=shuffled)


def test_the_seed_alone_moves_the_interval() -> None:
    """The same seed gives the same bits; another one leaves counts and p as they are."""
    first, second = pair(30, 60, 1000)
    one, same, other = (compare(second, against=first, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one == replace(other, interval=one.interval)
    assert 1 < len({compare(second, against=first, seed=seed).interval for seed in range(10)})


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


def test_no_image_is_told() -> None:
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
def test_a_rung_that_is_not_there_is_told_with_those_that_are(against: str) -> None:
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
    """On 60 random ladders it is what SciPy's binomial test and Bonferroni-Holm, written out, give."""
    generator = np.random.default_rng(7)
    for seed in range(60):
        rungs = ladder(*np.sort(generator.uniform(0.5, 0.62, 4)), n=400, seed=seed)
        for place, one in enumerate(rungs):
            later = [
                (int((x.correct & ~one.correct).sum()), int((one.correct & ~x.correct).sum()))
                for x in rungs[place + 1 :]
            ]
            tests = sorted((stats.binomtest(gain, gain + loss).pvalue, gain > loss) for gain, loss in later)
            shown = []
            for step, (p, gained) in enumerate(tests):
                if p * (len(tests) - step) >= 0.05:
                    break
                shown.append(gained)
            if not any(shown):
                break
        assert one.name == advise(rungs).rung


def test_the_advice_names_what_the_best_later_rung_would_give() -> None:
    """The sentence has the accuracy with its interval, the other's gain and its p-value."""
    prior, first, later = ladder(0.5, 0.8, 0.8)
    found = advise([prior, first, later])
    gained = (int(later.correct.sum()) - int(first.correct.sum())) / len(first)
    assert "rung-1" in found.sentence and f"rung-2 {gained:+.3f}, p = " in found.sentence
    assert f"{first.correct.mean():.3f} [" in found.sentence
    assert ("rung-2",) == tuple(one.name for one in found.comparisons)


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


def test_no_rung_is_told() -> None:
    """There is no advice on nothing."""
    with pytest.raises(ArgumentError, match="rung"):
        advise([])


def test_real_digits_are_told_apart_as_scipy_tells_them() -> None:
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
