"""Predictions that are right where a test says, singly, in pairs and as ladders."""

from __future__ import annotations

import numpy as np

from firstlight.evaluation.predictions import Predictions


def rung(name: str, right: np.ndarray, *, split: str | None = "validation") -> Predictions:
    """Predictions that are right exactly where ``right`` (N,) says; every other image is a 7."""
    labels = np.arange(len(right)) % 2
    scores = np.eye(2)[np.where(right, labels, 1 - labels)]
    return Predictions(name, [f"{row}.png" for row in range(len(right))], ("3", "7"), labels, scores, 1.0, split)


def pair(only_first: int, only_second: int, n: int) -> tuple[Predictions, Predictions]:
    """Two classifiers that differ on exactly these counts of images and are both right on the others."""
    first, second = np.ones(n, bool), np.ones(n, bool)
    second[:only_first] = False
    first[only_first : only_first + only_second] = False
    return rung("l1", first), rung("l2", second)


def ladder(*accuracies: float, n: int = 2000, seed: int = 0) -> list[Predictions]:
    """Rungs that are right at random this often; the first is the prior."""
    generator = np.random.default_rng(seed)
    names = ["prior", *(f"rung-{place}" for place in range(1, len(accuracies)))]
    return [rung(name, generator.random(n) < share) for name, share in zip(names, accuracies, strict=True)]
