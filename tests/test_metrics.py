"""`evaluate()`: held against scikit-learn, hand-made examples and changes that must not matter."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from firstlight.errors import ArgumentError, MissingExtraError
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions


def made(n: int = 500, k: int = 4, *, seed: int = 0, split: str | None = "validation") -> Predictions:
    """Noisy scores of unbalanced classes that are right more often than not."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(k, n, p=np.arange(1, k + 1) / (k * (k + 1) / 2)).astype(np.int32)
    scores = generator.normal(size=(n, k)) + 1.5 * np.eye(k)[labels]
    keys = [f"{row}.png" for row in range(n)]
    return Predictions("cnn", keys, [f"class {c}" for c in range(k)], labels, scores, 0.8, split, 3)


def numbers(seen: Predictions) -> list[float]:
    """The numbers of an evaluation that have no order of rows or classes in them."""
    found = evaluate(seen)
    return [
        found.n,
        found.correct,
        found.accuracy,
        *found.interval,
        found.balanced_accuracy,
        found.log_loss,
        found.calibration_error,
        found.majority_share,
    ]


def test_a_hand_made_example_comes_out_as_worked_out() -> None:
    """Three of four right: two of three 3s and the one 7; the scores are logarithms of probabilities."""
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    seen = Predictions("ink", "abcd", ("3", "7"), np.array([0, 0, 0, 1]), np.log(chances))
    found = evaluate(seen)
    assert (4, 3, 0.75, 0.75) == (found.n, found.correct, found.accuracy, found.majority_share)
    assert [[2, 1], [0, 1]] == found.confusion.tolist()
    assert pytest.approx((2 / 3 + 1) / 2) == found.balanced_accuracy
    assert pytest.approx(-np.log([0.9, 0.6, 0.2, 0.7]).mean()) == found.log_loss
    # Four bins of one image each: |1 - 0.9|, |1 - 0.6|, |0 - 0.8|, |1 - 0.7|.
    assert pytest.approx((0.1 + 0.4 + 0.8 + 0.3) / 4) == found.calibration_error


def test_one_bin_weighs_its_mean_gap() -> None:
    """Ten images with confidence 0.9, seven of them right, are 0.2 away from what they promise."""
    scores = np.log(np.tile([0.9, 0.1], (10, 1)))
    labels = np.array([0] * 7 + [1] * 3)
    assert pytest.approx(0.2) == evaluate(Predictions("a", "abcdefghij", "37", labels, scores)).calibration_error


@pytest.mark.parametrize(("n", "k"), [(1, 2), (50, 2), (500, 4), (2038, 10)])
def test_the_numbers_equal_scikit_learns(n: int, k: int) -> None:
    """Accuracy, balanced accuracy, log loss and confusion are those of scikit-learn."""
    seen = made(n, k)
    found = evaluate(seen)
    labels = list(range(k))
    assert oracle.accuracy_score(seen.labels, seen.predicted) == found.accuracy
    assert oracle.confusion_matrix(seen.labels, seen.predicted, labels=labels).tolist() == found.confusion.tolist()
    loss = oracle.log_loss(seen.labels, seen.probabilities, labels=labels)
    assert pytest.approx(loss, rel=1e-12) == found.log_loss
    present = np.unique(seen.labels)
    recalls = oracle.recall_score(seen.labels, seen.predicted, labels=present, average=None)
    assert pytest.approx(recalls.mean(), rel=1e-12) == found.balanced_accuracy
    assert [float(r) for r in recalls] == [found.recall[seen.classes[c]].recall for c in present]


@pytest.mark.parametrize(
    ("confident", "error"),
    [
        ((0.81, 0.89), (0.19 + 0.89) / 2),  # bins 13 and 14 of 15: each counts alone
        ((0.95, 1.0), abs(0.05 - 1.0) / 2),  # both in the last bin, whose upper end is in it: they offset
    ],
)
def test_bins_are_fifteen_and_hold_their_upper_end(confident: tuple[float, float], error: float) -> None:
    """The first image is right and the second wrong, so gaps of one bin offset and those of two add up."""
    first, second = confident
    scores = np.log([[first, 1 - first], [second, max(1 - second, 1e-300)]])
    seen = Predictions("a", "ab", "37", np.array([0, 1]), scores)
    assert pytest.approx(error) == evaluate(seen).calibration_error


def test_calibration_equals_a_plain_loop_over_bins() -> None:
    """The error of Guo et al. 2017, section 2, written out bin by bin, is the same."""
    seen = made(1000, 3)
    confidence, expected = seen.probabilities.max(axis=1), 0.0
    for m in range(1, 16):
        inside = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        if inside.any():
            expected += inside.mean() * abs(seen.correct[inside].mean() - confidence[inside].mean())
    assert pytest.approx(expected, rel=1e-9) == evaluate(seen).calibration_error


def test_certain_and_right_is_calibrated() -> None:
    """Confidence of exactly 1 falls in the last bin."""
    seen = Predictions("a", "ab", "37", np.array([0, 1]), 1e6 * np.eye(2))
    assert (0.0, 0.0) == (evaluate(seen).calibration_error, abs(evaluate(seen).log_loss))


def test_intervals_are_wilsons() -> None:
    """The accuracy's and each class's interval are SciPy's."""
    found = evaluate(made())
    for part in (found, *found.recall.values()):
        expected = stats.binomtest(part.correct, part.n).proportion_ci(method="wilson")
        assert pytest.approx((expected.low, expected.high), rel=1e-12) == part.interval


