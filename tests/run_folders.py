"""A run with made-up numbers, all that its folder holds, and a forger's way to change it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight.errors import FirstlightError
from firstlight.evaluation.predictions import Predictions
from firstlight.runs.results import Run, RungResult, versions
from firstlight.runs.seal import seal, unseal
from firstlight.runs.tensors import SavedModel

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


CLASSES = ("3", "7", "ä ö")


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
        metrics = {
            "n": n,
            "correct": 5,
            "accuracy": 5 / n,
            "interval": (0.1, 0.7),
            "recall": {"3": {"n": 4, "correct": 2}},
            "log_loss": float("inf"),
        }
        tensors = {
            "sums": generator.integers(0, 2**40, (3, 784)),
            "means": generator.random((3, 4), np.float32),
        }
        model = SavedModel({"kind": "centroid", "classes": list(CLASSES), "seed": 0}, tensors)
        before = {"difference": 0.1, "p": 1e-17} if results else None
        results.append(
            RungResult(
                name=name,
                predictions=predictions,
                metrics=metrics,
                model=model,
                against_previous=before,
                seconds={"fit": 0.25, "predict": 1e-6},
            )
        )
    return Run(
        asked={"data": "photos", "rungs": list(rungs)},
        decided=["size 28 x 28: all images have it", {"what": "color", "why": "all are gray"}],
        versions=versions(),
        seed=7,
        fingerprint="00ff",
        classes=CLASSES,
        split=split,
        unreadable=2,
        rungs=tuple(results),
        advice={"rung": "centroid-l1", "why": "the rungs after it show no gain"},
    )


def everything(run: Run) -> list[Any]:
    """All that a run folder holds, as values that can be compared."""
    names = ("asked", "decided", "versions", "seed", "fingerprint")
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
