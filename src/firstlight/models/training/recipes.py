"""The numbers of each rung and effort in one table, each with its source; nothing here knows torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from firstlight.errors import ArgumentError

if TYPE_CHECKING:
    import torch

    Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

EFFORTS = ("quick", "standard", "thorough")
LOSSES = ("l1", "mse", "bce", "cross_entropy")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "one_cycle")
PRECISIONS = ("auto", "float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "mps")


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Augmentation:
    """How far training images are varied at random; nothing is varied where a number is 0.

    Attributes:
        shift: at most this share of the image's side, up, down, left and right; in whole px where the image is
            neither turned nor scaled.
        rotate: at most so many degrees, either way.
        scale: at most this share larger or smaller.
        cutout: side of a square that is blanked, as a share of the image's side (DeVries and Taylor 2017).
        mirror: half of the images are mirrored left to right; ``"auto"`` lets the images decide.

    Example:
        >>> Augmentation(shift=0.07, rotate=10)
        Augmentation(shift=0.07, rotate=10, scale=0.0, cutout=0.0, mirror=False)
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    cutout: float = 0.0
    mirror: bool | Literal["auto"] = False

    def __post_init__(self) -> None:
        bounds = {"shift": 0.5, "rotate": 180.0, "scale": 0.9, "cutout": 1.0}
        for name, most in bounds.items():
            value = getattr(self, name)
            if not _number(value) or not 0 <= value <= most:
                raise ArgumentError(f"{name}={value!r} cannot be used; pass a number from 0 to {most:g}.")
        if not isinstance(self.mirror, bool) and self.mirror != "auto":
            raise ArgumentError(f'mirror={self.mirror!r} is not known; pass True, False or "auto".')


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: what `fit` takes as options, and what stands in the table below.

    Attributes:
        epochs: how often every training image is seen.
        batch_size: images a step, at most; the images of an epoch are dealt into equal batches.
        loss: ``"l1"``, ``"mse"``, ``"bce"``, ``"cross_entropy"``, or a function of scores (B, K) and
            targets (B, K) that gives each image's loss (B,).
        label_smoothing: share of the target that is spread over all classes, 0 to 1.
        class_weights: ``"balanced"``: each class counts as much as any other; ``"none"``: each image does.
        optimizer: ``"sgd"`` or ``"adamw"``.
        lr: the learning rate, of a one-cycle schedule its highest; ``"auto"``: by the range test.
        momentum: of sgd (Nesterov's, where it is not 0); of adamw its first beta.
        weight_decay: of weight matrices and filters; biases and norms are left alone.
        schedule: ``"constant"`` or ``"one_cycle"``.
        clip: largest norm of the gradient; 0 for no bound.
        precision: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the processor computes in it.
        normalize: pixels minus their mean, over their standard deviation; else pixels / 255.
        patience: epochs without a lower validation loss before training stops and the best is kept; 0: never.
        augment: how training images are varied; ``"auto"``: by rung and kind of data.
        min_steps: where the images are few, more epochs in smaller batches until there are so many steps;
            0: ``epochs`` and ``batch_size`` as they stand, which is so wherever one of them was passed.
        tta: test-time augmentation: scores are the mean over the image, the image moved a little in each direction,
            and, where training images were mirrored, the mirror images of these.
        sizes: of the network, such as ``{"hidden": 30}``.
        device: where it computes: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"``: the fastest there is.

    Example:
        >>> Recipe(epochs=10, loss="l1", lr=1.0).batch_size
        256
    """

    epochs: int = 10
    batch_size: int = 256
    loss: str | Loss = "cross_entropy"
    label_smoothing: float = 0.0
    class_weights: Literal["balanced", "none"] = "none"
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float | Literal["auto"] = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    clip: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    normalize: bool = True
    patience: int = 0
    augment: Augmentation | Literal["auto", "none"] = "none"
    min_steps: int = 0
    tta: bool = False
    sizes: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.augment, Mapping):
            known = [one.name for one in fields(Augmentation)]
            for name in self.augment:
                if name not in known:
                    raise ArgumentError(f"augment has no option {name!r}; choose from {', '.join(known)}.")
            object.__setattr__(self, "augment", Augmentation(**self.augment))
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ArgumentError(f"{name}={value!r} cannot be used; pass a whole number from 1 on.")
        for name in ("patience", "min_steps"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
                raise ArgumentError(f"{name}={value!r} cannot be used; pass a whole number from 0 on.")
        if self.lr != "auto" and not (_number(self.lr) and 0 < self.lr < math.inf):
            raise ArgumentError(f'lr={self.lr!r} cannot be used; pass a number above 0, or "auto".')
        for name, most in (("label_smoothing", 1.0), ("momentum", 1.0), ("weight_decay", 1e3), ("clip", 1e9)):
            value = getattr(self, name)
            if not _number(value) or not 0 <= value < most:
                raise ArgumentError(f"{name}={value!r} cannot be used; pass a number from 0 to below {most:g}.")
        wanted = {
            "normalize": (bool, "True or False"),
            "tta": (bool, "True or False"),
            "device": (str, f"one of {', '.join(DEVICES)}"),
            "sizes": (Mapping, 'sizes by name, such as {"hidden": 30}'),
        }
        for name, (kind, told) in wanted.items():
            if not isinstance(getattr(self, name), kind):
                raise ArgumentError(f"{name}={getattr(self, name)!r} cannot be used; pass {told}.")
        choices = {
            "class_weights": ("balanced", "none"),
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "precision": PRECISIONS,
        }
        if not callable(self.loss):
            choices["loss"] = LOSSES
        if not isinstance(self.augment, Augmentation):
            choices["augment"] = ("auto", "none")
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ArgumentError(f"{name}={getattr(self, name)!r} is not known; choose from {', '.join(known)}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a function as loss is told by its name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["loss"] = self.loss if isinstance(self.loss, str) else _name(self.loss)
        values["augment"] = asdict(self.augment) if isinstance(self.augment, Augmentation) else self.augment
        return values | {"sizes": dict(self.sizes)}


class Options(TypedDict, total=False):
    """What may be passed to `fit` by name, of `Recipe`."""

    epochs: int
    batch_size: int
    loss: str | Loss
    label_smoothing: float
    class_weights: Literal["balanced", "none"]
    optimizer: Literal["sgd", "adamw"]
    lr: float | Literal["auto"]
    momentum: float
    weight_decay: float
    schedule: Literal["constant", "one_cycle"]
    clip: float
    precision: Literal["auto", "float32", "bfloat16"]
    normalize: bool
    patience: int
    augment: Augmentation | Literal["auto", "none"]
    min_steps: int
    tta: bool
    sizes: Mapping[str, Any]
    device: str


# What linear and mlp share: AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with decoupled weight decay and
# a rate that rises and falls (Smith 2018, arXiv 1803.09820). Label smoothing: Szegedy et al. 2016 (arXiv
# 1512.00567). The cnn is trained as in Jordan 2024 (arXiv 2404.00498): SGD with Nesterov's momentum 0.85, label
# smoothing 0.2. Rates, widths and epochs: chosen on validation images, docs/log.md.
_LINEAR = Recipe(optimizer="adamw", lr=3e-3, weight_decay=0.05)
_MLP = Recipe(optimizer="adamw", lr=3e-3, weight_decay=0.05, label_smoothing=0.1)
_CNN = Recipe(lr=2.0, momentum=0.85, weight_decay=5e-4, label_smoothing=0.2, precision="auto", augment="auto")
_OWN = Recipe(optimizer="adamw", lr="auto", weight_decay=0.01)

RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "linear": {
        "quick": replace(_LINEAR, epochs=5, min_steps=200),
        "standard": replace(_LINEAR, epochs=15, min_steps=600),
        "thorough": replace(_LINEAR, epochs=40, min_steps=2000),
    },
    "mlp": {
        "quick": replace(_MLP, epochs=8, min_steps=200, sizes={"hidden": 30}),
        "standard": replace(_MLP, epochs=20, min_steps=600, sizes={"hidden": 256}),
        "thorough": replace(_MLP, epochs=60, min_steps=2000, sizes={"hidden": 1024}, augment="auto"),
    },
    "cnn": {
        "quick": replace(_CNN, epochs=3, min_steps=200, sizes={"width": 24, "side": 16}),
        "standard": replace(_CNN, epochs=6, min_steps=600, sizes={"width": 24}),
        "thorough": replace(_CNN, lr=1.0, epochs=22, min_steps=2000, sizes={"width": 32}, tta=True),
    },
    # A module of the user's: nothing is known of it, so its learning rate is found by the range test.
    "module": {
        "quick": replace(_OWN, epochs=3, min_steps=200),
        "standard": replace(_OWN, epochs=10, min_steps=600),
        "thorough": replace(_OWN, epochs=40, min_steps=2000),
    },
}
FEWEST_BATCHES = 12  # an epoch, where images are few
SMALLEST_BATCH = 16


def for_few(recipe: Recipe, count: int) -> Recipe:
    """The recipe for so many training images: where they are few, smaller batches and more epochs.

    Example:
        >>> few = for_few(Recipe(epochs=8, min_steps=600), 1650)
        >>> few.batch_size, few.epochs  # 13 steps an epoch
        (128, 47)
    """
    size = 2 ** int(math.log2(max(count / FEWEST_BATCHES, SMALLEST_BATCH)))
    batch_size = min(recipe.batch_size, size)
    steps = -(-count // batch_size)
    epochs = max(recipe.epochs, -(-recipe.min_steps // steps))
    return replace(recipe, batch_size=batch_size, epochs=epochs)


def recipe_for(rung: str, effort: str, options: Mapping[str, Any]) -> Recipe:
    """The recipe of the table, with what was passed in its place.

    Args:
        rung: ``"linear"``, ``"mlp"``, ``"cnn"`` or ``"module"``.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``.
        options: fields of `Recipe`.

    Raises:
        ArgumentError: where there is no such effort or option, or a value cannot be used.

    Example:
        >>> recipe_for("linear", "quick", {"lr": 1.0, "loss": "l1"}).lr
        1.0
    """
    if effort not in EFFORTS:
        raise ArgumentError(f"effort={effort!r} is not known; choose from {', '.join(EFFORTS)}.")
    known = [one.name for one in fields(Recipe)]
    for name in options:
        if name not in known:
            raise ArgumentError(f"{rung} has no option {name!r}; choose from {', '.join(known)}.")
    if options.keys() & {"epochs", "batch_size"}:
        options = {"min_steps": 0, **options}
    return replace(RECIPES[rung][effort], **options)


def _name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
