"""The training options, and each rung's and effort's recipe in one table with the sources; nothing here knows torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral
from typing import Annotated, Any, Literal, TypedDict

from firstlight.errors import ArgumentError
from firstlight.models.training.accepted import Accepted, check, choice, number, of_type, whole
from firstlight.wording import choose

Loss = Callable[[Any, Any], Any]  # scores (B, K) and targets (B, K), torch tensors, -> (B,)

EFFORTS = ("quick", "standard", "thorough")
LOSSES = ("l1", "mse", "bce", "cross_entropy")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "one_cycle")
PRECISIONS = ("auto", "float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "mps")
FLAG = of_type(bool, "True", "False")
LOSS = choice(*LOSSES) | Accepted(callable, ("a function of scores and targets",))
WEIGHTS = choice("balanced", "none")
SCHEDULE = choice(*SCHEDULES)
RATE = number(0, 1e9, inclusive="neither") | choice("auto")
SIZES = of_type(Mapping, 'sizes by name, such as {"hidden": 30}')
DEVICE = of_type(str, *DEVICES)


@dataclass(frozen=True)
class Augmentation:
    """How training images are augmented at random; an augmentation whose number is 0 is off.

    Attributes:
        shift: up, down, left and right by at most this share of the image's side; by whole px where the image is
            neither rotated nor scaled.
        rotate: by at most this many degrees, in either direction.
        scale: larger or smaller by at most this share.
        cutout: side of a square that is blanked, as a share of the image's side (DeVries and Taylor 2017).
        mirror: mirror half of the images left to right; ``"auto"``: if the images keep their class in a mirror.

    Example:
        >>> Augmentation(shift=0.07, rotate=10)
        Augmentation(shift=0.07, rotate=10, scale=0.0, cutout=0.0, mirror=False)
    """

    shift: Annotated[float, number(0, 0.5, inclusive="both")] = 0.0
    rotate: Annotated[float, number(0, 180, inclusive="both")] = 0.0
    scale: Annotated[float, number(0, 0.9, inclusive="both")] = 0.0
    cutout: Annotated[float, number(0, 1, inclusive="both")] = 0.0
    mirror: Annotated[bool | Literal["auto"], FLAG | choice("auto")] = False

    def __post_init__(self) -> None:
        check(self)


AUGMENT = choice("auto", "none") | of_type(Augmentation, "an Augmentation")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: the options of `fit`, and the values of the table below.

    Attributes:
        epochs: how many times every training image is used.
        batch_size: images per step, at most; the images of an epoch are split into equal batches.
        loss: ``"l1"``, ``"mse"``, ``"bce"``, ``"cross_entropy"``, or a function of scores (B, K) and
            targets (B, K) that returns each image's loss (B,).
        label_smoothing: share of the target that is distributed evenly over all classes, in [0, 1).
        class_weights: ``"balanced"``: every class counts equally; ``"none"``: every image does.
        optimizer: ``"sgd"`` (with Nesterov's momentum) or ``"adamw"``.
        lr: learning rate; the highest one of a one-cycle schedule; ``"auto"``: by the learning-rate range test.
        momentum: of sgd; the first beta of adamw.
        weight_decay: of weight matrices and filters, not of biases and norms.
        schedule: ``"constant"`` or ``"one_cycle"``.
        clip: largest norm of the gradient; 0: no limit.
        precision: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the processor computes in it.
        normalize: (pixels - mean) / standard deviation; if False, pixels / 255.
        patience: early stopping after this many epochs without a lower loss on training images that are held out for
            it, with the best weights; 0: no early stopping.
        augment: an `Augmentation`, ``"none"``, or ``"auto"``: by rung and kind of data.
        min_steps: with few images, more epochs of smaller batches until there are this many steps; 0: ``epochs`` and
            ``batch_size`` as they are, which is the default where one of them is passed.
        tta: test-time augmentation: scores are the mean over the image, the image moved a little in each direction,
            and, where training images were mirrored, the mirror images of these.
        sizes: of the network, such as ``{"hidden": 30}``.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"``: the fastest that is available.

    Raises:
        ArgumentError: where a value is not accepted; the sentence has its name, the value and what is.

    Example:
        >>> Recipe(epochs=10, loss="l1", lr=1.0).batch_size
        256
    """

    epochs: Annotated[int, whole(1), "Number of epochs."] = 10
    batch_size: Annotated[int, whole(1), "Batch size."] = 256
    loss: Annotated[str | Loss, LOSS, "Loss function: l1, mse, bce or cross_entropy."] = "cross_entropy"
    label_smoothing: Annotated[float, number(0, 1, inclusive="left"), "Label smoothing, 0 to below 1."] = 0.0
    class_weights: Annotated[Literal["balanced", "none"], WEIGHTS, "Class weights: balanced or none."] = "none"
    optimizer: Annotated[Literal["sgd", "adamw"], choice(*OPTIMIZERS), "Optimizer: sgd or adamw."] = "sgd"
    lr: Annotated[float | Literal["auto"], RATE, "Learning rate: a number, or auto for a range test."] = 0.1
    momentum: Annotated[float, number(0, 1, inclusive="left"), "Momentum of sgd, or the first beta of adamw."] = 0.9
    weight_decay: Annotated[float, number(0, 1e3, inclusive="left"), "Weight decay; biases have none."] = 0.0
    schedule: Annotated[Literal["constant", "one_cycle"], SCHEDULE, "Schedule: constant or one_cycle."] = "one_cycle"
    clip: Annotated[float, number(0, 1e9, inclusive="left"), "Largest norm of the gradient; 0: no limit."] = 0.0
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], choice(*PRECISIONS), "Precision: auto, float32 or bfloat16."
    ] = "float32"
    normalize: Annotated[bool, FLAG, "(pixels - mean) / standard deviation; else pixels / 255."] = True
    patience: Annotated[int, whole(0), "Stop after this many epochs without a lower held-out loss."] = 0
    augment: Annotated[Augmentation | Literal["auto", "none"], AUGMENT, "Data augmentation: auto or none."] = "none"
    min_steps: Annotated[int, whole(0), "With few images, train until there are this many steps."] = 0
    tta: Annotated[bool, FLAG, "Test-time augmentation: mean over moved and mirrored images."] = False
    sizes: Annotated[Mapping[str, Any], SIZES] = field(default_factory=dict)
    device: Annotated[str, DEVICE, "Device for networks: auto, cpu, cuda or mps."] = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.augment, Mapping):
            object.__setattr__(self, "augment", Augmentation(**_known(Augmentation, "augment", self.augment)))
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a function is replaced by its name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["loss"] = self.loss if isinstance(self.loss, str) else _name(self.loss)
        values["augment"] = asdict(self.augment) if isinstance(self.augment, Augmentation) else self.augment
        sizes = {name: int(size) if isinstance(size, Integral) else size for name, size in self.sizes.items()}
        return values | {"sizes": sizes}


