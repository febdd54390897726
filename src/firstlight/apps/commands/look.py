"""The commands that look: audit, show, explain, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from firstlight.apps.command import command
from firstlight.apps.options import Data, Json, Quiet
from firstlight.apps.screen import print_json


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
