"""`parity()`: an exported model compared with the classifier that it was made from, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from firstlight.data.decoding.decode import decode_all
from firstlight.data.decoding.stack import read_all
from firstlight.data.files import reader
from firstlight.errors import RunError
from firstlight.models.exporting.session import Engine
from firstlight.runs.evidence_file import read_evidence
from firstlight.runs.images import own_images
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult

MOST = 1000  # images of the run
BATCH = 50  # images at once

# Heights and widths: a pixel, a line, smaller and larger than any model's input, upright and wide, long as a scan.
ODD = (
    *((1, 1), (1, 40), (37, 1), (2, 3), (7, 5), (28, 29), (31, 17), (64, 64), (97, 61), (53, 211), (224, 160)),
    *((301, 20), (480, 640), (999, 401), (13, 1600), (4000, 3), (2, 4000)),
)


@dataclass(frozen=True)
class Parity:
    """How two ways to compute the same model differ.

    Attributes:
        images: how many images of the run were compared.
        of: which images: the evaluation split, or "samples" where its files are gone.
        odd: how many images of odd sizes were compared as well.
        probability: the largest difference between two probabilities.
        labels: how many images have different labels.
    """

    images: int
    of: str
    odd: int
    probability: float
    labels: int

    def __str__(self) -> str:
        return (
            f"{self.images:,} images ({self.of}) and {self.odd} of odd sizes: {self.labels} different labels, "
            f"probabilities differ by at most {self.probability:.1e}"
        )


def parity(one: Engine, other: Engine, images: Sequence[np.ndarray], *, of: str = "validation") -> Parity:
    """Classifies every image, and images of odd sizes, with both models.

    Args:
        one: the exported model.
        other: what it was made from.
        images: uint8 (H, W, C) each, of any size.
        of: which images they are.

    Example:
        >>> from firstlight.models.exporting.session import InPython
        >>> import firstlight as fl
        >>> same = InPython(fl.fit("centroid", fl.load(fl.scan(digits)), distance="l2"))
        >>> print(parity(same, same, [np.zeros((8, 8, 1), np.uint8)]))
        1 images (validation) and 34 of odd sizes: 0 different labels, probabilities differ by at most 0.0e+00
    """
    worst, labels, odd = 0.0, 0, odd_images()
    for batch in _batches([*images, *odd]):
        a, b = one.answer(batch), other.answer(batch)
        difference = np.abs(a.probabilities.astype(np.float64) - b.probabilities).max()
        worst = max(worst, float(difference) if np.isfinite(difference) else np.inf)
        labels += int((a.labels != b.labels).sum())
    return Parity(len(images), of, len(odd), worst, labels)


def _batches(images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """(B, H, W, C) each: images of one size, at most `BATCH`."""
    for _, group in groupby(sorted(images, key=np.shape), key=np.shape):
        same = list(group)
        yield from (np.stack(same[start : start + BATCH]) for start in range(0, len(same), BATCH))


def odd_images() -> list[np.ndarray]:
    """Images of `ODD` sizes, gray and RGB, of blocks in random gray levels and of noise."""
    random = np.random.default_rng(0)
    images = []
    for height, width in ODD:
        for channels in (1, 3):
            rough = random.integers(0, 256, (-(-height // 8), -(-width // 8), channels), np.uint8)
            image = rough.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
            noise = random.integers(0, 256, image.shape, np.uint8)
            images.append(np.where(np.arange(width)[:, None] < width // 2, image, noise))
    return images


def images_of(run: Run, rung: RungResult) -> tuple[list[np.ndarray], str]:
    """At most `MOST` images that the rung was evaluated on, evenly spaced; if they are gone, the run's samples.

    Returns:
        The decoded images, and which they are, for `Parity.of`.
    """
    try:
        return _measured(run, rung), run.split
    except RunError:
        return _samples(run), "samples"


def _samples(run: Run) -> list[np.ndarray]:
    evidence = read_evidence(run)
    if evidence is None:
        return []
    samples = [image for images in evidence.samples.values() for image in images]
    return [*samples, *(mistake.image for mistake in evidence.mistakes)]


def _measured(run: Run, rung: RungResult) -> list[np.ndarray]:
    table = own_images(run).table
    rows = np.flatnonzero(np.isin(table.keys, rung.predictions.keys.to_pylist()))
    some = table.select(rows[np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int)])
    images = decode_all(read_all(reader(some), some.keys))
    unreadable = [key for key, image in zip(some.keys, images, strict=True) if isinstance(image, str)]
    if unreadable:
        raise RunError(f"{unreadable[0]} in {table.root} can no longer be read; put it back, or climb again.")
    return [image for image in images if not isinstance(image, str)]
