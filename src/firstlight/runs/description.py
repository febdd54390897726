"""`Description`: what a model file says of its model besides the arrays, with its one reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight.data.decoding.loading import Loading
from firstlight.runs.checks import Doubt, sound
from firstlight.runs.records import record
from firstlight.runs.tensors import SavedModel
from firstlight.runs.training import TrainingRecord


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a model file says of its model.

    Attributes:
        kind: of model.
        name: of the rung.
        classes: in the order of the scores.
        temperature: probabilities are softmax(scores / temperature).
        shape: (H, W, C) of the images.
        preprocessing: what gives an image this shape; size and color are decided.
        fingerprint: of the table that it was fitted on.
        seed: the random seed of its fit.
        versions: of the packages that it was fitted with.
        options: of its kind.
        training: how it was trained; None for a closed-form model.
        calibrated_on: the images that the temperature was fitted on; see `Classifier`.
    """

    kind: str
    name: str
    classes: tuple[str, ...]
    temperature: float
    shape: tuple[int, int, int]
    preprocessing: Loading
    fingerprint: str
    seed: int
    versions: Mapping[str, str]
    options: Mapping[str, Any]
    training: TrainingRecord | None
    calibrated_on: str = ""


def described(saved: SavedModel, where: Path | str, remedy: str) -> Description:
    """The description of a model, checked field by field.

    Args:
        saved: the model.
        where: it comes from, for the error message.
        remedy: what to do where it is wrong, for the error message.

    Raises:
        RunError: where a field is missing, of another type, or does not fit the others; the message names it.
    """
    found = record(Description, dict(saved.config), where, remedy)
    sound(found, where, remedy, _doubts(found))
    return found


def _doubts(found: Description) -> Iterator[Doubt]:
    yield from of_images(found.classes, found.shape, found.preprocessing)
    if not found.temperature > 0:
        yield Doubt("$.temperature", found.temperature, "a number above 0")


def of_images(classes: tuple[str, ...], shape: tuple[int, int, int], loading: Loading) -> Iterator[Doubt]:
    """Whether class names differ, and images that are loaded so have this shape (H, W, C)."""
    if not classes or len(set(classes)) < len(classes):
        yield Doubt("$.classes", classes, "at least one name, each once")
    channels = {"gray": 1, "rgb": 3}.get(loading.color)
    expected = None if loading.sides is None or channels is None else (*loading.sides, channels)
    if shape != expected:  # so that no image is brought to another, much larger size
        yield Doubt("$.shape", shape, f"that of the preprocessing, {expected}")
