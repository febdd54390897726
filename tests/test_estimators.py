"""The estimators: scikit-learn's own checks, its classifiers as oracles, and the bits of the rungs."""

from __future__ import annotations

import doctest
import importlib
import sys
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import extmath, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from firstlight import estimators
from firstlight.errors import ArgumentError, MissingExtraError
from firstlight.estimators import CentroidClassifier, InkClassifier, PriorClassifier
from firstlight.evaluation.calibration import fit_temperature
from firstlight.models.closed_form.centroid import CENTRES
from firstlight.models.closed_form.distances import DISTANCES
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.rungs import centroid_name, named
from firstlight.models.training.setting import Setting

CENTROIDS = [CentroidClassifier(distance, centre) for centre in CENTRES for distance in DISTANCES]
ALL = [*CENTROIDS, InkClassifier(), PriorClassifier()]
ADDING = [estimator for estimator in ALL if hasattr(estimator, "partial_fit")]
SCALES = {"l1": 64, "l2": 8, "cosine": 1}  # of a mean over 64 px: SciPy's distances are sums
METRICS = {"l1": "cityblock", "l2": "euclidean", "cosine": "cosine"}

data = load_digits()
IMAGES, LABELS = (data.images * 15).astype(np.uint8), data.target  # (1797, 8, 8), (1797,)
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[LABELS]
TRAIN, TEST = slice(0, 1200), slice(1200, None)
FLAT = IMAGES.reshape(-1, 64)


# NearestCentroid warns of pixels that are black in every training image of a class.
by_nearest_centroid = pytest.mark.filterwarnings("ignore:self.within_class_std_dev_ has:UserWarning:sklearn")


def rung_of(estimator: Any) -> str:
    if isinstance(estimator, CentroidClassifier):
        return centroid_name(estimator.distance, estimator.centre)
    return {"InkClassifier": "ink", "PriorClassifier": "prior"}[type(estimator).__name__]


