"""`document()`: the description that goes with a model: its classes, preprocessing and evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlight.models.checkpoint import intact
from firstlight.models.exporting.look import look
from firstlight.runs.evidence_file import read_evidence
from firstlight.runs.results import Run
from firstlight.runs.seal import plain

FORMAT = 1
NEEDED = {
    "format",
    "name",
    "classes",
    "shape",
    "preprocessing",
    "outputs",
    "in_distribution",
}  # keys that a session reads
OF_DISTANCES = {"centroid": ("distances", "ideal"), "prototypes": ("distances",)}
SHARE = 0.01  # of the evaluation images, which by definition count as out-of-distribution


def document(run: Run, rung: str) -> dict[str, Any]:
    """The description of a rung, which the exported file, the server and the page use.

    Args:
        run: the run.
        rung: the name of a rung of it.

    Returns:
        Plain values: ``format``, ``name``, ``classes``, ``shape`` [h, w, c], ``preprocessing``, ``temperature``,
        ``seed``, ``fingerprint``, ``versions``, ``outputs`` (of the graph), ``metrics`` (split, whether the rung was
        chosen on its images, n, accuracy and its interval), ``in_distribution`` (the top probability and the nearest
        distance beyond which 1 in 100 of the measured images are; an image beyond them is out-of-distribution) and
        ``look`` (of the training images, where they are drawings on an even ground).

    Raises:
        ArgumentError: where the run has no such rung.
        RunError: where its files are damaged.

    Example:
        >>> import firstlight as fl
        >>> about = document(fl.climb(digits, rungs=["centroid-l2"]), "centroid-l2")
        >>> about["classes"][:3], about["shape"], about["metrics"]["split"]
        (['0', '1', '2'], [8, 8, 1], 'validation')
    """
    result = run[rung]
    config, seen, evidence = intact(result.model).config, result.predictions, read_evidence(run)
    outputs = ["label", "probabilities", "pixels", *OF_DISTANCES.get(config["kind"], ())]
    nearest = -seen.scores.max(axis=1) if "distances" in outputs else None
    copied = ("name", "classes", "shape", "preprocessing", "temperature", "seed", "fingerprint", "versions")
    samples = [] if evidence is None else [images for images in evidence.samples.values() if len(images)]
    metrics = result.metrics
    return plain(
        {
            "format": FORMAT,
            **{name: config[name] for name in copied},
            "outputs": outputs,
            "metrics": {"split": run.split, "chosen": run.split != "test" and len(run) > 1}
            | {"n": metrics.n, "accuracy": metrics.accuracy, "interval": metrics.interval},
            "in_distribution": {
                "probability": np.quantile(seen.probabilities.max(axis=1), SHARE, method="lower"),
                "distance": None if nearest is None else np.quantile(nearest, 1 - SHARE, method="higher"),
                "share": SHARE,
            },
            "look": look(np.concatenate(samples)) if samples else None,
        }
    )
