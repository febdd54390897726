"""Figures of probabilities are never of images that fitted the temperature; SciPy and scikit-learn are the oracles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import log_loss

import firstlight as fl
from blobs import blobs, pixels_of
from firstlight.evaluation.calibration import crossfit_temperatures, fit_temperature
from firstlight.evaluation.predictions import Predictions
from firstlight.models.checkpoint import restore, save


def scored(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are right more often than not, and labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    return generator.normal(0, 2, (count, classes)) + 2 * np.eye(classes)[labels], labels


def test_each_half_has_the_temperature_of_the_other() -> None:
    """SciPy's minimiser of the other half's log loss; the halves are every other image of each class."""
    scores, labels = scored(200, 3)
    place = np.array([(labels[:row] == labels[row]).sum() for row in range(200)])
    for half in (0, 1):
        other = place % 2 != half

        def loss(b: float, rows: np.ndarray = other) -> float:
            return float(-log_softmax(b * scores[rows], axis=1)[np.arange(rows.sum()), labels[rows]].mean())

        expected = 1 / minimize_scalar(loss, bounds=(1e-3, 10), method="bounded", options={"xatol": 1e-9}).x
        found = crossfit_temperatures(scores, labels)[place % 2 == half]
        assert found == pytest.approx(expected, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 40), st.integers(2, 4), st.integers(0, 2**16), st.data())
def test_no_image_has_a_part_in_its_own_temperature(count: int, classes: int, seed: int, data: st.DataObject) -> None:
    """Whatever its scores are, its temperature stays the same."""
    scores, labels = scored(count, classes, seed)
    row = data.draw(st.integers(0, count - 1))
    changed = scores.copy()
    changed[row] = np.random.default_rng(seed).normal(0, 50, classes)
    before, after = crossfit_temperatures(scores, labels), crossfit_temperatures(changed, labels)
    assert before[row] == after[row]
    assert np.isfinite(after).all() and (after > 0).all()


def test_images_without_a_class_fit_no_temperature() -> None:
    """They change none, and get one; of one image alone nothing is known."""
    scores, labels = scored(60, 3)
    more = np.concatenate([scores, np.full((5, 3), 100.0)])
    found = crossfit_temperatures(more, np.append(labels, [-1] * 5))
    assert np.array_equal(crossfit_temperatures(scores, labels), found[:60])
    assert [1.0] == crossfit_temperatures(scores[:1], labels[:1]).tolist()
    assert [] == crossfit_temperatures(scores[:0], labels[:0]).tolist()


def test_figures_of_calibrated_images_are_cross_fitted() -> None:
    """Scikit-learn's log loss of the two halves' probabilities; the probabilities themselves are the model's."""
    scores, labels = scored(101, 3)
    keys = [f"{row:03}.png" for row in range(101)]
    seen = Predictions("mlp", keys, ("a", "b", "c"), labels, scores, fit_temperature(scores, labels))
    here = replace(seen, calibrated_here=True)
    shares = np.exp(log_softmax(scores / crossfit_temperatures(scores, labels)[:, None], axis=1))
    assert log_loss(labels, shares) == pytest.approx(fl.evaluate(here).log_loss, rel=1e-9)
    assert fl.evaluate(here).log_loss > fl.evaluate(seen).log_loss
    assert fl.evaluate(here).correct == fl.evaluate(seen).correct
    assert np.array_equal(here.probabilities, seen.probabilities)


@pytest.mark.slow
def test_a_network_knows_the_images_that_its_temperature_was_fitted_on() -> None:
    """Validation images, however they are selected and also after saving; no others, and for no closed-form rung."""
    pixels = blobs()
    network = fl.fit("linear", pixels, epochs=1)
    for one in (network, restore(save(network))):
        assert fl.predict(one, pixels, split="validation").calibrated_here
        assert fl.predict(one, pixels.select("validation")).calibrated_here
        some = pixels.select("validation")
        assert fl.predict(one, some.select(np.arange(len(some)) % 3 == 0)).calibrated_here
        assert not fl.predict(one, pixels, split="train").calibrated_here
    assert not fl.predict(fl.fit("centroid", pixels), pixels, split="validation").calibrated_here


def test_a_climb_reports_cross_fitted_figures_of_networks() -> None:
    """They differ from those of the temperature that the model has, which was fitted on the same images."""
    run = fl.climb(blobs(), rungs=["centroid-l2", "linear"], epochs=2)
    seen = run["linear"].predictions
    assert seen.calibrated_here and not run["centroid-l2"].predictions.calibrated_here
    assert fl.evaluate(seen).log_loss == run["linear"].metrics.log_loss
    assert fl.evaluate(replace(seen, calibrated_here=False)).log_loss != run["linear"].metrics.log_loss


def test_the_smallest_training_sets_are_fitted_and_say_that_nothing_was_held_out() -> None:
    """Three images a class: with early stopping nothing can be held out, and the temperature stays 1."""
    images = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 1), dtype=np.uint8)
    pixels = pixels_of(np.tile(images, (2, 1, 1, 1)), np.arange(8) % 2, 2)
    found = fl.fit("linear", pixels, epochs=2, patience=1)
    assert 1.0 == found.temperature and found.training is not None
    assert any("not calibrated" in reason for reason in found.training.reasons)
    assert 0 < fl.fit("linear", pixels, epochs=2).temperature < np.inf
