"""`explain()`: why a model predicts what it predicts, as a signed map of pixels and as its nearest neighbours."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.errors import ArgumentError
from firstlight.evaluation.extremes import extremes
from firstlight.evaluation.predictions import Predictions
from firstlight.models.attribution import Attribution
from firstlight.models.classifier import Classifier
from firstlight.models.explaining.explanation import Explanation
from firstlight.models.explaining.neighbours import neighbours
from firstlight.models.inference import Fitted, as_seen, classifier_of, none_in, pixels_for, scored
from firstlight.wording import choose


def explain(
    classifier: Fitted,
    images: Any,
    *,
    split: str | None = None,
    most: str | None = None,
    count: int = 8,
    against: str | None = None,
) -> tuple[Explanation, ...]:
    """Explains a rung's predictions for a few images.

    For prior, ink, centroid and linear the map is exact: its sum is the difference of the two scores. Networks are
    explained by integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) and occlusion (Zeiler and Fergus
    2014, arXiv 1311.2901), with Captum.

    Args:
        classifier: as `fit` returns it, a rung of a run such as ``run["cnn"]``, or a run or its folder, whose advised
            rung is used.
        images: as for `predict`: a file, a picture, an array, several of these, a folder, a table, or pixels. The
            nearest neighbours are searched among their training images, where there are any.
        split: ``"train"``, ``"validation"`` or ``"test"``: only its images; all images by default.
        most: ``"wrong"``, ``"uncertain"`` or ``"typical"``, as in `extremes`; the first images by default.
        count: the number of images at most.
        against: the class to compare the prediction with. By default, or if it is the predicted class: the true class
            of a misclassified image, else the class with the second highest score.

    Returns:
        An explanation for each chosen image, in the order that ``most`` gives.

    Raises:
        ArgumentError: where an argument is not one of those above, or the images have another shape.
        MissingExtraError: where a network is to be explained and Captum is not installed.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits)))
        >>> found = explain(fl.fit("centroid", pixels), pixels, split="validation", most="wrong", count=2)
        >>> [(one.predicted, one.against, one.map.shape) for one in found]
        [('7', '4', (8, 8)), ('7', '2', (8, 8))]
        >>> bool(abs(found[0].map.sum() - found[0].difference) < 1e-9)
        True
    """
    classifier = classifier_of(classifier)
    pixels = pixels_for(classifier, images)
    if not isinstance(count, Integral) or count < 1:
        raise ArgumentError(f"count={count!r} was passed; pass a whole number, 1 or more.")
    if against is not None and against not in classifier.classes:
        raise ArgumentError(f"{classifier.name} has no class {against!r}; {choose(against, classifier.classes)}.")
    rows = _rows(classifier, pixels, split=split, most=most, count=count)
    if not len(rows):
        return ()  # no mistake, or nothing right
    chosen = as_seen(classifier, pixels.select(rows))
    seen = scored(classifier, chosen)
    pairs = _pairs(seen, against)
    attribution = classifier.model.attribute(chosen.values, pairs, seen.scores)
    near, searched = neighbours(classifier, chosen.values, pixels)
    explained = (_explanation(row, seen, pairs[row], chosen.values[row], attribution) for row in range(len(seen)))
    return tuple(replace(one, neighbours=near[row], searched=searched) for row, one in enumerate(explained))


def _rows(classifier: Classifier, pixels: Pixels, *, split: str | None, most: str | None, count: int) -> np.ndarray:
    """The row numbers of the images to explain."""
    if split is not None and split not in SPLITS:
        raise ArgumentError(f"{split!r} is no split; choose from {', '.join(SPLITS)}.")
    rows = np.arange(len(pixels)) if split is None else np.flatnonzero(pixels.splits == SPLITS.index(split))
    if not len(rows):
        raise none_in(pixels, split)
    if most is None:
        return rows[:count]
    return rows[extremes(scored(classifier, pixels, split=split), most=most, count=count)]


def _pairs(seen: Predictions, against: str | None) -> np.ndarray:
    """(n, 2): the predicted class and the class that it is compared with."""
    others = np.array(seen.scores)
    others[np.arange(len(seen)), seen.predicted] = -np.inf
    runner_up = others.argmax(axis=1)
    second = np.where(seen.correct | (seen.labels < 0), runner_up, seen.labels)
    if against is not None:
        requested = seen.classes.index(against)
        second = np.where(seen.predicted == requested, second, requested)
    return np.stack([seen.predicted, second], axis=1)


def _explanation(
    row: int, seen: Predictions, pair: np.ndarray, image: np.ndarray, attribution: Attribution
) -> Explanation:
    label, (predicted, against) = int(seen.labels[row]), pair
    return Explanation(
        rung=seen.name,
        key=seen.keys[row].as_py(),
        image=image,
        classes=seen.classes,
        label=seen.classes[label] if label >= 0 else None,
        predicted=seen.classes[predicted],
        against=seen.classes[against],
        scores=(seen.scores if attribution.scores is None else attribution.scores)[row],
        probabilities=seen.probabilities[row],
        distances=None if attribution.distances is None else attribution.distances[row],
        map=attribution.maps[row],
        baseline=float(attribution.baseline[row]),
        method=attribution.methods[row],
        exact=bool(attribution.exact[row]),
        occlusion=None if attribution.occlusion is None else attribution.occlusion[row],
    )
