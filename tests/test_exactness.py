"""Every closed-form rung on the embedded digits, against scikit-learn, SciPy and statsmodels, to the image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestCentroid

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.models.closed_form.distances import to_centres

METRICS = {"l1": "cityblock", "l2": "euclidean", "cosine": "cosine"}
SCALE = {"l1": 64.0, "l2": 8.0, "cosine": 1.0}  # a mean over 64 pixels, the root of one, none
RUNGS = ("prior", "ink", "centroid", "centroid-l1-median")


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> fl.Pixels:
    folder = write_digits(tmp_path_factory.mktemp("exact") / "digits")
    return fl.load(fl.split(fl.scan(folder)), cache=False)


@pytest.fixture(scope="module")
def run(pixels: fl.Pixels) -> fl.Run:
    return fl.climb(pixels, rungs=RUNGS)


def read(pixels: fl.Pixels, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The images of a split by Pillow alone, (N, 64) in [0, 1], and their classes by the names of their folders."""
    files = [Path(pixels.table.root) / key for key in pixels.select(split).keys]
    return np.stack([np.asarray(Image.open(file)).ravel() / 255 for file in files]), np.array(
        [int(file.parent.name) for file in files]
    )


@pytest.fixture(scope="module")
def train(pixels: fl.Pixels) -> tuple[np.ndarray, np.ndarray]:
    return read(pixels, "train")


@pytest.fixture(scope="module")
def validation(pixels: fl.Pixels) -> tuple[np.ndarray, np.ndarray]:
    return read(pixels, "validation")


def centres(train: tuple[np.ndarray, np.ndarray], by: str = "mean") -> np.ndarray:
    """The mean or median image of each class, (10, 64)."""
    images, labels = train
    return np.stack([getattr(np, by)(images[labels == digit], axis=0) for digit in range(10)])


def named(run: fl.Run, rung: str) -> np.ndarray:
    """The class that a rung gives each validation image."""
    return run[rung].predictions.scores.argmax(axis=1)


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # pixels that are black in every image of a class
def test_l2_names_what_scikit_learns_nearest_centroid_names(run: fl.Run, train, validation) -> None:
    """Image by image; as many are right, by class too."""
    expected = NearestCentroid().fit(*train).predict(validation[0])
    assert np.array_equal(expected, named(run, "centroid-l2"))
    recall = run["centroid-l2"].to_dict()["recall"]
    right = expected == validation[1]
    assert {str(digit): int(right[validation[1] == digit].sum()) for digit in range(10)} == {
        name: one["correct"] for name, one in recall.items()
    }


@pytest.mark.parametrize("distance", METRICS)
def test_each_distance_is_scipys(pixels: fl.Pixels, train, validation, distance: str) -> None:
    """Of every validation image to every mean image, to 1e-12; L1, which counts in whole steps, to 1e-8."""
    chosen = pixels.select("train")
    sums = fl.class_sums(chosen.values, chosen.labels, 10)
    values = pixels.select("validation").values
    found = to_centres(values.reshape(len(values), -1), sums.sums, sums.counts, distance)
    expected = cdist(validation[0], centres(train), METRICS[distance]) / SCALE[distance]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 if distance == "l1" else 1e-12)


@pytest.mark.parametrize("distance", METRICS)
def test_each_centroid_names_the_nearest_by_scipy(run: fl.Run, train, validation, distance: str) -> None:
    """Image by image."""
    expected = cdist(validation[0], centres(train), METRICS[distance]).argmin(axis=1)
    assert np.array_equal(expected, named(run, f"centroid-{distance}"))


def test_the_median_names_the_nearest_by_numpy_and_scipy(run: fl.Run, train, validation) -> None:
    """The median image of each class by NumPy."""
    expected = cdist(validation[0], centres(train, "median"), "cityblock").argmin(axis=1)
    assert np.array_equal(expected, named(run, "centroid-l1-median"))


def test_prior_and_ink_are_what_their_names_say(run: fl.Run, train, validation) -> None:
    """The commonest class, and the class whose mean pixel is nearest to the image's."""
    assert {int(stats.mode(train[1]).mode)} == set(named(run, "prior").tolist())
    inks = centres(train).mean(axis=1)
    expected = cdist(validation[0].mean(axis=1)[:, None], inks[:, None]).argmin(axis=1)
    assert np.array_equal(expected, named(run, "ink"))


def test_each_interval_is_scipys_wilson(run: fl.Run) -> None:
    """Of the images that are right among all."""
    for rung in run:
        document = rung.to_dict()
        known = stats.binomtest(document["correct"], document["n"]).proportion_ci(method="wilson")
        assert pytest.approx((known.low, known.high), abs=1e-12) == tuple(document["interval"])


def test_each_p_is_scipys_binomial_test_and_statsmodels_holm(run: fl.Run, validation) -> None:
    """Of the images that only one of two rungs names right; over all pairs of rungs, corrected by Holm."""
    from statsmodels.stats.multitest import multipletests

    right = {rung.name: named(run, rung.name) == validation[1] for rung in run}
    plain = {}
    for row in run.comparisons:
        only_this = int((right[row.name] & ~right[row.against]).sum())
        only_other = int((~right[row.name] & right[row.against]).sum())
        assert (only_this, only_other) == (row.only_this, row.only_other)
        count = only_this + only_other
        plain[row.name, row.against] = stats.binomtest(only_this, count).pvalue if count else 1.0
        alone = fl.compare(run[row.name], against=run[row.against])
        assert pytest.approx(plain[row.name, row.against], rel=1e-9) == alone.p
    assert len(run) * (len(run) - 1) / 2 == len(plain)
    adjusted = multipletests(list(plain.values()), method="holm")[1].tolist()
    assert pytest.approx(adjusted, rel=1e-9) == [row.p for row in run.comparisons]
    for row in fl.compare(run, against="centroid-l2").rows:
        pair = {(one.name, one.against): one for one in run.comparisons}
        assert row in (pair.get((row.name, row.against)), getattr(pair.get((row.against, row.name)), "mirrored", None))


def test_a_run_is_one_json_document(run: fl.Run) -> None:
    """What the command prints can be read back as it is."""
    document = json.loads(json.dumps(run.to_dict(), allow_nan=False))
    assert {"classes", "split", "unreadable", "rungs", "advice", "run"} <= document.keys()
    assert ([*"0123456789"], "validation", 0) == (document["classes"], document["split"], document["unreadable"])
    assert {"difference", "p"} <= document["rungs"][1]["against_previous"].keys()
    assert {"fit", "predict"} == document["rungs"][1]["seconds"].keys()
