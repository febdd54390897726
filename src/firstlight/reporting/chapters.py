"""The content of a report, chapter by chapter, as plain values for its page; no HTML here."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import PurePath
from typing import Any

import numpy as np

from firstlight.evaluation.comparison import ALPHA, Comparison
from firstlight.evaluation.metrics import Evaluation
from firstlight.evaluation.slices import Slices
from firstlight.reporting import charts
from firstlight.reporting.image_map import image_map
from firstlight.reporting.images import address, signed
from firstlight.reporting.reproducing import reproducing
from firstlight.reporting.summary import summary
from firstlight.runs.evidence import Evidence, ShownImage
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.runs.training import TrainingRecord
from firstlight.wording import p_value, plural, rough
from firstlight.wording import signed as signed_number

FOLDED_FROM = 7  # classes from which on only the weakest are open
OPEN, OPEN_OF_MANY, MANY = 4, 12, 30  # of them; of that many classes or more
MISTAKES = 6  # most confident ones of all classes, shown first
WHY = {"wrong": "most confidently wrong", "uncertain": "most uncertain", "typical": "most typical"}


def content(run: Run, evidence: Evidence | None) -> dict[str, Any]:
    """Every chapter of the report.

    Args:
        run: a finished run.
        evidence: what was gathered of it; without it the chapters that show images are left out.

    Returns:
        Values for the page: texts, rows, pictures as SVG and images as data addresses.
    """
    assert run.advice is not None
    best = run[run.advice.rung]
    return {
        "title": run.request.data.rstrip("/").rsplit("/", 1)[-1] or "images",
        "source": run.request.data,
        "date": "" if evidence is None else evidence.date,
        "summary": summary(run, evidence),
        "advice": run.advice.sentence,
        "best": best.name,
        "split": run.split,
        "test_readings": run.test_readings,
        "facts": _facts(run, best, evidence),
        "ladder": _ladder(run, evidence),
        "left_out": 0 if evidence is None or evidence.without_leaked is None else evidence.without_leaked.left_out,
        "accuracies": charts.accuracies(run),
        "comparisons": [_compared(one) for one in run.advice.comparisons],
        "pairs": [_compared(one) for one in run.comparisons],
        "classes": _classes(run, best, evidence),
        "mistakes": _gravest(evidence),
        "open": _open(len(run.classes)),
        "measured": [(name, value, ends) for name, value, ends in _measured(best.metrics) if isfinite(value)],
        "confusion": charts.confusion(best),
        "reliability": charts.reliability(best),
        "cross_fitted": best.predictions.calibrated_here,
        "data": None if evidence is None else _data(evidence),
        "explained": [] if evidence is None else _explained(evidence, best.name),
        "image_map": _image_map(run, evidence),
        "trained": [_training(rung, rung.training) for rung in run if rung.training is not None],
        "decided": list(run.decided),
        "slices": [] if evidence is None else [_sliced(one, best.name) for one in evidence.slices],
        "remarks": [] if evidence is None else evidence.remarks,
        "reproduce": _reproduce(run),
        "evidence": evidence is not None,
    }


def _facts(run: Run, best: RungResult, evidence: Evidence | None) -> list[tuple[str, str]]:
    """The line below the advice."""
    facts = [("classes", f"{len(run.classes):,}"), (f"{run.split} images", f"{best.metrics.n:,}")]
    if evidence is not None:
        facts.insert(1, ("training images", f"{sum(evidence.counts.get('train', {}).values()):,}"))
        found = evidence.findings
        grave = sum(one.severity == "error" for one in found)
        facts.append(("findings in the data", f"{len(found)}, {plural(grave, 'error')}" if grave else str(len(found))))
    facts.append(("unreadable (skipped)", f"{run.unreadable:,}"))
    return facts


def _ladder(run: Run, evidence: Evidence | None) -> list[dict[str, Any]]:
    """A row for each rung."""
    without = {} if evidence is None or evidence.without_leaked is None else evidence.without_leaked.rungs
    rows = []
    for place, rung in enumerate(run):
        metrics, before = rung.metrics, run.gain(rung.name)
        rows.append(
            {
                "place": place,
                "name": rung.name,
                "accuracy": metrics.accuracy,
                "interval": metrics.interval,
                "n": metrics.n,
                "gain": None if before is None else before.difference,
                "p": "" if before is None else p_value(before.p),
                "shown": before is not None and before.p < ALPHA,
                "log_loss_interval": metrics.log_loss_interval,
                "log_loss": metrics.log_loss if isfinite(metrics.log_loss) else None,
                "fit": rung.seconds.fit,
                "fit_text": rough(rung.seconds.fit),
                "each": rung.seconds.predict / metrics.n,
                "each_text": rough(rung.seconds.predict / metrics.n),
                "without": without.get(rung.name),
                "seeds": None if rung.training is None else rung.training.seeds,
            }
        )
    return rows


def _measured(metrics: Evaluation) -> list[tuple[str, float, tuple[float, float] | None]]:
    """The metrics besides the accuracy, each with its interval."""
    return [
        ("balanced accuracy", metrics.balanced_accuracy, metrics.balanced_accuracy_interval),
        ("log loss", metrics.log_loss, metrics.log_loss_interval),
        ("calibration error", metrics.calibration_error, metrics.calibration_error_interval),
    ]


def _compared(one: Comparison) -> dict[str, Any]:
    """A row of a table of comparisons."""
    ends = [signed_number(end) for end in one.interval]
    return one.to_dict() | {"p": p_value(one.p), "interval": ends}


def _open(classes: int) -> int:
    """How many classes are shown before the folded ones."""
    if classes < FOLDED_FROM:
        return classes
    return OPEN if classes < MANY else OPEN_OF_MANY


def _classes(run: Run, best: RungResult, evidence: Evidence | None) -> list[dict[str, Any]]:
    """A row for each class: its mean image, its recall, what it is confused with, its most confident mistakes."""
    confused: dict[str, list[tuple[str, int]]] = {}
    for one in best.metrics.mistakes:
        confused.setdefault(one.label, []).append((one.predicted, one.images))
    mistakes = _mistakes(evidence)
    rows = []
    for label, name in enumerate(run.classes):
        recall = best.metrics.recall[name]
        rows.append(
            {
                "name": name,
                "n": recall.n,
                "recall": recall.recall,
                "interval": recall.interval,
                "confused": confused.get(name, [])[:3],
                "ideal": None if evidence is None else address(evidence.ideals[label]),
                "mistakes": mistakes.get(name, []),
            }
        )
    if len(rows) >= FOLDED_FROM:
        rows.sort(key=lambda row: (row["recall"] is None, row["recall"]))
    return rows


def _mistakes(evidence: Evidence | None) -> dict[str, list[dict[str, Any]]]:
    """By true class: its most confident mistakes, except those of `_gravest`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in () if evidence is None else sorted(evidence.mistakes, key=_doubt)[MISTAKES:]:
        found.setdefault(str(one.label), []).append(_shown(one))
    return found


