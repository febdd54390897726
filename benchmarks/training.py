"""Training: an epoch beside fastai's Learner and scikit-learn; the cnn's share of the machine; time to 99 %."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from torch import nn

import firstlight as fl
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS
from firstlight.ladder import training_set
from firstlight.models.fitting import decided, start
from firstlight.models.recipes import recipe_for
from firstlight.models.setting import Setting
from firstlight.models.training import Training
from folders import folder
from rounds import Benchmark, Target

HOME = Path(__file__).resolve().parent.parent / ".bench-fastai"
PLAIN: dict[str, Any] = {
    **{"loss": "l1", "batch_size": 256, "optimiser": "sgd", "schedule": "constant"},
    **{"momentum": 0.0, "weight_decay": 0.0, "normalise": False, "label_smoothing": 0.0},
}
EPOCHS_A_TURN = 3
FORWARD_AND_BACK = 3  # the backward pass has two products for each of the forward pass


@cache
def pixels_of(name: str) -> Pixels:
    """The decoded pixels of a dataset."""
    return fl.load(fl.scan(folder(name)))


@cache
def fastai() -> subprocess.Popen[str]:
    """A process with fastai's Learner, in an environment of its own that is made the first time."""
    python = HOME / "bin" / "python"
    if not python.exists():
        print("Installing fastai into an environment of its own (only the first time) ...", file=sys.stderr)
        venv.create(HOME, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "fastai"], check=True)
    pixels = pixels_of("mnist_sample")
    arrays = Path(tempfile.mkdtemp()) / "mnist_sample.npz"
    parts = {part: pixels.select(part) for part in ("train", "validation")}
    images = {f"{part}_images": chosen.values for part, chosen in parts.items()}
    np.savez(arrays, **images, **{f"{part}_labels": chosen.labels for part, chosen in parts.items()})
    command = [str(python), str(Path(__file__).with_name("fastai_learner.py")), str(arrays)]
    process = subprocess.Popen(
        [*command, str(torch.get_num_threads())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    print("beside", process.stdout.readline().strip(), file=sys.stderr)
    return process


def ask(line: str) -> dict[str, float]:
    """One answer of fastai's process."""
    process = fastai()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _epochs(name: str, rung: str, lr: float, lesson: int, times: float, sizes: dict[str, int]) -> Benchmark:
    """Epochs of one network on mnist_sample, the look at the 2,038 validation images in each."""
    pixels = pixels_of("mnist_sample")
    train, validation = pixels.select("train"), pixels.select("validation")
    flat, flat_validation = (part.values.reshape(len(part), -1) / np.float32(255) for part in (train, validation))
    if rung == "linear":
        other: Any = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01)
    else:
        other = MLPClassifier((30,), solver="sgd", batch_size=256, learning_rate_init=lr, momentum=0.0)

    def ours() -> float:
        seconds: list[float] = []
        options = PLAIN | {"sizes": sizes}
        fl.fit(rung, pixels, epochs=EPOCHS_A_TURN + 1, lr=lr, on_epoch=lambda e: seconds.append(e.seconds), **options)
        return (seconds[-1] - seconds[0]) / EPOCHS_A_TURN

    def learner() -> float:
        return ask(f"{rung} {EPOCHS_A_TURN} {lr}")["seconds"] / EPOCHS_A_TURN

    def scikit_learn() -> None:
        other.partial_fit(flat, train.labels, classes=[0, 1])
        other.score(flat_validation, validation.labels)

    def bare() -> None:
        """The same steps in bare torch on floats that are there already."""
        images, labels = torch.from_numpy(flat), torch.from_numpy(train.labels.astype(np.float32))[:, None]
        torch.manual_seed(0)
        layers = [nn.Linear(784, 1)] if rung == "linear" else [nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 1)]
        network = nn.Sequential(*layers)
        for rows in torch.randperm(len(images)).split(256):
            p = network(images[rows]).sigmoid()
            torch.where(labels[rows] == 1, 1 - p, p).mean().backward()
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter -= lr * parameter.grad
                    parameter.grad = None

    def check() -> None:
        options = PLAIN | {"sizes": sizes}
        classifier = fl.fit(rung, pixels, epochs=lesson, lr=lr, **options)
        accuracy = fl.evaluate(fl.predict(classifier, pixels, split="validation")).accuracy
        theirs = ask(f"{rung}-fresh {lesson} {lr}")["accuracy"]
        print(f"{name}: after {lesson} epochs {accuracy:.4f}, fastai {theirs:.4f}", file=sys.stderr)
        if abs(accuracy - theirs) > 0.006:
            raise SystemExit(f"{name}: the accuracies are not the same")

    contenders = {
        "firstlight": ours,
        "fastai Learner": learner,
        "scikit-learn": scikit_learn,
        "bare torch (floor)": bare,
    }
    about = f"an epoch of {rung} on mnist_sample's 12,396 images, batches of 256, and a look at 2,038"
    return Benchmark(name, about, contenders, (Target("fastai Learner", "firstlight", times),), check)


def linear() -> Benchmark:
    """784 weights and a bias."""
    return _epochs("sgd-linear", "linear", 1.0, 10, 3.0, {})


