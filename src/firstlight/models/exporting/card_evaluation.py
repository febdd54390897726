"""The evaluation in a model card: the figures with their intervals, and the limitations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from firstlight.evaluation.compare import with_one
from firstlight.evaluation.comparison import Comparison
from firstlight.models.exporting.markdown import safe, safe_sentence
from firstlight.runs.evidence import Evidence
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.wording import p_value, plural, signed

WORST, MISTAKES, FINDINGS = 5, 3, 10  # how many classes, pairs of classes and findings a card lists
FEW = 30  # images of a class below which its recall is uncertain: the 95 % interval is then up to 0.34 wide


def evaluation(run: Run, rung: RungResult, evidence: Evidence | None) -> Iterator[str]:
    """The figures, and why they may be too high."""
    metrics = rung.metrics
    low, high = metrics.interval
    yield (
        f"**Accuracy {metrics.accuracy:.4f}, 95 % interval {low:.4f} to {high:.4f}** (Wilson), on {metrics.n:,} "
        f"{run.split} images. Always predicting their most frequent class gives {metrics.majority_share:.4f}."
    )
    loss = f"{metrics.log_loss:.4f}" if isfinite(metrics.log_loss) else "infinite"
    loss += "" if metrics.log_loss_interval is None else _ends(metrics.log_loss_interval)
    yield (
        f"Balanced accuracy {metrics.balanced_accuracy:.4f}{_ends(metrics.balanced_accuracy_interval)}, log loss "
        f"{loss}, expected calibration error {metrics.calibration_error:.4f}"
        f"{_ends(metrics.calibration_error_interval)} with 15 bins; in brackets 95 % intervals."
    )
    if rung.predictions.calibrated_here:
        yield (
            "The temperature was fitted on the same images; log loss and calibration error are cross-fitted, so each "
            "half of the images is measured with the temperature of the other half."
        )
    classes = [(name, one) for name, one in metrics.recall.items() if one.n]
    worst = sorted(classes, key=lambda pair: pair[1].correct / pair[1].n)[:WORST]
    lines = [
        f"| {safe(name)} | {one.correct / one.n:.3f} | {one.interval[0]:.3f} to {one.interval[1]:.3f} | {one.n:,} |"
        for name, one in worst
    ]
    yield "\n".join(["| class, lowest recall first | recall | 95 % interval | images |", "|---|---|---|---|", *lines])
    if mistakes := metrics.mistakes[:MISTAKES]:
        pairs = [f"{safe(label)} predicted as {safe(other)} ({count:,} times)" for label, other, count in mistakes]
        yield f"Most frequent mistakes: {', '.join(pairs)}."
    if others := with_one(run.comparisons, rung.name).rows:
        yield (
            "Compared on the same images (exact McNemar test; p and interval corrected for all pairs of this run's "
            "models by Holm's method):\n\n" + "\n".join(_compared(row.mirrored) for row in others)
        )
    without = None if evidence is None else evidence.without_leaked
    if without is not None and rung.name in without.rungs:
        again = without.rungs[rung.name]
        low, high = again.interval
        yield (
            f"Without the {plural(without.left_out, 'near-duplicate')} of images of another split: accuracy "
            f"{again.accuracy:.4f}, {low:.4f} to {high:.4f}, n = {again.n:,}."
        )
    if run.split == "test":
        yield f"Number of times that the test split was read: {run.test_readings}."
    elif len(run) > 1:
        yield (
            f"The {len(run)} models of this run were evaluated on the same images; if this one was chosen for its "
            "accuracy, that figure is slightly too high."
        )


def _ends(interval: tuple[float, float]) -> str:
    return f" ({interval[0]:.4f} to {interval[1]:.4f})"


def _compared(row: Comparison) -> str:
    low, high = row.interval
    return (
        f"- with {row.against}: {row.difference:+.4f}, {signed(low)} to {signed(high)}, {p_value(row.p)}: {row.verdict}"
    )


def limitations(run: Run, rung: RungResult, about: Mapping[str, Any], evidence: Evidence | None) -> Iterator[str]:
    """What the figures do not cover, and what the audit of the images found."""
    yield (
        "Not evaluated:\n\n"
        "- Images from other sources: other cameras, other lighting, drawings by other people. The accuracy holds for "
        "images like those of the evaluation.\n"
        "- Adversarial and damaged images.\n"
        "- Differences between groups of people. Do not use the model for decisions about people."
    )
    yield (
        f"An image that shows none of the {len(run.classes):,} classes still gets one of them."
        + _distribution_note(about, rung.model.config["kind"])
    )
    few = sum(one.n < FEW for one in rung.metrics.recall.values())
    if few:
        yield f"{few:,} of {len(run.classes):,} classes have fewer than {FEW} images, so their recall is uncertain."
    if rung.metrics.unreadable:
        yield f"{plural(rung.metrics.unreadable, 'image was', 'images were')} skipped, as unreadable."
    findings = () if evidence is None else evidence.findings.found
    if findings:
        listed = [f"- {safe(one.code)}: {safe_sentence(one.message)}" for one in findings[:FINDINGS]]
        more = [f"- and {len(findings) - FINDINGS:,} more"] if len(findings) > FINDINGS else []
        yield "The audit of the images found:\n\n" + "\n".join([*listed, *more])


def _distribution_note(about: Mapping[str, Any], kind: str) -> str:
    if kind == "prior":
        return ""
    limits = about["in_distribution"]
    rare = f"1 in {1 / limits['share']:.0f}"
    distance = "" if limits["distance"] is None else f" and {rare} a distance above {limits['distance']:.4f}"
    return (
        f" Of the evaluation images, {rare} had a top probability below {limits['probability']:.4f}{distance}; treat "
        "an image beyond these limits as out-of-distribution."
    )
