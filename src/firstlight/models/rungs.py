"""The ladder on one page: every rung by name, simplest first, and what fits it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from firstlight.errors import ArgumentError, MissingExtraError, require
from firstlight.evaluation.calibration import fit_temperature
from firstlight.models.classifier import Model
from firstlight.models.closed_form.baselines import Ink, Prior, counted
from firstlight.models.closed_form.centroid import CENTRES, Centroid
from firstlight.models.closed_form.distances import DISTANCES
from firstlight.models.closed_form.sums import ClassSums, class_sums
from firstlight.models.closed_form.training_set import TrainingSet
from firstlight.models.training.setting import Fitted, Setting
from firstlight.wording import choose

if TYPE_CHECKING:
    from torch import nn

PROTOTYPES = (2, 4, 8, 16, 32)  # mean images per class


def _prior(training: TrainingSet, _: Setting) -> Fitted:
    counts = np.bincount(training.labels, minlength=training.classes)
    return Fitted(Prior(counts), 1.0)  # its scores are logarithms of probabilities


def _ink(training: TrainingSet, _: Setting) -> Fitted:
    def of(sums: ClassSums) -> Ink:
        return Ink(sums.sums.sum(axis=1), sums.counts * sums.sums.shape[1])

    return Fitted(of(training.sums), _temperature(of(training.centres_without_held_out("mean")), training))


def _centroid(training: TrainingSet, _: Setting, *, distance: str, centre: str) -> Fitted:
    def of(centres: ClassSums) -> Centroid:
        return Centroid(centres.sums, centres.counts, distance)

    return Fitted(of(training.centres(centre)), _temperature(of(training.centres_without_held_out(centre)), training))


def _count(training: TrainingSet, _: Setting) -> Fitted:
    def of(some: TrainingSet) -> Ink:
        sums = class_sums(counted(some.images), some.labels, some.classes)
        return Ink(sums.sums.sum(axis=1), sums.counts * sums.sums.shape[1], "count")

    return Fitted(of(training), _temperature(of(training.without_held_out), training))


def _prototypes(training: TrainingSet, setting: Setting, *, distance: str, count: int) -> Fitted:
    from firstlight.models.closed_form.prototypes import prototypes

    rest = prototypes(training.without_held_out, count, distance, seed=setting.seed)
    return Fitted(prototypes(training, count, distance, seed=setting.seed), _temperature(rest, training))


def _network(training: TrainingSet, setting: Setting, *, network: str | nn.Module) -> Fitted:
    with require("train", purpose="Trained rungs"):
        from firstlight.models.training.fitting import fit_network
    return fit_network(network, training, setting)


def _embedded(training: TrainingSet, setting: Setting, *, head: str) -> Fitted:
    from firstlight.models.pretrained.embedded import Embedded
    from firstlight.models.pretrained.heads import HEADS

    assert setting.backbone is not None
    with require("photos", purpose="Pretrained rungs"):
        from threadpoolctl import threadpool_limits
    with threadpool_limits(1, "blas"):  # two can take 20 times as long on a busy machine (docs/log.md)
        fitted = HEADS[head](training.images, training.labels, training.classes)
    return Fitted(Embedded(setting.backbone, fitted.head), fitted.temperature)


def _fine_tuned(training: TrainingSet, setting: Setting) -> Fitted:
    with require("train", purpose="Trained rungs"):
        from firstlight.models.pretrained.fine_tuning import fine_tuned
    return fine_tuned(training, setting)


def _temperature(model: Model, training: TrainingSet) -> float:
    held = training.held_out
    return fit_temperature(model.scores(held.images), held.labels)


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Attributes:
        name: its name in tables, files and on the command line.
        about: what it does, in a few words.
        fit: from the training images and the setting to the fitted model and its temperature.
        recipe: the name of its recipe; empty for a closed-form rung.
        embeds: whether it learns from the embeddings of a pretrained network.
        tunes: whether it trains the last blocks of one.
    """

    name: str
    about: str
    fit: Callable[[TrainingSet, Setting], Fitted]
    recipe: str = ""
    embeds: bool = False
    tunes: bool = False

    @property
    def pretrained(self) -> bool:
        """Whether it needs a pretrained network."""
        return self.embeds or self.tunes


def centroid_name(distance: str, centre: str = "mean") -> str:
    """The name of the centroid rung with this distance and centre.

    Raises:
        ArgumentError: if there is no such distance or centre.

    Example:
        >>> centroid_name("l1"), centroid_name("l1", "median")
        ('centroid-l1', 'centroid-l1-median')
    """
    for value, choices in ((distance, DISTANCES), (centre, CENTRES)):
        if value not in choices:
            raise ArgumentError(f"{value!r} was passed; {choose(value, choices)}.")
    return f"centroid-{distance}" if centre == "mean" else f"centroid-{distance}-{centre}"