def each(some: list[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("estimator", some, ids=rung_of)


@parametrize_with_checks(ALL)
def test_scikit_learns_checks_pass(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check of check_estimator passes, that of array API input too; none is expected to fail."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)


@each(ALL)
def test_uint8_images_get_the_bits_of_the_rung(estimator: Any) -> None:
    """Probabilities, temperature and counts are those of the rung that is fitted on the same images."""
    training = TrainingSet(IMAGES[TRAIN, ..., None], LABELS[TRAIN], 10)
    rung = named([rung_of(estimator)])[0].fit(training, Setting())
    model, temperature = rung.model, rung.temperature
    fitted = clone(estimator).fit(FLAT[TRAIN], LABELS[TRAIN])
    scores = model.scores(IMAGES[TEST, ..., None])
    assert temperature == fitted.temperature_
    assert np.array_equal(scores.argmax(axis=1), fitted.predict(FLAT[TEST]))
    assert np.array_equal(extmath.softmax(scores / temperature), fitted.predict_proba(FLAT[TEST]))
    assert np.array_equal(np.bincount(LABELS[TRAIN]), fitted.counts_)


@each(ALL)
def test_images_are_taken_as_they_are(estimator: Any) -> None:
    """(N, H, W) and (N, H, W, C) give what the flat rows give, and may be mixed."""
    assert get_tags(estimator).input_tags.three_d_array
    flat = clone(estimator).fit(FLAT[TRAIN], LABELS[TRAIN])
    for images in (IMAGES, IMAGES[..., None]):
        fitted = clone(estimator).fit(images[TRAIN], LABELS[TRAIN])
        assert 64 == fitted.n_features_in_
        assert np.array_equal(flat.predict_proba(FLAT[TEST]), fitted.predict_proba(images[TEST]))
        assert np.array_equal(flat.predict_proba(FLAT[TEST]), fitted.predict_proba(FLAT[TEST]))


@each(ALL)
def test_numbers_mean_the_same_in_any_dtype(estimator: Any) -> None:
    """Integers as floats, fitted or predicted, give the answers of uint8 but for rounding."""
    exact = clone(estimator).fit(FLAT[TRAIN], LABELS[TRAIN])
    rounded = clone(estimator).fit(FLAT[TRAIN].astype(float), LABELS[TRAIN])
    expected = exact.predict_proba(FLAT[TEST])
    for fitted in (exact, rounded):
        for dtype in (float, np.float32, np.int16, np.uint8):
            assert np.allclose(expected, fitted.predict_proba(FLAT[TEST].astype(dtype)), rtol=0, atol=2e-5)


@each([CentroidClassifier("l1"), CentroidClassifier("l2"), InkClassifier()])
def test_fractions_are_not_cut_off_where_pixels_were_fitted(estimator: Any) -> None:
    """1.4 is nearer to 2 than to 0, though a pixel of 1 would be as near to both."""
    fitted = clone(estimator).fit(np.array([[0], [2]], np.uint8), ["black", "white"])
    assert ["white", "black"] == fitted.predict([[1.4], [0.6]]).tolist()
    assert ["black"] == fitted.predict(np.array([[1]], np.uint8)).tolist()  # a tie: the first by name


@each([*CENTROIDS, InkClassifier()])
def test_samples_that_are_all_zero_tell_nothing(estimator: Any) -> None:
    """Every class is as probable."""
    zeros = np.zeros((20, 3))
    assert np.array_equal(np.full((20, 2), 0.5), clone(estimator).fit(zeros, np.arange(20) % 2).predict_proba(zeros))


@each(CENTROIDS)
def test_the_nearest_centre_of_floats_is_scipys(estimator: CentroidClassifier) -> None:
    """Negative and fractional numbers go to the class whose NumPy mean or median SciPy finds nearest."""
    samples = np.random.default_rng(0).normal(size=(1797, 64)) + FLAT / 40 - 2
    fitted = clone(estimator).fit(samples[TRAIN], NAMES[TRAIN])
    middle = np.mean if estimator.centre == "mean" else np.median
    names = np.unique(NAMES)
    centres = np.array([middle(samples[TRAIN][NAMES[TRAIN] == name], axis=0) for name in names])
    distances = cdist(samples[TEST], centres, METRICS[estimator.distance])
    assert np.allclose(centres, fitted.centres_, rtol=0, atol=1e-12)
    assert np.array_equal(names[distances.argmin(axis=1)], fitted.predict(samples[TEST]))
    unit = 1 if estimator.distance == "cosine" else np.abs(samples[TRAIN]).max()
    scores = -distances / SCALES[estimator.distance] / unit
    expected = softmax(scores / fitted.temperature_, axis=1)
    assert np.allclose(expected, fitted.predict_proba(samples[TEST]), rtol=0, atol=1e-9)


@each(ALL)
def test_the_unit_of_floats_leaves_no_trace(estimator: Any) -> None:
    """Numbers in thousands or thousandths give the same probabilities, to the bit for powers of two."""
    samples = np.random.default_rng(0).normal(size=(1797, 64)) + FLAT / 40
    expected = clone(estimator).fit(samples[TRAIN], LABELS[TRAIN]).predict_proba(samples[TEST])
    for unit in (2.0**-600, 1024.0, 2.0**600):
        other = clone(estimator).fit(samples[TRAIN] * unit, LABELS[TRAIN])
        assert np.array_equal(expected, other.predict_proba(samples[TEST] * unit))


def test_l2_far_from_zero_loses_no_digits() -> None:
    """Small differences between numbers around a hundred million decide as they do around zero."""
    samples = np.random.default_rng(0).integers(0, 8, (600, 5)).astype(float)
    labels = np.arange(600) % 3
    near = CentroidClassifier("l2").fit(samples, labels)
    far = CentroidClassifier("l2").fit(samples + 2.0**27, labels)
    assert np.array_equal(near.predict(samples), far.predict(samples + 2.0**27))


@by_nearest_centroid
def test_nearest_mean_by_l2_is_scikit_learns_nearest_centroid() -> None:
    """NearestCentroid with its Euclidean metric predicts the same, on uint8 and on floats."""
    for samples in (FLAT, FLAT / 255, StandardScaler().fit_transform(FLAT)):
        oracle = NearestCentroid(metric="euclidean").fit(samples[TRAIN], NAMES[TRAIN])
        ours = CentroidClassifier("l2").fit(samples[TRAIN], NAMES[TRAIN])
        assert np.array_equal(oracle.predict(samples[TEST]), ours.predict(samples[TEST]))
        assert np.allclose(oracle.centroids_, ours.centres_, rtol=0, atol=1e-12)


@by_nearest_centroid
def test_the_class_median_by_l1_is_scikit_learns_manhattan_centroid() -> None:
    """NearestCentroid takes the median where the metric is Manhattan."""
    oracle = NearestCentroid(metric="manhattan").fit(FLAT[TRAIN] / 255, LABELS[TRAIN])
    ours = CentroidClassifier("l1", "median").fit(FLAT[TRAIN] / 255, LABELS[TRAIN])
    assert np.array_equal(oracle.predict(FLAT[TEST] / 255), ours.predict(FLAT[TEST] / 255))


def test_ink_is_the_nearest_mean_of_one_number() -> None:
    """NearestCentroid on each sample's mean alone predicts the same."""
    samples = FLAT / 255 - 0.5
    ink = samples.mean(axis=1, keepdims=True)
    oracle = NearestCentroid().fit(ink[TRAIN], NAMES[TRAIN])
    assert np.array_equal(
        oracle.predict(ink[TEST]), InkClassifier().fit(samples[TRAIN], NAMES[TRAIN]).predict(samples[TEST])
    )


def test_prior_is_scikit_learns_most_frequent() -> None:
    """DummyClassifier predicts the same class, the first of those that are equally common too."""
    for names in (NAMES, NAMES[NAMES != "three"], np.array(["b", "a", "b", "a", "c"])):
        samples = np.zeros((len(names), 2))
        oracle = DummyClassifier(strategy="most_frequent").fit(samples, names)
        assert np.array_equal(oracle.predict(samples), PriorClassifier().fit(samples, names).predict(samples))


@each(ALL)
@pytest.mark.parametrize("samples", [FLAT, FLAT / 255 - 0.3], ids=["uint8", "float64"])
def test_classes_of_fewer_than_five_samples_can_be_fitted(estimator: Any, samples: np.ndarray) -> None:
    """None is held out then, and the temperature stays 1."""
    few = np.sort(np.concatenate([np.flatnonzero(LABELS == label)[:4] for label in range(10)]))
    fitted = clone(estimator).fit(samples[few], LABELS[few])
    assert 1.0 == fitted.temperature_
    assert np.allclose(1, fitted.predict_proba(samples).sum(axis=1))


@each(ADDING)
def test_pieces_added_up_are_the_whole_to_the_bit(estimator: Any) -> None:
    """Pieces of uint8 in another order give the centres and predictions of fitting all at once."""
    whole = clone(estimator).fit(FLAT[TRAIN], NAMES[TRAIN])
    pieces = clone(estimator)
    for rows in np.array_split(np.random.default_rng(0).permutation(1200), [1, 3, 500, 501]):
        pieces.partial_fit(FLAT[rows], NAMES[rows], classes=np.unique(NAMES))
    assert np.array_equal(whole.counts_, pieces.counts_)
    assert np.array_equal(whole.predict(FLAT[TEST]), pieces.predict(FLAT[TEST]))
    if not isinstance(estimator, PriorClassifier):
        assert np.array_equal(whole.centres_, pieces.centres_)


@each(ADDING)
def test_one_piece_is_a_fit(estimator: Any) -> None:
    """A first call with everything gives the probabilities of fit, to the bit."""
    whole = clone(estimator).fit(FLAT[TRAIN], NAMES[TRAIN])
    piece = clone(estimator).partial_fit(FLAT[TRAIN], NAMES[TRAIN], classes=np.unique(NAMES))
    assert np.array_equal(whole.predict_proba(FLAT[TEST]), piece.predict_proba(FLAT[TEST]))


@each(ADDING)
def test_a_fit_goes_on_in_pieces(estimator: Any) -> None:
    """What was fitted counts like a first piece, and floats may follow uint8."""
    whole = clone(estimator).fit(FLAT[TRAIN].astype(float), NAMES[TRAIN])
    grown = clone(estimator).fit(FLAT[:700], NAMES[:700]).partial_fit(FLAT[700:1200] * 1.0, NAMES[700:1200])
    assert np.array_equal(whole.counts_, grown.counts_)
    assert np.array_equal(whole.predict(FLAT[TEST]), grown.predict(FLAT[TEST]))


def test_temperature_is_fitted_on_the_last_thousand_samples_that_were_scored_before_they_were_added() -> None:
    """First those held out of the first piece, then each piece; of a longer one, evenly spaced ones."""
    held = TrainingSet(np.arange(300), LABELS[:300], 10).held_out.images
    rest = np.delete(np.arange(300), held)
    steps = [(rest, held), (np.arange(300), np.arange(300, 750)), (np.arange(750), np.arange(750, 1797, 2))]
    grown, scores = CentroidClassifier("l2"), []
    for (known, unseen), piece in zip(steps, (slice(0, 300), slice(300, 750), slice(750, None)), strict=True):
        grown.partial_fit(FLAT[piece], LABELS[piece], classes=range(10))
        centres = np.array([FLAT[known][LABELS[known] == label].mean(axis=0) for label in range(10)])
        scores.append(-cdist(FLAT[unseen], centres) / 8 / 255)
        rows = np.concatenate([unseen for _, unseen in steps[: len(scores)]])[-1000:]
        expected = fit_temperature(np.concatenate(scores)[-1000:], LABELS[rows])
        assert expected == pytest.approx(grown.temperature_, rel=1e-9)
    assert len(held) + 450 + 524 > 1000 == len(rows)


@pytest.mark.slow
def test_samples_that_come_one_by_one_lead_to_probabilities_as_good_as_those_of_a_fit() -> None:
    """The log loss on new samples is within a tenth of what fitting at once reaches."""
    whole = CentroidClassifier("l2").fit(FLAT[:400], LABELS[:400])
    grown = CentroidClassifier("l2")
    for row in range(400):
        grown.partial_fit(FLAT[row : row + 1], LABELS[row : row + 1], classes=range(10))
    losses = [log_loss(LABELS[TEST], fitted.predict_proba(FLAT[TEST])) for fitted in (whole, grown)]
    assert losses[1] < 1.1 * losses[0] < 1.1


@each(ADDING)
@pytest.mark.parametrize("samples", [FLAT, FLAT / 255 - 0.3], ids=["uint8", "float64"])
def test_a_class_that_has_not_come_yet_is_never_predicted(estimator: Any, samples: np.ndarray) -> None:
    """It keeps its column among the probabilities; the temperature waits for it at 1."""
    there = np.flatnonzero((LABELS != 0) & (LABELS != 4))
    fitted = clone(estimator)
    for rows in (there[:700], there[700:]):
        fitted.partial_fit(samples[rows], LABELS[rows], classes=range(10))
    assert 1.0 == fitted.temperature_
    assert (1797, 10) == fitted.predict_proba(samples).shape
    assert not {0, 4} & set(fitted.predict(samples))
    fitted.partial_fit(samples, LABELS)
    assert isinstance(estimator, PriorClassifier) or {0, 4} <= set(fitted.predict(samples))


def test_medians_cannot_be_added() -> None:
    """A median has no partial_fit, as hasattr and the error say."""
    assert not hasattr(CentroidClassifier(centre="median"), "partial_fit")
    assert hasattr(CentroidClassifier(centre="mean"), "partial_fit")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CentroidClassifier("l7").fit(FLAT, LABELS), "'l7'.* l1"),
        (lambda: CentroidClassifier(centre="mode").fit(FLAT, LABELS), "'mode'.* mean"),
        (lambda: CentroidClassifier("l7").partial_fit(FLAT, LABELS, range(10)), "'l7'.* l1"),
        (lambda: InkClassifier().partial_fit(FLAT, LABELS), "classes"),
        (lambda: InkClassifier().partial_fit(FLAT, LABELS, classes=range(9)), r"\[9\]"),
        (lambda: InkClassifier().fit(FLAT, LABELS).partial_fit(FLAT, LABELS + 1), r"\[10\]"),
        (lambda: InkClassifier().fit(FLAT, LABELS).partial_fit(FLAT, LABELS, range(9)), "classes"),
    ],
)
def test_what_cannot_be_fitted_is_reported(call: Any, words: str) -> None:
    """Each wrong argument is an ArgumentError, which is a ValueError, and is named."""
    with pytest.raises(ArgumentError, match=words):
        call()


