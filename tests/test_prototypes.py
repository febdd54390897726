"""Several ideal images a class: one is the plain centroid, more are scikit-learn's; ink counted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.pixels import Pixels
from firstlight.models.closed_form.baselines import counted
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.prototypes import prototypes
from firstlight.models.closed_form.training_set import TrainingSet
from tables import noise

DISTANCES = {"l1": "manhattan", "l2": "euclidean", "cosine": "cosine"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    return fl.load(fl.split(fl.scan(write_digits(tmp_path_factory.mktemp("digits") / "digits")), validation=0.3))


def training(pixels: Pixels) -> TrainingSet:
    train = pixels.select("train")
    return TrainingSet(train.values, train.labels, len(train.classes))


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_prototype_is_the_centroid(digits: Pixels, distance: str) -> None:
    """To the bit."""
    known = training(digits)
    expected = Centroid(known.sums.sums, known.sums.counts, distance).scores(digits.values[:200])
    np.testing.assert_array_equal(expected, prototypes(known, 1, distance).scores(digits.values[:200]))


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_nearest_prototype_is_scikit_learns_nearest_neighbour(digits: Pixels, distance: str) -> None:
    """Asked of the clusters' means that scikit-learn's own KMeans gives."""
    known = training(digits)
    means, labels = [], []
    for label in range(known.classes):
        of_class = known.images[known.labels == label].reshape(-1, 64).astype(np.float32)
        found = KMeans(4, n_init=1, max_iter=100, random_state=0).fit(of_class)
        means += [of_class[found.labels_ == cluster].mean(axis=0, dtype=np.float64) for cluster in range(4)]
        labels += [label] * 4
    oracle = KNeighborsClassifier(1, metric=DISTANCES[distance]).fit(np.array(means), labels)
    validation = digits.select("validation")
    expected = oracle.predict(validation.values.reshape(-1, 64).astype(np.float64))
    actual = prototypes(known, 4, distance).scores(validation.values).argmax(axis=1)
    assert (expected != actual).mean() < 0.005  # the l1 rounds its centres, and the means are not the bits of ours


def test_a_class_has_no_more_prototypes_than_different_images() -> None:
    """Two different images give two, one gives one, no image gives none and is never named."""
    images = np.stack([noise(4, 4, 1, seed=seed) for seed in (0, 0, 1, 2)])
    model = prototypes(TrainingSet(images, np.array([0, 0, 0, 2]), 3), 8, "l2")
    assert [2, 0, 1] == model.classes.tolist()
    assert [0, 0, 2] == model.owners.tolist()
    assert 1 not in model.scores(noise(50, 4, 4, 1)).argmax(axis=1)


def test_the_rung_climbs_explains_and_comes_back(digits: Pixels, tmp_path: object) -> None:
    """From a climb to the run folder, the same scores; the map adds up to the difference of the distances."""
    run = fl.climb(digits, rungs=["centroid-l2", "centroid-l2-x4", "ink", "ink-count"], out=str(tmp_path) + "/run")
    again = fl.read_run(str(tmp_path) + "/run")
    assert again["centroid-l2-x4"].metrics.accuracy > again["centroid-l2"].metrics.accuracy
    for name in ("centroid-l2-x4", "ink-count"):
        np.testing.assert_array_equal(run[name].predictions.scores, again[name].predictions.scores)
        seen = fl.predict(fl.restore(again[name].model), digits, split="validation")
        np.testing.assert_array_equal(run[name].predictions.scores, seen.scores)
        for one in fl.explain(fl.restore(again[name].model), digits, split="validation", count=5):
            a, b = (one.classes.index(label) for label in (one.predicted, one.against))
            assert one.map.sum() == pytest.approx(one.scores[a] - one.scores[b], abs=1e-9)


def test_ink_is_counted_from_the_middle_gray_on(digits: Pixels) -> None:
    """By NumPy: the share of pixels from 128 on, against each class's share."""
    known = training(digits)
    strong = counted(known.images).reshape(len(known.images), -1) == 255
    np.testing.assert_array_equal(known.images.reshape(strong.shape) >= 128, strong)
    shares = np.array([strong[known.labels == label].mean() for label in range(10)])
    validation = digits.select("validation")
    own = (validation.values.reshape(len(validation), -1) >= 128).mean(axis=1)
    expected = np.abs(own[:, None] - shares)
    seen = fl.predict(fl.fit("ink-count", digits), digits, split="validation")
    np.testing.assert_allclose(-seen.scores, expected, atol=1e-12)
