"""Findings about splits that differ from each other: FL106 in their class shares, FL410 in how their images look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from firstlight.data.auditing.facts import Facts, labelled
from firstlight.data.auditing.findings import Finding
from firstlight.data.table import SPLITS, Table

ALPHA = 0.001  # of a test of class shares; of two splits there is one, of three there are three
SURE = 0.0003  # of a test of looks, of which three splits have 18; of clean splits 0.5 % reach it at most
LEAST = 20  # images of a split, below which nothing can be said of it
SHARE = 0.05  # difference of a class's shares that matters
TIMES = 2.0  # or this ratio of them, from `RARE` on
RARE = 0.02
FAR = 0.2  # Kolmogorov and Smirnov's distance that matters: a fifth of the images is moved beyond a threshold
DRAWS = 4000  # of class counts with the same totals, so that the smallest p is 0.00025
SHOWN = 3


def shift_findings(table: Table, facts: Facts) -> list[Finding]:
    """Findings about each pair of splits; none for a table without splits.

    Args:
        table: N rows.
        facts: of the same rows.
    """
    return [*_shares(table, facts), *_looks(table, facts)]


def _pairs(table: Table, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray, str, np.ndarray]]:
    """Each two splits that have enough of these rows: name and rows of the one, and of the other."""
    there = [(name, rows & (table.splits == code)) for code, name in enumerate(SPLITS)]
    enough = [(name, mine) for name, mine in there if mine.sum() >= LEAST]
    for (one, first), (other, second) in combinations(enough, 2):
        yield one, first, other, second


def _shares(table: Table, facts: Facts) -> list[Finding]:
    """FL106: a split has more of a class than another, by more than chance."""
    found: list[tuple[float, str, dict[str, object]]] = []
    concerned: set[int] = set()
    for one, first, other, second in _pairs(table, labelled(table, facts)):
        k = len(table.classes)
        counts = np.stack([np.bincount(table.labels[rows], minlength=k) for rows in (first, second)])  # (2, K)
        both = np.flatnonzero((counts > 0).all(axis=0))  # a class that one of them lacks is FL104
        counts = counts[:, both]
        if len(both) < 2:
            continue
        shares = counts / counts.sum(axis=1, keepdims=True)
        low, high = shares.min(axis=0), shares.max(axis=0)
        matters = (high - low >= SHARE) | ((high >= RARE) & (high >= TIMES * low))
        p = equal_shares(counts, generator=np.random.default_rng(0)) if matters.any() else 1.0
        if p >= ALPHA:
            continue
        concerned |= set(both[matters].tolist())
        widest = int(np.argmax(np.where(matters, high - low, -1)))
        mine, theirs = shares[:, widest]
        text = f"{one} and {other} (such as {table.classes[both[widest]]}, {mine:.0%} and {theirs:.0%})"
        found.append((float(high[widest] - low[widest]), text, {"splits": [one, other], "p": p}))
    if not found:
        return []
    found.sort(key=lambda each: -each[0])
    return [
        Finding(
            "FL106",
            f"Class shares differ between splits: {'; '.join(text for _, text, _ in found)}.",
            len(concerned),
            "Accuracy depends on these shares, so a figure of one split does not hold for the other; read recall by "
            "class, or split again.",
            facts={"pairs": [about | {"largest_difference": size} for size, _, about in found]},
        )
    ]


def _looks(table: Table, facts: Facts) -> list[Finding]:
    """FL410: the images of a split are brighter, sharper, larger ... than another's."""
    widths, heights = facts.widths.astype(float), facts.heights.astype(float)
    statistics = {
        "brightness": facts.brightness,
        "contrast": facts.contrast,
        "color": facts.color,
        "sharpness": facts.sharpness,
        "shorter side in px": np.minimum(widths, heights),
        "aspect ratio": widths / np.maximum(heights, 1),
    }
    found: list[tuple[float, str, dict[str, object]]] = []
    for one, first, other, second in _pairs(table, facts.readable):
        for name, values in statistics.items():
            distance, p = kolmogorov_smirnov(values[first], values[second])
            if distance < FAR or p >= SURE:
                continue
            mine, theirs = (float(np.median(values[rows])) for rows in (first, second))
            text = f"{name} (median {mine:.3g} in {one}, {theirs:.3g} in {other})"
            about = {"splits": [one, other], "statistic": name, "distance": distance, "p": p}
            found.append((distance, text, about))
    if not found:
        return []
    found.sort(key=lambda each: -each[0])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [
        Finding(
            "FL410",
            f"The images of the splits differ in {'; '.join(text for _, text, _ in found[:SHOWN])}{more}.",
            len(found),
            "A figure of one split may not hold for the other, nor for new images; find out whether they come from "
            "other sources, and split again.",
            facts={"differences": [about for _, _, about in found]},
        )
    ]


def equal_shares(counts: np.ndarray, *, generator: np.random.Generator) -> float:
    """How often two samples of one population have class counts that differ as much: chi-squared by random draws.

    Given the totals of both samples and of each class the counts are hypergeometric, so this is exact but for the
    number of draws, also where a class has few images and the chi-squared distribution does not hold.

    Args:
        counts: (2, K) integers.
        generator: of the draws.

    Returns:
        p, 1 / (draws + 1) at least.

    Example:
        >>> draws = np.random.default_rng(0)
        >>> equal_shares(np.array([[60, 40], [20, 80]]), generator=draws) < 0.001
        True
        >>> equal_shares(np.array([[60, 40], [58, 42]]), generator=draws) > 0.5
        True
    """
    totals, size = counts.sum(axis=0), int(counts[0].sum())
    expected = totals * (size / totals.sum())  # (K,)
    drawn = generator.multivariate_hypergeometric(totals, size, size=DRAWS)  # (DRAWS, K)
    # Chi-squared of both rows is this sum of the first one times a constant.
    statistic = ((drawn - expected) ** 2 / expected).sum(axis=1)
    seen = float(((counts[0] - expected) ** 2 / expected).sum())
    return float((1 + np.count_nonzero(statistic >= seen * (1 - 1e-9))) / (DRAWS + 1))


def kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The largest difference of two samples' cumulative distributions, and how often chance makes it as large.

    Kolmogorov's distribution with Stephens's correction for small samples (Stephens 1970, JRSS B 32, 115-122); where
    values are tied, p is too high, so nothing is reported that should not be.

    Args:
        first: (n,).
        second: (m,).

    Returns:
        The distance in [0, 1], and p.

    Example:
        >>> kolmogorov_smirnov(np.arange(50), np.arange(50) + 25.0)[0]
        0.5
    """
    first, second = np.sort(first), np.sort(second)
    every = np.concatenate([first, second])
    below = np.searchsorted(first, every, side="right") / len(first)
    distance = float(np.abs(below - np.searchsorted(second, every, side="right") / len(second)).max())
    n = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    x = (n + 0.12 + 0.11 / n) * distance
    if x < 0.3:  # where the series converges slowly, and p is 1 to five digits
        return distance, 1.0
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101))
    return distance, min(max(p, 0.0), 1.0)
