"""The command line: every verb of the library as a command, with `--json` for machines."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from firstlight.apps.screen import print_json
from firstlight.errors import FirstlightError

if TYPE_CHECKING:
    from firstlight.data.table import Table

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="The first honest number that a folder of images gives, and what it is worth to go on.",
    epilog="Start with: firstlight demo",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[str, typer.Argument(help="A folder of images by class, a .zip of one, a CSV list, or a saved table.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
Seed = Annotated[int, typer.Option(help="Where all randomness comes from.")]
Out = Annotated[
    Path | None, typer.Option(help="The run folder; the same command goes on from there. runs/NAME if left out.")
]
Size = Annotated[str, typer.Option(help="Side in px that images are brought to, or auto.")]
Colour = Annotated[str, typer.Option(help="auto, gray or rgb.")]
How = Annotated[str, typer.Option("--fit", help="How an image is brought to the size: squish, crop or pad.")]
Unreadable = Annotated[bool, typer.Option("--allow-unreadable", help="Go on when over 5 % cannot be read.")]
Effort = Annotated[str, typer.Option(help="How long networks are trained: quick, standard or thorough.")]
Seeds = Annotated[int, typer.Option(help="Train each network with so many seeds, to see the spread.", min=1)]
Device = Annotated[str, typer.Option(help="Where networks compute: auto, cpu, cuda or mps.")]
Epochs = Annotated[int | None, typer.Option(help="How often every image is seen.")]
BatchSize = Annotated[int | None, typer.Option(help="Images a step.")]
Lr = Annotated[str | None, typer.Option(help="Learning rate: a number, or auto for the range test.")]
Loss = Annotated[str | None, typer.Option(help="l1, mse, bce or cross_entropy.")]
Optimiser = Annotated[str | None, typer.Option(help="sgd or adamw.")]
Schedule = Annotated[str | None, typer.Option(help="constant or one_cycle.")]
Momentum = Annotated[float | None, typer.Option(help="Of sgd; the first beta of adamw.")]
Decay = Annotated[float | None, typer.Option("--weight-decay", help="Of weights, not of biases.")]
Patience = Annotated[int | None, typer.Option(help="Stop after so many epochs without a lower validation loss.")]
Weights = Annotated[str | None, typer.Option("--class-weights", help="balanced or none.")]
Augment = Annotated[str | None, typer.Option(help="auto or none: vary training images.")]
Normalise = Annotated[bool | None, typer.Option(help="Pixels minus mean over deviation, or pixels / 255.")]
Hidden = Annotated[int | None, typer.Option(help="Units of the mlp's hidden layer.", min=1)]
Split = Annotated[str, typer.Option(help="What is measured on: validation, or test as the last reading.")]


def main() -> None:
    """The entry point."""
    app()


def command(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Registers a command; its expected failures become one sentence and exit status 1, Ctrl-C becomes 130."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except FirstlightError as error:
                print(f"firstlight: {error}", file=sys.stderr)
                raise typer.Exit(1) from error
            except KeyboardInterrupt as error:
                again = shlex.join(["firstlight", *sys.argv[1:]])
                print(f"\nInterrupted; nothing was lost. The same command goes on: {again}", file=sys.stderr)
                raise typer.Exit(130) from error

        app.command(epilog=f"Example: {example}")(run)
        return run

    return register


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from firstlight import __version__

        print(f"firstlight {__version__}")
        raise typer.Exit


@command("firstlight demo")
def demo(
    folder: Annotated[Path, typer.Option(help="Where the images and the runs are written.")] = Path("firstlight-demo"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The whole story on real handwritten digits, without a network."""
    from firstlight.apps.demo import tell

    tell(folder, quiet=quiet, as_json=as_json)


