"""`crossfit()`: every image scored by a model that was fitted without it (out-of-fold predictions)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from numbers import Integral
from typing import Any

import numpy as np

from firstlight.data.auditing.duplicates import equal_pairs, groups_of, numbered
from firstlight.data.pixels import Pixels, load
from firstlight.data.table import Table
from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.options import backbone_for
from firstlight.models.pretrained.backbone import Backbone
from firstlight.models.pretrained.embedded import Embedded
from firstlight.models.pretrained.embeddings import embeddings
from firstlight.models.rungs import Rung, named, refuse_missing
from firstlight.models.training.recipes import recipe_for
from firstlight.models.training.setting import Callbacks, Setting
from firstlight.progress import Count, Progress, Report, counted, reported
from firstlight.seeds import seed_of
from firstlight.wording import plural

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a rung is fitted on and scores.

    Attributes:
        table: N rows.
        values: (N, H, W, C) uint8; for heads of pretrained networks (N, D) float16.
        backbone: whose embeddings the values are; None where they are pixels.
        together: (N,), the same number for images that must be in one fold, such as equal files.
    """

    table: Table
    values: np.ndarray
    backbone: Backbone | None
    together: np.ndarray

    def select(self, rows: np.ndarray) -> Inputs:
        """Those of a mask or of row numbers."""
        return replace(self, table=self.table.select(rows), values=self.values[rows], together=self.together[rows])

    def kept_together(self, together: np.ndarray) -> Inputs:
        """With (N,) other numbers of what must be in one fold."""
        return replace(self, together=together)


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
    chosen, *_ = named([rung or ("cnn" if find_spec("torch") else "centroid-l2")])  # of the centroids l1, as `fit`
    if chosen.tunes:
        raise ArgumentError(f"{chosen.name} is not fitted on folds; name another rung, such as embed-linear.")
    refuse_missing([chosen])
    with reported(progress) as report:
        pixels = data if isinstance(data, Pixels) else load(data, progress=report)
        return crossfitted(inputs_of(pixels, chosen, report), chosen, folds=folds, seed=seed, report=report)


def inputs_of(images: Pixels | Table, rung: Rung, report: Report) -> Inputs:
    """The pixels, or for a rung that learns from embeddings those of the images.

    Args:
        images: pixels; for a rung that learns from embeddings also a table of readable images.
        rung: the rung.
        report: gets the steps of the embedding.
    """
    table = images.table if isinstance(images, Pixels) else images
    backbone = backbone_for([rung], None)
    if backbone is not None:
        values = embeddings(images, backbone, progress=counted(report, "embedding"))
    else:
        assert isinstance(images, Pixels)
        values = images.values
    equal = groups_of(equal_pairs(table.rows["digest"].to_pylist()), len(table))
    return Inputs(table, values, backbone, numbered(equal, len(table)))


def crossfitted(inputs: Inputs, rung: Rung, *, folds: int, seed: int, report: Report) -> Predictions:
    """Scores every labelled image as `crossfit` does.

    Args:
        inputs: of all images.
        rung: the rung.
        folds: the number of folds.
        seed: random seed of the folds and of training.
        report: gets the steps.
    """
    known = inputs.select(inputs.table.labels >= 0)
    names, labels = inputs.table.classes, known.table.labels
    classes = np.unique(labels)
    if not isinstance(folds, Integral) or folds < 2 or len(labels) < 2 * folds or len(classes) < 2:
        raise ArgumentError(
            f"{plural(len(labels), 'labelled image')} of {plural(len(classes), 'class', 'classes')} cannot "
            f"be split into {folds} folds; pass at least "
            f"two folds, two classes and twice as many images as folds."
        )
    fold_of = _folds(labels, known.together, folds, np.random.default_rng(seed))
    scores = np.empty((len(labels), len(names)))
    learnt = np.zeros(len(labels), bool)  # whether the model that scored an image has seen its class
    count = counted(report, f"cross-validating {rung.name}", "steps" if rung.recipe else "folds")
    for fold in range(folds):
        inside = fold_of == fold
        training = TrainingSet(known.values[~inside], labels[~inside], len(names))
        callbacks = Callbacks(on_step=_in_fold(fold, folds, count))
        setting = Setting(classes=names, seed=seed, callbacks=callbacks, backbone=inputs.backbone)
        if rung.recipe:
            validation, training = training.held_out, training.without_held_out
            setting = replace(setting, recipe=recipe_for(rung.recipe, "quick", {}), validation=validation)
        learnt[inside] = np.isin(labels[inside], training.labels)
        fitted = rung.fit(training, setting)
        model = fitted.model
        raw = (model.head if isinstance(model, Embedded) else model).scores(known.values[inside])
        part = Predictions(
            rung.name,
            known.table.select(inside).rows["key"],
            names,
            labels[inside],
            raw,
            temperature=fitted.temperature,
        )
        scores[inside] = np.maximum(part.log_probabilities, -700)  # where float64 gives -inf
        if not rung.recipe:
            count(fold + 1, folds)
    rest = known.table.select(learnt)
    return Predictions(rung.name, rest.rows["key"], names, rest.labels, scores[learnt])


def _in_fold(fold: int, folds: int, count: Count) -> Count:
    """The steps of one fold as those of all."""
    return lambda done, total: count(fold * total + done, folds * total)


def _folds(labels: np.ndarray, together: np.ndarray, folds: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) the fold of each image: stratified by class, those with the same number in ``together`` in that of one."""
    order = generator.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    _, firsts, numbers = np.unique(together, return_index=True, return_inverse=True)
    return fold_of[firsts][numbers]