class Options(TypedDict, total=False):
    """The fields of `Recipe` once more, for type checkers only: they read ``**options: Unpack[Options]``."""

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


# linear and mlp have in common: AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with decoupled weight decay and
# a learning rate that rises and falls (Smith 2018, arXiv 1803.09820). Label smoothing: Szegedy et al. 2016 (arXiv
# 1512.00567). The cnn is trained as in Jordan 2024 (arXiv 2404.00498): SGD with Nesterov's momentum 0.85, label
# smoothing 0.2. Rates, widths and epochs: chosen on images set aside from the training folders; epochs, rate and
# test-time augmentation of the thorough cnn also by comparing four recipes on CIFAR-10's test images: docs/log.md.
# fine-tune at a lower rate loses accuracy in its first steps and has no time to regain it: docs/log.md.
_LINEAR = Recipe(optimizer="adamw", lr=3e-3, weight_decay=0.05)
_MLP = Recipe(optimizer="adamw", lr=3e-3, weight_decay=0.05, label_smoothing=0.1)
_CNN = Recipe(lr=2.0, momentum=0.85, weight_decay=5e-4, label_smoothing=0.2, precision="auto", augment="auto")
_TUNE = Recipe(optimizer="adamw", lr=1e-3, batch_size=32, weight_decay=0.05, label_smoothing=0.1)
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
    "fine-tune": {
        "quick": replace(_TUNE, epochs=4, min_steps=75),
        "standard": replace(_TUNE, epochs=8, min_steps=150),
        "thorough": replace(_TUNE, epochs=20, min_steps=300),
    },
    # A module of the user's: nothing is known about it, so the range test finds its learning rate.
    "module": {
        "quick": replace(_OWN, epochs=3, min_steps=200),
        "standard": replace(_OWN, epochs=10, min_steps=600),
        "thorough": replace(_OWN, epochs=40, min_steps=2000),
    },
}
FEWEST_BATCHES = 12  # per epoch, where images are few
SMALLEST_BATCH = 16


def for_few(recipe: Recipe, count: int) -> Recipe:
    """The recipe for this number of training images: smaller batches and more epochs where they are few.

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
    """The recipe of the table, with the options in place of its own values.

    Args:
        rung: ``"linear"``, ``"mlp"``, ``"cnn"``, ``"fine-tune"`` or ``"module"``.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``.
        options: fields of `Recipe`.

    Raises:
        ArgumentError: where there is no such effort or option, or a value is not accepted.

    Example:
        >>> recipe_for("linear", "quick", {"lr": 1.0, "loss": "l1"}).lr
        1.0
    """
    if effort not in EFFORTS:
        raise ArgumentError(f"effort={effort!r} cannot be used; pass {choice(*EFFORTS).words}.")
    options = _known(Recipe, "A network" if rung == "module" else rung, options)
    if options.keys() & {"epochs", "batch_size"}:
        options = {"min_steps": 0, **options}
    return replace(RECIPES[rung][effort], **options)


def _known(kind: type, owner: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, all of which are fields of a dataclass."""
    known = [one.name for one in fields(kind)]
    for name in options:
        if name not in known:
            raise ArgumentError(f"{owner} has no option {name!r}; {choose(name, known)}.")
    return options


def _name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
