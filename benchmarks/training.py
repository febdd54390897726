"""Training: an epoch of linear and mlp beside fastai's Learner, scikit-learn and bare torch."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from torch import nn

import firstlight as fl
from firstlight.data.pixels import Pixels
from folders import folder
from rounds import Benchmark, Figure

HOME = Path(__file__).resolve().parent.parent / ".bench-fastai"  # to be deleted for a newer fastai
PLAIN: dict[str, Any] = {
    **{"loss": "l1", "batch_size": 256, "optimizer": "sgd", "schedule": "constant", "device": "cpu"},
    **{"momentum": 0.0, "weight_decay": 0.0, "normalize": False, "label_smoothing": 0.0},
}
EPOCHS_A_TURN = 3  # of which the mean is taken, after one that is not measured
SAME = 0.006  # of the accuracy: more than the order of the batches explains would be other work

Trained = tuple[list[float], float]  # when each epoch ended, in seconds, and the accuracy after the last


@cache
def mnist_sample() -> Pixels:
    """The decoded pixels."""
    return fl.load(fl.scan(folder("mnist_sample")))


# fastai, in an environment and a process of its own


def environment() -> Path | None:
    """The Python that has fastai and the torch that we have, made the first time; None where it cannot be."""
    python, stamp = HOME / "bin" / "python", HOME / ".ready"
    wanted = ["fastai", f"torch=={version('torch').partition('+')[0]}"]
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8").split() == wanted:
        return python
    print("Installing fastai into an environment of its own (only the first time; minutes) ...", file=sys.stderr)
    try:
        venv.create(HOME, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_index(), *wanted]
        subprocess.run(command, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"fastai could not be installed, so the others are measured without it: {error}.", file=sys.stderr)
        return None
    stamp.write_text(" ".join(wanted), encoding="utf-8")
    return python


def _index() -> list[str]:
    """Where ours is a torch without CUDA: PyTorch's own index of such, if it can be reached, as in scripts/setup."""
    if torch.version.cuda is not None:
        return []
    try:
        urllib.request.urlopen("https://download.pytorch.org/whl/cpu/torch/", timeout=5).close()
    except OSError:
        return []
    return ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]


