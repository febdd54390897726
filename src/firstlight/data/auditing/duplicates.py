"""Duplicate and near-duplicate images within a class, across classes and across splits: FL201 to FL206."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from firstlight.data.auditing.findings import EXAMPLES, Finding
from firstlight.data.auditing.similarity import similar_pairs
from firstlight.data.table import SPLITS, Table
from firstlight.errors import MissingExtraError
from firstlight.wording import plural

Groups = list[np.ndarray]
TRAIN = SPLITS.index("train")
NEAR = ("FL202", "FL204", "FL206", "FL209")  # codes of similar, not equal, images
SHOWN = 6  # keys of a group that an example names


class Duplicates(NamedTuple):
    """What is known of duplicate images.

    Attributes:
        found: the findings.
        remarks: what was not checked, and how similar two images must be; a sentence each.
        together: (N,) int64, the same number for images that are equal or nearly equal.
    """

    found: list[Finding]
    remarks: list[str]
    together: np.ndarray


def duplicate_findings(
    table: Table, digests: Sequence[str | None], thumbs: np.ndarray, readable: np.ndarray
) -> Duplicates:
    """Findings about duplicate images.

    Args:
        table: N rows.
        digests: of the files; None where one cannot be read.
        thumbs: uint8 (N, 32, 32), gray.
        readable: (N,) bool.
    """
    equal = groups_of(equal_pairs(digests), len(table))
    found = copy_findings(table, equal, ("FL201", "FL203", "FL205"), "the same, byte for byte,")
    once = readable.copy()  # equal files are one image; the first stands for all
    for group in equal:
        once[group[1:]] = False
    try:
        similar, remarks = similar_pairs(thumbs, once, table.labels)
    except MissingExtraError as error:
        return Duplicates(found, [f"Near-duplicate images were not checked. {error}"], numbered(equal, len(table)))
    copies = {int(group[0]): group for group in equal}
    near = groups_of(similar.pairs, len(table))
    whole = [np.sort(np.concatenate([copies.get(row, [row]) for row in group.tolist()])) for group in near]
    codes = similar.pairs @ np.array([len(table), 1])
    only = similar.mirrored & ~np.isin(codes, codes[~similar.mirrored])  # a symmetric image is no mirrored one
    turned = np.bincount(similar.pairs[only].ravel(), minlength=len(table)) > 0
    leaked = {key for one in found if one.code == "FL201" for key in one.keys}
    found += copy_findings(
        table,
        whole,
        ("FL202", "FL204", "FL206"),
        "nearly the same",
        turned=turned,
        known=leaked,
        similarity=similar.least,
    )
    return Duplicates(found, remarks, numbered([*equal, *whole], len(table)))


def numbered(groups: Groups, count: int) -> np.ndarray:
    """(count,) int64: each row's number, and for the rows of a group that of its first; later groups prevail."""
    numbers = np.arange(count)
    for group in groups:
        numbers[group] = group[0]
    return numbers


def equal_pairs(digests: Sequence[str | None]) -> np.ndarray:
    """(M, 2) rows of equal digests, each with the next."""
    rows = np.array([row for row, one in enumerate(digests) if one is not None], np.int64)
    names = np.array([digests[row] for row in rows])
    order = np.argsort(names, kind="stable")
    same = np.flatnonzero(names[order][1:] == names[order][:-1])
    return np.stack([rows[order[same]], rows[order[same + 1]]], 1) if len(same) else np.zeros((0, 2), np.int64)


