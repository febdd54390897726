"""`gather()`: what a report shows of a climb, collected while its images and models are in memory."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from firstlight.auditing import audit
from firstlight.data.auditing.findings import Findings
from firstlight.data.columns import column
from firstlight.data.decoding.decode import decode_all
from firstlight.data.decoding.resize import Color, to_shape
from firstlight.data.files import reader
from firstlight.data.pixels import Pixels
from firstlight.data.table import SPLITS, Table
from firstlight.errors import DataError, MissingExtraError
from firstlight.evaluation.extremes import extremes
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.evaluation.slices import Slices, slices
from firstlight.models.checkpoint import EMBEDDED
from firstlight.models.classifier import Classifier
from firstlight.models.closed_form.sums import class_sums
from firstlight.models.explaining.explain import explain
from firstlight.models.explaining.explanation import Explanation
from firstlight.models.explaining.neighbours import neighbours
from firstlight.models.inference import as_seen
from firstlight.models.pretrained.projection import plane
from firstlight.progress import Progress
from firstlight.runs.evidence import (
    Accuracy,
    Evidence,
    ExplainedImage,
    GatheringSeconds,
    ImageMap,
    ShownExplanation,
    ShownImage,
    ShownNeighbour,
    WithoutLeaked,
)
from firstlight.runs.results import Run

LARGEST_SHOWN = 96  # px of the longer side of sample images; explained images keep their size
LARGEST_MISTAKE = 240  # px of the longer side of a mistake, which is to be looked at closely
MOST_MISTAKES = 60  # of that size: 10 MB of evidence, 1 MB of report; more of smaller ones
MOST_SHOWN = 1200  # images of samples and mistakes together: at 32 px about 1 MB of report
MOST_ON_MAP = 400  # images: about 0.6 MB of report
THUMB = (48, 48)  # px of a picture of the map
EACH = 8  # samples of a class, and mistakes of a class, at most
EXPLAINED = {"wrong": 2, "uncertain": 1, "typical": 1}  # images of each kind that every rung explains
SLICED_BY = ("brightness", "contrast", "size", "folder")


def gather(run: Run, pixels: Pixels, *, progress: Progress = None) -> Evidence:
    """Findings, sample images, mistakes, slices and explanations of a finished climb.

    Args:
        run: with its advice.
        pixels: its images: those of training and those that were measured.
        progress: called with a `Step` now and then during the audit.

    Returns:
        The evidence, for `write_evidence`.
    """
    assert run.advice is not None
    started = time.perf_counter()
    whole = replace(pixels.table, rows=pa.concat_tables([pixels.table.rows, pixels.unreadable.rows]))
    findings = _findings(whole, progress)
    audited = time.perf_counter()
    best = run[run.advice.rung].predictions
    train = pixels.select("train")
    known = train.select(train.labels >= 0)
    ideals = class_sums(known.values, known.labels, len(pixels.classes)).means.reshape(-1, *pixels.values.shape[1:])
    measured = pixels.select(run.split)
    each = max(1, min(EACH, MOST_SHOWN // (2 * max(len(pixels.classes), 1))))
    samples = [_shrunk(known.values[rows]) for rows in _samples(known.labels, len(pixels.classes), each)]
    largest = LARGEST_MISTAKE if len(pixels.classes) <= MOST_MISTAKES else LARGEST_SHOWN
    room = MOST_MISTAKES * LARGEST_MISTAKE**2 // min(largest, max(pixels.size)) ** 2
    mistakes = _mistakes(best, max(1, min(EACH, room // max(len(pixels.classes), 1))))
    images = _as_in_files(measured, mistakes, largest)
    explained, remarks = _explained(run, best, pixels)
    return Evidence(
        date=datetime.now(UTC).date().isoformat(),
        findings=findings,
        counts=whole.counts(),
        without_leaked=_without(run, findings),
        slices=_slices(run, measured),
        remarks=remarks,
        seconds=GatheringSeconds(audited - started, time.perf_counter() - audited),
        ideals=np.rint(ideals).astype(np.uint8),
        samples=dict(zip(pixels.classes, samples, strict=True)),
        mistakes=tuple(
            ShownImage(**_decision(best, row), image=image) for row, image in zip(mistakes, images, strict=True)
        ),
        explained=explained,
        image_map=_image_map(run, best, pixels),
    )


def _findings(table: Table, progress: Progress) -> Findings:
    """What the audit finds; nothing where the pixels do not come from files."""
    try:
        return audit(table, progress=progress)
    except DataError as error:
        return Findings((), len(table), (f"The files were not audited. {error}",))


def _as_in_files(pixels: Pixels, rows: Sequence[int], largest: int) -> list[np.ndarray]:
    """Images in the proportions of their files, the longer side at most ``largest`` px; as the model sees them where
    the files are gone."""
    chosen = pixels.table.select(np.isin(np.arange(len(pixels)), rows))
    try:
        read = reader(chosen)
        found = dict(zip(chosen.keys, decode_all([read(key) for key in chosen.keys]), strict=True))
    except (DataError, OSError):
        found = {}
    keys, images = pixels.table.keys, []
    for row in rows:
        image = found.get(keys[row], "")
        images.append(_limited(pixels.values[row] if isinstance(image, str) else image, largest, pixels.color))
    return images


def _limited(image: np.ndarray, largest: int, color: Color) -> np.ndarray:
    """An image whose longer side is at most so many px."""
    height, width = image.shape[:2]
    ratio = min(1.0, largest / max(height, width))
    return to_shape(image, size=(max(1, round(height * ratio)), max(1, round(width * ratio))), color=color)


def _shrunk(images: np.ndarray) -> np.ndarray:
    """The images, with no side longer than `LARGEST_SHOWN`."""
    height, width, channels = images.shape[1:]
    ratio = LARGEST_SHOWN / max(height, width)
    if ratio >= 1 or not len(images):
        return images
    size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    color: Color = "gray" if channels == 1 else "rgb"
    return np.stack([to_shape(image, size=size, color=color) for image in images])


def _samples(labels: np.ndarray, classes: int, each: int) -> list[list[int]]:
    """Some rows of each class, evenly spaced."""
    rows = [np.flatnonzero(labels == label) for label in range(classes)]
    return [one[np.linspace(0, len(one) - 1, min(each, len(one))).astype(int)].tolist() for one in rows]


def _mistakes(seen: Predictions, each: int) -> list[int]:
    """The rows of the most confident mistakes, at most ``each`` of a class, class by class."""
    taken: dict[int, list[int]] = {}
    for row in extremes(seen, most="wrong", count=len(seen)).tolist():
        of_class = taken.setdefault(int(seen.labels[row]), [])
        if len(of_class) < each:
            of_class.append(row)
    return [row for label in sorted(taken) for row in taken[label]]


def _decision(seen: Predictions, row: int) -> dict[str, Any]:
    """What a rung said of an image: the fields of `ShownImage` besides the image."""
    label, predicted = int(seen.labels[row]), int(seen.predicted[row])
    return {
        "key": seen.keys[row].as_py(),
        "label": seen.classes[label] if label >= 0 else None,
        "predicted": seen.classes[predicted],
        "probability": float(seen.probabilities[row, predicted]),
    }


def _explained(run: Run, best: Predictions, pixels: Pixels) -> tuple[tuple[ExplainedImage, ...], tuple[str, ...]]:
    """A few images as every rung sees them, and remarks on rungs that could not be explained."""
    chosen: dict[int, str] = {}
    for why, count in EXPLAINED.items():
        for row in extremes(best, most=why, count=count).tolist():
            chosen.setdefault(row, why)
    measured = np.flatnonzero(pixels.table.splits == SPLITS.index(run.split))
    some = pixels.select(measured[sorted(chosen)])
    explanations: dict[str, list[ShownExplanation]] = defaultdict(list)
    remarks = []
    for rung in run:
        try:
            found = explain(rung, some)
        except MissingExtraError as error:
            remarks.append(f"{rung.name} is not explained: {error}")
            continue
        for one in found:
            own = one.image if rung.classifier.model.preprocessing is not None else None
            explanations[one.key].append(_explanation(one, own))
    images = dict(zip(sorted(chosen), some.values, strict=True))
    near = dict(zip(sorted(chosen), _neighbours(run[best.name].classifier, some, pixels), strict=True))
    explained = []
    for row, why in chosen.items():
        about = _decision(best, row)
        shown = {"image": images[row], "why": why, "neighbours": near[row]}
        explained.append(ExplainedImage(**about, **shown, explanations=tuple(explanations[about["key"]])))
    return tuple(explained), tuple(remarks)


def _neighbours(classifier: Classifier, some: Pixels, pixels: Pixels) -> list[tuple[ShownNeighbour, ...]]:
    """The nearest training images of each of a few images, where the classifier has a pretrained network."""
    if classifier.model.preprocessing is None or not len(some):
        return [()] * len(some)
    found, _ = neighbours(classifier, as_seen(classifier, some).values, pixels)
    wanted = {one.key for near in found for one in near}
    rows = [row for row, key in enumerate(pixels.keys) if key in wanted]
    images = dict(zip((pixels.keys[row] for row in rows), _as_in_files(pixels, rows, LARGEST_SHOWN), strict=True))
    return [
        tuple(
            ShownNeighbour(key=one.key, label=one.label, distance=one.distance, image=images[one.key]) for one in near
        )
        for near in found
    ]


def _image_map(run: Run, best: Predictions, pixels: Pixels) -> ImageMap | None:
    """Images of the training and of the measured split on a plane, by the last rung with a pretrained network."""
    every = np.flatnonzero(np.isin(pixels.splits, [SPLITS.index("train"), SPLITS.index(run.split)]))
    rows = every[np.linspace(0, len(every) - 1, min(len(every), MOST_ON_MAP)).astype(int)]
    pretrained = [one for one in run if one.model.config["kind"] == EMBEDDED]
    embeddings = pretrained[-1].classifier.model.embeddings_of(pixels, rows) if pretrained and len(rows) else None
    if embeddings is None:
        return None
    found = plane(embeddings)
    wrong = {best.keys[int(row)].as_py() for row in np.flatnonzero(~best.correct & (best.labels >= 0))}
    keys = pixels.keys
    return ImageMap(
        keys=tuple(keys[row] for row in rows),
        labels=tuple(pixels.labels[rows].tolist()),
        wrong=tuple(keys[row] in wrong for row in rows),
        share=found.share,
        images=len(every),
        points=found.points,
        thumbs=np.stack([to_shape(pixels.values[row], size=THUMB, color=pixels.color) for row in rows]),
    )


def _explanation(one: Explanation, own: np.ndarray | None) -> ShownExplanation:
    return ShownExplanation(
        rung=one.rung,
        predicted=one.predicted,
        against=one.against,
        probability=float(one.probabilities.max()),
        difference=one.difference,
        remainder=one.remainder,
        method=one.method,
        exact=one.exact,
        map=one.map.astype(np.float32),
        image=own,
    )


def _without(run: Run, findings: Findings) -> WithoutLeaked | None:
    """Each rung measured again without the images that (nearly) are also among the training images."""
    leaked = set(findings.leaked)
    keys = run.rungs[0].predictions.keys.to_pylist()
    clean = np.array([key not in leaked for key in keys])
    if clean.all() or not clean.any():
        return None
    again = {rung.name: evaluate(rung.predictions.select(clean)) for rung in run}
    rungs = {name: Accuracy(one.n, one.accuracy, one.interval) for name, one in again.items()}
    return WithoutLeaked(int((~clean).sum()), rungs)


def _slices(run: Run, measured: Pixels) -> tuple[Slices, ...]:
    """Accuracy by slices of the data, by each column that distinguishes images."""
    found: list[Slices] = []
    if all(rung.predictions.constant for rung in run):  # nothing but the share of a class could be said of a slice
        return ()
    for name in SLICED_BY:
        values = column(measured.table, name, measured)
        known = set(zip(values.tolist(), measured.labels.tolist(), strict=True))
        by_class = values.dtype.kind == "U" and len(known) == len({label for _, label in known})
        if len({value for value, _ in known}) > 1 and not by_class:  # otherwise it would be recall by class again
            found.append(slices(run, by=values, name=name))
    return tuple(found)
