"""The commands that put a model to use: predict, serve, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from firstlight.apps.command import command
from firstlight.apps.options import Json, Quiet, Unreadable


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


@command("firstlight export runs/photos --out photos.onnx")
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    rung: Annotated[str | None, typer.Option(help="Which rung; the advised one where left out.")] = None,
    to: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="The file; model.onnx where left out.")] = None,
    as_json: Json = False,
) -> None:
    """Write a rung as an ONNX model with its preprocessing inside, held against Python before it is kept."""
    from firstlight.apps.exporting import show_export

    show_export(run, out, rung=rung, to=to, as_json=as_json)
