"""`gather()`: what a report will show of a climb, taken while images and models are at hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from firstlight.auditing import audit
from firstlight.data.auditing.findings import Findings
from firstlight.data.columns import column
from firstlight.data.decoding.resize import Color, to_shape
from firstlight.data.decoding.stack import Progress
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS, Table
from firstlight.errors import DataError, MissingExtraError
from firstlight.evaluation.extremes import extremes
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.evaluation.slices import slices
from firstlight.models.closed_form.sums import class_sums
from firstlight.models.explaining.explain import explain
from firstlight.runs.evidence import Evidence
from firstlight.runs.results import Run

LARGEST_SHOWN = 96  # px of the longer side of sample images; what is explained keeps its size
MOST_SHOWN = 1200  # images of samples and mistakes together: at 32 px about 1 MB of report
EACH = 8  # samples of a class, and mistakes of a class, at most
EXPLAINED = {"wrong": 2, "uncertain": 1, "typical": 1}  # images of each kind that every rung explains
SLICED_BY = ("brightness", "contrast", "size", "folder")


def gather(run: Run, pixels: Pixels, *, progress: Progress | None = None) -> Evidence:
    """Findings, sample images, mistakes, slices and explanations of a finished climb.

    Args:
        run: with its advice.
        pixels: what it was climbed from: the training images and those that were measured on.
        progress: told of the images that the audit has looked at.

    Returns:
        The evidence, which `keep_evidence` writes.
    """
    started = time.perf_counter()
    whole = replace(pixels.table, rows=pa.concat_tables([pixels.table.rows, pixels.unreadable.rows]))
    findings = _findings(whole, progress)
    audited = time.perf_counter()
    best = run[run.advice["rung"]].predictions
    train = pixels.select("train")
    known = train.select(train.labels >= 0)
    ideals = class_sums(known.values, known.labels, len(pixels.classes)).means.reshape(-1, *pixels.values.shape[1:])
    measured = pixels.select(run.split)
    each = max(1, min(EACH, MOST_SHOWN // (2 * max(len(pixels.classes), 1))))
    samples, mistakes = _samples(known.labels, len(pixels.classes), each), _mistakes(best, each)
    shown = [known.values[[row for rows in samples for row in rows]], measured.values[[row for row, _ in mistakes]]]
    explained, told, maps, remarks = _explained(run, best, pixels)
    about = {
        "counts": whole.counts(),
        "findings": findings.to_dict(),
        "without_leaked": _without(run, findings),
        "slices": _slices(run, measured),
        "samples": [len(rows) for rows in samples],
        "mistakes": [_mistake(best, row) | {"class": label} for row, label in mistakes],
        "explained": [_mistake(best, row) | {"why": why} for row, why in explained],
        "explanations": told,
        "remarks": remarks,
        "seconds": {"audit": audited - started, "rest": time.perf_counter() - audited},
    }
    images = measured.values[[row for row, _ in explained]]
    return Evidence(about, np.rint(ideals).astype(np.uint8), _shrunk(np.concatenate(shown)), images, maps)


def _findings(table: Table, progress: Progress | None) -> Findings:
    """What the audit finds; pixels may come from elsewhere than files, of which there is nothing to say then."""
    try:
        return audit(table, progress=progress)
    except DataError as error:
        return Findings((), len(table), (f"The files were not looked at. {error}",))


def _shrunk(images: np.ndarray) -> np.ndarray:
    """The images, no side of which is longer than `LARGEST_SHOWN`."""
    height, width, channels = images.shape[1:]
    ratio = LARGEST_SHOWN / max(height, width)
    if ratio >= 1 or not len(images):
        return images
    size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    color: Color = "gray" if channels == 1 else "rgb"
    return np.stack([to_shape(image, size=size, color=color) for image in images])


def _samples(labels: np.ndarray, classes: int, each: int) -> list[list[int]]:
    """Of each class some rows, evenly spaced."""
    rows = [np.flatnonzero(labels == label) for label in range(classes)]
    return [one[np.linspace(0, len(one) - 1, min(each, len(one))).astype(int)].tolist() for one in rows]


def _mistakes(seen: Predictions, each: int) -> list[tuple[int, int]]:
    """(row, true class): the most confident mistakes, at most ``each`` of a class, class by class."""
    taken: dict[int, list[int]] = {}
    for row in extremes(seen, most="wrong", count=len(seen)).tolist():
        of_class = taken.setdefault(int(seen.labels[row]), [])
        if len(of_class) < each:
            of_class.append(row)
    return [(row, label) for label in sorted(taken) for row in taken[label]]


def _mistake(seen: Predictions, row: int) -> dict[str, Any]:
    label, predicted = int(seen.labels[row]), int(seen.predicted[row])
    return {
        "key": seen.keys[row].as_py(),
        "label": seen.classes[label] if label >= 0 else None,
        "predicted": seen.classes[predicted],
        "probability": float(seen.probabilities[row, predicted]),
    }


def _explained(
    run: Run, best: Predictions, pixels: Pixels
) -> tuple[list[tuple[int, str]], list[dict[str, Any]], np.ndarray, list[str]]:
    """A few images as every rung sees them: (row, why it was chosen), what is told of each, the maps, remarks."""
    chosen: dict[int, str] = {}
    for why, count in EXPLAINED.items():
        for row in extremes(best, most=why, count=count).tolist():
            chosen.setdefault(row, why)
    number = {best.keys[row].as_py(): place for place, row in enumerate(chosen)}
    measured = np.flatnonzero(pixels.table.splits == SPLITS.index(run.split))
    some = pixels.select(measured[sorted(chosen)])
    told, maps, remarks = [], [], []
    for rung in run:
        try:
            found = explain(rung, some)
        except MissingExtraError as error:
            remarks.append(f"{rung.name} is not explained: {error}")
            continue
        for one in found:
            about = {"rung": rung.name, "image": number[one.key], "predicted": one.predicted, "against": one.against}
            about |= {"difference": one.difference, "remainder": one.remainder, "method": one.method}
            about |= {"probability": float(one.probabilities.max()), "exact": one.exact}
            told.append(about)
            maps.append(one.map.astype(np.float32))
    empty = np.zeros((0, *pixels.values.shape[1:3]), np.float32)
    return list(chosen.items()), told, np.stack(maps) if maps else empty, remarks


def _without(run: Run, findings: Findings) -> Mapping[str, Any]:
    """Each rung measured again without the images that, or nearly that, are also among the training images."""
    if not findings.leaked:
        return {}
    leaked = set(findings.leaked)
    keys = run.rungs[0].predictions.keys.to_pylist()
    kept = np.array([key not in leaked for key in keys])
    if kept.all() or not kept.any():
        return {}
    again = {rung.name: evaluate(rung.predictions.select(kept)).to_dict() for rung in run}
    names = ("n", "accuracy", "interval")
    return {
        "left_out": int((~kept).sum()),
        "rungs": {rung: {name: one[name] for name in names} for rung, one in again.items()},
    }


def _slices(run: Run, measured: Pixels) -> list[dict[str, Any]]:
    """Accuracy by slices of the data, by each column that tells images apart."""
    found = []
    for name in SLICED_BY:
        values = column(measured.table, name, measured)
        known = set(zip(values.tolist(), measured.labels.tolist(), strict=True))
        by_class = values.dtype.kind == "U" and len(known) == len({label for _, label in known})
        if len({value for value, _ in known}) > 1 and not by_class:  # else it would be recall by class once more
            found.append(slices(run, by=values, name=name).to_dict())
    return found
