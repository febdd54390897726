"""The commands that use a model: predict, export and serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from firstlight.apps.command import command
from firstlight.apps.options import Json, Quiet


@command("firstlight predict runs/photos images/ --out predictions.parquet")
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder, or an .onnx file that export wrote.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, archives, CSV lists, saved tables, or - for an image on standard input (with --list, "
            "paths). Not needed with --split: the images that the run was made from."
        ),
    ] = None,
    rung: Annotated[str | None, typer.Option(help="Rung to use; by default the advised one.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Predict only images of this split: train, validation or test.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write one row per image to this .parquet, .csv or .jsonl file. The same command resumes it."
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Classes to list per image.", min=1)] = 1,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="Add the probabilities of all classes, and the distances of a centroid."),
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Read paths from standard input, one per line.")] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object per line; with --out one JSON document with the counts."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Predict the class of each image.

    An image that cannot be read gets a row with the reason. With --split test the accuracy on the test images is
    measured without training again, and the reading is counted.
    """
    from firstlight.apps.predicting import Wanted, show_predictions

    show_predictions(run, paths or (), Wanted(rung, split, out, top, probabilities, listed, as_json, quiet))


@command("firstlight export runs/photos --out photos.onnx")
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    rung: Annotated[str | None, typer.Option(help="Rung to use; by default the advised one.")] = None,
    to: Annotated[
        str,
        typer.Option(
            help="onnx: one file; page: a static web page that predicts in the browser; space: the same as a Hugging "
            "Face Space; safetensors: the weights with a model card."
        ),
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="File or folder to write; by default model.onnx, page, space or model.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="For onnx: quantize the weights to 8 bits and measure the difference.")
    ] = False,
    license: Annotated[str | None, typer.Option(help="Licence of the model for its card, such as apache-2.0.")] = None,
    runtime: Annotated[
        Path | None, typer.Option(help="For a page: the npm package onnxruntime-web as a .tgz; by default downloaded.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export a model and check that its predictions stay the same."""
    from firstlight.apps.exporting import Wanted, show_export

    show_export(run, Wanted(rung, to, out, int8, license, runtime), as_json=as_json)


@command("firstlight serve runs/photos --phone")
def serve(
    run: Annotated[Path, typer.Argument(help="A run folder, or an .onnx file that export wrote.")],
    rung: Annotated[str | None, typer.Option(help="Rung to use; by default the advised one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            help="Token that every request must send; required if other computers can connect.",
            envvar="FIRSTLIGHT_TOKEN",
        ),
    ] = None,
    phone: Annotated[
        bool, typer.Option("--phone", help="Serve to a phone in the local network, with a token and a QR code.")
    ] = False,
    origins: Annotated[
        str,
        typer.Option(help="Other sites whose pages may send requests, such as https://a.example, separated by commas."),
    ] = "",
    prefix: Annotated[str, typer.Option(help="Path prefix, if a proxy adds one.")] = "",
    quiet: Quiet = False,
) -> None:
    """Serve a model over HTTP: a web page and POST /api/predict."""
    from firstlight.apps.serving import Place, serve

    callers = tuple(one.strip() for one in origins.split(",") if one.strip())
    serve(run, Place(host, port, token, phone, callers, prefix), rung=rung, quiet=quiet)