def mlp() -> Benchmark:
    """784-30-1."""
    return _epochs("sgd-mlp", "mlp", 0.1, 40, 2.0, {"hidden": 30})


def products(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Floating-point operations of the convolutions and linear layers for one image, forwards."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        counted.append(2 * output.numel() * layer.weight[0].numel())  # type: ignore[index, union-attr]

    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    module.eval()
    with torch.no_grad():
        module(torch.zeros(1, shape[2], *shape[:2]))
    for hook in hooks:
        hook.remove()
    return sum(counted)


def share() -> Benchmark:
    """The cnn's rate as a share of the rate of a bfloat16 matrix product."""
    size, steps = 2048, 4
    square = torch.randn(size, size, dtype=torch.bfloat16)
    rates: dict[str, list[float]] = {"product": []}

    def product() -> float:
        started = time.perf_counter()
        torch.mm(square, square)
        taken = time.perf_counter() - started
        rates["product"].append(2 * size**3 / taken / 1e9)
        return taken

    def trained(data: str, effort: str) -> Any:
        training_data = training_set(pixels_of(data))
        recipe = recipe_for("cnn", effort, {"device": "cpu"})
        network = start("cnn", training_data, recipe, 0)
        setting = Setting(recipe=recipe, classes=pixels_of(data).classes)
        recipe, _ = decided(recipe, training_data, setting, torch.device("cpu"))
        each = FORWARD_AND_BACK * products(network.module, training_data.images.shape[1:])
        network.module.train()
        training = Training(network, training_data, recipe, 0)
        batches, _ = training.order(0)
        key = f"{data} {effort}"
        rates[key] = []

        def work() -> float:
            started = time.perf_counter()
            for rows in batches[:steps]:
                training.step(rows, 0, 1e-3)
            taken = time.perf_counter() - started
            rates[key].append(each * sum(map(len, batches[:steps])) / taken / 1e9)
            return taken

        return work

    names = [(data, effort) for data in ("mnist_png", "cifar10") for effort in ("quick", "standard", "thorough")]
    contenders = {f"{data} {effort}": trained(data, effort) for data, effort in names}

    def figures() -> dict[str, tuple[float, float, str]]:
        peak = float(np.median(rates["product"]))
        found = {f"bfloat16 product of 2048 x 2048, GFLOP/s {peak:.0f}, as a share of itself": (1.0, 1.0, "")}
        for key in contenders:
            rate = float(np.median(rates[key][1:]))
            found[f"{key}: {rate:.0f} GFLOP/s, missing to 0.4 of that"] = (max(0.0, 0.4 - rate / peak), 0.0, "")
        return found

    return Benchmark("cnn-share", f"{steps} steps of 256 images", {**contenders, "product": product}, figures=figures)


class Example(nn.Module):
    """The network of PyTorch's MNIST example."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(1)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


class Decoded(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images as torchvision's MNIST gives them: PIL, then ToTensor and Normalize, one by one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        image = Image.fromarray(self.images[row, :, :, 0])
        tensor = torch.from_numpy(np.array(image))[None].float().div(255)
        return tensor.sub_(0.1307).div_(0.3081), self.labels[row]


def to_99() -> dict[str, Any]:
    """Seconds and accuracy after each epoch until 99.0 % of mnist_png's 10,000 test images are right."""
    pixels = pixels_of("mnist_png")
    train, test = pixels.select("train"), pixels.select("test")
    splits = np.where(pixels.splits == SPLITS.index("test"), SPLITS.index("validation"), pixels.splits)
    watched = replace(pixels, table=pixels.table.with_columns(splits=splits))  # looked at, never learnt from
    ours: list[tuple[float, float | None]] = []
    fl.fit("cnn", watched, effort="quick", on_epoch=lambda e: ours.append((round(e.seconds, 2), e.accuracy)))
    theirs: list[tuple[float, float]] = []
    spent = 0.0
    torch.manual_seed(1)  # the example's own seed
    network = Example()
    optimiser = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
    loader = torch.utils.data.DataLoader(Decoded(train.values, train.labels), batch_size=64, shuffle=True)
    tests = torch.utils.data.DataLoader(Decoded(test.values, test.labels), batch_size=1000)
    while not theirs or (theirs[-1][1] < 0.99 and len(theirs) < 14):
        started = time.perf_counter()
        network.train()
        for images, labels in loader:
            optimiser.zero_grad()
            nn.functional.nll_loss(network(images), labels).backward()
            optimiser.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            right = sum(int((network(images).argmax(1) == labels).sum()) for images, labels in tests)
        spent += time.perf_counter() - started
        theirs.append((round(spent, 2), right / len(test)))
        print("PyTorch's example", theirs[-1], file=sys.stderr, flush=True)
    first, second = (next(seconds for seconds, right in epochs if right and right >= 0.99) for epochs in (ours, theirs))
    epochs = {"firstlight, quick": ours, "PyTorch's MNIST example": theirs}
    return {"seconds to 99.0 %": [first, second], "ratio": second / first, "asked": 8, "epochs": epochs}
