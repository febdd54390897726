"""Labels that may be wrong, by out-of-fold predictions of the rung that suits the images: FL503."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pyarrow as pa

from firstlight.data.auditing.facts import Facts
from firstlight.data.auditing.findings import EXAMPLES, Finding, LabelCandidate
from firstlight.data.decoding.loading import Loading
from firstlight.data.pixels import load
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, MissingExtraError
from firstlight.evaluation.label_errors import label_errors
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.models.crossfit import FOLDS, Inputs, crossfitted, inputs_of
from firstlight.models.ladders import LOOKED_AT, suits_embeddings
from firstlight.models.rungs import named, refuse_missing
from firstlight.progress import Report
from firstlight.wording import plural, shortlist

SIDE = 32  # px to which larger images are brought for rungs that see pixels
PIXEL_RUNGS = ("centroid-l2", "cnn")  # the fastest first; of the others none found more planted errors (docs/log.md)
PHOTO_RUNGS = ("embed-linear",)
GOOD_ENOUGH = 0.99  # accuracy out of fold from which no later rung is tried
ESTIMATING = 0.8  # the lower end of the accuracy out of fold, below which errors are too often the model's to count
SUGGESTED = 1000  # suggested classes that the facts of a finding hold


@dataclass(frozen=True)
class LabelCheck:
    """What the check of the labels found.

    Attributes:
        found: the finding, if there are candidates.
        remarks: how the labels were checked, a sentence each.
        candidates: the most likely errors first.
    """

    found: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    candidates: tuple[LabelCandidate, ...] = ()


def inputs_for(
    table: Table, facts: Facts, together: np.ndarray, report: Report
) -> tuple[Inputs, tuple[str, ...], list[str]]:
    """What the labels of all readable images are checked by, whatever their split.

    Photos are judged by a linear model on the embeddings of a pretrained network, which finds more in less time
    (docs/log.md); other images by their pixels.

    Args:
        table: N rows.
        facts: of the same rows.
        together: (N,), the same number for images that must be in one fold, as copies of each other.
        report: gets the steps of decoding and embedding.

    Returns:
        The inputs of the rungs; the names of these; and remarks, a sentence each.
    """
    remarks = []
    photos = _photos(table, facts)
    if photos:
        try:
            refuse_missing(named(PHOTO_RUNGS))
        except MissingExtraError as error:
            photos, remarks = False, [f"The images are photos, whose labels a pretrained rung checks best. {error}"]
    data = table.select(facts.readable) if photos else load(table, loading=loading_for(facts), progress=report)
    names = PHOTO_RUNGS if photos else PIXEL_RUNGS if find_spec("torch") else PIXEL_RUNGS[:1]
    inputs = inputs_of(data, named(names)[0], report)
    return inputs.kept_together(_numbers(together, table, inputs.table)), names, remarks


def check_labels(inputs: Inputs, names: Sequence[str], *, seed: int, started: float, report: Report) -> LabelCheck:
    """Checks the labels by cross-validation.

    Args:
        inputs: of the images.
        names: of the rungs, the fastest first; a later one is not tried where an earlier makes next to no mistake.
        seed: of folds and training.
        started: by `time.perf_counter`, when the work for it began.
        report: gets the steps of the cross-validation.
    """
    try:
        tried = _tried(inputs, names, seed, report)
    except ArgumentError as error:
        return LabelCheck(remarks=(f"Labels were not checked. {error}",))
    return check_of(tried, inputs.table, seconds=time.perf_counter() - started)


def check_of(tried: Sequence[Predictions], table: Table, *, seconds: float) -> LabelCheck:
    """What out-of-fold predictions say of the labels; of several the ones with the lowest log loss.

    Args:
        tried: predictions of the labelled images of the table, by one rung or more.
        table: the images.
        seconds: that the predictions took.
    """
    seen = min(tried, key=lambda one: evaluate(one).log_loss)
    found, measured = label_errors(seen), evaluate(seen)
    low, high = measured.interval
    names = " and ".join(one.name for one in tried)
    best = f"{seen.name}, of {names} the one with the lower log loss," if len(tried) > 1 else seen.name
    remarks = [
        f"Labels were checked by {best} with {FOLDS}-fold cross-validation, all splits together: accuracy "
        f"{measured.accuracy:.3f} [{low:.3f}, {high:.3f}] on {plural(measured.n, 'image')}, "
        f"{seconds:.0f} s. The more accurate it is, the better the candidates are."
    ]
    remarks += _left_out(table, seen)
    if low <= measured.majority_share:
        guessing = "It is not shown to be better than always guessing the most frequent class"
        remarks.append(f"{guessing}, so it can doubt no label; look at some images of each class.")
        return LabelCheck(remarks=tuple(remarks))
    if not len(found):
        return LabelCheck(remarks=tuple(remarks))
    suggested = [seen.classes[code] for code in found.suggested.tolist()]
    message = f"{plural(len(found), 'label')} to check, the most likely errors first"
    facts = {"rung": seen.name, "accuracy": measured.accuracy, "n": measured.n}
    if low >= ESTIMATING:
        message += f"; an estimated {found.share:.2%} of labels are wrong, though some of these are the model's errors"
        facts |= {"estimated_share": found.share}
    finding = Finding(
        "FL503",
        f"{message}.",
        len(found),
        "Check them; where a label is wrong, move the file or correct the list.",
        tuple((key, f"looks like {name}") for key, name in zip(found.keys[:EXAMPLES], suggested, strict=False)),
        facts | {"suggested": dict(zip(found.keys[:SUGGESTED], suggested[:SUGGESTED], strict=True))},
        found.keys,
    )
    shares = seen.probabilities[found.rows]  # (M, K)
    places = np.arange(len(found))
    candidates = zip(
        found.keys,
        [seen.classes[code] for code in found.labels.tolist()],
        suggested,
        shares[places, found.suggested].tolist(),
        shares[places, found.labels].tolist(),
        strict=True,
    )
    return LabelCheck((finding,), tuple(remarks), tuple(LabelCandidate(*each) for each in candidates))


def loading_for(facts: Facts) -> Loading:
    """Large images are checked small: in 64 or 224 px a network takes longer and finds no more (docs/log.md)."""
    return Loading(size=SIDE if _shorter_side(facts) > SIDE else "auto", allow_unreadable=True)


def _shorter_side(facts: Facts) -> float:
    """The median of the readable images, px; 0 where there is none."""
    sides = np.minimum(facts.widths, facts.heights)[facts.readable]
    return float(np.median(sides)) if len(sides) else 0.0


def _photos(table: Table, facts: Facts) -> bool:
    """Whether pretrained rungs suit the images, by some of them."""
    rows = np.flatnonzero(facts.readable)
    if not len(rows):
        return False
    some = np.unique(rows[np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int)])
    values = load(table.select(some), loading=Loading(allow_unreadable=True), cache=False).values
    return suits_embeddings(values, side=_shorter_side(facts), count=len(rows))


def _numbers(together: np.ndarray, table: Table, chosen: Table) -> np.ndarray:
    """(n,) the numbers of the chosen rows of a table."""
    places = pa.compute.index_in(chosen.rows["key"], value_set=table.rows["key"].combine_chunks())
    return together[places.to_numpy()]


def _tried(inputs: Inputs, names: Sequence[str], seed: int, report: Report) -> list[Predictions]:
    """The out-of-fold predictions of rungs; a later one is not tried where an earlier makes next to no mistake."""
    tried: list[Predictions] = []
    for rung in named(names):
        tried.append(crossfitted(inputs, rung, folds=FOLDS, seed=seed, report=report))
        if evaluate(tried[-1]).accuracy >= GOOD_ENOUGH:
            break
    return tried


def _left_out(table: Table, seen: Predictions) -> list[str]:
    """A sentence on the images that no model could predict."""
    counts = [np.bincount(one[one >= 0], minlength=len(table.classes)) for one in (table.labels, seen.labels)]
    missing = counts[0] - counts[1]
    if not missing.any():
        return []
    classes = shortlist([table.classes[code] for code in np.flatnonzero(missing)])
    were = plural(int(missing.sum()), "image was", "images were")
    return [f"{were} not checked, since no other image shows the class ({classes})."]
