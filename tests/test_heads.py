"""Heads on embeddings: scikit-learn's discriminant, leave-one-out against refits, temperatures, few images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize

from firstlight.evaluation.calibration import fit_temperature
from firstlight.models.pretrained import heads
from firstlight.models.pretrained.heads import SHRINKAGES, FittedHead, _Within, fit_centroid, fit_discriminant

Fit = Callable[[np.ndarray, np.ndarray, int], FittedHead]


def clusters(count: int, dimensions: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around a centre for each class, as embeddings are: not negative."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = np.random.default_rng(99).uniform(0, 4, (classes, dimensions))
    return np.maximum(centres[labels] + generator.normal(size=(count, dimensions)) * 2, 0).astype(np.float16), labels


def relative(scores: np.ndarray) -> np.ndarray:
    """Differences from the first class's score."""
    return scores - scores[:, :1]


@pytest.mark.parametrize("count", [30, 400])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_discriminant_is_scikit_learns(count: int, share: float) -> None:
    """Differences of scores, with fewer and with more images than dimensions, in the unit g tr(S) / D."""
    (some, labels), (others, _) = clusters(count, 64), clusters(20, 64, seed=1)
    some, labels = some[: count - 5], labels[: count - 5]  # so that the classes differ in size
    oracle = LinearDiscriminantAnalysis(solver="eigen", shrinkage=share).fit(normalize(some.astype(float)), labels)
    found = relative(_Within.of(some, labels, 3).head(share).scores(others))
    expected = relative(oracle.decision_function(normalize(others.astype(float))))
    expected *= share * np.trace(oracle.covariance_) / 64
    assert np.abs(expected - found).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("count", [8, 25, 90])
def test_an_image_is_left_out_as_if_it_had_never_been_there(count: int) -> None:
    """For each share the scores of means and scatter that are computed anew without the image.

    But for the half of the expected length that the mean of fewer images has more.
    """
    images, labels = clusters(count, 32)
    directions, within = normalize(images.astype(float)), _Within.of(images, labels, 3)
    prior = np.log(np.bincount(labels) / count)
    residuals = directions - np.stack([directions[labels == k].mean(axis=0) for k in range(3)])[labels]
    total = (residuals**2).sum()
    for share, scores in zip(SHRINKAGES, within.left_out(images, labels), strict=True):
        for image in range(0, count, 7):
            rest = np.arange(count) != image
            means = np.stack([directions[rest & (labels == k)].mean(axis=0) for k in range(3)])
            residuals = directions[rest] - means[labels[rest]]
            matrix = np.eye(32) + (1 - share) * 32 / (share * total) * residuals.T @ residuals
            weight = np.linalg.solve(matrix, means.T).T
            expected = weight @ directions[image] - (weight * means).sum(axis=1) / 2
            expected += share * total / (count * 32) * prior
            of_class = int((labels == labels[image]).sum())
            residual = directions - np.stack([directions[labels == k].mean(axis=0) for k in range(3)])[labels]
            scatter = residual.T @ residual
            noise = np.trace(np.linalg.solve(np.eye(32) + (1 - share) * 32 / (share * total) * scatter, scatter))
            expected[labels[image]] += noise / (count - 3) * (1 / (of_class - 1) - 1 / of_class) / 2
            assert relative(expected[None])[0] == pytest.approx(relative(scores)[image], rel=1e-5, abs=1e-6)


def test_the_shrinkage_is_the_one_that_predicts_best_outside_the_fit() -> None:
    """A feature that varies within classes only is found, which the nearest mean is misled by."""
    images, labels = clusters(300, 40)
    images[:, 0] = np.random.default_rng(5).uniform(0, 40, 300).astype(np.float16)  # large, and no class's own
    others, truth = clusters(300, 40, seed=7)
    others[:, 0] = np.random.default_rng(6).uniform(0, 40, 300).astype(np.float16)
    fitted = [fit(images, labels, 3).head for fit in (fit_discriminant, fit_centroid)]
    right = [(head.scores(others).argmax(axis=1) == truth).mean() for head in fitted]
    assert right[0] > right[1] + 0.05


@pytest.mark.parametrize("fit", [fit_centroid, fit_discriminant])
@pytest.mark.parametrize("each", [1, 2, 3, 8])
def test_few_images_a_class_are_enough(fit: Fit, each: int) -> None:
    """From one on, better than chance; a class without images is never chosen."""
    (some, labels), (others, truth) = clusters(3 * each, 64), clusters(90, 64, seed=1)
    predicted = fit(some, labels, 4).head.scores(others).argmax(axis=1)
    assert (predicted == truth).mean() > 0.45
    assert 3 not in predicted


