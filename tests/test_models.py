"""The closed-form rungs: against scikit-learn, SciPy and hand-made images, and what must leave no trace."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestCentroid

from firstlight.data.decoding.loading import Preprocessing
from firstlight.errors import ArgumentError, RunError
from firstlight.evaluation.calibration import fit_temperature
from firstlight.models.checkpoint import restore, save
from firstlight.models.classifier import Classifier, Model
from firstlight.models.closed_form import distances, l1_kernel
from firstlight.models.closed_form.baselines import Ink, Prior
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.distances import DISTANCES, to_centres
from firstlight.models.closed_form.sums import class_sums
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.rungs import RUNGS, Rung, named
from firstlight.models.training.setting import Setting
from firstlight.runs.tensors import SavedModel

CLOSED_FORM = [rung for rung in RUNGS if not (rung.recipe or rung.embeds)]  # the others are in test_contract.py


def fit(rung: Rung, training: TrainingSet) -> tuple[Model, float]:
    """The model and its temperature."""
    fitted = rung.fit(training, Setting())
    return fitted.model, fitted.temperature


def random_images(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.fixture(scope="module")
def digits() -> TrainingSet:
    data = load_digits()
    return TrainingSet((data.images * 15).astype(np.uint8)[..., None], data.target, 10)


def test_class_sums_are_the_sums_of_each_class() -> None:
    """Two 2 x 2 images of one class and one of the other add up by hand."""
    images = np.array([[[1, 2], [3, 4]], [[10, 20], [30, 40]], [[255, 255], [0, 0]]], np.uint8)
    sums = class_sums(images, np.array([0, 1, 0]), 2)
    assert [2, 1] == sums.counts.tolist()
    assert [[256, 257, 3, 4], [10, 20, 30, 40]] == sums.sums.tolist()
    assert [[128, 128.5, 1.5, 2], [10, 20, 30, 40]] == sums.means.tolist()


def test_class_sums_have_the_same_bits_in_any_order_and_any_parts() -> None:
    """Shuffled rows, and two halves merged, give what all rows at once give."""
    images, labels = random_images(9000, 5, 3, 1), np.random.default_rng(1).integers(0, 3, 9000)
    whole = class_sums(images, labels, 3)
    order = np.random.default_rng(2).permutation(9000)
    shuffled = class_sums(images[order], labels[order], 3)
    halves = class_sums(images[:4000], labels[:4000], 3) + class_sums(images[4000:], labels[4000:], 3)
    for other in (shuffled, halves):
        assert np.array_equal(whole.sums, other.sums)
        assert np.array_equal(whole.counts, other.counts)
    assert np.array_equal(images[labels == 1].reshape(-1, 15).sum(axis=0, dtype=np.int64), whole.sums[1])


def test_class_sums_leave_out_rows_without_a_label() -> None:
    """A label of -1 counts for no class."""
    sums = class_sums(np.full((3, 1), 7, np.uint8), np.array([-1, 0, 0]), 2)
    assert [2, 0] == sums.counts.tolist()
    assert [[14], [0]] == sums.sums.tolist()


def test_class_sums_refuse_other_pixels_than_uint8() -> None:
    """Floats would not add up exactly, so they are refused."""
    with pytest.raises(ArgumentError, match="float64"):
        class_sums(np.zeros((2, 3)), np.array([0, 1]), 2)


@pytest.mark.parametrize(
    ("distance", "metric", "scale"),
    [("l1", "cityblock", 784), ("l2", "euclidean", 28), ("cosine", "cosine", 1)],
)
def test_distances_are_those_of_scipy(distance: str, metric: str, scale: float) -> None:
    """Each distance, per pixel and with 255 as 1, is SciPy's."""
    images, labels = random_images(300, 784), np.arange(300) % 7
    sums = class_sums(images, labels, 7)
    ours = to_centres(images, sums.sums, sums.counts, distance)
    theirs = cdist(images / 255, sums.means / 255, metric) / scale
    assert np.allclose(theirs, ours, rtol=0, atol=1e-8)


def test_the_compiled_l1_has_the_bits_of_numpy() -> None:
    """Which of the two computes the L1 distance cannot be seen in the result."""
    images = random_images(500, 700)
    centres = np.random.default_rng(3).integers(0, 255 * 65536 + 1, (4, 700)).astype(np.int32)
    images[0], centres[0] = 255, 0  # the largest sum there can be
    compiled, plain = np.empty((500, 4), np.int64), np.empty((500, 4), np.int64)
    l1_kernel.l1(images, centres, compiled)
    distances._l1_numpy(images, centres, plain)
    assert np.array_equal(plain, compiled)
    assert 255 * 65536 * 700 == compiled[0, 0]


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_image_has_the_distance_that_it_has_among_many(distance: str) -> None:
    """Scores do not depend on which other images are scored with them, to the bit."""
    images, labels = random_images(700, 784), np.arange(700) % 3
    sums = class_sums(images, labels, 3)
    many = to_centres(images, sums.sums, sums.counts, distance)
    for row in (0, 123, 699):
        assert np.array_equal(many[row : row + 1], to_centres(images[row : row + 1], sums.sums, sums.counts, distance))


