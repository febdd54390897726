"""`seen_findings()`: what an audit finds with a model: label errors; by embeddings crops, turns and outliers."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from firstlight.data.auditing.duplicates import Duplicates
from firstlight.data.auditing.facts import Facts
from firstlight.data.auditing.findings import Finding, LabelCandidate
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError, MissingExtraError
from firstlight.models.auditing.labels import check_labels, inputs_for
from firstlight.models.auditing.lookalikes import lookalike_findings
from firstlight.models.auditing.outliers import outlier_findings
from firstlight.models.options import backbone_for
from firstlight.models.pretrained.embeddings import saved_embeddings
from firstlight.models.rungs import named, refuse_missing
from firstlight.progress import Report

UNCHECKED = "Labels were not checked; firstlight audit --labels checks them by cross-validation."
PHOTOS = (
    "Crops, turned copies and outliers were not searched; --labels searches them, too, by a pretrained network's "
    "embeddings."
)


class Seen(NamedTuple):
    """What was found with a model.

    Attributes:
        found: the findings.
        remarks: what was checked and how, and what was not; a sentence each.
        candidates: labels to check, the most likely errors first.
    """

    found: list[Finding]
    remarks: list[str]
    candidates: tuple[LabelCandidate, ...] = ()


def seen_findings(
    table: Table, facts: Facts, duplicates: Duplicates, *, labels: bool, seed: int, report: Report
) -> Seen:
    """Checks with a model what it is needed for.

    Photos are embedded where labels are checked. Otherwise crops, turned copies and outliers are searched only where
    the embeddings of all images were saved before, such as by a climb.

    Args:
        table: N rows.
        facts: of the same rows.
        duplicates: what is known of copies.
        labels: also check the labels.
        seed: of folds and training.
        report: gets the steps of the embedding and of the cross-validation.
    """
    if not labels:
        values = _saved(table, facts)
        if values is None:
            mostly = facts.readable.any() and facts.gray[facts.readable].mean() < 0.5
            return Seen([], [UNCHECKED, PHOTOS] if mostly and _installed() else [UNCHECKED])
        embedded, _ = _of_embeddings(table, facts, duplicates, values)
        return Seen(embedded.found, [*embedded.remarks, UNCHECKED])
    started = time.perf_counter()
    try:
        inputs, names, remarks = inputs_for(table, facts, duplicates.together, report)
    except ArgumentError as error:
        return Seen([], [f"Labels were not checked. {error}"])
    found: list[Finding] = []
    if inputs.backbone is not None:
        values = np.zeros((len(table), inputs.values.shape[1]), np.float16)
        values[facts.readable] = inputs.values
        embedded, together = _of_embeddings(table, facts, duplicates, values)
        found, remarks = embedded.found, [*remarks, *embedded.remarks]
        inputs = inputs.kept_together(together[facts.readable])
    checked = check_labels(inputs, names, seed=seed, started=started, report=report)
    return Seen([*found, *checked.found], [*remarks, *checked.remarks], checked.candidates)


def _of_embeddings(table: Table, facts: Facts, duplicates: Duplicates, values: np.ndarray) -> tuple[Seen, np.ndarray]:
    """What embeddings (N, D) say, and (N,) which images are copies of each other in any way."""
    leaked = {key for one in duplicates.found if one.code in ("FL201", "FL202") for key in one.keys}
    copies = lookalike_findings(table, facts, values, duplicates.together, known=leaked)
    _, firsts = np.unique(copies.together, return_index=True)
    rows = np.sort(firsts)
    outliers = outlier_findings(table, values, rows[facts.readable[rows]])
    return Seen([*copies.found, *outliers], copies.remarks), copies.together


def _installed() -> bool:
    try:
        refuse_missing(named("embed-linear"))
    except MissingExtraError:
        return False
    return True


def _saved(table: Table, facts: Facts) -> np.ndarray | None:
    """(N, D) float16, of the readable images, where all were computed before."""
    if not facts.readable.any() or not _installed():
        return None
    try:
        backbone = backbone_for(named("embed-linear"), None)
    except (DataError, MissingExtraError):
        return None
    assert backbone is not None
    found = saved_embeddings(table.select(facts.readable), backbone)
    if found is None:
        return None
    values = np.zeros((len(table), found.shape[1]), np.float16)
    values[facts.readable] = found
    return values
