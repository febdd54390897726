"""The augmentation that suits the data, with the reason; and whether a mirror image keeps its class."""

from __future__ import annotations

import re
from collections.abc import Sequence

from firstlight.evaluation.uncertainty import mcnemar, wilson
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.kinds import kind_of
from firstlight.models.training.recipes import Augmentation
from firstlight.wording import plural

# Augmentations that keep the class; the numbers were chosen on validation images, docs/log.md.
DRAWN = Augmentation(shift=0.07, rotate=10.0, scale=0.1)
PHOTO = Augmentation(shift=0.07, mirror="auto")
ALPHA = 0.05
# Of drawings in color, the largest share of images that mirroring may lose, by the upper end of Wilson's 95 % interval:
# at least 19 images have to be recognised from both sides.
LOST = 0.17
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
    drawn = "they are gray" if kind_of(training.images) == "gray" else ""
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
    name, and never for gray images, which are drawings, scans or signs more often than not. Otherwise the nearest mean
    image by L2 is asked: where its accuracy on mirrored images is lower than on the same images unmirrored (exact
    McNemar), the side matters. Where nothing is shown, the kind of image decides: photos in color are mirrored;
    drawings only if enough images are recognised from both sides.

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
    kind = kind_of(training.images)
    if kind == "gray":
        return False, "No mirror images: the images are gray, as drawings, scans and signs are."
    only_plain, only_mirrored, measured = _in_the_mirror(training)
    if mcnemar(only_plain, only_mirrored) < ALPHA and only_plain > only_mirrored:
        return False, f"No mirror images: {measured}."
    if kind == "photo":
        return True, f"Half of the training images are mirrored, as usual for photos in color: {measured}."
    n = len(training.held_out.labels)
    if not n or float(wilson(only_plain, n)[1]) > LOST:
        few = "too few images show that the side of these drawings does not matter"
        return False, f"No mirror images: {few}; {measured}."
    return True, f"Half of the training images are mirrored: {measured}."


def _in_the_mirror(training: TrainingSet) -> tuple[int, int, str]:
    """How many held-out images the nearest mean recognises only unmirrored and only mirrored; and a clause of it."""
    held = training.held_out
    if not len(held.labels):
        return 0, 0, "no image could be held out to test it"
    centres = training.centres_without_held_out("mean")
    model = Centroid(centres.sums, centres.counts, "l2")
    plain = model.scores(held.images).argmax(axis=1) == held.labels
    mirrored = model.scores(held.images[:, :, ::-1]).argmax(axis=1) == held.labels
    only_plain, only_mirrored = int((plain & ~mirrored).sum()), int((mirrored & ~plain).sum())
    return (
        only_plain,
        only_mirrored,
        (
            f"the nearest mean recognises {plain.mean():.3f} of {plural(len(held.labels), 'image')} and "
            f"{mirrored.mean():.3f} of their mirror images (p = {mcnemar(only_plain, only_mirrored):.3g})"
        ),
    )
