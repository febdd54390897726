"""The same bits: of closed-form rungs with any number of threads and in any order, of networks with the same number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import firstlight as fl
from blobs import pixels_of
from firstlight.data.pixels import Pixels

EXACT = ("prior", "ink", "ink-count", "centroid-l1", "centroid-l2", "centroid-cosine", "centroid-l2-median")


def large(count: int = 600) -> Pixels:
    """Images of 28 x 28 px, so many that BLAS would share them out."""
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return pixels_of(images, np.arange(count) % 3, 3)


@pytest.fixture
def threads() -> Iterator[None]:
    """PyTorch's number of threads is restored."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def bits(classifier: fl.Classifier) -> bytes:
    """All numbers of a model."""
    tensors = classifier.model.tensors()
    return b"".join(np.ascontiguousarray(tensors[name]).tobytes() for name in sorted(tensors))


@pytest.mark.slow
@pytest.mark.parametrize("rung", EXACT)
def test_closed_form_rungs_have_the_same_bits_with_any_number_of_threads(rung: str) -> None:
    """Model, temperature and scores; and the scores of one image are those of all."""
    pixels = large()
    found = set()
    for count in (1, 2, 3):
        with threadpool_limits(count):
            fitted = fl.fit(rung, pixels)
            scores = fitted.model.scores(pixels.values)
            found.add((bits(fitted), fitted.temperature, scores.tobytes()))
    assert 1 == len(found)
    assert np.array_equal(scores[7:8], fitted.model.scores(pixels.values[7:8]))


def test_means_have_the_same_bits_in_any_order_of_the_images() -> None:
    """Class sums are integers."""
    pixels = large(90)
    order = np.random.default_rng(1).permutation(90)
    for rung in EXACT:
        assert bits(fl.fit(rung, pixels)) == bits(fl.fit(rung, pixels.select(order)))


@pytest.mark.slow
@pytest.mark.parametrize("rung", ["linear", "mlp", "cnn"])
def test_networks_have_the_same_bits_with_the_same_number_of_threads(rung: str, threads: None) -> None:
    """Whatever was computed in between; the record says how many there were."""
    pixels = large(160)
    found: dict[int, set[bytes]] = {1: set(), 2: set()}
    for count in (1, 2, 1, 2):
        torch.set_num_threads(count)
        fitted = fl.fit(rung, pixels, effort="quick", epochs=1)
        assert fitted.training is not None and count == fitted.training.threads
        found[count].add(bits(fitted))
    assert [1, 1] == [len(one) for one in found.values()]