def test_a_refused_first_piece_leaves_a_first_piece_to_come() -> None:
    """After the error the right call works as if nothing had been."""
    estimator = CentroidClassifier("l7")
    with pytest.raises(ArgumentError):
        estimator.partial_fit(FLAT[:, :9], LABELS, classes=range(10))
    estimator.set_params(distance="l1").partial_fit(FLAT, NAMES, classes=np.unique(NAMES))
    assert np.array_equal(np.unique(NAMES), estimator.classes_)


@by_nearest_centroid
def test_a_pipeline_with_a_scaler_is_the_nearest_centroid_of_scaled_samples() -> None:
    """Standardised floats go through the same door."""
    ours = make_pipeline(StandardScaler(), CentroidClassifier("l2")).fit(FLAT[TRAIN], NAMES[TRAIN])
    oracle = make_pipeline(StandardScaler(), NearestCentroid()).fit(FLAT[TRAIN], NAMES[TRAIN])
    assert oracle.score(FLAT[TEST], NAMES[TEST]) == ours.score(FLAT[TEST], NAMES[TEST])


@by_nearest_centroid
def test_cross_validation_scores_every_fold_as_the_oracle() -> None:
    """cross_val_score clones, fits and scores."""
    folds = StratifiedKFold(5)
    ours = cross_val_score(CentroidClassifier("l2"), FLAT, NAMES, cv=folds)
    assert cross_val_score(NearestCentroid(), FLAT, NAMES, cv=folds).tolist() == ours.tolist()


def test_a_grid_search_finds_the_distance() -> None:
    """The distance that is best on its own is the one found."""
    single = {d: cross_val_score(CentroidClassifier(d), FLAT, LABELS, cv=3).mean() for d in DISTANCES}
    search = GridSearchCV(CentroidClassifier(), {"distance": list(DISTANCES)}, cv=3).fit(FLAT, LABELS)
    assert {"distance": max(single, key=single.__getitem__)} == search.best_params_


def test_without_scikit_learn_the_error_is_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the estimators says what to do."""
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "firstlight.estimators")
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[sklearn\]"'):
        importlib.import_module("firstlight.estimators")


def test_examples_in_docstrings_run() -> None:
    """Every example prints what it says."""
    done = doctest.testmod(estimators, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert 0 == done.failed
    assert done.attempted > 5
