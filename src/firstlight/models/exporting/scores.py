"""`Scores`: what a model's part of the graph computes from the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firstlight.models.graphs.values import Value
from firstlight.runs.tensors import SavedModel


@dataclass(frozen=True)
class Scores:
    """The values that a model computes.

    Attributes:
        scores: (N, K) float64.
        distances: (N, K) float64 to each class's nearest centre; None where the model has no centres.
        ideal: (K, h, w, c) float32 from 0 to 255, each class's mean image; None where the model has none.
    """

    scores: Value
    distances: Value | None = None
    ideal: Value | None = None


Scoring = Callable[[Value, SavedModel], Scores]  # from pixels uint8 (N, h, w, c) and the model's arrays