@command("firstlight get mnist_sample")
def get(
    name: Annotated[str | None, typer.Argument(help="A known name, an http(s) address, or a local archive.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where it is unpacked.")] = None,
    sha256: Annotated[str | None, typer.Option(help="What the archive must hash to.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch a dataset, verify it, unpack it and print its folder; without a name, list those known."""
    from firstlight.data.catalog import DATASETS
    from firstlight.data.download import get as fetch

    if name is None:
        known = {one.name: {"about": one.about, "licence": one.licence, "url": one.url} for one in DATASETS.values()}
        if as_json:
            print_json(known)
        else:
            print(*(f"{key:<15} {one['about']}" for key, one in known.items()), sep="\n")
        return
    path = fetch(name, folder=folder, sha256=sha256, quiet=quiet)
    print_json({"path": str(path)}) if as_json else print(path)


@command("firstlight scan photos/ --out photos.parquet")
def scan(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Save the table here, as .parquet or .csv.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Follow symbolic links.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What a folder holds: classes, splits, counts and what was skipped; nothing is decoded."""
    from firstlight.data.sources import scan as scan_data

    _show_table(scan_data(data, follow_links=follow_links), out, as_json, quiet)


@command("firstlight split photos/ --validation 0.2 --test 0.2 --out photos.parquet")
def split(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Save the table here, as .parquet or .csv.")] = None,
    validation: Annotated[float, typer.Option(help="Share of the images, 0 to 1.")] = 0.2,
    test: Annotated[float, typer.Option(help="Share of the images, 0 to 1.")] = 0.0,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set images aside for validation and test, by class, equal images together; files stay where they are."""
    from firstlight.data.sources import scan as scan_data
    from firstlight.data.splits import split as split_table

    _show_table(split_table(scan_data(data), validation=validation, test=test, seed=seed), out, as_json, quiet)


def _show_table(table: Table, out: Path | None, as_json: bool, quiet: bool) -> None:
    if out is not None:
        (table.to_csv if out.suffix.lower() == ".csv" else table.to_parquet)(out)
    if not as_json:
        print(replace(table, notes=()) if quiet else table)
        return
    document = {"root": table.root, "layout": table.layout, "images": len(table), "classes": table.classes}
    document |= {"counts": table.counts(), "skipped": dict(table.skipped), "notes": table.notes}
    print_json(document | {"fingerprint": table.fingerprint, "out": None if out is None else str(out)})


@command("firstlight fit photos/ --rung mlp --epochs 40 --lr 0.1")
def fit(
    data: Data,
    rung: Annotated[str, typer.Option(help="Which rung: prior, ink, centroid, linear, mlp or cnn.")] = "centroid",
    distance: Annotated[str, typer.Option(help="For centroid: l1, l2 or cosine.")] = "l1",
    centre: Annotated[str, typer.Option(help="For centroid: mean or median.")] = "mean",
    effort: Effort = "standard",
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    loss: Loss = None,
    optimiser: Optimiser = None,
    schedule: Schedule = None,
    momentum: Momentum = None,
    weight_decay: Decay = None,
    patience: Patience = None,
    class_weights: Weights = None,
    augment: Augment = None,
    normalise: Normalise = None,
    hidden: Hidden = None,
    device: Device = "auto",
    size: Size = "auto",
    colour: Colour = "auto",
    how: How = "squish",
    allow_unreadable: Unreadable = False,
    out: Out = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit one rung, measure it on validation and keep it in a run folder."""
    from firstlight.apps.climbing import Asked, show_climb
    from firstlight.models.rungs import centroid_name

    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": _rate(lr),
        "loss": loss,
        "optimiser": optimiser,
        "schedule": schedule,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "patience": patience,
        "class_weights": class_weights,
        "augment": augment,
        "normalise": normalise,
        "sizes": None if hidden is None else {"hidden": hidden},
        "device": None if device == "auto" else device,
    }
    name = centroid_name(distance, centre) if rung == "centroid" else rung
    loading = _loading(size, colour, how, allow_unreadable)
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
        typer.Option(help="Names with commas between; centroid stands for its three distances. All where left out."),
    ] = None,
    effort: Effort = "standard",
    split: Split = "validation",
    device: Device = "auto",
    size: Size = "auto",
    colour: Colour = "auto",
    how: How = "squish",
    allow_unreadable: Unreadable = False,
    out: Out = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Climb the ladder: each rung's accuracy with its interval, what it gained, and where to stop."""
    from firstlight.apps.climbing import Asked, show_climb

    names = None if rungs is None else tuple(name.strip() for name in rungs.split(",") if name.strip())
    loading = _loading(size, colour, how, allow_unreadable)
    options: Any = {} if device == "auto" else {"device": device}
    from_seed = range(seed, seed + seeds)
    show_climb(data, Asked(names, split, from_seed, effort, options, loading, out, as_json, quiet))


def _loading(size: str, colour: str, fit: str, allow_unreadable: bool) -> dict[str, Any]:
    """The options of `load`, which says what is wrong with them."""
    side = int(size) if size.isdecimal() else size
    return {"size": side, "colour": colour, "fit": fit, "allow_unreadable": allow_unreadable}


@command("firstlight compare runs/photos --against centroid")
def compare(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    against: Annotated[str, typer.Option(help="The rung that the others stand beside.")] = "centroid",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare every rung of a run with one of them, on the same images."""
    from firstlight.evaluation.compare import compare as compare_rungs
    from firstlight.runs.folder import read_run

    found = compare_rungs(read_run(run), against=against)
    print_json(found.to_dict()) if as_json else print(found)


@command("firstlight predict runs/photos images/ --out predictions.parquet")
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: Annotated[str, typer.Argument(help="Images: a file, a folder, a .zip, a CSV list or a saved table.")],
    rung: Annotated[str | None, typer.Option(help="Which rung; the advised one where left out.")] = None,
    split: Annotated[str | None, typer.Option(help="Only train, validation or test.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the predictions here, as .parquet or .csv.")] = None,
    allow_unreadable: Unreadable = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Name the class of each image, as a rung of a run sees it."""
    from firstlight.apps.predicting import Wanted, show_predictions

    show_predictions(run, data, Wanted(rung, split, out, allow_unreadable, as_json, quiet))


@command("firstlight cache --clear")
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete every entry.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what was decoded before: where it lies and how large it is."""
    from firstlight.data import cache as kept

    if clear:
        count, size = kept.clear()
        print_json({"deleted": count, "bytes": size}) if as_json else print(f"{count} entries, {size:,} bytes deleted")
        return
    entries = kept.entries()
    if as_json:
        print_json(
            [{"path": str(one.path), "root": one.root, "images": one.images, "bytes": one.bytes} for one in entries]
        )
        return
    for one in entries:
        print(f"{one.bytes:>15,} bytes  {one.images:>9,} images  {one.root}")
    print(f"{sum(one.bytes for one in entries):>15,} bytes in {len(entries)} entries in {kept.folder()}")
