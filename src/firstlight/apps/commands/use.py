"""The commands that put a model to use: predict, serve, export."""

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
        list[str], typer.Argument(help="Files, folders, archives, CSV lists, saved tables, or - for standard input.")
    ],
    rung: Annotated[str | None, typer.Option(help="Which rung; the advised one where left out.")] = None,
    split: Annotated[str | None, typer.Option(help="Only train, validation or test.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a row for each image here, and go on where it was: .parquet, .csv or .jsonl."),
    ] = None,
    top: Annotated[int, typer.Option(help="Name so many classes of each image.", min=1)] = 1,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Those of all classes, and the distances where the model has any.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Standard input is a list of paths, one a line.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON object a line; with --out one document of what was counted.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Name the class of each image, however many; one that cannot be read is a row with its reason."""
    from firstlight.apps.predicting import Wanted, show_predictions

    show_predictions(run, paths, Wanted(rung, split, out, top, probabilities, listed, as_json, quiet))


@command("firstlight export runs/photos --out photos.onnx")
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    rung: Annotated[str | None, typer.Option(help="Which rung; the advised one where left out.")] = None,
    to: Annotated[
        str,
        typer.Option(
            help="onnx: one file; page: a static folder that computes in the browser; space: that as a static Space; "
            "safetensors: the weights with a model card."
        ),
    ] = "onnx",
    out: Annotated[Path | None, typer.Option(help="The file or folder; named by the form where left out.")] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="For onnx: weights of eight bits, measured before it is kept.")
    ] = False,
    license: Annotated[str | None, typer.Option(help="For a card: the model's licence, such as apache-2.0.")] = None,
    runtime: Annotated[
        Path | None, typer.Option(help="For a page: onnxruntime-web as an npm .tgz, where it is not to be fetched.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a rung as files that answer elsewhere, held against Python before they are kept."""
    from firstlight.apps.exporting import Wanted, show_export

    show_export(run, Wanted(rung, to, out, int8, license, runtime), as_json=as_json)


@command("firstlight serve runs/photos --phone")
def serve(
    run: Annotated[Path, typer.Argument(help="A run folder, or an .onnx file that export wrote.")],
    rung: Annotated[str | None, typer.Option(help="Which rung; the advised one where left out.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.", min=0, max=65535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(help="What a call has to bring; required for other computers.", envvar="FIRSTLIGHT_TOKEN"),
    ] = None,
    phone: Annotated[
        bool, typer.Option("--phone", help="For the local network: a token, and the link as a QR code.")
    ] = False,
    origins: Annotated[
        str, typer.Option(help="Other sites whose pages may call it, such as https://a.example, commas between.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="The path under which a proxy shows it.")] = "",
    quiet: Quiet = False,
) -> None:
    """Answer over HTTP: a page to draw on and drop images on, and POST /api/predict for programs."""
    from firstlight.apps.serving import Place, serve

    callers = tuple(one.strip() for one in origins.split(",") if one.strip())
    serve(run, Place(host, port, token, phone, callers, prefix), rung=rung, quiet=quiet)
