"""`summary()`: what a run means and what to do next, in a few sentences for a reader who knows no statistics."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from firstlight.evaluation.metrics import Evaluation, Recall
from firstlight.runs.evidence import Evidence
from firstlight.runs.results import NextStep, Run
from firstlight.wording import plural

LOOK = "Look at some images of each class: can you tell the classes apart?"
FEWEST = 10  # images of a class, below which its recall says too little to act on


@dataclass(frozen=True)
class Summary:
    """The first paragraph of a report.

    Attributes:
        means: what the result means.
        steps: what to do next, the most urgent first.
        commands: that use the model; none where no model is worth it.
        test: how to measure it on images that did not choose it, where it was chosen on these.
    """

    means: str
    steps: tuple[str, ...]
    commands: tuple[str, ...]
    test: NextStep | None = None


def summary(run: Run, evidence: Evidence | None) -> Summary:
    """Says what the advised rung reaches, and what to do next.

    Args:
        run: a finished run.
        evidence: what was gathered of it; without it nothing is said of the data.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "centroid-l2"])
        >>> summary(run, None).means[:63]
        'centroid-l2 classifies about 89 of 100 images like these correc'
    """
    assert run.advice is not None
    best = run[run.advice.rung].metrics
    steps = (*_data_steps(evidence), *_class_steps(best))
    if best.name == "prior":
        return Summary(_means(run, best), (*steps, LOOK), ())
    folder = shlex.quote(str(run.path or "RUN"))
    commands = (f"firstlight predict {folder} NEW-IMAGES", f"firstlight serve {folder}")
    return Summary(_means(run, best), steps, commands, run.test_hint)


def _means(run: Run, best: Evaluation) -> str:
    assert run.advice is not None
    low, high = best.interval
    measured = f"{plural(best.n, f'{run.split} image')} that it was not trained on"
    (guessed_of_100,) = _of_100(run.guessing)
    chance = f"always guessing the most frequent class is right for {guessed_of_100}"
    if best.name == "prior":
        return (
            f"No model here is shown to beat guessing: {chance} of 100 images like these, measured on {measured}. "
            "The images may not show the classes, the labels may be wrong, or there are too few images."
        )
    accuracy, least, most = _of_100(best.accuracy, low, high)
    text = (
        f"{best.name} classifies about {accuracy} of 100 images like these correctly (between {least} and {most}, with "
        f"95 % confidence); {chance}. It was measured on {measured}."
    )
    if not run.advice.enough:
        text += " These are too few to be sure that it is better than the simpler models; it is the best guess."
    if run.split != "test" and len(run) > 1:
        text += " It was also chosen on them, so expect slightly less on new images."
    return text


def _of_100(*shares: float) -> list[str]:
    """Shares as counts of 100; with a decimal where whole numbers would be equal, or say all or none of what is not."""
    whole = [f"{100 * share:.0f}" for share in shares]
    misleading = any(text in ("0", "100") and share not in (0, 1) for text, share in zip(whole, shares, strict=True))
    return [f"{100 * share:.1f}" for share in shares] if misleading or len(set(whole)) < len(whole) else whole


def _data_steps(evidence: Evidence | None) -> list[str]:
    grave = [] if evidence is None else [one for one in evidence.findings if one.severity == "error"]
    return [f"Repair the data first: {grave[0].message} {grave[0].advice}"] if grave else []


def _class_steps(best: Evaluation) -> list[str]:
    """The weakest class, where it is shown to be weaker than the average."""
    weak = [
        (each.recall, name, each)
        for name, each in best.recall.items()
        if each.recall is not None and each.n >= FEWEST and each.interval[1] < best.accuracy
    ]
    if not weak or best.name == "prior":
        return []
    _, name, each = min(weak)
    confused = next((f", most often confused with {one.predicted}" for one in best.mistakes if one.label == name), "")
    return [f"Look at class {name}: {_found(each)}{confused}. Check its labels, or add images of it."]


def _found(recall: Recall) -> str:
    return f"{recall.correct:,} of {recall.n:,} images are recognized"