def groups_of(pairs: np.ndarray, count: int) -> Groups:
    """Groups of rows that pairs connect, directly or through other rows.

    Args:
        pairs: (M, 2) row numbers.
        count: of rows in all.

    Returns:
        The groups of two rows and more, each in order, by their first row.

    Example:
        >>> [group.tolist() for group in groups_of(np.array([[0, 2], [2, 5], [1, 4]]), 6)]
        [[0, 2, 5], [1, 4]]
    """
    lowest = np.arange(count)  # of a row's group, as far as it is known; hooked until no pair joins two groups
    while True:
        first, other = lowest[pairs[:, 0]], lowest[pairs[:, 1]]
        if (first == other).all():
            break
        np.minimum.at(lowest, np.maximum(first, other), np.minimum(first, other))
        while (lowest[lowest] != lowest).any():
            lowest = lowest[lowest]
    rows = np.flatnonzero(np.bincount(pairs.ravel(), minlength=count))
    rows = rows[np.argsort(lowest[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(lowest[rows])) + 1
    return np.split(rows, starts) if len(rows) else []


def copy_findings(
    table: Table,
    groups: Groups,
    codes: tuple[str, str, str],
    what: str,
    *,
    turned: np.ndarray | None = None,
    known: Collection[str] = (),
    **facts: float,
) -> list[Finding]:
    """Groups of copies under three codes: across splits, across classes, and neither.

    ``turned`` (N,) marks the rows with a mirrored copy; ``known`` has the keys that a graver finding names already.
    """
    splits, labels, keys = table.splits, table.labels, table.keys
    leaking = {
        at: [row for row in _outside(group, splits) if keys[row] not in known] for at, group in enumerate(groups)
    }
    across_splits = [group for at, group in enumerate(groups) if leaking[at]]
    across_classes = [group for group in groups if len(np.unique(labels[group][labels[group] >= 0])) > 1]
    named = {id(group) for group in (*across_splits, *across_classes)}
    inside = [group for group in groups if id(group) not in named]
    found = []

    def add(code: str, chosen: Groups, count: int, message: str, advice: str, leaked: tuple[str, ...] = ()) -> None:
        apart = {codes[0]: splits, codes[1]: labels}.get(code, np.zeros(len(keys)))
        shown = (_different_first(group, apart)[:SHOWN] for group in chosen[:EXAMPLES])
        examples = tuple(tuple(keys[row] for row in rows) for rows in shown)
        about = facts | {"groups": len(chosen)}
        mirrored = 0 if turned is None else sum(bool(turned[group].any()) for group in chosen)
        if turned is not None:
            about["mirrored_groups"] = mirrored
        if mirrored:
            message = message.removesuffix(".") + f"; {plural(mirrored, 'group')} with a mirrored copy."
        found.append(Finding(code, message, count, advice, examples, about, leaked))

    if across_splits:
        rows = sorted(row for each in leaking.values() for row in each)
        names = " and ".join(SPLITS[code] for code in sorted(set(splits[rows].tolist())))
        verb = "is" if len(rows) == 1 else "are"
        message = f"{plural(len(rows), 'image')} of {names} {verb} {what} as an image of another split."
        advice = "They inflate the scores; remove them from one of the splits."
        add(codes[0], across_splits, len(rows), message, advice, tuple(keys[row] for row in rows))
    if across_classes:
        n = sum(map(len, across_classes))
        message = (
            f"{plural(n, 'image')} in {plural(len(across_classes), 'group')} are {what} but have different labels."
        )
        add(codes[1], across_classes, n, message, "One picture has two labels; check the images and keep one label.")
    if inside:
        n = sum(map(len, inside)) - len(inside)
        own = "its" if n == 1 else "their"
        message = f"{plural(n, 'image is', 'images are')} {what} as another image of {own} class and split."
        advice = "Each copy counts again in fitting and scoring; firstlight split keeps equal files in one split."
        if codes[2] in NEAR:
            advice = "Each copy counts again, and copies can land in both splits; check them before you split."
        add(codes[2], inside, n, message, advice)
    return found


def _different_first(group: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """The rows of a group, first one of each split or class that ``apart`` (N,) tells, then the others."""
    _, firsts = np.unique(apart[group], return_index=True)
    return np.concatenate([group[np.sort(firsts)], np.delete(group, firsts)])


def _outside(group: np.ndarray, splits: np.ndarray) -> list[int]:
    """The rows of a group that leak: those outside train, or where none is in train those but the first split's."""
    known = group[splits[group] >= 0]
    there = splits[known]
    base = TRAIN if (there == TRAIN).any() else there.min(initial=len(SPLITS))
    return known[there != base].tolist()
