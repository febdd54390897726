"""The model card of a rung: the README.md of a model folder, its head as the Hugging Face Hub reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from firstlight.errors import ArgumentError, require
from firstlight.models.exporting.facts import (
    classes_of,
    how_it_was_made,
    name_of,
    what_an_image_goes_through,
    what_it_is,
    what_was_measured,
    what_was_not_tried,
)
from firstlight.runs.evidence import read_evidence
from firstlight.runs.results import Run, RungResult

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

    The card format has no field for an interval, so it stands in the metric's name, which the Hub shows beside its
    value; the numbers themselves stand in config.json.

    Args:
        run: which the rung belongs to.
        rung: one of its rungs.
        about: its `document`.
        license: as the Hub writes it: ``"apache-2.0"``. Left out of the head where none is stated.
        dataset: the images' name on the Hub, such as ``"ylecun/mnist"``; a folder of images where left out.

    Returns:
        The text of README.md; no name of a class, a folder or a file can change its structure.

    Raises:
        ArgumentError: where the licence or the dataset is not written as the Hub does.
        MissingExtraError: where PyYAML is not installed.
    """
    if license is not None and not re.fullmatch(r"[a-z0-9.-]{1,40}", license):
        raise ArgumentError(f"{license!r} is no licence as the Hub writes it; pass one such as 'apache-2.0'.")
    if dataset is not None and not re.fullmatch(r"\w[\w.-]{0,95}(/\w[\w.-]{0,95})?", dataset, re.ASCII):
        raise ArgumentError(f"{dataset!r} is no dataset as the Hub writes it; pass one such as 'ylecun/mnist'.")
    evidence = read_evidence(run)
    title = f"{rung.name}: which of {len(run.classes):,} classes an image belongs to"
    parts = {
        title: [
            what_it_is(rung),
            classes_of(run.classes),
            f"Licence: {license or 'none was stated; ask who shares it'}.",
        ],
        "How to use it": [USE, 'It needs `pip install "firstlight[export]"`. No file here can run code.'],
        "What an image goes through": [what_an_image_goes_through(about)],
        "How it was made": list(how_it_was_made(run, rung, evidence)),
        "What was measured": list(what_was_measured(run, rung, evidence)),
        "What it was not tried on": list(what_was_not_tried(run, rung, about, evidence)),
    }
    body = [f"{'#' if name == title else '##'} {name}\n\n" + "\n\n".join(texts) for name, texts in parts.items()]
    return f"---\n{_head(run, rung, license, dataset)}---\n\n" + "\n\n".join(body) + "\n"


def _head(run: Run, rung: RungResult, license: str | None, dataset: str | None) -> str:
    with require("export", purpose="Model cards"):
        import yaml  # type: ignore[import-untyped]
    low, high = rung.metrics.interval
    told = f"Accuracy (95 % interval {low:.4f} to {high:.4f}, n = {rung.metrics.n})"
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": dataset or "imagefolder", "name": name_of(run), "split": run.split},
        "metrics": [{"type": "accuracy", "value": rung.metrics.accuracy, "name": told}],
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
    there = {name: value for name, value in head.items() if value is not None}
    text: str = yaml.safe_dump(there, sort_keys=False, allow_unicode=True)
    return text