def test_every_metric_is_inside_its_interval_and_more_images_narrow_it() -> None:
    """Balanced accuracy, log loss and calibration error of 400 and of 6,400 images: a quarter of the width."""
    few, many = evaluate(made(400)), evaluate(made(6400))
    for name in ("balanced_accuracy", "log_loss", "calibration_error"):
        widths = []
        for one in (few, many):
            low, high = getattr(one, f"{name}_interval")
            assert 0 <= low <= getattr(one, name) <= high
            widths.append(high - low)
        assert 2.5 < widths[0] / widths[1] < 6


def test_the_balanced_accuracy_of_one_class_has_wilsons_interval() -> None:
    """The mean of a single recall is that recall."""
    one = Predictions("x", list("abcd"), "37", np.zeros(4, int), np.eye(2)[[0, 0, 1, 0]])
    assert pytest.approx(evaluate(one).interval) == evaluate(one).balanced_accuracy_interval


def test_an_infinite_log_loss_has_no_interval_and_a_sure_classifier_still_one_of_calibration() -> None:
    """One image is wrong with certainty; of ten right ones with certainty the calibration is not known exactly."""
    wrong = Predictions("a", "ab", "37", np.array([0, 0]), 1e306 * np.eye(2), 1e-9)
    assert evaluate(wrong).log_loss_interval is None
    right = evaluate(Predictions("a", "abcdefghij", "37", np.arange(10) % 2, 1e6 * np.eye(2)[np.arange(10) % 2]))
    low, high = right.calibration_error_interval
    assert (0.0, 0.0) == (right.calibration_error, low)
    assert 0.1 < high < 0.4


def test_a_class_without_images_has_no_recall() -> None:
    """It stands in the list with n = 0 and an open interval, and does not count in the balanced accuracy."""
    seen = Predictions("a", "ab", "379", np.array([0, 1]), np.eye(3)[:2])
    found = evaluate(seen)
    assert (0, 0, None, (0.0, 1.0)) == (
        found.recall["9"].n,
        found.recall["9"].correct,
        found.recall["9"].recall,
        found.recall["9"].interval,
    )
    assert 1.0 == found.balanced_accuracy


def test_the_order_of_images_does_not_matter() -> None:
    """Shuffled rows give the same numbers, up to rounding of sums."""
    seen = made()
    shuffled = seen.select(np.random.default_rng(1).permutation(len(seen)))
    assert pytest.approx(numbers(seen), rel=1e-12) == numbers(shuffled)


def test_the_order_of_classes_does_not_matter() -> None:
    """Classes in another order give the same numbers, and each class its recall."""
    seen = made()
    order = np.array([2, 0, 3, 1])
    turned = Predictions(
        seen.name,
        seen.keys,
        tuple(seen.classes[c] for c in order),
        np.argsort(order)[seen.labels],
        seen.scores[:, order],
        seen.temperature,
    )
    assert pytest.approx(numbers(seen), rel=1e-12) == numbers(turned)
    assert evaluate(seen).recall == evaluate(turned).recall


def test_scores_shifted_by_a_constant_give_the_same_numbers() -> None:
    """Only differences of an image's scores count."""
    seen = made()
    shifted = Predictions(seen.name, seen.keys, seen.classes, seen.labels, seen.scores + 7.5, seen.temperature)
    assert pytest.approx(numbers(seen), rel=1e-9) == numbers(shifted)


def test_it_prints_as_one_line_with_interval_n_and_majority_share() -> None:
    """1939 of 2038 right, as the mean images of real 3s and 7s give under L1."""
    labels = np.array([0] * 1010 + [1] * 1028)
    right = np.arange(2038) >= 99
    scores = np.eye(2)[np.where(right, labels, 1 - labels)]
    keys = [str(row) for row in range(2038)]
    line = "accuracy 0.951 [0.941, 0.960]  n=2038  majority share 0.504"
    assert line == str(evaluate(Predictions("centroid-l1", keys, "37", labels, scores)))
    spoilt = Predictions("centroid-l1", keys, "37", labels, scores, unreadable=5)
    assert f"{line}  5 unreadable" == str(evaluate(spoilt))


def test_to_dict_is_strict_json() -> None:
    """Every value has a plain form, and what was left out stands beside the score."""
    found = json.loads(json.dumps(evaluate(made()).to_dict(), allow_nan=False))
    assert ("cnn", "validation", 500, 3) == (found["name"], found["split"], found["n"], found["unreadable"])
    assert evaluate(made()).recall["class 0"].n == found["recall"]["class 0"]["n"]
    assert evaluate(made()).correct == sum(part["correct"] for part in found["recall"].values())


def test_the_frame_has_a_row_a_class() -> None:
    """Recall by class with its interval, under the class's name."""
    found = evaluate(made())
    frame = found.frame()
    assert ["n", "correct", "recall", "low", "high"] == list(frame.columns)
    assert list(found.recall) == frame.index.tolist()
    assert found.recall["class 2"].recall == frame.loc["class 2", "recall"]


def test_a_frame_without_pandas_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the command to type."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[pandas\]"'):
        evaluate(made()).frame()


def test_mistakes_stand_in_the_document_by_name_and_the_commonest_first() -> None:
    """Of the confusion matrix only what is off the diagonal, so that many classes stay few numbers."""
    labels = np.array([0, 0, 0, 1, 2, 2])
    scores = np.eye(3)[[1, 1, 0, 1, 0, 2]]
    seen = Predictions("x", list("abcdef"), ("cat", "dog", "eel"), labels, scores)
    assert [["cat", "dog", 2], ["eel", "cat", 1]] == evaluate(seen).to_dict()["mistakes"]


def test_no_image_is_reported() -> None:
    """There is nothing to measure on an empty selection."""
    with pytest.raises(ArgumentError, match="cnn"):
        evaluate(made().select(np.zeros(500, bool)))
