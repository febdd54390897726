"""`predict()`: from a fitted classifier and pixels to `Predictions`, the input of everything after the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions
from firstlight.models.checkpoint import restore
from firstlight.models.classifier import Classifier
from firstlight.runs.results import RungResult
from firstlight.runs.tensors import SavedModel

if TYPE_CHECKING:
    from firstlight.data.pixels import Pixels


def predict(
    classifier: Classifier | RungResult | SavedModel, pixels: Pixels, *, split: str | None = None
) -> Predictions:
    """Scores images.

    Args:
        classifier: as `fit` returns it, or a rung of a run: ``run["centroid-l1"]``.
        pixels: images of the shape that the classifier was fitted on.
        split: ``"train"``, ``"validation"`` or ``"test"``: only its images; all images by default.

    Returns:
        One row per image: its key, its label as an index into the classifier's classes (-1 if the image has no class,
        or one that the classifier does not know) and its scores (N, K).

    Raises:
        ArgumentError: where the images have another shape, or the split has no images.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits)))
        >>> seen = fl.predict(fl.fit("centroid", pixels, distance="l2"), pixels, split="validation")
        >>> seen.scores.shape == (len(seen), 10)
        True
    """
    classifier = classifier_of(classifier)
    chosen = pixels if split is None else pixels.select(split)
    if not len(chosen):
        missing = "are no images here" if split is None else f"is no {split} split here"
        raise ArgumentError(f"There {missing}; choose a split that has images.")
    shape = tuple(chosen.values.shape[1:])
    if shape != classifier.shape:
        raise ArgumentError(
            f"The images are {'x'.join(map(str, shape))} but {classifier.name} was fitted on "
            f"{'x'.join(map(str, classifier.shape))}; load them with the size and color it was fitted on."
        )
    return Predictions(
        name=classifier.name,
        keys=chosen.table.rows["key"],
        classes=classifier.classes,
        labels=_labels(chosen, classifier.classes),
        scores=classifier.model.scores(chosen.values),
        temperature=classifier.temperature,
        split=split,
        unreadable=len(pixels.unreadable if split is None else pixels.unreadable.select(split)),
    )


def classifier_of(source: Classifier | RungResult | SavedModel) -> Classifier:
    """The classifier itself, restored from a rung or a model file if needed."""
    saved = source.model if isinstance(source, RungResult) else source
    return restore(saved) if isinstance(saved, SavedModel) else saved


def _labels(pixels: Pixels, classes: tuple[str, ...]) -> np.ndarray:
    """The labels as indices into ``classes``, which may differ from the folder's own."""
    if pixels.classes == classes:
        return pixels.labels
    index = {name: number for number, name in enumerate(classes)}
    translated = np.array([*(index.get(name, -1) for name in pixels.classes), -1], np.int32)
    return translated[pixels.labels]
