"""`audit()`: problems of a folder of images, as findings with stable codes."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from firstlight.data.auditing.appearance import appearance_findings
from firstlight.data.auditing.duplicates import duplicate_findings
from firstlight.data.auditing.facts import Facts, gather, labelled
from firstlight.data.auditing.files import file_findings
from firstlight.data.auditing.findings import EXAMPLES, Finding, Findings, LabelCandidate
from firstlight.data.auditing.folders import folder_findings
from firstlight.data.auditing.shift import shift_findings
from firstlight.data.decoding.loading import Loading
from firstlight.data.given import table_of
from firstlight.data.pixels import Pixels, load
from firstlight.data.table import Table
from firstlight.errors import ArgumentError
from firstlight.evaluation.label_errors import label_errors
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.predictions import Predictions
from firstlight.evaluation.shortcuts import Shortcut, shortcut
from firstlight.progress import Progress, Report, counted, reported
from firstlight.seeds import seed_of
from firstlight.wording import plural, shortlist

TELLS, SURELY = 0.95, 0.75  # balanced accuracy and its lower end from which one number counts as revealing a class
LEAST = 20  # images of a class, below which its statistics mean nothing
SUGGESTED = 1000  # suggested classes that the facts of a finding hold
PURE = 0.99  # share of the images in the most frequent class of their prefix, from which names count as revealing it
LABEL_SIDE = 32  # px to which larger images are brought to check their labels
LABEL_RUNGS = ("centroid-l2", "cnn")  # the fastest first; of the others none found more planted errors (docs/log.md)
GOOD_ENOUGH = 0.99  # accuracy out of fold from which no later rung is tried
ESTIMATING = 0.8  # the lower end of the accuracy out of fold, below which errors are too often the model's to count
UNCHECKED = "Labels were not checked; firstlight audit --labels checks them by cross-validation."


def audit(data: Any, *, labels: bool = False, seed: int = 0, progress: Progress = None) -> Findings:
    """Looks at every image once and reports what a person should know before fitting a model.

    No file is changed. Each finding has a stable code, which docs/findings.md explains with its threshold.

    Args:
        data: a folder (or anything that `scan` takes), a table, split or not, or pixels.
        labels: also check the labels, by cross-validation.
        seed: of the folds, and of the halves on which shortcuts are chosen and measured.
        progress: called with a `Step` now and then; True shows a meter.

    Returns:
        The findings, the gravest first, and remarks on what was not checked.

    Raises:
        DataError: where there are no images.

    Example:
        >>> import firstlight as fl
        >>> found = fl.audit(digits)
        >>> found.images, [one.code for one in found if one.severity == "error"]
        (1797, [])
    """
    table, seed = table_of(data), seed_of(seed)
    with reported(progress) as report:
        return _audited(table, labels=labels, seed=seed, report=report)


def _audited(table: Table, *, labels: bool, seed: int, report: Report) -> Findings:
    facts = gather(table, progress=counted(report, "auditing"))
    duplicates, remarks = duplicate_findings(table, facts.digests, facts.thumbs, facts.readable)
    found = [
        *folder_findings(table),
        *file_findings(table, facts),
        *appearance_findings(table, facts),
        *shift_findings(table, facts),
        *duplicates,
        *_shortcuts(table, facts, seed),
        *_telling_names(table),
    ]
    if not labels:
        return Findings(tuple(found), len(table), (*remarks, UNCHECKED))
    pixels = load(table, loading=_loading(facts), progress=report)
    checked = _checked_labels(pixels, seed=seed, report=report)
    return Findings((*found, *checked.found), len(table), (*remarks, *checked.remarks), checked.candidates)


def _shortcuts(table: Table, facts: Facts, seed: int) -> list[Finding]:
    """FL501: one number, such as the brightness, separates a class from all others."""
    known = labelled(table, facts)
    codes, k = table.labels[known], len(table.classes)
    counts = np.bincount(codes, minlength=k)
    statistics = {
        "brightness": facts.brightness[known],
        "contrast": facts.contrast[known],
        "brightness of the border": facts.borders[known],
        "file size": facts.sizes[known].astype(float),
        "width": facts.widths[known].astype(float),
        "height": facts.heights[known].astype(float),
        "aspect": facts.widths[known] / np.maximum(facts.heights[known], 1),
    }
    revealing: list[tuple[str, str, Shortcut]] = []
    for label in np.flatnonzero(counts >= LEAST):
        if len(codes) - counts[label] < LEAST:
            continue
        for name, values in statistics.items():
            found = shortcut(values, codes == label, generator=np.random.default_rng(seed))
            if found is not None and found.balanced_accuracy >= TELLS and found.interval[0] >= SURELY:
                revealing.append((table.classes[label], name, found))
    if not revealing:
        return []
    revealing.sort(key=lambda one: -one[2].balanced_accuracy)
    shown = "; ".join(
        f"{name} {'above' if one.above else 'below'} {one.threshold:.3g} separates {label} from the rest with balanced "
        f"accuracy {one.balanced_accuracy:.3f} [{one.interval[0]:.3f}, {one.interval[1]:.3f}]"
        for label, name, one in revealing[:3]
    )
    more = f"; and {len(revealing) - 3} more" if len(revealing) > 3 else ""
    return [
        Finding(
            "FL501",
            f"One number alone reveals the class: {shown}{more}.",
            len({label for label, _, _ in revealing}),
            "A model may learn this instead of the subject; check whether it holds for new images.",
            facts={f"{label}, {name}": vars(one) for label, name, one in revealing},
        )
    ]


def _telling_names(table: Table) -> list[Finding]:
    """FL502: the first letters of file names, or the order of their numbers, reveal the class."""
    labels = table.labels.tolist()
    stems = [key.rpartition("/")[2].rpartition(".")[0] for key in table.keys]
    numbers = [re.search(r"(\d+)\D*$", stem) for stem in stems]
    prefixes = [re.split(r"\d", stem, maxsplit=1)[0].casefold() for stem in stems]
    of_prefix: dict[str, Counter[int]] = defaultdict(Counter)
    for prefix, label in zip(prefixes, labels, strict=True):
        if label >= 0:
            of_prefix[prefix][label] += 1
    common = {name: each for name, each in of_prefix.items() if sum(each.values()) >= LEAST}
    found, examples = [], []
    if len(common) > 1 and len({each.most_common(1)[0][0] for each in common.values()}) > 1:
        pure = sum(each.most_common(1)[0][1] for each in common.values())
        if pure >= PURE * sum(map(Counter.total, of_prefix.values())):
            found.append(f"their first letters reveal it ({', '.join(sorted(common)[:4])})")
            examples = [stems[prefixes.index(name)] for name in sorted(common)[:EXAMPLES]]
    numbered = [(int(match[1]), label) for match, label in zip(numbers, labels, strict=True) if match and label >= 0]
    classes = {label for _, label in numbered}
    if len(classes) > 1 and len(numbered) >= max(LEAST * len(classes), len(labels) // 2):
        in_order = [label for _, label in sorted(numbered)]
        changes = sum(one != other for one, other in pairwise(in_order))
        if len({number for number, _ in numbered}) > 0.9 * len(numbered) and changes < 2 * len(classes):
            found.append("their numbers run class by class")
    if not found:
        return []
    return [
        Finding(
            "FL502",
            f"File names reveal the class: {'; '.join(found)}.",
            len(labels),
            "Harmless as long as nothing uses the names; do not split by their order.",
            tuple((stem,) for stem in examples),
        )
    ]


@dataclass(frozen=True)
class _Labels:
    """What the check of the labels found: the finding, if there are candidates, how it was made, and the candidates."""

    found: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    candidates: tuple[LabelCandidate, ...] = ()


def _loading(facts: Facts) -> Loading:
    """Large images are checked small: in 64 or 224 px a network takes longer and finds no more (docs/log.md)."""
    sides = np.minimum(facts.widths, facts.heights)[facts.readable]
    large = len(sides) > 0 and float(np.median(sides)) > LABEL_SIDE
    return Loading(size=LABEL_SIDE if large else "auto", allow_unreadable=True)


def _checked_labels(pixels: Pixels, *, seed: int, report: Report) -> _Labels:
    """FL503: labels that may be wrong, by the most suitable of a few rungs.

    Args:
        pixels: what `load` gave.
        seed: of folds and training.
        report: gets the steps of the cross-validation.
    """
    from firstlight.models.crossfit import FOLDS

    started = time.perf_counter()
    try:
        seen, tried = _most_suitable(pixels, seed, report)
    except ArgumentError as error:
        return _Labels(remarks=(f"Labels were not checked. {error}",))
    found, measured = label_errors(seen), evaluate(seen)
    low, high = measured.interval
    best = f"{seen.name}, of {' and '.join(tried)} the one with the lower log loss," if len(tried) > 1 else seen.name
    remarks = [
        f"Labels were checked by {best} with {FOLDS}-fold cross-validation, all splits together: accuracy "
        f"{measured.accuracy:.3f} [{low:.3f}, {high:.3f}] on {plural(measured.n, 'image')}, "
        f"{time.perf_counter() - started:.0f} s. The more accurate it is, the better the candidates are."
    ]
    remarks += _left_out(pixels, seen)
    if low <= measured.majority_share:
        guessing = "It is not shown to be better than always guessing the most frequent class"
        return _Labels(remarks=(*remarks, f"{guessing}, so it can doubt no label; look at some images of each class."))
    if not len(found):
        return _Labels(remarks=tuple(remarks))
    names = [pixels.classes[code] for code in found.suggested.tolist()]
    message = f"{plural(len(found), 'label')} to check, the most likely errors first"
    facts = {"rung": seen.name, "accuracy": measured.accuracy, "n": measured.n}
    if low >= ESTIMATING:
        message += f"; an estimated {found.share:.2%} of labels are wrong, though some of these are the model's errors"
        facts |= {"estimated_share": found.share}
    suggested = dict(zip(found.keys[:SUGGESTED], names[:SUGGESTED], strict=True))
    finding = Finding(
        "FL503",
        f"{message}.",
        len(found),
        "Check them; where a label is wrong, move the file or correct the list.",
        tuple((key, f"looks like {name}") for key, name in zip(found.keys[:EXAMPLES], names, strict=False)),
        facts | {"suggested": suggested},
        found.keys,
    )
    shares = seen.probabilities[found.rows]  # (M, K)
    places = np.arange(len(found))
    candidates = zip(
        found.keys,
        [pixels.classes[code] for code in found.labels.tolist()],
        names,
        shares[places, found.suggested].tolist(),
        shares[places, found.labels].tolist(),
        strict=True,
    )
    return _Labels((finding,), tuple(remarks), tuple(LabelCandidate(*each) for each in candidates))


def _most_suitable(pixels: Pixels, seed: int, report: Report) -> tuple[Predictions, list[str]]:
    """The out-of-fold predictions with the lowest log loss, and the rungs that were tried, the fastest first.

    A later rung is not tried where an earlier one makes next to no mistake.
    """
    from firstlight.models.crossfit import crossfit

    tried: list[Predictions] = []
    for name in LABEL_RUNGS if find_spec("torch") else LABEL_RUNGS[:1]:
        tried.append(crossfit(pixels, rung=name, seed=seed, progress=report))
        if evaluate(tried[-1]).accuracy >= GOOD_ENOUGH:
            break
    return min(tried, key=lambda one: evaluate(one).log_loss), [one.name for one in tried]


def _left_out(pixels: Pixels, seen: Predictions) -> list[str]:
    """A sentence on the images that no model could predict."""
    counts = [np.bincount(one[one >= 0], minlength=len(pixels.classes)) for one in (pixels.labels, seen.labels)]
    missing = counts[0] - counts[1]
    if not missing.any():
        return []
    classes = shortlist([pixels.classes[code] for code in np.flatnonzero(missing)])
    were = plural(int(missing.sum()), "image was", "images were")
    return [f"{were} not checked, since no other image shows the class ({classes})."]
