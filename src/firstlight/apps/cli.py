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

from firstlight.apps.options import (
    Augment,
    BatchSize,
    Colour,
    Data,
    Decay,
    Device,
    Effort,
    Epochs,
    Hidden,
    How,
    Json,
    Loss,
    Lr,
    Momentum,
    Normalise,
    Optimiser,
    Out,
    Patience,
    Quiet,
    Schedule,
    Seed,
    Seeds,
    Size,
    Split,
    Unreadable,
    Weights,
)
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
    other: Annotated[Path | None, typer.Argument(help="A second run folder: its images may be others.")] = None,
    against: Annotated[str, typer.Option(help="The rung that the others stand beside.")] = "centroid",
    by: Annotated[
        str | None, typer.Option(help="Accuracy by slices: brightness, contrast, size, folder or a column of a list.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare every rung of a run with one of them, on the same images, or by slices of the data."""
    from firstlight.apps.comparing import show_comparison

    show_comparison(run, other, against=against, by=by, as_json=as_json, quiet=quiet)


@command("firstlight audit photos/ --strict FL201,FL203")
def audit(
    data: Data,
    labels: Annotated[
        bool, typer.Option("--labels", help="Look for doubtful labels too, out of fold (slower).")
    ] = False,
    strict: Annotated[str, typer.Option(help="Exit with 1 where one of these codes is found, commas between.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What is in a folder and what is wrong with it: duplicates, leaks, files, balance, shortcuts, labels."""
    from firstlight.apps.auditing import show_audit

    codes = [code.strip() for code in strict.split(",") if code.strip()]
    if show_audit(data, labels=labels, strict=codes, as_json=as_json, quiet=quiet):
        raise typer.Exit(1)


@command("firstlight show photos/cat/1.jpg --rows 4:10 --columns 4:10")
def show(
    image: Annotated[str, typer.Argument(help="An image file.")],
    rows: Annotated[str | None, typer.Option(help="Which rows, such as 4:10.")] = None,
    columns: Annotated[str | None, typer.Option(help="Which columns, such as 4:10.")] = None,
    as_: Annotated[str, typer.Option("--as", help="table, or the array or tensor as Python prints it.")] = "table",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """An image as the numbers it is."""
    from firstlight.apps.showing import show_numbers

    show_numbers(image, rows=rows, columns=columns, as_=as_, as_json=as_json, quiet=quiet)


@command("firstlight explain runs/photos image.jpg")
def explain(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    images: Annotated[list[str] | None, typer.Argument(help="Images; those of the run where left out.")] = None,
    rung: Annotated[str | None, typer.Option(help="Which rung; the advised one where left out.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the run's images: train, validation or test.")] = None,
    most: Annotated[str | None, typer.Option(help="Of the run's images the most: wrong, uncertain or typical.")] = None,
    count: Annotated[int, typer.Option(help="So many images.", min=1)] = 8,
    against: Annotated[str | None, typer.Option(help="The class to argue against.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a picture of each image into this folder.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Why a rung decided as it did, as numbers and as signed maps of the pixels."""
    from firstlight.apps.explaining import show_explanations

    options: Any = {"rung": rung, "split": split, "most": most, "count": count, "against": against, "out": out}
    show_explanations(run, images or [], **options, as_json=as_json, quiet=quiet)


@command("firstlight report runs/photos")
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file; report.html in the run folder if left out.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """One HTML file with everything: advice, ladder, classes, findings, explanations; it can be mailed."""
    from firstlight.reporting.report import report as write_report

    path = write_report(run, out)
    print_json({"report": str(path), "bytes": path.stat().st_size}) if as_json else print(path)


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
