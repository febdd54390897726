"""Options that several commands share: type and line of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(help="A folder with one folder of images per class, a .zip of one, a CSV list, or a saved table."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no remarks.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME by default. The same command resumes it.")]
Size = Annotated[str, typer.Option(help="Side of the resized images in px, or auto.")]
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
Device = Annotated[str, typer.Option(help="Device for networks: auto, cpu, cuda or mps.")]
Epochs = Annotated[int | None, typer.Option(help="Number of epochs.")]
BatchSize = Annotated[int | None, typer.Option(help="Batch size.")]
Lr = Annotated[str | None, typer.Option(help="Learning rate: a number, or auto for a learning rate range test.")]
Loss = Annotated[str | None, typer.Option(help="Loss function: l1, mse, bce or cross_entropy.")]
Optimizer = Annotated[str | None, typer.Option(help="Optimizer: sgd or adamw.")]
Schedule = Annotated[str | None, typer.Option(help="Learning rate schedule: constant or one_cycle.")]
Momentum = Annotated[float | None, typer.Option(help="Momentum of sgd, or the first beta of adamw.")]
Decay = Annotated[float | None, typer.Option("--weight-decay", help="Weight decay, of weights but not of biases.")]
Patience = Annotated[int | None, typer.Option(help="Stop after this many epochs without a lower validation loss.")]
Weights = Annotated[str | None, typer.Option("--class-weights", help="Class weights: balanced or none.")]
Augment = Annotated[str | None, typer.Option(help="Data augmentation: auto or none.")]
Normalize = Annotated[
    bool | None, typer.Option(help="Subtract the mean and divide by the standard deviation; else divide by 255.")
]
Hidden = Annotated[int | None, typer.Option(help="Units in the hidden layer of the mlp.", min=1)]
Split = Annotated[str, typer.Option(help="Measure on validation, or at the very end on test.")]
