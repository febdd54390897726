"""The options that commands share: each with its type and its line of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[str, typer.Argument(help="A folder of images by class, a .zip of one, a CSV list, or a saved table.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
Seed = Annotated[int, typer.Option(help="Where all randomness comes from.")]
Out = Annotated[
    Path | None, typer.Option(help="The run folder; the same command goes on from there. runs/NAME if left out.")
]
Size = Annotated[str, typer.Option(help="Side in px that images are brought to, or auto.")]
Color = Annotated[str, typer.Option(help="auto, gray or rgb.")]
Resize = Annotated[str, typer.Option(help="How an image is brought to the size: squish, crop or pad.")]
Align = Annotated[str, typer.Option(help="Bring drawings to one place by their ink: none, box, mass or deskew.")]
Unreadable = Annotated[bool, typer.Option("--allow-unreadable", help="Go on when over 5 % cannot be read.")]
Effort = Annotated[str, typer.Option(help="How long networks are trained: quick, standard or thorough.")]
Seeds = Annotated[int, typer.Option(help="Train each network with so many seeds, to see the spread.", min=1)]
Device = Annotated[str, typer.Option(help="Where networks compute: auto, cpu, cuda or mps.")]
Epochs = Annotated[int | None, typer.Option(help="How often every image is seen.")]
BatchSize = Annotated[int | None, typer.Option(help="Images a step.")]
Lr = Annotated[str | None, typer.Option(help="Learning rate: a number, or auto for the range test.")]
Loss = Annotated[str | None, typer.Option(help="l1, mse, bce or cross_entropy.")]
Optimizer = Annotated[str | None, typer.Option(help="sgd or adamw.")]
Schedule = Annotated[str | None, typer.Option(help="constant or one_cycle.")]
Momentum = Annotated[float | None, typer.Option(help="Of sgd; the first beta of adamw.")]
Decay = Annotated[float | None, typer.Option("--weight-decay", help="Of weights, not of biases.")]
Patience = Annotated[int | None, typer.Option(help="Stop after so many epochs without a lower validation loss.")]
Weights = Annotated[str | None, typer.Option("--class-weights", help="balanced or none.")]
Augment = Annotated[str | None, typer.Option(help="auto or none: vary training images.")]
Normalize = Annotated[bool | None, typer.Option(help="Pixels minus mean over deviation, or pixels / 255.")]
Hidden = Annotated[int | None, typer.Option(help="Units of the mlp's hidden layer.", min=1)]
Split = Annotated[str, typer.Option(help="What is measured on: validation, or test as the last reading.")]