def test_cosine_of_a_black_image_is_one() -> None:
    """An image without light has no angle; it is as far from every class."""
    sums = np.array([[0, 0], [3, 4]])
    assert [[1.0, 1.0]] == to_centres(np.zeros((1, 2), np.uint8), sums, np.array([1, 1]), "cosine").tolist()


def test_nearest_mean_by_l2_is_scikit_learns_nearest_centroid(digits: TrainingSet) -> None:
    """The predictions on the ten digits are those of NearestCentroid."""
    flat = digits.images.reshape(len(digits.labels), -1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="self.within_class_std_dev_ has")
        oracle = NearestCentroid().fit(flat[::2] / 255, digits.labels[::2]).predict(flat[1::2] / 255)
    half = TrainingSet(digits.images[::2], digits.labels[::2], 10)
    model, _ = fit(named(["centroid-l2"])[0], half)
    assert np.array_equal(oracle, model.scores(digits.images[1::2]).argmax(axis=1))


def test_nearest_mean_by_l2_is_a_linear_classifier(digits: TrainingSet) -> None:
    """argmin |x - m|^2 is argmax of 2 m.x - |m|^2."""
    model, _ = fit(named(["centroid-l2"])[0], digits)
    means = digits.sums.means
    flat = digits.images.reshape(len(digits.labels), -1)
    linear = flat @ (2 * means).T - (means**2).sum(axis=1)
    assert np.array_equal(linear.argmax(axis=1), model.scores(digits.images).argmax(axis=1))


def test_the_median_centre_is_numpys_median() -> None:
    """An even number of images gives halves, which are kept."""
    images = random_images(10, 2, 2, 1)
    training = TrainingSet(images, np.repeat([0, 1], 5), 2)
    for labels in (np.repeat([0, 1], 5), np.repeat([0, 1], [4, 6])):
        training = TrainingSet(images, labels, 2)
        centres = training.centres("median")
        for label in (0, 1):
            expected = np.median(images[labels == label].reshape(-1, 4), axis=0)
            assert np.array_equal(expected, centres.means[label])


def test_ink_takes_the_class_as_bright() -> None:
    """A dark image goes to the dark class whatever its form."""
    images = np.array([[[0, 10]], [[200, 220]]], np.uint8)[..., None]
    model, _ = fit(named(["ink"])[0], TrainingSet(images, np.array([0, 1]), 2))
    assert isinstance(model, Ink)
    scores = model.scores(np.array([[[90, 0]], [[255, 0]]], np.uint8)[..., None])
    assert [[-40 / 255, -165 / 255], [-122.5 / 255, -82.5 / 255]] == pytest.approx(scores)


def test_prior_takes_the_commonest_class() -> None:
    """Its scores are the logarithms of the shares, each class counted once more than seen."""
    model, temperature = fit(named(["prior"])[0], TrainingSet(random_images(4, 2, 2, 1), np.array([1, 1, 0, 1]), 3))
    assert 1.0 == temperature
    assert np.log([2 / 7, 4 / 7, 1 / 7]) == pytest.approx(model.scores(random_images(1, 2, 2, 1))[0])


@pytest.mark.parametrize("rung", CLOSED_FORM, ids=lambda rung: rung.name)
def test_a_class_without_training_images_is_never_chosen(rung) -> None:
    """A class that train lacks keeps its place among the scores and loses to every other."""
    images = random_images(40, 3, 3, 1)
    model, temperature = fit(rung, TrainingSet(images, np.arange(40) % 2 * 2, 3))
    scores = model.scores(images)
    assert (40, 3) == scores.shape
    assert np.isfinite(scores).all() and temperature > 0
    assert 1 not in scores.argmax(axis=1)


@pytest.mark.parametrize("rung", CLOSED_FORM, ids=lambda rung: rung.name)
def test_the_order_of_classes_leaves_no_trace(rung, digits: TrainingSet) -> None:
    """Classes numbered backwards give the same scores in the other order."""
    model, temperature = fit(rung, digits)
    other, same = fit(rung, TrainingSet(digits.images, 9 - digits.labels, 10))
    assert np.allclose(model.scores(digits.images), other.scores(digits.images)[:, ::-1], rtol=0, atol=1e-15)
    assert temperature == pytest.approx(same)


def test_held_out_images_are_a_fifth_of_each_class_and_a_thousand_at_most() -> None:
    """Classes of fewer than five images keep them all for the means."""
    labels = np.repeat([0, 1, 2], [4, 50, 100])
    held = TrainingSet(random_images(154, 1), labels, 3).held_out
    assert [0, 10, 20] == np.bincount(held.labels, minlength=3).tolist()
    many = TrainingSet(random_images(20000, 1), np.arange(20000) % 2, 2).held_out
    assert [500, 500] == np.bincount(many.labels).tolist()


@pytest.mark.parametrize("rung", CLOSED_FORM, ids=lambda rung: rung.name)
def test_two_images_a_class_are_enough(rung) -> None:
    """Where nothing can be held out the temperature stays 1."""
    images = random_images(4, 3, 3, 1)
    model, temperature = fit(rung, TrainingSet(images, np.array([0, 0, 1, 1]), 2))
    assert 1.0 == temperature
    assert (4, 2) == model.scores(images).shape


