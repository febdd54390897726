"""`crossfit()`: every image scored by a model that was fitted without it, and the labels that this speaks against."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from firstlight.arrow import to_numpy
from firstlight.data.findings import EXAMPLES, Finding
from firstlight.data.pixels import Pixels
from firstlight.errors import ArgumentError
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.evaluation.suspects import suspects
from firstlight.models.centroid import TrainingSet
from firstlight.models.recipes import recipe_for
from firstlight.models.rungs import named
from firstlight.models.setting import Setting

FOLDS = 5
TOLD = 1000  # suggested classes that a finding's facts hold


def crossfit(pixels: Pixels, *, rung: str | None = None, folds: int = FOLDS, seed: int = 0) -> Predictions:
    """Scores every labelled image by a model that was fitted on the other folds.

    All splits are taken together, the test split too: nothing is chosen here and no accuracy is reported, labels are
    looked for that a person should check.

    Args:
        pixels: what `load` gave.
        rung: which rung; ``"cnn"`` by its quick recipe where torch is installed, else ``"centroid-l2"``.
        folds: into how many parts the images are dealt, by class; equal files into one.
        seed: of the folds and of training.

    Returns:
        Logarithms of probabilities, each fold's by its own temperature, in the order of the labelled rows.

    Raises:
        ArgumentError: where there are fewer than two folds or labelled images, or no such rung.

    Example:
        >>> import firstlight as fl
        >>> seen = fl.crossfit(fl.load(fl.scan(digits)), rung="centroid-l2")
        >>> len(seen), round(fl.evaluate(seen).accuracy, 1)
        (1797, 0.9)
    """
    known = pixels.select(pixels.labels >= 0)
    classes = np.unique(known.labels)
    if folds < 2 or len(known) < 2 * folds or len(classes) < 2:
        raise ArgumentError(
            f"{len(known)} labelled images of {len(classes)} classes cannot be dealt into {folds} folds; pass at least "
            f"two folds, two classes and twice as many images as folds."
        )
    (chosen,) = named([rung or ("cnn" if find_spec("torch") else "centroid-l2")])
    dealt = _dealt(known, folds, np.random.default_rng(seed))
    scores = np.empty((len(known), len(pixels.classes)))
    for fold in range(folds):
        inside = dealt == fold
        training = TrainingSet(known.values[~inside], known.labels[~inside], len(pixels.classes))
        setting = Setting(classes=pixels.classes, seed=seed)
        if chosen.recipe:
            watched, training = training.held_out, training.without_held_out
            setting = replace(setting, recipe=recipe_for(chosen.recipe, "quick", {}), watched=watched)
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
        scores[inside] = np.maximum(part.log_probabilities, -700)  # where float64 would say -inf
    return Predictions(chosen.name, known.table.rows["key"], pixels.classes, known.labels, scores)


def _dealt(known: Pixels, folds: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) the fold of each image: each class dealt out in turn, equal files together."""
    order = generator.permutation(len(known))
    order = order[np.argsort(known.labels[order], kind="stable")]
    dealt = np.empty(len(known), np.int64)
    dealt[order] = np.arange(len(known)) % folds
    digests = known.table.rows["digest"]
    if digests.null_count < len(known):
        _, codes = np.unique(np.array(digests.fill_null("").to_pylist()), return_inverse=True)
        there = to_numpy(digests.is_valid())
        first = np.full(codes.max() + 1, -1)
        for row in np.flatnonzero(there):  # the first of equal files decides
            first[codes[row]] = dealt[row] if first[codes[row]] < 0 else first[codes[row]]
        dealt = np.where(there, first[codes], dealt)
    return dealt


def label_findings(pixels: Pixels, *, seed: int) -> tuple[list[Finding], list[str]]:
    """FL503: labels to look at again, and by what they were found.

    Args:
        pixels: what `load` gave.
        seed: of folds and training.

    Returns:
        The finding, where there is a candidate, and remarks.
    """
    started = time.perf_counter()
    try:
        seen = crossfit(pixels, seed=seed)
    except ArgumentError as error:
        return [], [f"Labels were not checked. {error}"]
    found, reached = suspects(seen), evaluate(seen)
    low, high = reached.interval
    seconds = time.perf_counter() - started
    remarks = [
        f"Labels were checked by {seen.name} out of {FOLDS} folds, all splits together: accuracy "
        f"{reached.accuracy:.3f} [{low:.3f}, {high:.3f}] on {reached.n:,} images, {seconds:.0f} s. The better it is, "
        "the better these candidates are."
    ]
    if not len(found):
        return [], remarks
    names = [pixels.classes[code] for code in found.suggested.tolist()]
    count = len(found)
    message = (
        f"{count:,} label{'s' if count != 1 else ''} to look at again, the most doubtful first; {found.share:.2%} of "
        "labels may be wrong by the estimate, of which the model's own mistakes are a part."
    )
    facts = {"rung": seen.name, "estimated_share": found.share, "accuracy": reached.accuracy, "n": reached.n}
    suggested = dict(zip(found.keys[:TOLD], names[:TOLD], strict=True))
    finding = Finding(
        "FL503",
        message,
        count,
        "Look at them; where a label is wrong, move the file or mend the list.",
        tuple((key, f"looks like {name}") for key, name in zip(found.keys[:EXAMPLES], names, strict=False)),
        facts | {"suggested": suggested},
        found.keys,
    )
    return [finding], remarks
