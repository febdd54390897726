"""What a fit is told besides its images: recipe, seed, who watches; and what it gives back. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firstlight.data.pixels import Pixels
from firstlight.models.classifier import Model
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.recipes import Recipe
from firstlight.runs.history import Epoch
from firstlight.runs.results import Run, RungResult
from firstlight.runs.tensors import SavedModel
from firstlight.runs.training import TrainingRecord


@dataclass(frozen=True)
class Callbacks:
    """Who is told how far a climb is; each is called with one value, from the thread that climbs.

    Attributes:
        on_rung: with each rung's result, as soon as it is there.
        on_epoch: with each epoch of a training.
        on_step: with (steps done, steps in all) of a training, after every step.
        on_advice: with the run, as soon as its advice is there.
        on_look: with (images looked at, images in all), while the data is audited for the report.
        on_decode: with (images decoded, images in all), while the images are loaded.
        on_load: with the pixels of the climb, as soon as they are loaded.

    Example:
        >>> import firstlight as fl
        >>> callbacks = fl.Callbacks(on_rung=lambda rung: print(rung.name))
        >>> run = fl.climb(digits, rungs=["prior", "ink"], callbacks=callbacks)
        prior
        ink
    """

    on_rung: Callable[[RungResult], None] | None = None
    on_epoch: Callable[[Epoch], None] | None = None
    on_step: Callable[[int, int], None] | None = None
    on_advice: Callable[[Run], None] | None = None
    on_look: Callable[[int, int], None] | None = None
    on_decode: Callable[[int, int], None] | None = None
    on_load: Callable[[Pixels], None] | None = None


@dataclass(frozen=True)
class Kept:
    """Where the state of a training is kept, so that it can go on after it was interrupted.

    Attributes:
        keep: called now and then with the state and the epochs so far, at a complete step.
        resumed: a state that was kept before; None to start anew.
    """

    keep: Callable[[SavedModel, tuple[Epoch, ...]], None]
    resumed: SavedModel | None = None


@dataclass(frozen=True)
class Setting:
    """What a rung is fitted with besides its training images; closed-form rungs ask for none of it.

    Attributes:
        recipe: how it is trained; None for a closed-form rung.
        classes: (K,) names.
        watched: validation images: told of after every epoch, and the temperature is fitted on them.
        seed: of the first weights, the order and the variation of images.
        callbacks: who is told.
        kept: where the state is kept; None: nowhere.
    """

    recipe: Recipe | None = None
    classes: Sequence[str] = ()
    watched: TrainingSet | None = None
    seed: int = 0
    callbacks: Callbacks = field(default_factory=Callbacks)
    kept: Kept | None = None


@dataclass(frozen=True)
class Fitted:
    """What a fit gives.

    Attributes:
        model: what scores images.
        temperature: probabilities are softmax(scores / temperature).
        training: how it was trained; None for a closed-form rung.
        history: the epochs of the training.
    """

    model: Model
    temperature: float
    training: TrainingRecord | None = None
    history: tuple[Epoch, ...] = ()