def test_means_without_the_held_out_images_are_those_of_the_rest() -> None:
    """Subtracting the held-out sums gives the bits of adding up the rest."""
    training = TrainingSet(random_images(50, 4), np.arange(50) % 2, 2)
    rest = np.delete(np.arange(50), training.held_out_rows)
    expected = class_sums(training.images[rest], training.labels[rest], 2)
    assert np.array_equal(expected.sums, training.centres_without_held_out("mean").sums)


def test_temperature_has_the_highest_likelihood() -> None:
    """SciPy's minimiser of the log loss finds the same temperature."""
    generator = np.random.default_rng(0)
    for scale in (1e-3, 1.0, 100.0):
        scores = generator.normal(size=(400, 5)) * scale
        labels = np.where(generator.random(400) < 0.6, scores.argmax(axis=1), generator.integers(0, 5, 400))

        def loss(log_beta: float, scores: np.ndarray = scores, labels: np.ndarray = labels) -> float:
            return -log_softmax(np.exp(log_beta) * scores, axis=1)[np.arange(400), labels].mean()

        best = minimize_scalar(loss, bounds=(-15, 15), method="bounded", options={"xatol": 1e-10})
        assert np.exp(-best.x) == pytest.approx(fit_temperature(scores, labels), rel=1e-4)


def test_temperature_of_scores_that_tell_nothing_or_everything_is_finite() -> None:
    """Neither perfect nor useless scores lead out of the bracket."""
    perfect = np.eye(3)[np.arange(30) % 3]
    sure = np.exp(np.array([1, 0, 0]) / fit_temperature(perfect, np.arange(30) % 3))
    assert sure[0] / sure.sum() == pytest.approx((30 + 1 / 3) / 31)  # one image more, as Laplace assumes
    assert 100 < fit_temperature(perfect, (np.arange(30) + 1) % 3) < np.inf
    assert 1.0 == fit_temperature(np.zeros((0, 3)), np.zeros(0, int))


def fitted(rung, digits: TrainingSet) -> Classifier:
    model, temperature = fit(rung, digits)
    preprocessing = Preprocessing((8, 8), "gray")
    return Classifier(rung.name, model, tuple("0123456789"), temperature, (8, 8, 1), preprocessing, "abc", 3)


@pytest.mark.parametrize("rung", CLOSED_FORM, ids=lambda rung: rung.name)
def test_a_saved_classifier_comes_back_with_the_same_scores(rung, digits: TrainingSet) -> None:
    """Through JSON and arrays and back, every score has the same bits."""
    before = fitted(rung, digits)
    after = restore(save(before))
    assert np.array_equal(before.model.scores(digits.images), after.model.scores(digits.images))
    for name in ("name", "classes", "temperature", "shape", "preprocessing", "fingerprint", "seed"):
        assert getattr(before, name) == getattr(after, name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c, t: t.pop("counts"), "tensors"),
        (lambda c, t: t.update(sums=t["sums"][:, 1:]), "'sums'"),
        (lambda c, t: t.update(counts=-t["counts"]), "'counts'"),
        (lambda c, t: t.update(counts=t["counts"].astype(float)), "'counts'"),
        (lambda c, t: c.pop("classes"), "classes"),
        (lambda c, t: c.update(kind="oracle"), "'oracle'"),
        (lambda c, t: c.update(options={"distance": "l7"}), "'l7'"),
        (lambda c, t: c.update(temperature=0), "temperature"),
    ],
)
def test_a_model_whose_parts_do_not_belong_together_is_refused(change, words: str, digits: TrainingSet) -> None:
    """The sentence names the part that differs."""
    saved = save(fitted(named(["centroid-l1"])[0], digits))
    config, tensors = dict(saved.config), dict(saved.tensors)
    change(config, tensors)
    with pytest.raises(RunError, match=words):
        restore(SavedModel(config, tensors))


def test_rungs_are_found_by_name() -> None:
    """A family stands for its members, once, in the order asked; an unknown name is told with those known."""
    assert ["ink", "centroid-l2", "centroid-l1", "centroid-cosine"] == [
        rung.name for rung in named(["ink", "centroid-l2", "centroid"])
    ]
    with pytest.raises(ArgumentError, match=r"'forest'.*centroid-l1"):
        named(["prior", "forest"])
    with pytest.raises(ArgumentError, match="rung"):
        named([])


def test_an_ideal_image_is_the_mean_image() -> None:
    """It is in [0, 1], a pixel of 255 being 1."""
    model, _ = fit(
        named(["centroid-l1"])[0],
        TrainingSet(np.array([[[[0]]], [[[255]]], [[[51]]]], np.uint8), np.array([0, 0, 1]), 2),
    )
    assert isinstance(model, Centroid)
    assert [[0.5], [0.2]] == model.centres.tolist()
    assert isinstance(fit(named(["prior"])[0], TrainingSet(random_images(2, 1), np.arange(2), 2))[0], Prior)
