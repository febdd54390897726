"""The commands that fit and measure: fit, climb, compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstlight.apps.command import command
from firstlight.apps.options import (
    Align,
    Backbone,
    ClassesFrom,
    Color,
    Data,
    Effort,
    Hidden,
    Json,
    LabelFrom,
    Minutes,
    Out,
    Quiet,
    Resize,
    Seed,
    Seeds,
    Size,
    Split,
    Unreadable,
)
from firstlight.apps.training_options import training_options

if TYPE_CHECKING:
    from firstlight.data.decoding.loading import Loading


@command("firstlight fit photos/ --rung mlp --epochs 40 --lr 0.1")
@training_options()
def fit(
    data: Data,
    rung: Annotated[
        str, typer.Option(help="Rung to fit, such as centroid, linear, mlp, cnn, embed-centroid or embed-linear.")
    ] = "centroid",
    distance: Annotated[
        str | None, typer.Option(help="Distance of the centroid: l1, l2 or cosine; by default l1.")
    ] = None,
    centre: Annotated[
        str | None, typer.Option(help="Centre of each class of the centroid: mean or median; by default mean.")
    ] = None,
    effort: Effort = "standard",
    hidden: Hidden = None,
    backbone: Backbone = None,
    size: Size = "auto",
    color: Color = "auto",
    resize: Resize = "squish",
    align: Align = "none",
    allow_unreadable: Unreadable = False,
    classes_from: ClassesFrom = "auto",
    label_from: LabelFrom = None,
    out: Out = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Fit one rung, measure it on validation images and save the run."""
    from firstlight.apps.climbing import Wanted, show_climb
    from firstlight.data.scanning.options import Scanning
    from firstlight.errors import ArgumentError
    from firstlight.models.rungs import centroid_name

    if hidden is not None:
        options["sizes"] = {"hidden": hidden}
    if backbone is not None:
        options["backbone"] = backbone
    of_centroid = {"--distance": distance, "--centre": centre}
    ignored = [option for option, value in of_centroid.items() if value is not None and rung != "centroid"]
    if ignored:
        raise ArgumentError(f"{ignored[0]} belongs to --rung centroid, not to {rung}; omit it.")
    name = centroid_name(distance or "l1", centre or "mean") if rung == "centroid" else rung
    loading = _loading(size, color, resize, align, allow_unreadable)
    scanning = Scanning(classes_from=classes_from, label_from=label_from)
    from_seed = range(seed, seed + seeds)
    show_climb(data, Wanted((name,), "validation", from_seed, effort, options, loading, out, as_json, quiet, scanning))


@command("firstlight climb photos/ --effort quick")
@training_options()
def climb(
    data: Data,
    rungs: Annotated[
        str | None,
        typer.Option(help="Rungs, separated by commas; centroid means all three distances. Default: those that suit."),
    ] = None,
    effort: Effort = "standard",
    minutes: Minutes = None,
    hidden: Hidden = None,
    backbone: Backbone = None,
    split: Split = "validation",
    size: Size = "auto",
    color: Color = "auto",
    resize: Resize = "squish",
    align: Align = "none",
    allow_unreadable: Unreadable = False,
    classes_from: ClassesFrom = "auto",
    label_from: LabelFrom = None,
    out: Out = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Climb the ladder from simple to strong models; say where to stop.

    A rung is one kind of model. Each is shown with its accuracy, the 95 % interval, its gain over the rung before
    and its cost.
    """
    from firstlight.apps.climbing import Wanted, show_climb
    from firstlight.data.scanning.options import Scanning

    if hidden is not None:
        options["sizes"] = {"hidden": hidden}
    options |= {name: value for name, value in (("backbone", backbone), ("minutes", minutes)) if value is not None}
    names = None if rungs is None else tuple(name.strip() for name in rungs.split(",") if name.strip())
    loading = _loading(size, color, resize, align, allow_unreadable)
    scanning = Scanning(classes_from=classes_from, label_from=label_from)
    from_seed = range(seed, seed + seeds)
    show_climb(data, Wanted(names, split, from_seed, effort, options, loading, out, as_json, quiet, scanning))


def _loading(size: str, color: str, resize: str, align: str, allow_unreadable: bool) -> Loading:
    """The options of loading, which says what is wrong with them."""
    from firstlight.data.decoding.loading import Loading

    chosen: Any = {"size": _size(size), "color": color, "resize": resize, "align": align}
    return Loading(**chosen, allow_unreadable=allow_unreadable)


def _size(text: str) -> int | tuple[int, ...] | str:
    """``32``, ``24x32`` as height and width, or a word."""
    sides = text.lower().split("x")
    if not all(side.isdecimal() and len(side) < 10 for side in sides):  # Python reads 4,300 digits, slowly
        return text
    return int(text) if len(sides) == 1 else tuple(map(int, sides))


@command("firstlight compare runs/photos --against centroid")
def compare(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    other: Annotated[Path | None, typer.Argument(help="A second run folder, compared rung by rung.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Rung to compare the others with; by default the centroid, if there is one.")
    ] = None,
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
