"""Seconds to 99.0 % on mnist_png beside PyTorch's own MNIST example, github.com/pytorch/examples, mnist/main.py."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

import firstlight as fl
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from folders import folder
from rounds import Benchmark, Figure

WANTED = 0.99
EPOCHS = 14  # the example's own number, at most


def network() -> nn.Module:
    """The example's network."""
    features = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
    head = [nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(1)]
    return nn.Sequential(*features, *head)


class Decoded(Dataset[tuple[torch.Tensor, int]]):
    """What torchvision's MNIST gives: of uint8 images in memory a PIL image, then ToTensor and Normalize."""

    def __init__(self, pixels: Pixels) -> None:
        self.images, self.labels = torch.from_numpy(pixels.values[..., 0].copy()), pixels.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.images[row].numpy())
        tensor = torch.from_numpy(np.array(image))[None].to(torch.float32).div(255)
        return tensor.sub_(0.1307).div_(0.3081), self.labels[row]


def example(pixels: Pixels) -> Iterator[float]:
    """The accuracy on the test images after each epoch; nothing is printed within them, as the example would.

    The example's seed, Adadelta, schedule and batches. Its loader does not shuffle on a CPU, since the files of
    MNIST are in random order; those of a folder lie class by class, so here it does.
    """
    torch.manual_seed(1)
    module = network()
    optimizer = torch.optim.Adadelta(module.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    train = DataLoader(Decoded(pixels.select("train")), batch_size=64, shuffle=True)
    test = DataLoader(Decoded(pixels.select("test")), batch_size=1000)
    for _ in range(EPOCHS):
        module.train()
        for images, labels in train:
            optimizer.zero_grad()
            nn.functional.nll_loss(module(images), labels).backward()
            optimizer.step()
        module.eval()
        loss, right = 0.0, 0
        with torch.no_grad():
            for images, labels in test:
                scores = module(images)
                loss += nn.functional.nll_loss(scores, labels, reduction="sum").item()
                right += int((scores.argmax(dim=1) == labels).sum())
        schedule.step()
        yield right / len(test.dataset)  # type: ignore[arg-type]


def to_99(effort: str = "quick") -> Benchmark:
    """The whole fit of a recipe, as long as it is, against the example's epochs until one ends at 99.0 %."""
    pixels = fl.load(fl.scan(folder("mnist_png")))
    # The test images stand as validation: they are looked at after every epoch, as in the example, and nothing but
    # the temperature, which changes no class, comes from them; all 60,000 training images are learnt from.
    splits = np.where(pixels.splits == SPLITS.index("test"), SPLITS.index("validation"), pixels.splits)
    watched = replace(pixels, table=pixels.table.with_columns(splits=splits))
    found: dict[str, list[float]] = {}

    def tell(name: str, started: float, accuracy: float) -> None:
        found.setdefault(name, []).append(accuracy)
        seconds = time.perf_counter() - started
        print(f"{name}: epoch {len(found[name])}, {accuracy:.4f} after {seconds:.1f} s", file=sys.stderr, flush=True)

    def ours() -> None:
        started = time.perf_counter()

        def progress(step: fl.Step) -> None:
            if isinstance(step.result, fl.Epoch):
                tell(first, started, step.result.accuracy or 0.0)

        fl.fit("cnn", watched, effort=effort, device="cpu", progress=progress)

    def theirs() -> None:
        started = time.perf_counter()
        for accuracy in example(pixels):
            tell(second, started, accuracy)
            if accuracy >= WANTED:
                break

    def figures() -> dict[str, Figure]:
        return {
            f"test accuracy of {name}": Figure(
                epochs[-1],
                note="after each epoch: " + ", ".join(f"{accuracy:.4f}" for accuracy in epochs),
            )
            for name, epochs in found.items()
        }

    first, second = f"firstlight, {effort}, the whole fit", "PyTorch's MNIST example"
    about = "60,000 images of mnist_png until 99.0 % of the 10,000 test images are right, looks at them included"
    return Benchmark("cnn-99", about, {first: ours, second: theirs}, figures=figures, once=True)
