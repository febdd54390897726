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
    if not found.classes or len(set(found.classes)) < len(found.classes):
        yield Doubt("$.classes", found.classes, "at least one name, each once")
    if not found.temperature > 0:
        yield Doubt("$.temperature", found.temperature, "a number above 0")
    expected = shape_of(found.preprocessing)
    if found.shape != expected:  # so that no image is brought to another, much larger size
        yield Doubt("$.shape", found.shape, f"that of the preprocessing, {expected}")


def shape_of(loading: Loading) -> tuple[int, int, int] | None:
    """(H, W, C) of every image that is loaded so; None where size or color are left to the images."""
    channels = {"gray": 1, "rgb": 3}.get(loading.color)
    return None if loading.sides is None or channels is None else (*loading.sides, channels)
