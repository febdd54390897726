"""fastai's Learner on arrays that it is given, in fastai's own environment: answers each line with a JSON line."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from fastai.basics import SGD, Callback, DataLoader, DataLoaders, Learner
from torch import nn


class Clock(Callback):
    """When each epoch ended, its look at the validation images included."""

    order = 100  # after the recorder

    def __init__(self) -> None:
        self.ends: list[float] = []

    def after_epoch(self) -> None:
        """Called by the Learner."""
        self.ends.append(time.perf_counter())


def mnist_loss(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of fastbook, chapter 4."""
    predictions = predictions.sigmoid()
    return torch.where(targets == 1, 1 - predictions, predictions).mean()


def batch_accuracy(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of fastbook, chapter 4."""
    return ((predictions.sigmoid() > 0.5) == targets).float().mean()


def loaders(arrays: dict[str, np.ndarray], shuffle: bool) -> DataLoaders:
    """The chapter's loaders: tensors in memory, pairs in a list."""

    def pairs(part: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
        images = torch.tensor(arrays[f"{part}_images"]).float().view(-1, 28 * 28) / 255
        labels = torch.tensor(arrays[f"{part}_labels"]).long().unsqueeze(1)
        return list(zip(images, labels, strict=True))

    train = DataLoader(pairs("train"), batch_size=256, shuffle=shuffle)
    return DataLoaders(train, DataLoader(pairs("validation"), batch_size=256))


def learner(given: DataLoaders, network: str) -> Learner:
    """The chapter's Learner; fastai.basics brings no progress bar."""
    torch.manual_seed(0)
    model = nn.Linear(28 * 28, 1)
    if network == "mlp":
        model = nn.Sequential(nn.Linear(28 * 28, 30), nn.ReLU(), nn.Linear(30, 1))
    return Learner(given, model, opt_func=SGD, loss_func=mnist_loss, metrics=batch_accuracy)


def main() -> None:
    """Lines ``NETWORK ORDER EPOCHS LR``: a fresh network; answers when each epoch ended and the last accuracy."""
    torch.set_num_threads(int(sys.argv[2]))
    arrays = dict(np.load(sys.argv[1]))
    given = {"shuffled": loaders(arrays, True), "unshuffled": loaders(arrays, False)}
    print(json.dumps({"fastai": version("fastai"), "fastai's torch": version("torch")}), flush=True)
    for line in sys.stdin:
        network, order, epochs, lr = line.split()
        learn, clock = learner(given[order], network), Clock()
        with contextlib.redirect_stdout(sys.stderr), learn.no_logging():
            learn.fit(int(epochs), float(lr), cbs=clock)
        print(json.dumps({"ends": clock.ends, "accuracy": float(learn.recorder.final_record[2])}), flush=True)


if __name__ == "__main__":
    main()
