"""Confident learning: thresholds, joint and ranking against numbers worked by hand; what has no label is left alone."""

from __future__ import annotations

import numpy as np
import pytest

import firstlight as fl
from firstlight.errors import ArgumentError


def seen(probabilities: list[list[float]], labels: list[int], classes: str = "abc") -> fl.Predictions:
    """Predictions with these probabilities."""
    scores = np.log(np.array(probabilities))
    keys = [f"{row}.png" for row in range(len(labels))]
    return fl.Predictions("cnn", keys, tuple(classes[: scores.shape[1]]), np.array(labels), scores)


# Labelled a: mean p(a) = (0.9 + 0.8 + 0.1) / 3 = 0.6. Labelled b: mean p(b) = (0.7 + 0.9 + 0.35) / 3 = 0.65.
# Row 2 is labelled a and confidently b (0.9 >= 0.65); row 5 is labelled b and confidently a (0.65 >= 0.6).
TWO = seen([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.1, 0.9], [0.65, 0.35]], [0, 0, 0, 1, 1, 1])


def test_thresholds_are_the_mean_probability_of_a_class_among_its_own() -> None:
    """Worked by hand."""
    assert fl.label_errors(TWO).thresholds == pytest.approx([0.6, 0.65])


def test_candidates_are_confidently_like_another_class_and_ranked_by_margin() -> None:
    """The label's probability minus the highest other one: 0.1 - 0.9, then 0.35 - 0.65."""
    found = fl.label_errors(TWO)
    assert [2, 5] == found.rows.tolist()
    assert ["2.png", "5.png"] == list(found.keys)
    assert ([0, 1], [1, 0]) == (found.labels.tolist(), found.suggested.tolist())
    assert found.margins == pytest.approx([-0.8, -0.3])


def test_the_joint_counts_what_is_confident() -> None:
    """Of a two are confidently a and one b; of b two b and one a; so a third of each is off the diagonal."""
    found = fl.label_errors(TWO)
    assert [[2, 1], [1, 2]] == found.joint.tolist()
    assert found.share == pytest.approx(1 / 3)


def test_an_image_that_is_confidently_nothing_is_no_candidate() -> None:
    """Below every threshold, an image is not counted, though its most probable class is not its label."""
    found = fl.label_errors(seen([[0.9, 0.1], [0.9, 0.1], [0.45, 0.55], [0.05, 0.95]], [0, 0, 0, 1]))
    assert [] == found.rows.tolist()
    assert [[2, 0], [0, 1]] == found.joint.tolist()


def test_images_without_a_label_are_left_alone() -> None:
    """They change no threshold and are no candidates; row numbers stay those of the predictions."""
    probabilities = [[0.5, 0.5], *np.exp(TWO.scores).tolist()]
    found = fl.label_errors(seen(probabilities, [-1, *TWO.labels.tolist()]))
    assert [3, 6] == found.rows.tolist()
    assert found.thresholds == pytest.approx([0.6, 0.65])


def test_a_class_that_nobody_has_is_never_suggested() -> None:
    """Without images it has no threshold."""
    probabilities = [[0.5, 0.1, 0.4], [0.6, 0.3, 0.1], [0.05, 0.35, 0.6], [0.1, 0.8, 0.1]]
    found = fl.label_errors(seen(probabilities, [0, 0, 1, 1]))
    assert np.isnan(found.thresholds[2])
    assert 2 not in found.suggested


def test_the_order_of_rows_and_classes_changes_nothing_but_the_order() -> None:
    """The same images are named, whatever comes first."""
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet(np.ones(4) * 0.5, 200)
    labels = generator.integers(0, 4, 200)
    base = fl.label_errors(seen(probabilities.tolist(), labels.tolist(), "abcd"))
    rows, columns = generator.permutation(200), generator.permutation(4)
    place = np.argsort(columns)
    other = fl.label_errors(seen(probabilities[rows][:, columns].tolist(), place[labels[rows]].tolist(), "abcd"))
    assert len(base) > 10
    assert sorted(base.rows.tolist()) == sorted(rows[other.rows].tolist())
    assert base.margins == pytest.approx(other.margins)
    assert base.share == pytest.approx(other.share)


def test_nothing_labelled_is_one_sentence() -> None:
    """There is nothing to doubt."""
    with pytest.raises(ArgumentError, match="label"):
        fl.label_errors(seen([[0.5, 0.5]], [-1]))


def test_they_can_be_read_and_taken_as_a_frame() -> None:
    """Key, label, suggested class and margin."""
    found = fl.label_errors(TWO)
    assert [["2.png", "a", "b"], ["5.png", "b", "a"]] == found.frame()[["key", "label", "suggested"]].values.tolist()
    assert "2 labels to check" in str(found) and "labelled a, looks like b" in str(found)
