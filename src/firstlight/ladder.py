"""`fit()` and `climb()`: the only room that knows the whole story, from a folder to a run with its advice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from firstlight.data.pixels import Pixels, load
from firstlight.data.sources import scan
from firstlight.data.splits import split as split_table
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError
from firstlight.evaluation.compare import advise, compare
from firstlight.evaluation.metrics import evaluate
from firstlight.models.centroid import TrainingSet
from firstlight.models.checkpoint import save
from firstlight.models.classifier import Classifier
from firstlight.models.inference import predict
from firstlight.models.rungs import CLIMBED, Rung, centroid_name, named
from firstlight.runs.folder import refuse_taken, write_run
from firstlight.runs.results import Run, RungResult, versions


def fit(rung: str, pixels: Pixels, *, distance: str = "l1", centre: str = "mean", seed: int = 0) -> Classifier:
    """Fits one rung on the training images.

    Args:
        rung: a rung's name, or ``"centroid"`` with the two choices below.
        pixels: what `load` gave. Where the table has no split, 20 % are set aside as validation first.
        distance: ``"l1"``, ``"l2"`` or ``"cosine"``, for ``"centroid"``.
        centre: ``"mean"`` or ``"median"``, for ``"centroid"``.
        seed: of the split, where one has to be made.

    Returns:
        The fitted classifier.

    Raises:
        ArgumentError: where there is no such rung, distance or centre.
        DataError: where the training images are of one class or none.

    Example:
        >>> import firstlight as fl
        >>> pixels = fl.load(fl.split(fl.scan(digits)))
        >>> ideal = fl.fit("centroid", pixels, distance="cosine")
        >>> ideal.model.ideal.shape  # ten ideal images of 8 x 8 px
        (10, 64)
    """
    name = centroid_name(distance, centre) if rung == "centroid" else rung
    arranged = replace(pixels, table=arrange(pixels.table, seed=seed))
    (one,) = named([name])
    return _fit(one, arranged, training_set(arranged), seed)


def climb(
    data: str | Path | Table | Pixels,
    *,
    rungs: Iterable[str] = CLIMBED,
    split: str = "validation",
    out: str | Path | None = None,
    seed: int = 0,
    on_rung: Callable[[RungResult], None] | None = None,
) -> Run:
    """Climbs the ladder: fits each rung, measures it, compares it with the rung before, and advises.

    Args:
        data: a folder (or anything that `scan` takes), a table, or pixels.
        rungs: names of rungs, simplest first; ``"centroid"`` stands for its three distances.
        split: what is measured on. ``"validation"`` is made from the training images where the folder has
            none. ``"test"`` has to be asked for: then everything else is fitted on and nothing is held out
            of it.
        out: the run folder to write; nothing is written where it is left out.
        seed: of the split, where one has to be made, and of the bootstrap.
        on_rung: called with each rung's result as soon as it is there.

    Returns:
        The run: every rung's predictions, metrics and model, and the advice.

    Raises:
        DataError: where the folder cannot be learnt from: one class, no readable image, no test split.
        RunError: where ``out`` exists already.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "centroid"])
        >>> [rung.name for rung in run]
        ['prior', 'centroid-l1', 'centroid-l2', 'centroid-cosine']
    """
    chosen = named(rungs)
    if out is not None:
        refuse_taken(out)
    pixels = load_for(data, split=split, seed=seed)
    training = training_set(pixels)
    results: list[RungResult] = []
    for rung in chosen:
        results.append(_step(rung, pixels, training, split=split, seed=seed, before=results[-1:]))
        if on_rung is not None:
            on_rung(results[-1])
    run = Run(
        asked={
            "data": pixels.table.root,
            "rungs": [rung.name for rung in chosen],
            "split": split,
            "seed": seed,
        },
        decided=[*pixels.reasons, *pixels.table.notes],
        versions=versions(),
        seed=seed,
        fingerprint=pixels.table.fingerprint,
        classes=pixels.classes,
        split=split,
        unreadable=len(pixels.unreadable),
        rungs=tuple(results),
        advice=advise([result.predictions for result in results]).to_dict(),
        path=None,
    )
    return run if out is None else write_run(run, Path(out))


def load_for(data: str | Path | Table | Pixels, *, split: str, seed: int) -> Pixels:
    """The labelled pixels of the two splits that a climb needs, scanned, split and loaded where they are not."""
    if isinstance(data, Pixels):
        table = arrange(data.table, split=split, seed=seed)
        return replace(data, table=table).select(needed(table, split))
    table = arrange(data if isinstance(data, Table) else scan(data), split=split, seed=seed)
    return load(table.select(needed(table, split)))


def arrange(table: Table, *, split: str = "validation", seed: int = 0) -> Table:
    """The table with the splits that measuring on ``split`` needs.

    Args:
        table: with or without splits of its own.
        split: ``"validation"``: taken out of train where the folder has none. ``"test"``: what is validation
            counts as train, so that everything else is fitted on.
        seed: of the split that is made.

    Returns:
        The same rows; the notes say what was done.

    Raises:
        ArgumentError: where ``split`` is neither.
        DataError: where a test split is asked for and the folder has none.
    """
    if split == "validation":
        return split_table(table, validation=0.2, seed=seed)
    if split != "test":
        raise ArgumentError(f"A climb cannot be measured on {split!r}; choose validation, or test as the last reading.")
    splits = table.splits
    if not (splits == SPLITS.index("test")).any():
        raise DataError(
            f"{table.root} has no test split; put its images into a folder named test, "
            "or make one with firstlight split."
        )
    note = "Measured on test: everything else is fitted on, and nothing is held out of it."
    return replace(
        table.with_columns(splits=np.where(splits == SPLITS.index("validation"), SPLITS.index("train"), splits)),
        notes=(*(one for one in table.notes if one != note), note),
    )


def needed(table: Table, split: str) -> np.ndarray:
    """(N,) bool: the labelled rows of train and of the split that is measured on."""
    return np.isin(table.splits, [SPLITS.index("train"), SPLITS.index(split)]) & (table.labels >= 0)


def training_set(pixels: Pixels) -> TrainingSet:
    """The labelled training images.

    Raises:
        DataError: where they are of fewer than two classes.
    """
    train = pixels.select((pixels.table.splits == SPLITS.index("train")) & (pixels.labels >= 0))
    present = np.unique(train.labels)
    if len(present) < 2:
        names = ", ".join(pixels.classes[label] for label in present) or "none"
        raise DataError(
            f"{pixels.table.root} has training images of {len(present)} class ({names}); telling classes apart "
            "needs at least two: put the images of each class into a folder of its own."
        )
    return TrainingSet(train.values, train.labels, len(pixels.classes))


def _fit(rung: Rung, pixels: Pixels, training: TrainingSet, seed: int) -> Classifier:
    model, temperature = rung.fit(training)
    height, width, channels = pixels.values.shape[1:]
    return Classifier(
        name=rung.name,
        model=model,
        classes=pixels.classes,
        temperature=temperature,
        shape=(height, width, channels),
        preprocessing={"size": [height, width], "colour": pixels.colour, "fit": pixels.fit},
        fingerprint=pixels.table.fingerprint,
        seed=seed,
    )


def _step(
    rung: Rung, pixels: Pixels, training: TrainingSet, *, split: str, seed: int, before: list[RungResult]
) -> RungResult:
    """Fits, measures and compares one rung."""
    started = time.perf_counter()
    classifier = _fit(rung, pixels, training, seed)
    fitted = time.perf_counter()
    predictions = predict(classifier, pixels, split=split)
    ended = time.perf_counter()
    return RungResult(
        name=rung.name,
        predictions=predictions,
        metrics=evaluate(predictions).to_dict(),
        model=save(classifier),
        against_previous=compare(predictions, against=before[0], seed=seed).to_dict() if before else None,
        seconds={"fit": fitted - started, "predict": ended - fitted},
    )
