"""Crops and turned copies, which are candidates by their embeddings and judged by their pixels: FL207 to FL209."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from firstlight.data.auditing.crops import fitting, turned
from firstlight.data.auditing.duplicates import copy_findings, groups_of
from firstlight.data.auditing.facts import Facts
from firstlight.data.auditing.findings import Finding
from firstlight.data.auditing.similarity import FLAT, SHARE
from firstlight.data.table import Table
from firstlight.models.pretrained.heads import unit

NEAREST = 3  # embeddings whose images each one is compared with
MOST = 20_000  # images, of which the nearest embeddings are found in half a minute
# Correlation of 24 x 24 px from which on two images are one picture. Planted crops of 0.7 to 0.95 of the sides have
# 0.986 and above in 95 of 100, and different photos 0.88 at most in ants_bees and 0.976 in sign_digits (docs/log.md).
LEAST = 0.98
ROWS = 512  # embeddings that are compared with all others at a time


class Lookalikes(NamedTuple):
    """Crops and turned copies.

    Attributes:
        found: the findings.
        remarks: what was not checked, a sentence each.
        together: (N,) int64, the same number for images that are copies in any way.
    """

    found: list[Finding]
    remarks: list[str]
    together: np.ndarray


def lookalike_findings(
    table: Table, facts: Facts, embeddings: np.ndarray, together: np.ndarray, *, known: Collection[str] = ()
) -> Lookalikes:
    """Finds images that show a part of another one, or another one turned.

    Each image is compared with those of the nearest embeddings by `fitting` and `turned`. The required correlation is
    the higher of `LEAST` and of what is an eighth of the usual distance between an image and the third nearest.

    Args:
        table: N rows.
        facts: of the same rows.
        embeddings: float16 (N, D); of images that cannot be read anything.
        together: (N,), the same number for images that are known to be copies of each other.
        known: keys that a graver finding names already.
    """
    if int(facts.readable.sum()) > MOST:
        reason = f"Crops and turned copies were not searched: there are more than {MOST:,} images."
        return Lookalikes([], [reason], together)
    _, firsts = np.unique(together, return_index=True)
    rows = np.sort(firsts)
    rows = rows[facts.readable[rows]]
    rows = rows[facts.thumbs[rows].std(axis=(1, 2), dtype=np.float32) >= FLAT]
    if len(rows) < 2:
        return Lookalikes([], [], together)
    near = nearest(embeddings[rows], NEAREST).rows
    places = np.stack([np.arange(len(rows)).repeat(near.shape[1]), near.ravel()], axis=1)
    pairs, back = np.unique(rows[np.sort(places, axis=1)], axis=0, return_inverse=True)
    like = fitting(facts.thumbs, pairs)
    strangers = 1 - float(np.median(like[back.reshape(near.shape)[:, -1]]))
    least = max(LEAST, 1 - SHARE * strangers)
    pairs = pairs[np.maximum(like, turned(facts.thumbs, pairs)) >= least]
    copies = {number: np.flatnonzero(together == number) for number in np.unique(together[pairs]).tolist()}
    groups = [
        np.sort(np.concatenate([copies[number] for number in together[group].tolist()]))
        for group in groups_of(pairs, len(table))
    ]
    found = copy_findings(
        table,
        groups,
        ("FL207", "FL208", "FL209"),
        "the same picture, cropped or turned,",
        known=known,
        similarity=least,
    )
    numbers = together.copy()
    for group in groups:
        numbers[group] = group[0]
    return Lookalikes(found, [], numbers)


class Nearest(NamedTuple):
    """The nearest other embeddings of each of n.

    Attributes:
        rows: (n, k) int64, the nearest first.
        cosines: (n, k) float32.
    """

    rows: np.ndarray
    cosines: np.ndarray


def nearest(embeddings: np.ndarray, count: int) -> Nearest:
    """The nearest other embeddings by cosine, among all.

    Args:
        embeddings: float16 (n, D), n at least 2.
        count: k, or n - 1 where there are fewer others.

    Example:
        >>> nearest(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), 1).rows.ravel()
        array([1, 0, 1])
    """
    directions = unit(embeddings).astype(np.float32)
    k = min(count, len(directions) - 1)
    rows, cosines = np.empty((len(directions), k), np.int64), np.empty((len(directions), k), np.float32)
    for first in range(0, len(directions), ROWS):
        part = np.arange(first, min(first + ROWS, len(directions)))
        similarity = directions[part] @ directions.T
        similarity[np.arange(len(part)), part] = -2
        best = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(similarity, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        rows[part], cosines[part] = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return Nearest(rows, cosines)