class Fastai:
    """A process with fastai's Learner that trains when it is asked to.

    Attributes:
        versions: what it has.
    """

    def __init__(self, python: Path) -> None:
        pixels, script = mnist_sample(), Path(__file__).with_name("fastai_learner.py")
        arrays: dict[str, np.ndarray] = {}
        for part in ("train", "validation"):
            chosen = pixels.select(part)
            arrays |= {f"{part}_images": chosen.values, f"{part}_labels": chosen.labels}
        with tempfile.TemporaryDirectory() as home:
            np.savez(f"{home}/arrays.npz", **arrays)  # type: ignore[arg-type]
            command = [str(python), str(script), f"{home}/arrays.npz", str(torch.get_num_threads())]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
            )
            atexit.register(self.process.kill)
            self.versions: dict[str, str] = self._answer()

    def train(self, network: str, order: str, epochs: int, lr: float) -> Trained:
        """A fresh network's epochs, on images ``"shuffled"`` or ``"unshuffled"``."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{network} {order} {epochs} {lr}\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer["ends"], answer["accuracy"]

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("fastai's process ended; its own words stand above.")
        return json.loads(line)


@cache
def fastai() -> Fastai | None:
    """The process, started once; None where fastai cannot be installed."""
    python = environment()
    return None if python is None else Fastai(python)


# An epoch


@dataclass(frozen=True)
class Lesson:
    """What is trained.

    Attributes:
        rung: ``"linear"`` or ``"mlp"``.
        lr: of every contender but scikit-learn's SGDClassifier.
        epochs: after which the accuracies are held against each other, as many as in fastbook, chapter 4.
        sizes: of the network.
    """

    rung: str
    lr: float
    epochs: int
    sizes: dict[str, int] = field(default_factory=dict)


def linear() -> Benchmark:
    """784 weights and a bias."""
    return _epoch(Lesson("linear", lr=1.0, epochs=10))


def mlp() -> Benchmark:
    """784-30-1."""
    return _epoch(Lesson("mlp", lr=0.1, epochs=40, sizes={"hidden": 30}))


def _epoch(lesson: Lesson) -> Benchmark:
    """An epoch in batches of 256 and the look at the validation images after it, on both sides.

    Every contender starts from fresh weights and trains one epoch that is not measured and three that are: so
    neither what a fit does before its first epoch counts, nor what it does after its last.
    """
    pixels = mnist_sample()
    train, validation = pixels.select("train"), pixels.select("validation")
    flat, flat_validation = (part.values.reshape(len(part), -1) / np.float32(255) for part in (train, validation))
    beside = fastai()
    accuracies: dict[str, float] = {}

    def ours(epochs: int) -> Trained:
        told = fl.fit(lesson.rung, pixels, epochs=epochs, lr=lesson.lr, sizes=lesson.sizes, **PLAIN).history
        return [epoch.seconds for epoch in told], told[-1].accuracy or 0.0

    def scikit_learn(epochs: int) -> Trained:
        other: Any = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=0)
        if lesson.rung == "mlp":
            plain = {"solver": "sgd", "batch_size": 256, "momentum": 0.0, "alpha": 0.0, "random_state": 0}
            other = MLPClassifier((30,), learning_rate_init=lesson.lr, **plain)
        ends = []
        for _ in range(epochs):
            other.partial_fit(flat, train.labels, classes=[0, 1])
            accuracy = other.score(flat_validation, validation.labels)
            ends.append(time.perf_counter())
        return ends, float(accuracy)

    def bare(epochs: int) -> Trained:
        """The steps written out in torch, on floats that are there already."""
        images, labels = torch.from_numpy(flat), torch.from_numpy(train.labels.astype(np.float32))[:, None]
        looked_at, right = torch.from_numpy(flat_validation), torch.from_numpy(validation.labels == 1)[:, None]
        torch.manual_seed(0)
        layers = [nn.Linear(784, 1)] if lesson.rung == "linear" else [nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 1)]
        network, ends = nn.Sequential(*layers), []
        for _ in range(epochs):
            for rows in torch.randperm(len(images)).split(256):
                p = network(images[rows]).sigmoid()
                torch.where(labels[rows] == 1, 1 - p, p).mean().backward()
                with torch.no_grad():
                    for parameter in network.parameters():
                        parameter -= lesson.lr * parameter.grad  # type: ignore[operator]
                        parameter.grad = None
            with torch.no_grad():
                accuracy = ((network(looked_at) > 0) == right).float().mean().item()
            ends.append(time.perf_counter())
        return ends, accuracy

    classifier = "SGDClassifier, image by image" if lesson.rung == "linear" else "MLPClassifier"
    contenders: dict[str, Callable[[int], Trained]] = {"firstlight": ours}
    if beside is not None:  # each of the others deals its images anew for every epoch; the chapter does not
        contenders |= {
            "fastai Learner": lambda epochs: beside.train(lesson.rung, "shuffled", epochs, lesson.lr),
            "fastai Learner, unshuffled": lambda epochs: beside.train(lesson.rung, "unshuffled", epochs, lesson.lr),
        }
    contenders |= {f"scikit-learn {classifier}": scikit_learn, "bare torch (floor)": bare}

    def turn(train: Callable[[int], Trained]) -> float:
        ends, _ = train(EPOCHS_A_TURN + 1)
        return (ends[-1] - ends[0]) / EPOCHS_A_TURN

    def check() -> None:
        accuracies.update({name: train(lesson.epochs)[1] for name, train in contenders.items()})
        for name in ("fastai Learner", "bare torch (floor)"):
            if abs(accuracies.get(name, accuracies["firstlight"]) - accuracies["firstlight"]) > SAME:
                raise SystemExit(f"sgd-{lesson.rung}: not the same work, by accuracy: {accuracies}")

    def figures() -> dict[str, Figure]:
        return {f"accuracy after {lesson.epochs} epochs, {name}": Figure(value) for name, value in accuracies.items()}

    return Benchmark(
        f"sgd-{lesson.rung}",
        f"an epoch of mnist_sample's {len(train):,} images in batches of 256, and a look at {len(validation):,}",
        {name: lambda train=train: turn(train) for name, train in contenders.items()},
        check,
        figures,
        dict if beside is None else lambda: beside.versions,
    )
