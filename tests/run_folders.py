"""A run with made-up numbers, all that its folder holds, and a forger's way to change it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight.errors import FirstlightError
from firstlight.evaluation.advice import Advice
from firstlight.evaluation.comparison import Comparison
from firstlight.evaluation.metrics import Evaluation, Mistake, Recall
from firstlight.evaluation.predictions import Predictions
from firstlight.runs.request import Request, versions
from firstlight.runs.results import Run
from firstlight.runs.rung_result import InMemory, RungResult, Seconds
from firstlight.runs.seal import seal, unseal
from firstlight.runs.tensors import SavedModel

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")

CLASSES = ("3", "7", "ä ö")
DESCRIPTION = {
    "kind": "centroid",
    "classes": list(CLASSES),
    "temperature": 1.5,
    "shape": [28, 28, 1],
    "preprocessing": {"size": [28, 28], "color": "gray", "resize": "squish"},
    "fingerprint": "00ff",
    "seed": 0,
    "versions": versions(),
    "options": {"distance": "l1"},
    "training": None,
}
METRICS = Evaluation(
    name="",
    split="",
    n=12,
    correct=5,
    accuracy=5 / 12,
    interval=(0.1, 0.7),
    recall={"3": Recall(4, 2, (0.15, 0.85)), "7": Recall(8, 3, (0.1, 0.7)), "ä ö": Recall(0, 0, (0.0, 1.0))},
    balanced_accuracy=0.4375,
    balanced_accuracy_interval=(0.2, 0.7),
    log_loss=float("inf"),
    log_loss_interval=None,
    calibration_error=0.1,
    calibration_error_interval=(0.0, 0.3),
    majority_share=8 / 12,
    unreadable=2,
    mistakes=(Mistake("7", "3", 5), Mistake("3", "ä ö", 2)),
)


def made(split: str = "validation", *, rungs: tuple[str, ...] = ("prior", "centroid-l1"), n: int = 12) -> Run:
    """A run with numbers of no meaning, equal in every call."""
    generator = np.random.default_rng(0)
    results = []
    for name in rungs:
        predictions = Predictions(
            name=name,
            keys=tuple(f"valid/3/{row}.png" for row in range(n)),
            classes=CLASSES,
            labels=generator.integers(-1, 3, n).astype(np.int32),
            scores=generator.normal(size=(n, 3)),
            temperature=1.5,
            split=split,
            unreadable=2,
        )
        metrics = replace(METRICS, name=name, split=split)
        tensors = {
            "sums": generator.integers(0, 2**40, (3, 784)),
            "means": generator.random((3, 4), np.float32),
        }
        model = SavedModel({**DESCRIPTION, "name": name}, tensors)
        results.append(
            RungResult(
                name=name,
                metrics=metrics,
                seconds=Seconds(0.25, 1e-6),
                outputs=InMemory(predictions, model),
            )
        )
    return Run(
        request=Request(data="photos", rungs=rungs),
        decided=("size 28 x 28: all images have it", "gray: all images are"),
        versions=versions(),
        seed=7,
        fingerprint="00ff",
        classes=CLASSES,
        split=split,
        unreadable=2,
        rungs=tuple(results),
        comparisons=tuple(Comparison(name, "prior", n, 0.1, (0.05, 0.15), 3, 2, 1e-17) for name in rungs[1:]),
        advice=Advice(rungs[-1], f"Stop at {rungs[-1]}: the rungs after it show no gain."),
    )


def everything(run: Run) -> list[Any]:
    """All that a run folder holds, as values that can be compared."""
    names = ("request", "decided", "versions", "seed", "fingerprint")
    values: list[Any] = [run.to_dict() | {"run": None}, *(getattr(run, name) for name in names)]
    for rung in run:
        seen, model = rung.predictions, rung.model
        values += [
            seen.name,
            list(seen.keys),
            tuple(seen.classes),
            seen.temperature,
            seen.split,
            seen.unreadable,
        ]
        values += [seen.labels.tolist(), seen.scores.tobytes(), dict(model.config)]
        values += [(name, a.dtype, a.shape, a.tobytes()) for name, a in model.tensors.items()]
    return values


def edit(folder: Path, change: Callable[[dict[str, Any]], Any], inside: str = "run.json") -> None:
    """Changes a sealed document and seals it again, as a forger would."""
    path = folder / inside
    kind = {"run.json": "run", "readings.json": "readings"}.get(inside, "model")
    content = unseal(kind, path.read_bytes(), path)
    change(content)
    path.write_bytes(seal(kind, content))


def sentence(caught: pytest.ExceptionInfo[FirstlightError]) -> str:
    """The error's text, held to be one sentence for a person."""
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert "; " in text
    return text
