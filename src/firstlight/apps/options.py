"""Options that several commands share: type and line of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(help="A folder with one folder of images per class, a .zip of one, a CSV list, or a saved table."),
]
ClassesFrom = Annotated[
    str, typer.Option(help="Which of nested folders is the class: top, leaf or parent (of the leaf); auto decides.")
]
LabelFrom = Annotated[
    str | None,
    typer.Option(help="Take classes from file names: a regular expression whose group ( ) is the class."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no remarks.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME by default. The same command resumes it.")]
Size = Annotated[str, typer.Option(help="Size of the resized images in px: a side, HEIGHTxWIDTH, or auto.")]
Color = Annotated[str, typer.Option(help="Color mode: auto, gray or rgb.")]
Resize = Annotated[str, typer.Option(help="How images are resized: squish, crop or pad.")]
Align = Annotated[str, typer.Option(help="For drawings: centre (box or mass), or centre and straighten (deskew).")]
Unreadable = Annotated[
    bool, typer.Option("--allow-unreadable", help="Continue even if over 5 % of the images cannot be read.")
]
Effort = Annotated[str, typer.Option(help="How much to train: quick, standard or thorough.")]
Seeds = Annotated[
    int, typer.Option(help="Train each network with this many seeds and report the standard deviation.", min=1)
]
Hidden = Annotated[int | None, typer.Option(help="Units in the hidden layer of the mlp.", min=1)]
Backbone = Annotated[
    str | None, typer.Option(help="Pretrained network of the embed rungs; by default efficientnet-lite0.")
]
Minutes = Annotated[
    float | None, typer.Option(help="Time that the climb may take; rungs that would not fit are skipped and named.")
]
Split = Annotated[str, typer.Option(help="Measure on validation, or at the very end on test.")]
