"""`audit()`: what is wrong with a folder of images, under codes that stay the same."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from firstlight.data.auditing.appearance import appearance_findings
from firstlight.data.auditing.duplicates import duplicate_findings
from firstlight.data.auditing.facts import Facts, gather, labelled
from firstlight.data.auditing.files import file_findings
from firstlight.data.auditing.findings import EXAMPLES, Finding, Findings
from firstlight.data.auditing.folders import folder_findings
from firstlight.data.decoding.stack import Progress
from firstlight.data.pixels import Pixels, load
from firstlight.data.sources import scan
from firstlight.data.table import Table
from firstlight.errors import ArgumentError
from firstlight.evaluation.label_errors import label_errors
from firstlight.evaluation.metrics import evaluate
from firstlight.evaluation.shortcuts import Shortcut, shortcut
from firstlight.wording import plural

TELLS, SURELY = 0.95, 0.75  # balanced accuracy, and its lower end, from which on one number is said to tell a class
LEAST = 20  # images of a class, below which no statistic of it means anything
SUGGESTED = 1000  # suggested classes that the facts of a finding hold
PURE = 0.99  # share of a name's images in one class, from which on the name tells it
UNCHECKED = "Labels were not checked; firstlight audit --labels does that, by models that have not seen the image."


def audit(
    data: str | Path | Table, *, labels: bool = False, seed: int = 0, progress: Progress | None = None
) -> Findings:
    """Looks at every image once and says what a person should know before fitting anything.

    Nothing is changed. Thresholds stand beside the code of each finding with their reasons; the codes are
    explained in docs/findings.md.

    Args:
        data: a folder (or anything that `scan` takes), or a table, split or not.
        labels: look for doubtful labels too, by predictions out of fold.
        seed: of the halves on which shortcuts are chosen and measured, and of the folds.
        progress: called with (images done, images in all).

    Returns:
        The findings, the gravest first, and what was not looked for.

    Raises:
        DataError: where there is no image.

    Example:
        >>> import firstlight as fl
        >>> found = fl.audit(digits)
        >>> found.images, [one.code for one in found if one.severity == "error"]
        (1797, [])
    """
    table = data if isinstance(data, Table) else scan(data)
    facts = gather(table, progress=progress)
    duplicates, remarks = duplicate_findings(table, facts.digests, facts.thumbs, facts.readable)
    found = [
        *folder_findings(table),
        *file_findings(table, facts),
        *appearance_findings(table, facts),
        *duplicates,
        *_shortcuts(table, facts, seed),
        *_telling_names(table),
    ]
    if labels:
        doubtful, more = _label_findings(load(table, allow_unreadable=True), seed=seed)
        found, remarks = [*found, *doubtful], [*remarks, *more]
    else:
        remarks = [*remarks, UNCHECKED]
    return Findings(tuple(found), len(table), tuple(remarks))


def _shortcuts(table: Table, facts: Facts, seed: int) -> list[Finding]:
    """FL501: a number beside the shape of things that tells a class from all others."""
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
    told: list[tuple[str, str, Shortcut]] = []
    for label in np.flatnonzero(counts >= LEAST):
        if len(codes) - counts[label] < LEAST:
            continue
        for name, values in statistics.items():
            found = shortcut(values, codes == label, generator=np.random.default_rng(seed))
            if found is not None and found.balanced_accuracy >= TELLS and found.interval[0] >= SURELY:
                told.append((table.classes[label], name, found))
    if not told:
        return []
    told.sort(key=lambda one: -one[2].balanced_accuracy)
    shown = "; ".join(
        f"{name} {'above' if one.above else 'below'} {one.threshold:.3g} tells {label} from the rest with balanced "
        f"accuracy {one.balanced_accuracy:.3f} [{one.interval[0]:.3f}, {one.interval[1]:.3f}]"
        for label, name, one in told[:3]
    )
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return [
        Finding(
            "FL501",
            f"One number alone tells a class: {shown}{more}.",
            len({label for label, _, _ in told}),
            "A model may learn that and not what you mean; look whether it would hold for new images.",
            facts={f"{label}, {name}": vars(one) for label, name, one in told},
        )
    ]


def _telling_names(table: Table) -> list[Finding]:
    """FL502: the letters that file names begin with, or the order of their numbers, tell the class."""
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
            found.append(f"names begin with letters that tell the class ({', '.join(sorted(common)[:4])})")
            examples = [stems[prefixes.index(name)] for name in sorted(common)[:EXAMPLES]]
    numbered = [(int(match[1]), label) for match, label in zip(numbers, labels, strict=True) if match and label >= 0]
    classes = {label for _, label in numbered}
    if len(classes) > 1 and len(numbered) >= max(LEAST * len(classes), len(labels) // 2):
        in_order = [label for _, label in sorted(numbered)]
        changes = sum(one != other for one, other in pairwise(in_order))
        if len({number for number, _ in numbered}) > 0.9 * len(numbered) and changes < 2 * len(classes):
            found.append("the numbers in the names run class by class")
    if not found:
        return []
    return [
        Finding(
            "FL502",
            f"File names tell the class: {'; '.join(found)}.",
            len(labels),
            "Harmless as long as nothing reads or sorts by names; do not split by their order.",
            tuple((stem,) for stem in examples),
        )
    ]


def _label_findings(pixels: Pixels, *, seed: int) -> tuple[list[Finding], list[str]]:
    """FL503: labels to look at again, and by what they were found.

    Args:
        pixels: what `load` gave.
        seed: of folds and training.

    Returns:
        The finding, where there is a candidate, and remarks.
    """
    from firstlight.models.crossfit import FOLDS, crossfit

    started = time.perf_counter()
    try:
        seen = crossfit(pixels, seed=seed)
    except ArgumentError as error:
        return [], [f"Labels were not checked. {error}"]
    found, reached = label_errors(seen), evaluate(seen)
    low, high = reached.interval
    seconds = time.perf_counter() - started
    remarks = [
        f"Labels were checked by {seen.name} out of {FOLDS} folds, all splits together: accuracy "
        f"{reached.accuracy:.3f} [{low:.3f}, {high:.3f}] on {reached.n:,} images, {seconds:.0f} s. The better it is, "
        "the better these candidates are."
    ]
    if not len(found):
        return [], remarks
    names = [pixels.classes[code] for code in found.suggested.tolist()]
    count = len(found)
    message = (
        f"{plural(count, 'label')} to look at again, the most doubtful first; {found.share:.2%} of "
        "labels may be wrong by the estimate, of which the model's own mistakes are a part."
    )
    facts = {"rung": seen.name, "estimated_share": found.share, "accuracy": reached.accuracy, "n": reached.n}
    suggested = dict(zip(found.keys[:SUGGESTED], names[:SUGGESTED], strict=True))
    finding = Finding(
        "FL503",
        message,
        count,
        "Look at them; where a label is wrong, move the file or mend the list.",
        tuple((key, f"looks like {name}") for key, name in zip(found.keys[:EXAMPLES], names, strict=False)),
        facts | {"suggested": suggested},
        found.keys,
    )
    return [finding], remarks
