"""Times of predictions: the median of several passes, few enough not to slow a climb."""

from __future__ import annotations

import time

import numpy as np
import pytest

import firstlight as fl
from blobs import blobs
from firstlight.models.closed_form.baselines import Prior
from firstlight.models.timing import seconds_per_image

IMAGES = np.zeros((1000, 2, 2, 1), np.uint8)


class Sleeping(Prior):
    """Takes so many seconds for each call, the first ones first; notes how many images it got."""

    def __init__(self, *seconds: float) -> None:
        super().__init__(np.array([1, 1]))
        object.__setattr__(self, "seconds", list(seconds))
        object.__setattr__(self, "sizes", [])

    def scores(self, images: np.ndarray) -> np.ndarray:
        self.sizes.append(len(images))
        time.sleep(self.seconds[min(len(self.sizes), len(self.seconds)) - 1])
        return np.zeros((len(images), 2))


def test_a_cold_pass_does_not_count() -> None:
    """The first call takes 50 ms, the others nothing."""
    model = Sleeping(0.05, 0.0)
    assert seconds_per_image(model, IMAGES, roughly=1e-6) < 0.005 / 256
    assert 3 <= len(model.sizes) <= 5


@pytest.mark.parametrize(("roughly", "images"), [(1e-9, 256), (1e-4, 50), (1.0, 8)])
def test_a_slow_model_is_timed_on_fewer_images(roughly: float, images: int) -> None:
    """So that the passes together take no time that matters; there are three to five."""
    model = Sleeping(0.002)
    each = seconds_per_image(model, IMAGES, roughly=roughly)
    assert {images} == set(model.sizes) and 3 <= len(model.sizes) <= 5
    assert 0.002 <= each * images < 0.02


def test_fewer_images_than_a_pass_would_have_are_enough() -> None:
    """One image is timed, too."""
    model = Sleeping(0.0)
    assert seconds_per_image(model, IMAGES[:1], roughly=1e-6) >= 0
    assert {1} == set(model.sizes)


def test_a_climb_times_every_rung() -> None:
    """The seconds are of all images that were measured."""
    run = fl.climb(blobs(), rungs=["prior", "ink", "centroid-l2"])
    assert all(0 < rung.seconds.predict < 1 for rung in run)
