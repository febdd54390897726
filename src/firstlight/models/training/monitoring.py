"""`monitored()`: on which images a network is monitored and its temperature fitted, so that no figure flatters it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.models.closed_form.training_set import TrainingSet


@dataclass(frozen=True)
class Monitored:
    """The images of a network's fit.

    Attributes:
        training: images that it is trained on.
        monitor: images that it is measured on after every epoch, and that its temperature is fitted on.
        calibrated_on: fingerprint of the monitoring images where figures are reported on them too; empty where they are
            held-out training images.
    """

    training: TrainingSet
    monitor: TrainingSet
    calibrated_on: str


def monitored(pixels: Pixels, training: TrainingSet, *, hold_out: bool) -> Monitored:
    """Divides the images of a network's fit.

    Args:
        pixels: of all splits.
        training: the labelled training images.
        hold_out: take the monitoring images out of the training images, a fifth of them and 1,000 at most, which is
            needed where something is chosen on them (early stopping) or the split is the test split. Otherwise they are
            the validation images, and the figures of probabilities on these are cross-fitted.
    """
    if hold_out:
        return Monitored(training.without_held_out, training.held_out, "")
    validation = labelled(pixels, "validation")
    return Monitored(training, training_set_of(validation), fingerprint(validation))


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
