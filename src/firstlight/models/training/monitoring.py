"""Which images a network is trained on, and on which it is monitored and its temperature fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.errors import ArgumentError, DataError
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.setting import Setting


def monitored(
    pixels: Pixels,
    training: TrainingSet,
    setting: Setting,
    options: Mapping[str, Any],
    *,
    hold_out: bool,
    inputs: Callable[[Pixels], np.ndarray] | None = None,
) -> tuple[TrainingSet, Setting]:
    """The images that a network is trained on, and the setting with those that it is monitored on.

    Args:
        pixels: of all splits.
        training: the labelled training images.
        setting: of the fit, with a recipe.
        options: fields of `Recipe` that were passed.
        hold_out: take the monitoring images out of the training images, a fifth of them and 1,000 at most, as for the
            test split. Early stopping, which chooses on them, needs this too. Otherwise they are the validation images,
            and the figures of probabilities on these are cross-fitted.
        inputs: what the network takes of images; None: their pixels.

    Raises:
        ArgumentError: where a batch was requested that is larger than the number of training images.
    """
    assert setting.recipe is not None
    if hold_out or setting.recipe.patience > 0:
        setting = replace(setting, validation=training.held_out)
        training = training.without_held_out
    else:
        validation = labelled(pixels, "validation")
        calibrated_on = fingerprint(validation)
        monitors = training_set_of(validation)
        if inputs is not None and len(validation):
            monitors = replace(monitors, images=inputs(validation))
        setting = replace(setting, validation=monitors, calibrated_on=calibrated_on)
    count = len(training.labels)
    if options.get("batch_size", 0) > count:
        raise ArgumentError(
            f"batch_size={options['batch_size']} is more than the {count:,} training images; pass at most that many."
        )
    return training, setting


def training_set(pixels: Pixels) -> TrainingSet:
    """The labelled training images.

    Raises:
        DataError: where they are of fewer than two classes.
    """
    train = training_set_of(labelled(pixels, "train"))
    present = np.unique(train.labels)
    if len(present) < 2:
        names = ", ".join(pixels.classes[label] for label in present) or "none"
        raise DataError(
            f"{pixels.table.root} has training images of {len(present)} class ({names}); telling classes apart "
            "needs at least two: put the images of each class into a folder of its own."
        )
    return train


def labelled(pixels: Pixels, split: str) -> Pixels:
    """The labelled images of a split."""
    return pixels.select((pixels.table.splits == SPLITS.index(split)) & (pixels.labels >= 0))


def training_set_of(pixels: Pixels) -> TrainingSet:
    """Labelled images as a model takes them."""
    return TrainingSet(pixels.values, pixels.labels, len(pixels.classes))


def fingerprint(pixels: Pixels) -> str:
    """The fingerprint of the labelled images; empty where there are none."""
    known = pixels.labels >= 0
    return pixels.table.select(known).fingerprint if np.any(known) else ""
