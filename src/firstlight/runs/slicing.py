"""`slices()` and `simpson()` by name: the columns of a run's own images, such as brightness, found for the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.data.columns import STATISTICS, column
from firstlight.errors import ArgumentError
from firstlight.evaluation.predictions import Holder, Predictions
from firstlight.evaluation.simpson import Stratified
from firstlight.evaluation.simpson import simpson as simpson_of
from firstlight.evaluation.slices import Slices
from firstlight.evaluation.slices import slices as slices_of
from firstlight.progress import Progress, reported
from firstlight.runs.images import own_images
from firstlight.runs.results import Run

By = str | np.ndarray | Sequence[Any]


def slices(
    predictions: Predictions | Holder | Iterable[Holder], *, by: By, name: str = "", progress: Progress = None
) -> Slices:
    """Accuracy in slices of the data, for one classifier or every rung of a run.

    Numbers are cut into thirds of about as many images, into fewer slices where most are equal. Each word is a slice;
    beyond twelve words the rarest form one slice.

    Args:
        predictions: of one classifier, or a run; all on the same images in the same order.
        by: of a run ``"brightness"``, ``"contrast"``, ``"size"`` (bytes), ``"folder"``, or a column of a list next to
            the images, as in ``compare --by``; or (N,) a number or a word for each image, in the order of the
            predictions, NaN where there is none.
        name: what the values are; for a name that is it.
        progress: called with a `Step` where images are decoded; True shows a meter.

    Returns:
        Accuracy, interval and test for each rung and slice that has labelled images.

    Raises:
        ArgumentError: where there is no such column, the lengths or the images differ, or no image is labelled.
        RunError: where the run's images are no longer there.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["ink", "centroid-l2"])
        >>> found = fl.slices(run, by="brightness")
        >>> found.name, len(found.parts), found.rungs
        ('brightness', 3, ('ink', 'centroid-l2'))
    """
    if isinstance(by, str):
        name = name or by
        by = column_of(predictions, by, progress)
    return slices_of(predictions, by=by, name=name or "value")


def simpson(
    first: Predictions | Run,
    other: Predictions | Run,
    *,
    by: str | tuple[np.ndarray | Sequence[Any], np.ndarray | Sequence[Any]],
    name: str = "",
    progress: Progress = None,
) -> Stratified:
    """Compares two classifiers that were measured on different images, slice by slice: Simpson's paradox.

    Args:
        first: the predictions of one; or a run, whose advised rung is compared.
        other: those of the other, or another run.
        by: of two runs a name, as for `slices`; or the values of the images of both.
        name: what the values are; for a name that is it.
        progress: called with a `Step` where images are decoded; True shows a meter.

    Returns:
        Both by slice, and whether every slice contradicts the overall comparison.

    Raises:
        ArgumentError: where there is no such column, the lengths differ, or no image is labelled.
        RunError: where a run's images are no longer there.

    Example:
        >>> import firstlight as fl
        >>> one, two = (fl.climb(digits, rungs=["ink"], seed=seed) for seed in (0, 1))
        >>> fl.simpson(one, two, by="brightness").reversed
        False
    """
    if isinstance(by, str):
        name = name or by
        by = (column_of(first, by, progress), column_of(other, by, progress))
    return simpson_of(_advised(first, "first"), _advised(other, "second"), by=by, name=name or "value")


def column_of(run: Any, by: str, progress: Progress = None) -> np.ndarray:
    """One value for each evaluation image of a run, in the order of its predictions.

    Raises:
        ArgumentError: where it is no run, the run has no rung yet, or there is no such column.
        RunError: where the run's images are no longer there.
    """
    if not isinstance(run, Run):
        raise ArgumentError(
            f"by={by!r} needs the images, which only a run knows; pass the run, or a value for each image."
        )
    if not run.rungs:
        raise ArgumentError(f"The run of {run.request.data} has no rung yet; repeat its climb.")
    with reported(progress) as report:
        images = own_images(run, progress=report)
        places = images.places(run.rungs[0].predictions)
        if by in STATISTICS:
            measured = images.pixels(report).select(places)
            return column(measured.table, by, measured)
        return column(images.table.select(places), by)


def _advised(source: Predictions | Run, place: str) -> Predictions:
    if not isinstance(source, Run):
        return source
    seen = source.chosen().predictions
    return replace(seen, name=f"{source.path.name if source.path else f'{place} run'}/{seen.name}")
