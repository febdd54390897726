"""fastai's Learner on arrays that it is given, in fastai's own environment: answers each line with a JSON line."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from fastai.basics import SGD, DataLoader, DataLoaders, Learner
from torch import nn


def mnist_loss(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of fastbook, chapter 4."""
    predictions = predictions.sigmoid()
    return torch.where(targets == 1, 1 - predictions, predictions).mean()


def batch_accuracy(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of fastbook, chapter 4."""
    return ((predictions.sigmoid() > 0.5) == targets).float().mean()


def learner(arrays: dict[str, np.ndarray], network: str) -> Learner:
    """The chapter's Learner: tensors in memory, pairs in a list, batches of 256."""

    def pairs(part: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
        images = torch.tensor(arrays[f"{part}_images"]).float().view(-1, 28 * 28) / 255
        labels = torch.tensor(arrays[f"{part}_labels"]).long().unsqueeze(1)
        return list(zip(images, labels, strict=True))

    loaders = DataLoaders(
        DataLoader(pairs("train"), batch_size=256, shuffle=True), DataLoader(pairs("validation"), batch_size=256)
    )
    torch.manual_seed(0)
    model = nn.Linear(28 * 28, 1)
    if network == "mlp":
        model = nn.Sequential(nn.Linear(28 * 28, 30), nn.ReLU(), nn.Linear(30, 1))
    return Learner(loaders, model, opt_func=SGD, loss_func=mnist_loss, metrics=batch_accuracy)


def main() -> None:
    """Lines ``NETWORK EPOCHS LR``: that many epochs; the answer is their seconds and the accuracy after them."""
    arrays = dict(np.load(sys.argv[1]))
    torch.set_num_threads(int(sys.argv[2]))
    print(json.dumps({"fastai": version("fastai"), "torch": version("torch")}), flush=True)
    learners: dict[str, Learner] = {}
    for line in sys.stdin:
        network, epochs, lr = line.split()
        fresh = network.endswith("-fresh")
        name = network.removesuffix("-fresh")
        if fresh or name not in learners:
            learners[name] = learner(arrays, name)
        learn = learners[name]
        with contextlib.redirect_stdout(sys.stderr), learn.no_logging():
            started = time.perf_counter()
            learn.fit(int(epochs), float(lr))
            seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "accuracy": float(learn.recorder.final_record[2])}), flush=True)


if __name__ == "__main__":
    main()
