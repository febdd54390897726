"""Classifiers with made-up sums and weights, ready to be explained or exported without a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from firstlight.data.decoding.loading import Preprocessing
from firstlight.models.classifier import Classifier, Model
from firstlight.models.closed_form.baselines import Ink
from firstlight.models.closed_form.centroid import Centroid
from firstlight.models.training.architectures import build
from firstlight.models.training.network import Network
from tables import noise


def names(classes: int) -> tuple[str, ...]:
    return tuple("abcdefghij"[:classes])


def classifier_of(model: Model, shape: tuple[int, int, int], classes: int, name: str = "") -> Classifier:
    how = Preprocessing(shape[:2], "gray" if shape[2] == 1 else "rgb")
    return Classifier(name or type(model).__name__.lower(), model, names(classes), 1.0, shape, how)


def closed(kind: str, shape: tuple[int, int, int], classes: int) -> Classifier:
    """A rung without training whose class sums are random, and of every class another number of images."""
    size, counts = int(np.prod(shape)), np.arange(3, 3 + classes)
    sums = noise(classes, size, seed=1).astype(np.int64) * counts[:, None] - counts[:, None] // 2
    sums = sums.clip(min=0)
    if kind == "ink":
        return classifier_of(Ink(sums.sum(axis=1), counts * size), shape, classes)
    return classifier_of(Centroid(sums, counts, kind), shape, classes, f"centroid-{kind}")


def network(name: str, shape: tuple[int, int, int], classes: int, views: Any = ((0, 0, False),)) -> Classifier:
    """A network of the ladder with random weights and biases."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = build(name, shape, classes, {})
        for part in module.parameters():
            if part.ndim == 1 and part.requires_grad:
                nn.init.uniform_(part, 0.1, 1)
    return classifier_of(Network(module=module.eval(), mean=0.4, std=0.3, views=views), shape, classes, name)
