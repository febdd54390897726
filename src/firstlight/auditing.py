"""`audit()`: problems of a folder of images, as findings with stable codes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np

from firstlight.data.auditing.appearance import appearance_findings
from firstlight.data.auditing.duplicates import duplicate_findings
from firstlight.data.auditing.facts import Facts, gather, labelled
from firstlight.data.auditing.files import file_findings
from firstlight.data.auditing.findings import EXAMPLES, Finding, Findings
from firstlight.data.auditing.folders import folder_findings
from firstlight.data.auditing.quality import quality_findings
from firstlight.data.auditing.shift import shift_findings
from firstlight.data.given import table_of
from firstlight.data.table import Table
from firstlight.evaluation.shortcuts import Shortcut, shortcut
from firstlight.progress import Progress, Report, counted, reported
from firstlight.seeds import seed_of

TELLS, SURELY = 0.95, 0.75  # balanced accuracy and its lower end from which one number counts as revealing a class
LEAST = 20  # images of a class, below which its statistics mean nothing
PURE = 0.99  # share of the images in the most frequent class of their prefix, from which names count as revealing it


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
    duplicates = duplicate_findings(table, facts.digests, facts.thumbs, facts.readable)
    found = [
        *folder_findings(table),
        *file_findings(table, facts),
        *appearance_findings(table, facts),
        *quality_findings(table, facts),
        *shift_findings(table, facts),
        *duplicates.found,
        *_shortcuts(table, facts, seed),
        *_telling_names(table),
    ]
    from firstlight.models.auditing.seen import seen_findings

    seen = seen_findings(table, facts, duplicates, labels=labels, seed=seed, report=report)
    return Findings((*found, *seen.found), len(table), (*duplicates.remarks, *seen.remarks), seen.candidates)


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
