"""Exact figures on real images: counts, intervals and p-values computed elsewhere with float64 NumPy and Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firstlight as fl
from chapter import CHAPTER
from firstlight.models.closed_form.distances import to_centres

pytestmark = pytest.mark.slow

CORRECT = {  # of the 1,010 threes and 1,028 sevens of mnist_sample's validation images
    "prior": (0, 1028),
    "ink": (626, 717),
    "centroid-l1": (926, 1013),
    "centroid-l2": (968, 1001),
    "centroid-cosine": (978, 985),
    "centroid-l1-median": (939, 1009),
}
INTERVALS = {
    "ink": (0.6381, 0.6792),
    "centroid-l1": (0.9412, 0.9599),
    "centroid-l2": (0.9574, 0.9732),
    "centroid-cosine": (0.9541, 0.9705),
}
TEST_SPLIT = {  # of 10,000 images each
    "mnist_png": {"centroid-l1": 6685, "centroid-l2": 8203, "centroid-cosine": 8216},
    "cifar10": {"centroid-l1": 2716, "centroid-l2": 2781, "centroid-cosine": 2935},
}
MNIST_RECALL = {
    "centroid-l1": [799, 1133, 437, 615, 656, 291, 754, 786, 431, 783],
    "centroid-l2": [878, 1092, 781, 814, 811, 612, 827, 856, 718, 814],
    "centroid-cosine": [903, 1065, 789, 851, 792, 574, 845, 849, 742, 806],
}


@pytest.fixture(scope="module")
def pixels(mnist_sample: Path) -> fl.Pixels:
    return fl.load(fl.scan(mnist_sample), cache=False)


@pytest.fixture(scope="module")
def run(pixels: fl.Pixels) -> fl.Run:
    return fl.climb(pixels, rungs=CORRECT)


@pytest.mark.parametrize("rung", CORRECT)
def test_each_rung_is_right_as_often_as_it_should_be(run: fl.Run, rung: str) -> None:
    """The counts by class are exact; Wilson's interval has the four digits that are known."""
    document = run[rung].to_dict()
    three, seven = CORRECT[rung]
    assert {"3": (1010, three), "7": (1028, seven)} == {
        name: (one["n"], one["correct"]) for name, one in document["recall"].items()
    }
    assert (three + seven, 2038) == (document["correct"], document["n"])
    found = tuple(round(end, 4) for end in document["interval"])
    assert INTERVALS.get(rung, found) == found


@pytest.mark.parametrize(
    ("first", "second", "only_first", "only_second", "p"),
    [
        ("centroid-l1", "centroid-l2", 12, 42, 5.209e-05),
        ("centroid-l1", "centroid-cosine", 28, 52, 0.00968),
        ("centroid-l2", "centroid-cosine", 17, 11, 0.345),
    ],
)
def test_each_comparison_is_exact(
    run: fl.Run, first: str, second: str, only_first: int, only_second: int, p: float
) -> None:
    """The images that only one of the two gets right, and McNemar's p."""
    found = fl.compare(run[second], against=run[first])
    assert (only_second, only_first) == (found.only_this, found.only_other)
    assert p == pytest.approx(found.p, rel=2e-3)


def test_the_3_of_the_chapter_has_its_pixels(pixels: fl.Pixels) -> None:
    """One file is looked up by its name."""
    image = pixels.values[pixels.keys.index("train/3/10000.png")]
    assert CHAPTER == image[4:10, 4:10, 0].tolist()


@pytest.fixture(scope="module")
def stacked(mnist_sample: Path) -> dict[str, np.ndarray]:
    """The training images of each class by Pillow and NumPy alone, uint8 (N, 28, 28)."""
    return {
        name: np.stack([np.asarray(Image.open(file)) for file in sorted((mnist_sample / "train" / name).iterdir())])
        for name in "37"
    }


@pytest.mark.parametrize(("distance", "known"), [("l1", [0.11143614, 0.15861931]), ("l2", [0.20208262, 0.30210945])])
def test_the_3_of_the_chapter_has_its_distances(
    pixels: fl.Pixels, stacked: dict[str, np.ndarray], distance: str, known: list[float]
) -> None:
    """As known to six digits (those figures bear the rounding of 32 bits), as NumPy says in 64 bits to nine."""
    train = pixels.select("train")
    sums = fl.class_sums(train.values, train.labels, 2)
    image = pixels.values[pixels.keys.index("train/3/10000.png")].reshape(1, 784)
    found = to_centres(image, sums.sums, sums.counts, distance)[0]
    differences = [(image.reshape(28, 28) - images.mean(axis=0)) / 255 for images in stacked.values()]
    power = {"l1": 1, "l2": 2}[distance]
    exact = [(np.abs(one) ** power).mean() ** (1 / power) for one in differences]
    assert np.allclose(known, found, rtol=0, atol=1e-6)
    assert np.allclose(exact, found, rtol=0, atol=2e-9)


def test_the_means_are_those_of_the_chapter(pixels: fl.Pixels, stacked: dict[str, np.ndarray]) -> None:
    """The mean pixel of each class, 255 being 1."""
    train = pixels.select("train")
    sums = fl.class_sums(train.values, train.labels, 2)
    assert np.allclose([0.14153014, 0.11452771], sums.means.mean(axis=1) / 255, rtol=0, atol=2e-8)
    for one, images in zip(sums.sums, stacked.values(), strict=True):
        assert np.array_equal(images.sum(axis=0, dtype=np.int64).ravel(), one)


@pytest.mark.parametrize("name", TEST_SPLIT)
def test_the_test_split_is_read_when_asked_for(name: str, request: pytest.FixtureRequest) -> None:
    """MNIST in gray and CIFAR-10 in RGB: everything else is fitted on, and the advice says that it was test."""
    run = fl.climb(request.getfixturevalue(name), rungs=["centroid"], split="test")
    found = {rung.name: rung.to_dict() for rung in run}
    assert TEST_SPLIT[name] == {rung: document["correct"] for rung, document in found.items()}
    assert {10_000} == {document["n"] for document in found.values()}
    assert "test" in str(run.advice)
    if name == "mnist_png":
        recalls = {rung: [one["correct"] for one in document["recall"].values()] for rung, document in found.items()}
        assert MNIST_RECALL == recalls
