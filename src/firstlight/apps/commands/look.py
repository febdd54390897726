"""The commands that inspect: audit, show, explain and report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from firstlight.apps.command import command
from firstlight.apps.options import ClassesFrom, Data, Json, LabelFrom, Quiet
from firstlight.apps.screen import print_json
from firstlight.apps.terminal import say


@command("firstlight audit photos/ --strict FL201,FL203")
def audit(
    data: Data,
    labels: Annotated[bool, typer.Option("--labels", help="Also check labels, by cross-validation (slower).")] = False,
    strict: Annotated[
        str, typer.Option(help="Exit with status 1 if one of these codes is found, separated by commas.")
    ] = "",
    classes_from: ClassesFrom = "auto",
    label_from: LabelFrom = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --labels: write the labels to check to this .csv, or with the images to this .html."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check images for duplicates, leaks, broken files and shortcuts."""
    from firstlight.apps.auditing import Wanted, show_audit
    from firstlight.data.scanning.options import Scanning

    codes = [code.strip() for code in strict.split(",") if code.strip()]
    scanning = Scanning(classes_from=classes_from, label_from=label_from)
    if show_audit(data, Wanted(labels, out, codes, scanning), as_json=as_json, quiet=quiet):
        raise typer.Exit(1)


@command("firstlight show photos/cat/1.jpg --rows 4:10 --columns 4:10")
def show(
    image: Annotated[str, typer.Argument(help="An image file.")],
    rows: Annotated[str | None, typer.Option(help="Rows to show, such as 4:10.")] = None,
    columns: Annotated[str | None, typer.Option(help="Columns to show, such as 4:10.")] = None,
    as_: Annotated[str, typer.Option("--as", help="Form: table, or array or tensor as Python prints it.")] = "table",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show an image as numbers."""
    from firstlight.apps.showing import show_numbers

    show_numbers(image, rows=rows, columns=columns, as_=as_, as_json=as_json, quiet=quiet)


@command("firstlight explain runs/photos image.jpg")
def explain(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    images: Annotated[list[str] | None, typer.Argument(help="Images to explain; by default the run's own.")] = None,
    rung: Annotated[str | None, typer.Option(help="Rung to use; by default the advised one.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Explain only images of this split: train, validation or test.")
    ] = None,
    most: Annotated[str | None, typer.Option(help="Explain the most wrong, uncertain or typical images.")] = None,
    count: Annotated[int, typer.Option(help="Number of images.", min=1)] = 8,
    against: Annotated[str | None, typer.Option(help="Class to compare the predicted one with.")] = None,
    out: Annotated[Path | None, typer.Option(help="Save a picture of each explanation to this folder.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Explain predictions: which pixels support which class."""
    from firstlight.apps.explaining import show_explanations

    options: Any = {"rung": rung, "split": split, "most": most, "count": count, "against": against, "out": out}
    show_explanations(run, images or [], **options, as_json=as_json, quiet=quiet)


@command("firstlight report runs/photos")
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write; by default report.html in the run folder.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run as one HTML file that can be mailed."""
    from firstlight.reporting.report import report as write_report

    path = write_report(run, out)
    print_json({"report": str(path), "bytes": path.stat().st_size}) if as_json else say(path)
