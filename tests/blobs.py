"""Random images whose brightness shows the class, a module of a user's own, and every rung fitted on them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import firstlight as fl
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS, Table
from firstlight.models.classifier import Classifier

TRAINED = ("linear", "mlp", "cnn", "fine-tune", "own")


class Own(nn.Module):
    """What a user may bring: its mean color, dropout and two layers."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.filters = nn.Conv2d(channels, 6, 1)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(6, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.drop(self.filters(images).relu().mean(dim=(2, 3))))


def pixels_of(images: np.ndarray, labels: np.ndarray, classes: int, held: int = 4) -> Pixels:
    """Images as `load` gives them: every ``held``-th is a validation image."""
    count = len(images)
    splits = np.where(np.arange(count) % held == held - 1, SPLITS.index("validation"), SPLITS.index("train"))
    table = Table.build(
        "nowhere",
        [f"{row}.png" for row in range(count)],
        classes=tuple(f"class {number}" for number in range(classes)),
        labels=labels,
        splits=splits,
        columns={"size": [1] * count, "modified": [0] * count},
    )
    images.flags.writeable = False
    color = "gray" if images.shape[3] == 1 else "rgb"
    return Pixels(images, table, table.select(np.zeros(count, bool)), images.shape[1:3], color, "squish")


def blobs(shape: tuple[int, int, int] = (8, 8, 1), classes: int = 3, count: int = 48, seed: int = 0) -> Pixels:
    """Random images whose brightness tells the class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = generator.integers(0, 60, (count, *shape)) + 180 * labels[:, None, None, None] // classes
    return pixels_of(images.astype(np.uint8), labels, classes)


def fit(name: str, pixels: Pixels, seed: int = 0) -> Classifier:
    if name == "own":
        own = Own(pixels.values.shape[3], len(pixels.classes))
        return fl.fit(own, pixels, seed=seed, epochs=2, batch_size=16, lr=0.01)
    if name in TRAINED:
        return fl.fit(name, pixels, seed=seed, effort="quick", epochs=2, batch_size=16)
    return fl.fit(name, pixels, seed=seed)
