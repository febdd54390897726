"""`Classifier`: a fitted model with what it needs to be used: its classes, temperature and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


class Model(Protocol):
    """Anything that scores images."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 -> (N, K) float64, higher is better."""
        ...


@dataclass(frozen=True)
class Classifier:
    """A fitted rung.

    Attributes:
        name: the rung's name.
        model: what scores the images.
        classes: the class names, in the order of the scores.
        temperature: probabilities are softmax(scores / temperature).
        shape: (H, W, C) of the images that it was fitted on.
        preprocessing: how an image is brought to that shape: ``{"size": [H, W], "color": ..., "fit": ...}``.
        fingerprint: of the table that it was fitted on.
        seed: what the randomness of its fitting came from.
        training: of a trained rung, what was used and decided: recipe, device, parameters, reasons.
        history: of a trained rung, its epochs as dicts; what a checkpoint holds ends here.

    Example:
        >>> import firstlight as fl
        >>> classifier = fl.fit("centroid", fl.load(fl.scan(digits)), distance="l2")
        >>> classifier.name, classifier.shape, classifier.preprocessing["size"]
        ('centroid-l2', (8, 8, 1), [8, 8])
    """

    name: str
    model: Model
    classes: tuple[str, ...]
    temperature: float
    shape: tuple[int, int, int]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    seed: int = 0
    training: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
