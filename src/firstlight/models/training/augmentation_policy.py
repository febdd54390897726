"""The augmentation that suits the data, with the reason; and whether a mirror image keeps its class."""

from __future__ import annotations

import re
from collections.abc import Sequence

from firstlight.evaluation.uncertainty import mcnemar
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.recipes import Augmentation

# Augmentations that keep the class; the numbers were chosen on validation images, docs/log.md.
DRAWN = Augmentation(shift=0.07, rotate=10.0, scale=0.1)
PHOTO = Augmentation(shift=0.07, mirror="auto")
ALPHA = 0.05
FEWEST = 6  # images to test mirroring on; with five, even five against none gives McNemar's p = 2 / 2^5 > ALPHA
SIDES = re.compile(r"(^|[^a-z])(left|right|links|rechts|gauche|droite)([^a-z]|$)", re.IGNORECASE)


def augmentation_for(training: TrainingSet, classes: Sequence[str]) -> tuple[Augmentation, str]:
    """The augmentation that suits the kind of data, and why.

    Args:
        training: the training images.
        classes: (K,) their names.

    Returns:
        Small shifts, rotations and scales for gray images and for classes named like signs; for color images
        shifts, and mirroring where a mirror image keeps its class.

    Example:
        >>> import numpy as np
        >>> gray = TrainingSet(np.zeros((4, 28, 28, 1), np.uint8), np.array([0, 0, 1, 1]), 2)
        >>> augmentation_for(gray, ["boot", "coat"])[1]
        'Training images are shifted, rotated and scaled a little, since they are gray.'
    """
    drawn = "they are gray" if training.images.shape[3] == 1 else ""
    if not drawn and _signs(classes):
        drawn = f"the classes are named like signs ({', '.join(_signs(classes)[:3])})"
    if drawn:
        return DRAWN, f"Training images are shifted, rotated and scaled a little, since {drawn}."
    return PHOTO, "Training images are shifted a little, since they are in color."


def _signs(classes: Sequence[str]) -> list[str]:
    return [name for name in classes if len(name) == 1 or name.isdecimal()]


def keeps_class(training: TrainingSet, classes: Sequence[str]) -> tuple[bool, str]:
    """Whether training images may be mirrored left to right, and why.

    Never where a class is named like a sign (one letter or a number: a mirrored 3 is no 3) or has a side in its
    name. Otherwise the nearest mean image by L2 decides: where its accuracy on mirrored images is lower than on the
    same images unmirrored (exact McNemar), the side matters.

    Args:
        training: the training images.
        classes: (K,) their names.

    Returns:
        The answer, and a sentence that gives the reason.

    Example:
        >>> import numpy as np
        >>> blank = TrainingSet(np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 0, 1, 1]), 2)
        >>> keeps_class(blank, ["3", "7"])
        (False, 'No mirror images: the classes are named like signs (3, 7), and a mirrored sign is another one.')
    """
    if signs := _signs(classes):
        named = f"the classes are named like signs ({', '.join(signs[:3])})"
        return False, f"No mirror images: {named}, and a mirrored sign is another one."
    for name in classes:
        if SIDES.search(name):
            return False, f"No mirror images: the class {name!r} has a side in its name."
    held = training.held_out
    if len(held.labels) < FEWEST:
        return False, "No mirror images: too few images to test whether the side matters."
    centres = training.centres_without_held_out("mean")
    model = Centroid(centres.sums, centres.counts, "l2")
    plain = model.scores(held.images).argmax(axis=1) == held.labels
    mirrored = model.scores(held.images[:, :, ::-1]).argmax(axis=1) == held.labels
    only_plain, only_mirrored = int((plain & ~mirrored).sum()), int((mirrored & ~plain).sum())
    p = mcnemar(only_plain, only_mirrored)
    measured = (
        f"the nearest mean recognises {plain.mean():.3f} of {len(held.labels):,} images and {mirrored.mean():.3f} of "
        f"their mirror images (p = {p:.3g})"
    )
    if p < ALPHA and only_plain > only_mirrored:
        return False, f"No mirror images: {measured}."
    return True, f"Half of the training images are mirrored: {measured}."
