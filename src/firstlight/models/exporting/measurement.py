"""`measure()`: how accurate and how fast a model is on labelled images, each classified alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.evaluation.compare import Counts, corrected
from firstlight.evaluation.comparison import Comparison
from firstlight.evaluation.uncertainty import wilson
from firstlight.models.exporting.session import Answer, Runtime, Session


@dataclass(frozen=True, eq=False)
class Measurement:
    """The answers of a model to N images.

    Attributes:
        answer: labels, probabilities and pixels of the N images.
        correct: bool, of the images whose class is known.
        seconds: of one image, the median.
    """

    answer: Answer
    correct: np.ndarray
    seconds: float

    @property
    def accuracy(self) -> float:
        """The share of correct labels."""
        return float(self.correct.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        low, high = wilson(int(self.correct.sum()), len(self.correct))
        return float(low), float(high)


@dataclass(frozen=True)
class Measured:
    """A measured file.

    Attributes:
        bytes: its size.
        accuracy: the share of correct labels.
        interval: Wilson's 95 % interval of the accuracy.
        seconds: of one image alone, the median.
    """

    bytes: int
    accuracy: float
    interval: tuple[float, float]
    seconds: float

    @classmethod
    def of(cls, measurement: Measurement, size: int) -> Measured:
        """The figures of a measurement, with the size of the file."""
        return cls(size, measurement.accuracy, measurement.interval, measurement.seconds)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"accuracy {self.accuracy:.4f} [{low:.4f}, {high:.4f}]  {self.bytes:,} bytes  "
            f"{self.seconds * 1e3:.2f} ms per image"
        )


def measure(engine: Session | Runtime, images: Sequence[np.ndarray], labels: np.ndarray) -> Measurement:
    """Classifies each image alone.

    Args:
        engine: the model.
        images: decoded images, uint8 (H, W, C) each.
        labels: (N,) integers, index into the classes; -1 where the class is unknown.
    """
    answers, seconds = [], []
    engine.answer(images[0][None])  # the first call is slower than the others
    for image in images:
        started = time.perf_counter()
        answers.append(engine.answer(image[None]))
        seconds.append(time.perf_counter() - started)
    labels_found, probabilities, pixels = (
        np.concatenate([getattr(answer, part) for answer in answers]) for part in ("labels", "probabilities", "pixels")
    )
    known = labels >= 0
    answer = Answer(labels_found, probabilities, None, pixels)
    return Measurement(answer, labels_found[known] == labels[known], float(np.median(seconds)))


def compared(name: str, this: Measurement, against: str, other: Measurement) -> Comparison:
    """The paired comparison of two models on the same images, by McNemar's exact test."""
    only_this = int((this.correct & ~other.correct).sum())
    only_other = int((other.correct & ~this.correct).sum())
    (one,) = corrected([Counts(name, against, len(this.correct), only_this, only_other)])
    return one
