"""`crossfit()`: every image scored by a model that was fitted without it (out-of-fold predictions)."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from numbers import Integral
from typing import Any

import numpy as np

from firstlight.arrow import to_numpy
from firstlight.data.pixels import Pixels, load
from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.rungs import named
from firstlight.models.training.recipes import recipe_for
from firstlight.models.training.setting import Callbacks, Setting
from firstlight.progress import Count, Progress, Report, counted, reported
from firstlight.seeds import seed_of
from firstlight.wording import plural

FOLDS = 5


def crossfit(
    data: Any, *, rung: str | None = None, folds: int = FOLDS, seed: int = 0, progress: Progress = None
) -> Predictions:
    """Scores every labelled image with a model that was fitted on the other folds (cross-validation).

    It uses all splits, the test split too: no model is chosen and no accuracy is reported, only labels that a person
    should check.

    Args:
        data: pixels, as `load` returns them; a table; or a folder, or anything else that `scan` takes.
        rung: the rung's name; by default ``"cnn"`` with its quick recipe if torch is installed, else ``"centroid-l2"``.
        folds: the number of folds, stratified by class; equal files are in the same fold.
        seed: random seed of the folds and of training.
        progress: called with a `Step` after each fold; True shows a meter.

    Returns:
        Logarithms of probabilities, with a temperature for each fold, in the order of the labelled rows. An image is
        left out where no other fold has its class, such as the only one of a class: no model could predict it.

    Raises:
        ArgumentError: where there are too few folds, classes or labelled images, or no such rung.

    Example:
        >>> import firstlight as fl
        >>> seen = fl.crossfit(fl.load(fl.scan(digits)), rung="centroid-l2")
        >>> len(seen), round(fl.evaluate(seen).accuracy, 1)
        (1797, 0.9)
    """
    seed = seed_of(seed)
    with reported(progress) as report:
        return _crossfit(data if isinstance(data, Pixels) else load(data, progress=report), rung, folds, seed, report)


def _crossfit(pixels: Pixels, rung: str | None, folds: int, seed: int, report: Report) -> Predictions:
    known = pixels.select(pixels.labels >= 0)
    classes = np.unique(known.labels)
    if not isinstance(folds, Integral) or folds < 2 or len(known) < 2 * folds or len(classes) < 2:
        raise ArgumentError(
            f"{plural(len(known), 'labelled image')} of {plural(len(classes), 'class', 'classes')} cannot "
            f"be split into {folds} folds; pass at least "
            f"two folds, two classes and twice as many images as folds."
        )
    chosen, *_ = named([rung or ("cnn" if find_spec("torch") else "centroid-l2")])  # of the centroids l1, as `fit`
    fold_of = _folds(known, folds, np.random.default_rng(seed))
    scores = np.empty((len(known), len(pixels.classes)))
    learnt = np.zeros(len(known), bool)  # whether the model that scored an image has seen its class
    count = counted(report, f"cross-validating {chosen.name}", "steps" if chosen.recipe else "folds")
    for fold in range(folds):
        inside = fold_of == fold
        training = TrainingSet(known.values[~inside], known.labels[~inside], len(pixels.classes))
        setting = Setting(classes=pixels.classes, seed=seed, callbacks=Callbacks(on_step=_in_fold(fold, folds, count)))
        if chosen.recipe:
            validation, training = training.held_out, training.without_held_out
            setting = replace(setting, recipe=recipe_for(chosen.recipe, "quick", {}), validation=validation)
        learnt[inside] = np.isin(known.labels[inside], training.labels)
        fitted = chosen.fit(training, setting)
        raw = fitted.model.scores(known.values[inside])
        part = Predictions(
            chosen.name,
            known.table.select(inside).rows["key"],
            pixels.classes,
            known.labels[inside],
            raw,
            temperature=fitted.temperature,
        )
        scores[inside] = np.maximum(part.log_probabilities, -700)  # where float64 gives -inf
        if not chosen.recipe:
            count(fold + 1, folds)
    rest = known.select(learnt)
    return Predictions(chosen.name, rest.table.rows["key"], pixels.classes, rest.labels, scores[learnt])


def _in_fold(fold: int, folds: int, count: Count) -> Count:
    """The steps of one fold as those of all."""
    return lambda done, total: count(fold * total + done, folds * total)


def _folds(known: Pixels, folds: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) the fold of each image: stratified by class, equal files together."""
    order = generator.permutation(len(known))
    order = order[np.argsort(known.labels[order], kind="stable")]
    fold_of = np.empty(len(known), np.int64)
    fold_of[order] = np.arange(len(known)) % folds
    digests = known.table.rows["digest"]
    if digests.null_count < len(known):
        _, codes = np.unique(np.array(digests.fill_null("").to_pylist()), return_inverse=True)
        there = to_numpy(digests.is_valid())
        first = np.full(codes.max() + 1, -1)
        for row in np.flatnonzero(there):  # the first of equal files decides
            first[codes[row]] = fold_of[row] if first[codes[row]] < 0 else first[codes[row]]
        fold_of = np.where(there, first[codes], fold_of)
    return fold_of