def _centroid_rung(distance: str, centre: str) -> Rung:
    about = f"the nearest {centre} image by {distance}"
    return Rung(centroid_name(distance, centre), about, partial(_centroid, distance=distance, centre=centre))


def _prototypes_rung(distance: str, count: int) -> Rung:
    about = f"the nearest of {count} mean images per class by {distance}"
    return Rung(f"centroid-{distance}-x{count}", about, partial(_prototypes, distance=distance, count=count))


RUNGS: tuple[Rung, ...] = (
    Rung("prior", "always the most frequent class", _prior),
    Rung("ink", "the class with the nearest mean pixel", _ink),
    Rung("ink-count", "the class with the nearest number of ink pixels", _count),
    *(_centroid_rung(distance, centre) for centre in CENTRES for distance in DISTANCES),
    *(_prototypes_rung("l2", count) for count in PROTOTYPES),  # k-means minimizes squared distances
    Rung("linear", "a weight for each pixel and class", partial(_network, network="linear"), "linear"),
    Rung("mlp", "one hidden layer", partial(_network, network="mlp"), "mlp"),
    Rung(
        "embed-centroid",
        "the nearest mean embedding of a pretrained network",
        partial(_embedded, head="centroid"),
        embeds=True,
    ),
    Rung("embed-linear", "a weight for each value of these embeddings", partial(_embedded, head="linear"), embeds=True),
    Rung("cnn", "convolutions", partial(_network, network="cnn"), "cnn"),
    Rung("fine-tune", "the last blocks of a pretrained network, trained on", _fine_tuned, "fine-tune", tunes=True),
)
# A climb's default rungs are those that were worth their place: see docs/log.md.
FAMILIES = {"centroid": tuple(f"centroid-{distance}" for distance in DISTANCES)}
CLOSED_FORM = ("prior", "ink", "centroid")
TRAINED = ("linear", "mlp", "cnn")  # by SGD, which needs torch


def own(module: nn.Module) -> Rung:
    """The rung of a user's own module, named after its class."""
    name = type(module).__name__
    safe = re.sub(r"[^A-Za-z0-9-]", "-", name).strip("-")[:64] or "module"  # it names a folder
    return Rung(safe, f"the module {name}", partial(_network, network=module), "module")


def climbed() -> tuple[str, ...]:
    """A climb's default rungs: with torch the trained ones too."""
    return (*CLOSED_FORM, *TRAINED) if find_spec("torch") is not None else CLOSED_FORM


def refuse_missing(rungs: Iterable[Rung]) -> None:
    """Refuses trained rungs where torch is not installed, and pretrained ones where their packages are not.

    Raises:
        MissingExtraError: with the line that installs it.
    """
    chosen = tuple(rungs)
    trained = [rung.name for rung in chosen if rung.recipe]
    if trained and find_spec("torch") is None:
        raise MissingExtraError(f"Trained rungs ({', '.join(trained)})", "train", "PyTorch")
    if any(rung.pretrained for rung in chosen) and not all(map(find_spec, ("onnx", "onnxruntime"))):
        raise MissingExtraError("Pretrained rungs", "photos")


def left_out() -> str:
    """What a climb of the default rungs leaves out where torch is not installed; empty where it is."""
    try:
        refuse_missing(named(TRAINED))
    except MissingExtraError as error:
        return f"{', '.join(TRAINED)} are left out: {error}"
    return ""


def named(names: str | Iterable[str]) -> tuple[Rung, ...]:
    """The rungs of these names, or of one, in their order; ``"centroid"`` means all three distances.

    Raises:
        ArgumentError: if a name is no rung's, or no name is given.

    Example:
        >>> [rung.name for rung in named(["prior", "centroid"])]
        ['prior', 'centroid-l1', 'centroid-l2', 'centroid-cosine']
    """
    known = {rung.name: rung for rung in RUNGS}
    chosen: dict[str, Rung] = {}
    for name in [names] if isinstance(names, str) else names:
        for one in FAMILIES.get(name, (name,)):
            if one not in known:
                raise ArgumentError(f"There is no rung {name!r}; {choose(name, [*FAMILIES, *known])}.")
            chosen[one] = known[one]
    if not chosen:
        raise ArgumentError("No rung was named; name one or more, such as centroid-l1.")
    return tuple(chosen.values())
