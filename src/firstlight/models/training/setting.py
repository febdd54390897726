"""Inputs of a fit other than the training images, and its result; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firstlight.models.classifier import Model
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.recipes import Recipe
from firstlight.progress import Count
from firstlight.runs.history import Epoch
from firstlight.runs.tensors import SavedModel
from firstlight.runs.training import TrainingRecord

if TYPE_CHECKING:
    from firstlight.models.pretrained.backbone import Backbone


@dataclass(frozen=True)
class Callbacks:
    """Functions to call as a training proceeds, from the thread that trains.

    Attributes:
        on_epoch: called with each epoch.
        on_step: called with (steps done, total steps), after every step.
    """

    on_epoch: Callable[[Epoch], None] | None = None
    on_step: Count | None = None


@dataclass(frozen=True)
class Checkpointing:
    """Where a training saves its state, so that it can resume after an interruption.

    Attributes:
        save: called from time to time with the state and the epochs so far, after a complete step.
        resumed: the state to resume from; None to start from the first step.
    """

    save: Callable[[SavedModel, tuple[Epoch, ...]], None]
    resumed: SavedModel | None = None


@dataclass(frozen=True)
class Setting:
    """Inputs of a fit other than the training images; closed-form rungs use none of them but the seed.

    Attributes:
        recipe: how to train; None for a closed-form rung.
        classes: (K,) names.
        backbone: whose embeddings the training set holds; None where it holds images.
        validation: images held out for monitoring: measured after every epoch, and the temperature is fitted on them.
        calibrated_on: fingerprint of these images where figures are reported on them too.
        seed: random seed of the first weights, the order of the images and their augmentation.
        callbacks: functions to call after each step and epoch.
        checkpointing: where to save the state; None: nowhere.
    """

    recipe: Recipe | None = None
    classes: Sequence[str] = ()
    backbone: Backbone | None = None
    validation: TrainingSet | None = None
    calibrated_on: str = ""
    seed: int = 0
    callbacks: Callbacks = field(default_factory=Callbacks)
    checkpointing: Checkpointing | None = None


@dataclass(frozen=True)
class Fitted:
    """The result of a fit.

    Attributes:
        model: scores images.
        temperature: probabilities are softmax(scores / temperature).
        training: how it was trained; None for a closed-form rung.
        history: the epochs of the training.
    """

    model: Model
    temperature: float
    training: TrainingRecord | None = None
    history: tuple[Epoch, ...] = ()