@pytest.mark.parametrize("each", [2, 3, 5, 6, 8, 40])
@pytest.mark.parametrize("fit", [fit_centroid, fit_discriminant])
def test_probabilities_of_new_images_are_better_than_chance(fit: Fit, each: int) -> None:
    """However few images a class; from 5 on, the log loss is near the lowest that a temperature can give."""
    (some, labels), (others, truth) = clusters(3 * each, 64), clusters(600, 64, seed=1)
    head, temperature = fit(some, labels, 3)
    scores = head.scores(others)
    found, best = (
        float(log_loss(truth, softmax(scores / one, axis=1))) for one in (temperature, fit_temperature(scores, truth))
    )
    assert found < np.log(3)
    assert found < best + 0.1 or each < 5


def test_one_image_a_class_has_the_temperature_1() -> None:
    """Nothing is left to fit it on."""
    some, labels = clusters(3, 16)
    assert 1 == fit_centroid(some, labels, 3).temperature == fit_discriminant(some, labels, 3).temperature


def test_a_narrow_error_does_not_make_probabilities_certain() -> None:
    """One of ten images is wrong by a hair: the likelihood alone would let the others be as good as certain."""
    scores = np.array([[1.0, 0.0]] * 9 + [[0.0, 1e-3]])
    labels = np.zeros(10, int)
    assert 0.2 > fit_temperature(scores, labels)
    assert softmax(scores[0] / fit_temperature(scores, labels))[0] > 0.99
    assert softmax(scores[0] / fit_temperature(scores, labels, smoothed=True))[0] < 0.97


def test_a_centroid_is_the_cosine_with_the_mean_direction() -> None:
    """scikit-learn's cosines; centred up to five images a class."""
    others, _ = clusters(20, 64, seed=1)
    for each, centred in ((5, True), (6, False)):
        some, labels = clusters(3 * each, 64)
        directions, new = normalize(some.astype(float)), normalize(others.astype(float))
        if centred:
            mean = directions.mean(axis=0)
            directions, new = normalize(directions - mean), normalize(new - mean)
        means = np.stack([directions[labels == k].mean(axis=0) for k in range(3)])
        head = fit_centroid(some, labels, 3).head
        assert centred == head.centred
        assert cosine_similarity(new, means) == pytest.approx(head.scores(others), abs=1e-6)


def test_blocks_of_rows_and_their_order_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit for the same rows; to the last digits in another order or in other blocks."""
    images, labels = clusters(200, 32)
    head, temperature = fit_discriminant(images, labels, 3)
    again = fit_discriminant(images, labels, 3)
    assert np.array_equal(head.weight, again.head.weight) and temperature == again.temperature
    order = np.random.default_rng(0).permutation(200)
    monkeypatch.setattr(heads, "ROWS", 64)
    other = fit_discriminant(images[order], labels[order], 3)
    assert head.weight == pytest.approx(other.head.weight, rel=1e-3, abs=1e-4)
    assert temperature == pytest.approx(other.temperature, rel=1e-3)


def test_images_of_zeros_and_equal_images_have_finite_scores() -> None:
    """An embedding without a direction, and classes of one image each several times."""
    images = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], np.float16)
    for fit in (fit_centroid, fit_discriminant):
        for some, labels in ((images, np.array([0, 0, 0, 1, 1])), (images[1:], np.array([0, 0, 1, 1]))):
            head, temperature = fit(some, labels, 2)
            assert np.isfinite(head.scores(images)).all() and 0 < temperature < np.inf
            assert [0, 1] == head.scores(images)[[1, 3]].argmax(axis=1).tolist()


@pytest.mark.parametrize("each", [2, 20])
def test_the_parts_of_an_image_add_up_to_the_difference_of_two_scores(each: int) -> None:
    """With and without centring, for any maps whose mean is the embedding."""
    some, labels = clusters(3 * each, 16)
    maps = np.random.default_rng(3).uniform(0, 5, (49, 16)).astype(np.float32)
    for fit in (fit_centroid, fit_discriminant):
        head = fit(some, labels, 3).head
        assert head.centred == (fit is fit_centroid and each == 2)
        scores = head.scores(maps.mean(axis=0)[None])[0]
        shares, constant = head.contributions(maps, 0, 2)
        assert scores[0] - scores[2] == pytest.approx(shares.sum() + constant, rel=1e-5, abs=1e-6)
