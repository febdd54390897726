"""`card()`: the model card of a rung, the README.md of a model folder on the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from firstlight.errors import ArgumentError, FirstlightError, RunError, require
from firstlight.models.checkpoint import EMBEDDED
from firstlight.models.exporting.card_description import class_list, description, name_of, preprocessing, training
from firstlight.models.exporting.card_evaluation import evaluation, limitations
from firstlight.runs.evidence_file import read_evidence
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult

USE = """```python
from pathlib import Path
from firstlight.data.decoding.decode import decode
from firstlight.models.exporting.session import Session

session = Session.of(".")  # this folder
answer = session.answer(decode(Path("image.png").read_bytes())[None])
print(session.classes[answer.labels[0]], answer.probabilities[0].max())
```"""


def card(
    run: Run, rung: RungResult, about: Mapping[str, Any], *, license: str | None = None, dataset: str | None = None
) -> str:
    """The card of a rung.

    The Hub's format has no field for an interval, so the interval is part of the metric's name, which the Hub shows
    next to the value; config.json holds the figures.

    Args:
        run: the run.
        rung: one of its rungs.
        about: the document of the rung.
        license: as the Hub writes it: ``"apache-2.0"``; if None, the card states none.
        dataset: the name of the dataset on the Hub, such as ``"ylecun/mnist"``; if None, a folder of images.

    Returns:
        The text of README.md; no name of a class, a folder or a file can change its structure.

    Raises:
        ArgumentError: where the license or the dataset is not written as on the Hub.
        RunError: where an option of the model or of its training is missing or wrong.
        MissingExtraError: where PyYAML is not installed.
    """
    if license is not None and not re.fullmatch(r"[a-z0-9.-]{1,40}", license):
        raise ArgumentError(f"{license!r} is not a license identifier of the Hub; pass one such as 'apache-2.0'.")
    if dataset is not None and not re.fullmatch(r"\w[\w.-]{0,95}(/\w[\w.-]{0,95})?", dataset, re.ASCII):
        raise ArgumentError(f"{dataset!r} is not a dataset name of the Hub; pass one such as 'ylecun/mnist'.")
    try:
        return _text(run, rung, about, license, dataset)
    except FirstlightError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        why = f"{error!r:.80}"
        raise RunError(f"The description of {rung.name} is incomplete ({why}); climb into another --out.") from error


def _text(run: Run, rung: RungResult, about: Mapping[str, Any], license: str | None, dataset: str | None) -> str:
    evidence = read_evidence(run)
    extra = "photos" if rung.model.config["kind"] == EMBEDDED else "export"
    title = f"{rung.name}: image classification with {len(run.classes):,} classes"
    parts = {
        title: [
            description(rung),
            class_list(run.classes),
            f"License: {license or 'not stated; ask whoever shares the model'}.",
        ],
        "How to use": [
            USE,
            f'In a clone: `pip install ".[{extra}]"`. No file of this folder contains code.',
        ],
        "Preprocessing": [preprocessing(about)],
        "Training": list(training(run, rung, evidence)),
        "Evaluation": list(evaluation(run, rung, evidence)),
        "Limitations": list(limitations(run, rung, about, evidence)),
    }
    body = [f"{'#' if name == title else '##'} {name}\n\n" + "\n\n".join(texts) for name, texts in parts.items()]
    return f"---\n{_head(run, rung, license, dataset)}---\n\n" + "\n\n".join(body) + "\n"


def _head(run: Run, rung: RungResult, license: str | None, dataset: str | None) -> str:
    with require("export", purpose="Model cards"):
        import yaml  # type: ignore[import-untyped]
    low, high = rung.metrics.interval
    metric = f"Accuracy (95 % interval {low:.4f} to {high:.4f}, n = {rung.metrics.n})"
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": dataset or "imagefolder", "name": name_of(run), "split": run.split},
        "metrics": [{"type": "accuracy", "value": rung.metrics.accuracy, "name": metric}],
    }
    head = {
        "license": license,
        "library_name": "firstlight",
        "pipeline_tag": "image-classification",
        "tags": ["firstlight", "image-classification", rung.name],
        "datasets": None if dataset is None else [dataset],
        "metrics": ["accuracy"],
        "model-index": [{"name": rung.name, "results": [result]}],
    }
    stated = {name: value for name, value in head.items() if value is not None}
    text: str = yaml.safe_dump(stated, sort_keys=False, allow_unicode=True)
    return text
