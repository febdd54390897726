"""`predict()`: from a fitted classifier and images in any form to `Predictions`, the input of all that follows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.data.decoding.loading import Preprocessing
from firstlight.data.new_images import new_images
from firstlight.data.pixels import Pixels, load
from firstlight.data.table import SPLITS
from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Predictions
from firstlight.models.checkpoint import SUFFIX, restore
from firstlight.models.classifier import Classifier
from firstlight.models.training.monitoring import fingerprint
from firstlight.progress import Progress
from firstlight.runs.folder import read_run
from firstlight.runs.ledger import count_reading, dataset_of
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.runs.tensors import SavedModel

# Whatever holds a fitted model, or is a file of one: of a run or its folder, the advised rung.
Fitted = Classifier | RungResult | SavedModel | Run | str | Path

SMALL = Preprocessing((32, 32), "rgb")  # 3 kB of the cache for each image


def predict(classifier: Fitted, images: Any, *, split: str | None = None, progress: Progress = None) -> Predictions:
    """Scores images.

    Args:
        classifier: as `fit` returns it, a rung of a run such as ``run["cnn"]``, a file that `save` wrote, or a run or
            its folder, whose advised rung is used.
        images: an image: a file, its bytes, a picture of Pillow or an array (H, W) or (H, W, C), uint8, uint16 or
            bool; several of these in a list, or an array (N, H, W, C); a folder, or anything else that `scan` takes;
            a table; or pixels. All but pixels are brought to the size and color that the classifier was fitted on.
        split: ``"train"``, ``"validation"`` or ``"test"``: only its images; all images by default. Each time that
            labelled test images are predicted is counted (`firstlight.runs.ledger`).
        progress: called with a `Step` while a folder is decoded; True shows a meter.

    Returns:
        One row per image: its key, its label as an index into the classifier's classes (-1 if the image has no class,
        or one that the classifier does not know) and its scores (N, K).

    Raises:
        ArgumentError: where pixels have another shape, the split has no images, or something else is passed.
        DataError: where an image of a list cannot be read, or more than 5 % of a folder.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits)))
        >>> ideal = fl.fit("centroid", pixels, distance="l2")
        >>> seen = fl.predict(ideal, pixels, split="validation")
        >>> seen.scores.shape == (len(seen), 10)
        True
        >>> fl.predict(ideal, np.zeros((28, 28), np.uint8)).scores.shape
        (1, 10)
    """
    classifier = classifier_of(classifier)
    pixels = pixels_for(classifier, images, progress)
    seen = scored(classifier, pixels, split)
    if split in (None, "test"):
        count_reading(dataset_of([pixels.table, pixels.unreadable]))
    return seen


def scored(classifier: Classifier, pixels: Pixels, split: str | None = None) -> Predictions:
    """Scores loaded images, as `predict` does, without counting a reading of the test split."""
    chosen = pixels if split is None else pixels.select(split)  # which checks the name
    if not len(chosen):
        raise none_in(pixels, split)
    shape = tuple(chosen.values.shape[1:])
    own = classifier.model.preprocessing is not None
    if shape != classifier.shape and not own:
        raise ArgumentError(
            f"The images are {'x'.join(map(str, shape))} but {classifier.name} was fitted on "
            f"{'x'.join(map(str, classifier.shape))}; load them with the size and color it was fitted on."
        )
    if pixels.align != classifier.preprocessing.align and not own:
        raise ArgumentError(
            f"The images are aligned by {pixels.align!r} but {classifier.name} was fitted on images aligned by "
            f"{classifier.preprocessing.align!r}; load them with align={classifier.preprocessing.align!r}."
        )
    return Predictions(
        name=classifier.name,
        keys=chosen.table.rows["key"],
        classes=classifier.classes,
        labels=_labels(chosen, classifier.classes),
        scores=classifier.model.scores_of(chosen),
        temperature=classifier.temperature,
        split=split,
        calibrated_here=bool(classifier.calibrated_on) and _may_have_calibrated(chosen, classifier.calibrated_on),
        unreadable=len(pixels.unreadable if split is None else pixels.unreadable.select(split)),
    )


def none_in(pixels: Pixels, split: str | None) -> ArgumentError:
    """The error where there is no image to look at."""
    if split is None or not len(pixels):
        return ArgumentError("No image was passed; pass at least one.")
    counts = {name: int(np.count_nonzero(pixels.splits == code)) for code, name in enumerate(SPLITS)}
    there = ", ".join(f"{name} has {count:,}" for name, count in counts.items() if count) or "they are not split"
    return ArgumentError(
        f"None of these images is in the {split} split ({there}); choose a split that has images, or pass more images."
    )


def pixels_for(classifier: Classifier, images: Any, progress: Progress = None) -> Pixels:
    """Images in any form as pixels: as the classifier sees them, or small where its model decodes files itself."""
    own = classifier.model.preprocessing is not None
    return new_images(images, classifier.preprocessing, progress, of_files=SMALL if own else None)


def as_seen(classifier: Classifier, pixels: Pixels) -> Pixels:
    """The images as a classifier sees them: decoded again where its model has a preprocessing of its own."""
    if classifier.model.preprocessing is None or pixels.preprocessing == classifier.preprocessing:
        return pixels
    how = classifier.preprocessing
    if pixels.table.root and Path(pixels.table.root).exists():
        return load(pixels.table, loading=how.loading(allow_unreadable=True), cache=False)
    values = np.stack([how.shaped(image) for image in pixels.values])
    return replace(pixels, values=values, size=how.size, color=how.color, resize=how.resize)


def _may_have_calibrated(pixels: Pixels, on: str) -> bool:
    """Whether images are those that a temperature was fitted on, or validation images that may be some of these."""
    return fingerprint(pixels) == on or bool((pixels.table.splits == SPLITS.index("validation")).any())


def classifier_of(source: Fitted) -> Classifier:
    """The classifier itself, restored from a rung, a model file or a run if needed.

    Raises:
        ArgumentError: where it is none of these, or the run advises no rung yet.
        RunError: where there is no run folder of that name.
    """
    if isinstance(source, Classifier):
        return source
    if isinstance(source, str | os.PathLike):
        if Path(source).suffix.lower() == SUFFIX:
            return restore(source)
        source = read_run(source)
    if isinstance(source, Run):
        source = source.chosen()
    if isinstance(source, RungResult):
        return source.classifier
    if isinstance(source, SavedModel):
        return restore(source)
    raise ArgumentError(
        f"{type(source).__name__} is not a classifier; pass what fit returns, a run, or a rung of one such as run.best."
    )


def _labels(pixels: Pixels, classes: tuple[str, ...]) -> np.ndarray:
    """The labels as indices into ``classes``, which may differ from the folder's own."""
    if pixels.classes == classes:
        return pixels.labels
    index = {name: number for number, name in enumerate(classes)}
    translated = np.array([*(index.get(name, -1) for name in pixels.classes), -1], np.int32)
    return translated[pixels.labels]