def _gravest(evidence: Evidence | None) -> list[dict[str, Any]]:
    """The most confident mistakes of all classes."""
    return [] if evidence is None else [_shown(one) for one in sorted(evidence.mistakes, key=_doubt)[:MISTAKES]]


def _doubt(one: ShownImage) -> float:
    return -one.probability


def _shown(one: ShownImage) -> dict[str, Any]:
    height, width = one.image.shape[:2]
    return vars(one) | {"image": address(one.image), "file": PurePath(one.key).name, "height": height, "width": width}


def _data(evidence: Evidence) -> dict[str, Any]:
    return {
        "counts": {split: sum(each.values()) for split, each in evidence.counts.items()},
        "balance": charts.balance(evidence.counts),
        "findings": evidence.findings.found,
        "remarks": evidence.findings.remarks,
        "images": evidence.findings.images,
        "samples": [
            {"name": name, "images": [address(image) for image in images]} for name, images in evidence.samples.items()
        ],
    }


def _explained(evidence: Evidence, best: str) -> list[dict[str, Any]]:
    """A few images: how the advised rung decided on each, and the other rungs."""
    found = []
    for one in evidence.explained:
        rungs = []
        for each in one.explanations:
            largest = float(np.abs(each.map).max())
            shown = {"map": address(signed(each.map, largest)) if largest else None}
            shown |= {"own": None if each.image is None else address(each.image)}
            rungs.append(vars(each) | shown)
        about: dict[str, Any] = {"picture": address(one.image), "file": PurePath(one.key).name}
        about["because"] = WHY[one.why]
        about["near"] = [vars(each) | {"picture": address(each.image)} for each in one.neighbours]
        first = [each for each in rungs if each["rung"] == best]
        rest = [each for each in rungs if each["rung"] != best]
        found.append(vars(one) | about | {"first": first, "rest": rest})
    return found


def _image_map(run: Run, evidence: Evidence | None) -> dict[str, Any] | None:
    """Images as points of a plane, where there is a pretrained network."""
    return None if evidence is None or evidence.image_map is None else image_map(evidence.image_map, run.classes)


def _sliced(one: Slices, best: str) -> dict[str, Any]:
    """Slices by one column; open where the advised rung is worse in one of them."""
    weak = any(cell.worse for rung, cells in zip(one.rungs, one.cells, strict=True) if rung == best for cell in cells)
    return one.to_dict() | {"open": weak}


def _training(rung: RungResult, training: TrainingRecord) -> dict[str, Any]:
    """How a rung was trained: its curves, what was used, what was decided and why."""
    recipe = training.recipe
    augment = recipe["augment"]
    augmented = "no augmentation" if not isinstance(augment, Mapping) else _augmented(augment)
    return {
        "name": rung.name,
        "parameters": f"{training.parameters:,}",
        "recipe": f"{plural(recipe['epochs'], 'epoch')} of batches of {recipe['batch_size']}, {recipe['optimizer']}, "
        f"learning rate {recipe['lr']:g} ({recipe['schedule'].replace('_', '-')}), {recipe['loss']}, "
        f"{recipe['precision']} on {training.device}; {augmented}",
        "reasons": training.reasons,
        "stopped": training.stopped,
        "curves": charts.curves(rung),
        "lr_range": charts.lr_range(rung),
    }


def _augmented(augment: Mapping[str, Any]) -> str:
    words = [f"{name} {value:g}" for name, value in augment.items() if value and not isinstance(value, bool)]
    words += ["mirror"] if augment.get("mirror") is True else []
    return f"augmentation: {', '.join(words)}" if words else "no augmentation"


def _reproduce(run: Run) -> dict[str, Any]:
    """How to reproduce the run."""
    rows = [("seed", ", ".join(map(str, run.request.seeds))), ("fingerprint of the images", run.fingerprint)]
    rows += [(name, str(version)) for name, version in run.versions.items()]
    threads = {rung.training.threads for rung in run if rung.training is not None}
    rows += [("threads of the networks' training", ", ".join(map(str, sorted(threads))))] if threads else []
    return {"command": reproducing(run.request), "rows": rows}
