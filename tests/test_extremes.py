"""`extremes()`: the most confidently wrong, the most uncertain and the most typical rows, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from firstlight.errors import ArgumentError
from firstlight.evaluation.extremes import extremes
from firstlight.evaluation.predictions import Predictions

#                     probabilities      true class, what it shows
ROWS: list[tuple[list[float], int]] = [
    ([0.70, 0.20, 0.10], 0),  # 0: right, sure
    ([0.50, 0.45, 0.05], 1),  # 1: wrong, not sure: margin 0.05
    ([0.10, 0.80, 0.10], 0),  # 2: wrong, sure
    ([0.05, 0.05, 0.90], 2),  # 3: right, surest
    ([0.98, 0.01, 0.01], -1),  # 4: nobody knows
    ([0.10, 0.80, 0.10], 2),  # 5: wrong, as sure as 2
    ([0.30, 0.60, 0.10], 1),  # 6: right
    ([0.20, 0.20, 0.60], 2),  # 7: right, less sure than 3
]


def seen(rows: list[tuple[list[float], int]] = ROWS, temperature: float = 1.0) -> Predictions:
    scores = temperature * np.log([shares for shares, _ in rows])
    labels = np.array([label for _, label in rows])
    return Predictions("cnn", [f"{row}.png" for row in range(len(rows))], ("a", "b", "c"), labels, scores, temperature)


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        ("wrong", [2, 5, 1]),
        ("uncertain", [1, 6, 7, 0, 2, 5, 3, 4]),
        ("typical", [0, 6, 3, 7]),
    ],
)
def test_the_rows_come_in_the_order_worked_out_by_hand(most: str, expected: list[int]) -> None:
    """Mistakes by their probability, margins from the smallest, the typical of each class in turn."""
    for count in (1, 3, 8, 100):
        assert expected[:count] == extremes(seen(), most=most, count=count).tolist()


def test_the_temperature_counts() -> None:
    """The same probabilities from other scores give the same rows."""
    for most in ("wrong", "uncertain", "typical"):
        first, second = (extremes(seen(temperature=one), most=most, count=8).tolist() for one in (1.0, 0.01))
        assert first == second


def test_equal_probabilities_are_reported_apart_by_their_scores() -> None:
    """Where the temperature is so low that each probability is 1, the scores still say what is least sure."""
    scores = np.array([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    for labels, most, expected in (
        ([0, 0, 0, 0], "uncertain", [1, 3, 2, 0]),
        ([1, 1, 1, 1], "wrong", [0, 2, 1, 3]),
        ([0, 0, 0, 0], "typical", [0, 2, 1, 3]),
    ):
        predictions = Predictions("cnn", list("wxyz"), ("a", "b"), np.array(labels), scores, 1e-9)
        assert (predictions.probabilities[:, 0] == 1).all()
        assert expected == extremes(predictions, most=most, count=4).tolist()


def test_without_a_mistake_nothing_is_wrong() -> None:
    """And where nothing is right, nothing is typical."""
    right = [row for row in ROWS if np.argmax(row[0]) == row[1]]
    wrong = [row for row in ROWS if row[1] >= 0 and np.argmax(row[0]) != row[1]]
    assert [] == extremes(seen(right), most="wrong", count=3).tolist()
    assert [] == extremes(seen(wrong), most="typical", count=3).tolist()


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Shuffled rows give the same images, where no two are equal."""
    rows = [row for number, row in enumerate(ROWS) if number != 5]
    order = np.random.default_rng(0).permutation(len(rows))
    for most in ("wrong", "uncertain", "typical"):
        expected = extremes(seen(rows), most=most, count=9).tolist()
        found = extremes(seen([rows[place] for place in order]), most=most, count=9)
        assert expected == order[found].tolist()


def test_one_class_is_never_uncertain() -> None:
    """With a single class all rows are equal and stay in their order."""
    only = Predictions("prior", ["a.png", "b.png"], ("a",), np.array([0, 0]), np.zeros((2, 1)))
    assert [0, 1] == extremes(only, most="uncertain", count=2).tolist()


@pytest.mark.parametrize(
    ("most", "count", "words"), [("worst", 1, "'worst'.*wrong, uncertain, typical"), ("wrong", 0, "count=0")]
)
def test_what_cannot_be_asked_is_refused(most: str, count: int, words: str) -> None:
    """Another word or no image at all."""
    with pytest.raises(ArgumentError, match=words):
        extremes(seen(), most=most, count=count)


def test_nothing_is_wrong_or_typical_where_no_class_is_known() -> None:
    """The uncertain ones are still there."""
    unknown = seen([(shares, -1) for shares, _ in ROWS])
    for most in ("wrong", "typical"):
        with pytest.raises(ArgumentError, match="class"):
            extremes(unknown, most=most, count=1)
    assert [1] == extremes(unknown, most="uncertain", count=1).tolist()
