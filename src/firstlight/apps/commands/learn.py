"""The commands that fit and measure: fit, climb, compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstlight.apps.command import command
from firstlight.apps.options import (
    Align,
    Augment,
    BatchSize,
    Color,
    Data,
    Decay,
    Device,
    Effort,
    Epochs,
    Hidden,
    Json,
    Loss,
    Lr,
    Momentum,
    Normalize,
    Optimizer,
    Out,
    Patience,
    Quiet,
    Resize,
    Schedule,
    Seed,
    Seeds,
    Size,
    Split,
    Unreadable,
    Weights,
)

if TYPE_CHECKING:
    from firstlight.data.loading import Loading


@command("firstlight fit photos/ --rung mlp --epochs 40 --lr 0.1")
def fit(
    data: Data,
    rung: Annotated[str, typer.Option(help="Rung to fit: prior, ink, centroid, linear, mlp or cnn.")] = "centroid",
    distance: Annotated[str, typer.Option(help="Distance of the centroid: l1, l2 or cosine.")] = "l1",
    centre: Annotated[str, typer.Option(help="Centre of each class: mean or median.")] = "mean",
    effort: Effort = "standard",
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    loss: Loss = None,
    optimizer: Optimizer = None,
    schedule: Schedule = None,
    momentum: Momentum = None,
    weight_decay: Decay = None,
    patience: Patience = None,
    class_weights: Weights = None,
    augment: Augment = None,
    normalize: Normalize = None,
    hidden: Hidden = None,
    device: Device = "auto",
    size: Size = "auto",
    color: Color = "auto",
    resize: Resize = "squish",
    align: Align = "none",
    allow_unreadable: Unreadable = False,
    out: Out = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit one rung, measure it on validation images and save the run."""
    from firstlight.apps.climbing import Asked, show_climb
    from firstlight.models.rungs import centroid_name

    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": _rate(lr),
        "loss": loss,
        "optimizer": optimizer,
        "schedule": schedule,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "patience": patience,
        "class_weights": class_weights,
        "augment": augment,
        "normalize": normalize,
        "sizes": None if hidden is None else {"hidden": hidden},
        "device": None if device == "auto" else device,
    }
    name = centroid_name(distance, centre) if rung == "centroid" else rung
    loading = _loading(size, color, resize, align, allow_unreadable)
    chosen: Any = {name: value for name, value in options.items() if value is not None}
    from_seed = range(seed, seed + seeds)
    show_climb(data, Asked((name,), "validation", from_seed, effort, chosen, loading, out, as_json, quiet))


def _rate(lr: str | None) -> float | str | None:
    """The learning rate as a number where it is one; `Recipe` says what is wrong with another word."""
    try:
        return None if lr is None else float(lr)
    except ValueError:
        return lr


@command("firstlight climb photos/ --effort quick")
def climb(
    data: Data,
    rungs: Annotated[
        str | None,
        typer.Option(help="Rungs, separated by commas; centroid means all three distances. Default: all."),
    ] = None,
    effort: Effort = "standard",
    split: Split = "validation",
    device: Device = "auto",
    size: Size = "auto",
    color: Color = "auto",
    resize: Resize = "squish",
    align: Align = "none",
    allow_unreadable: Unreadable = False,
    out: Out = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Climb the ladder from simple to strong models; say where to stop.

    A rung is one kind of model. Each is shown with its accuracy, the 95 % interval, its gain over the rung before
    and its cost.
    """
    from firstlight.apps.climbing import Asked, show_climb

    names = None if rungs is None else tuple(name.strip() for name in rungs.split(",") if name.strip())
    loading = _loading(size, color, resize, align, allow_unreadable)
    options: Any = {} if device == "auto" else {"device": device}
    from_seed = range(seed, seed + seeds)
    show_climb(data, Asked(names, split, from_seed, effort, options, loading, out, as_json, quiet))


def _loading(size: str, color: str, resize: str, align: str, allow_unreadable: bool) -> Loading:
    """The options of loading, which says what is wrong with them."""
    from firstlight.data.loading import Loading

    chosen: Any = {"size": int(size) if size.isdecimal() else size, "color": color, "resize": resize, "align": align}
    return Loading(**chosen, allow_unreadable=allow_unreadable)


@command("firstlight compare runs/photos --against centroid")
def compare(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    other: Annotated[Path | None, typer.Argument(help="A second run folder, compared rung by rung.")] = None,
    against: Annotated[str, typer.Option(help="Rung to compare the others with.")] = "centroid",
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare in slices of the data, by brightness, contrast, size, folder or a column of a CSV list."
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare the rungs of a run, or two runs, by paired tests."""
    from firstlight.apps.comparing import show_comparison

    show_comparison(run, other, against=against, by=by, as_json=as_json, quiet=quiet)
