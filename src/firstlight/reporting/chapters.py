"""What stands in a report, chapter by chapter, as plain values for its page; no HTML here."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from firstlight.data.loading import Loading
from firstlight.reporting import charts
from firstlight.reporting.images import address, signed
from firstlight.runs.evidence import Evidence
from firstlight.runs.results import Run, RungResult
from firstlight.wording import duration, p_value

FOLDED_FROM = 30  # classes from which on only the weakest are open
OPEN = 12  # of them
WHY = {"wrong": "most confidently wrong", "uncertain": "most uncertain", "typical": "most typical"}


def content(run: Run, evidence: Evidence | None) -> dict[str, Any]:
    """Every chapter of the report.

    Args:
        run: a finished run.
        evidence: what was gathered of it; without it the chapters that show images are left out.

    Returns:
        Values for the page: texts, rows, pictures as SVG and images as data addresses.
    """
    best = run[run.advice["rung"]]
    return {
        "title": str(run.asked.get("data", "")).rstrip("/").rsplit("/", 1)[-1] or "images",
        "advice": run.advice["sentence"],
        "best": best.name,
        "split": run.split,
        "test_readings": run.test_readings,
        "facts": _facts(run, best, evidence),
        "ladder": _ladder(run, evidence),
        "left_out": _without(evidence).get("left_out", 0),
        "accuracies": charts.accuracies(run),
        "comparisons": [dict(one) | {"p": p_value(one["p"])} for one in run.comparisons],
        "classes": _classes(run, best, evidence),
        "folded_from": FOLDED_FROM,
        "open": OPEN,
        "confusion": charts.confusion(best),
        "reliability": charts.reliability(best),
        "data": None if evidence is None else _data(run, evidence),
        "explained": [] if evidence is None else _explained(run, evidence),
        "trained": [_training(rung) for rung in run if rung.training],
        "decided": list(run.decided),
        "slices": [] if evidence is None else [_sliced(one, best.name) for one in evidence.about["slices"]],
        "remarks": [] if evidence is None else evidence.about["remarks"],
        "again": _again(run),
        "evidence": evidence is not None,
    }


def _facts(run: Run, best: RungResult, evidence: Evidence | None) -> list[tuple[str, str]]:
    """The line below the advice."""
    metrics = best.metrics
    facts = [("classes", f"{len(run.classes):,}"), (f"images of {run.split}", f"{metrics['n']:,}")]
    if evidence is not None:
        counts = evidence.about["counts"]
        facts.insert(1, ("training images", f"{sum(counts.get('train', {}).values()):,}"))
        found = evidence.about["findings"]["findings"]
        grave = sum(one["severity"] == "error" for one in found)
        facts.append(("findings in the data", f"{len(found)}, {grave} grave" if grave else str(len(found))))
    facts.append(("left out, unreadable", f"{run.unreadable:,}"))
    return facts


def _ladder(run: Run, evidence: Evidence | None) -> list[dict[str, Any]]:
    """A row for each rung."""
    without = _without(evidence).get("rungs", {})
    rows = []
    for place, rung in enumerate(run):
        metrics = rung.to_dict()
        before = metrics["against_previous"]
        rows.append(
            {
                "place": place,
                "name": rung.name,
                "accuracy": metrics["accuracy"],
                "interval": metrics["interval"],
                "n": metrics["n"],
                "gain": None if before is None else before["difference"],
                "p": "" if before is None else p_value(before["p"]),
                "shown": before is not None and before["p"] < 0.05,
                "log_loss": metrics["log_loss"],
                "calibration": metrics["calibration_error"],
                "fit": metrics["seconds"]["fit"],
                "fit_text": duration(metrics["seconds"]["fit"]),
                "microseconds": metrics["seconds"]["predict"] / max(metrics["n"], 1) * 1e6,
                "without": without.get(rung.name),
                "spread": metrics["training"].get("seeds"),
            }
        )
    return rows


def _without(evidence: Evidence | None) -> Mapping[str, Any]:
    return {} if evidence is None else evidence.about["without_leaked"]


def _classes(run: Run, best: RungResult, evidence: Evidence | None) -> list[dict[str, Any]]:
    """A row for each class: its ideal image, how many are found, what it is taken for, its gravest mistakes."""
    confused: dict[str, list[tuple[str, int]]] = {}
    for label, predicted, count in best.metrics["mistakes"]:
        confused.setdefault(label, []).append((predicted, count))
    mistakes = _mistakes(evidence)
    rows = []
    for label, name in enumerate(run.classes):
        recall = best.metrics["recall"][name]
        n = recall["n"]
        rows.append(
            {
                "name": name,
                "n": n,
                "recall": recall["correct"] / n if n else None,
                "interval": recall["interval"],
                "confused": confused.get(name, [])[:3],
                "ideal": None if evidence is None else address(evidence.ideals[label]),
                "mistakes": mistakes.get(label, []),
            }
        )
    if len(rows) >= FOLDED_FROM:
        rows.sort(key=lambda row: (row["recall"] is None, row["recall"]))
    return rows


def _mistakes(evidence: Evidence | None) -> dict[int, list[dict[str, Any]]]:
    """By true class: the images, which stand behind the samples in the evidence."""
    if evidence is None:
        return {}
    found: dict[int, list[dict[str, Any]]] = {}
    first = sum(evidence.about["samples"])
    for place, one in enumerate(evidence.about["mistakes"]):
        found.setdefault(one["class"], []).append(dict(one) | {"image": address(evidence.shown[first + place])})
    return found


def _data(run: Run, evidence: Evidence) -> dict[str, Any]:
    about = evidence.about
    samples, first = [], 0
    for name, count in zip(run.classes, about["samples"], strict=True):
        images = [address(image) for image in evidence.shown[first : first + count]]
        samples.append({"name": name, "images": images})
        first += count
    return {
        "counts": {split: sum(each.values()) for split, each in about["counts"].items()},
        "balance": charts.balance(about["counts"]),
        "findings": about["findings"]["findings"],
        "remarks": about["findings"]["remarks"],
        "images": about["findings"]["images"],
        "samples": samples,
    }


def _explained(run: Run, evidence: Evidence) -> list[dict[str, Any]]:
    """A few images, and below each how every rung decided."""
    told: Sequence[Mapping[str, Any]] = evidence.about["explanations"]
    found = []
    for place, about in enumerate(evidence.about["explained"]):
        image = evidence.explained[place]
        rungs = []
        for one, values in zip(told, evidence.maps, strict=True):
            if one["image"] != place:
                continue
            largest = float(np.abs(values).max())
            rungs.append(dict(one) | {"map": address(signed(values, largest)) if largest else None})
        found.append(dict(about) | {"picture": address(image), "rungs": rungs, "because": WHY[about["why"]]})
    return found


def _sliced(one: Mapping[str, Any], best: str) -> dict[str, Any]:
    """Slices by one column; open where the advised rung is worse in one of them."""
    weak = any(cell["worse"] for rung in one["rungs"] if rung["name"] == best for cell in rung["cells"])
    return dict(one) | {"open": weak}


def _training(rung: RungResult) -> dict[str, Any]:
    """How a rung was trained: its curves, what was used, what was decided and why."""
    training = rung.training
    recipe = training["recipe"]
    augment = recipe["augment"]
    varied = "no variation" if not isinstance(augment, Mapping) else _varied(augment)
    return {
        "name": rung.name,
        "parameters": f"{training['parameters']:,}",
        "recipe": f"{recipe['epochs']} epochs of batches of {recipe['batch_size']}, {recipe['optimizer']}, "
        f"learning rate {recipe['lr']:g} ({recipe['schedule'].replace('_', '-')}), {recipe['loss']}, "
        f"{recipe['precision']} on {training['device']}; {varied}",
        "reasons": training["reasons"],
        "stopped": training.get("stopped", ""),
        "curves": charts.curves(rung),
        "lr_range": charts.lr_range(rung),
        "seeds": training.get("seeds"),
    }


def _varied(augment: Mapping[str, Any]) -> str:
    words = [f"{name} {value:g}" for name, value in augment.items() if value and not isinstance(value, bool)]
    words += ["mirror"] if augment.get("mirror") is True else []
    return f"training images varied: {', '.join(words)}" if words else "no variation"


def _loading_options(loading: Loading) -> list[str]:
    """Options of the command line; it has none for images that are not square."""
    height, width = loading.sides or (0, 1)
    return [
        *(["--size", str(height)] if height == width else []),
        *["--color", loading.color],
        *(["--resize", loading.resize] if loading.resize != "squish" else []),
        *(["--align", loading.align] if loading.align != "none" else []),
        *(["--allow-unreadable"] if loading.allow_unreadable else []),
    ]


def _again(run: Run) -> dict[str, Any]:
    """How to make the run anew."""
    asked = run.asked
    seeds = asked.get("seeds", [run.seed])
    parts = ["firstlight", "climb", str(asked.get("data", ""))]
    parts += ["--rungs", ",".join(asked.get("rungs", [rung.name for rung in run]))]
    parts += ["--split", run.split] if run.split != "validation" else []
    parts += ["--effort", asked["effort"]] if asked.get("effort", "standard") != "standard" else []
    parts += ["--seed", str(run.seed)] if run.seed else []
    parts += ["--seeds", str(len(seeds))] if len(seeds) > 1 else []
    if "loading" in asked:
        parts += _loading_options(Loading.from_dict(asked["loading"]))
    rows = [("seed", ", ".join(map(str, seeds))), ("fingerprint of the images", run.fingerprint)]
    rows += [(name, str(version)) for name, version in run.versions.items()]
    return {"command": shlex.join(parts), "rows": rows, "options": dict(asked.get("options", {}))}
