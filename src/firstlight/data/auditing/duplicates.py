"""Equal and nearly equal images: within a class, across classes and across splits, FL201 to FL206."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firstlight.data.auditing.likeness import like_pairs
from firstlight.data.findings import EXAMPLES, Finding
from firstlight.data.table import SPLITS, Table
from firstlight.errors import MissingExtraError

Groups = list[np.ndarray]
TRAIN = SPLITS.index("train")


def duplicate_findings(
    table: Table, digests: Sequence[str | None], thumbs: np.ndarray, readable: np.ndarray
) -> tuple[list[Finding], list[str]]:
    """Findings about copies.

    Args:
        table: N rows.
        digests: of the files; None where one cannot be read.
        thumbs: uint8 (N, 32, 32), gray.
        readable: (N,) bool.

    Returns:
        The findings, and what was not looked for or how likeness was judged, a sentence each.
    """
    equal = groups_of(_equal_pairs(digests), len(table))
    found = _findings(table, equal, ("FL201", "FL203", "FL205"), "the same, byte for byte", {})
    try:
        likes, remarks = like_pairs(thumbs, readable, table.labels)
    except MissingExtraError as error:
        return found, [f"Nearly equal images were not looked for. {error}"]
    first_of = np.arange(len(table))  # equal files are one image; the first stands for all
    for group in equal:
        first_of[group] = group[0]
    pairs = first_of[likes.pairs]
    kept = pairs[:, 0] != pairs[:, 1]
    near = groups_of(pairs[kept], len(table))
    mirrored = {tuple(sorted(pair)) for pair in pairs[kept & likes.mirrored].tolist()}
    whole = [np.unique(np.concatenate([np.flatnonzero(first_of == row) for row in group])) for group in near]
    facts = {"mirrored_pairs": len(mirrored), "likeness": likes.least}
    found += _findings(table, whole, ("FL202", "FL204", "FL206"), "nearly the same", facts)
    return found, remarks


def _equal_pairs(digests: Sequence[str | None]) -> np.ndarray:
    """(M, 2) rows of equal digests, each with the next."""
    rows = np.array([row for row, one in enumerate(digests) if one is not None], np.int64)
    names = np.array([digests[row] for row in rows])
    order = np.argsort(names, kind="stable")
    same = np.flatnonzero(names[order][1:] == names[order][:-1])
    return np.stack([rows[order[same]], rows[order[same + 1]]], 1) if len(same) else np.zeros((0, 2), np.int64)


def groups_of(pairs: np.ndarray, count: int) -> Groups:
    """Rows that pairs join, directly or by others between them.

    Args:
        pairs: (M, 2) row numbers.
        count: of rows in all.

    Returns:
        The groups of two rows and more, each in order, by their first row.

    Example:
        >>> [group.tolist() for group in groups_of(np.array([[0, 2], [2, 5], [1, 4]]), 6)]
        [[0, 2, 5], [1, 4]]
    """
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, other in pairs.tolist():
        one, two = sorted((root(first), root(other)))
        parent[two] = one
    members: dict[int, list[int]] = {}
    for row in np.unique(pairs).tolist():
        members.setdefault(root(row), []).append(row)
    return [np.array(group) for _, group in sorted(members.items())]


def _findings(
    table: Table, groups: Groups, codes: tuple[str, str, str], what: str, facts: dict[str, float]
) -> list[Finding]:
    """Groups of copies under three codes: across splits, across classes, and neither."""
    splits, labels, keys = table.splits, table.labels, table.keys
    across_splits = [group for group in groups if len(np.unique(splits[group][splits[group] >= 0])) > 1]
    across_classes = [group for group in groups if len(np.unique(labels[group][labels[group] >= 0])) > 1]
    told = {id(group) for group in (*across_splits, *across_classes)}
    inside = [group for group in groups if id(group) not in told]
    found = []

    def add(code: str, chosen: Groups, message: str, advice: str, concerned: tuple[str, ...] = ()) -> None:
        count = len(concerned) or sum(map(len, chosen))
        examples = tuple(tuple(keys[row] for row in group[:6]) for group in chosen[:EXAMPLES])
        found.append(Finding(code, message, count, advice, examples, facts | {"groups": len(chosen)}, concerned))

    if across_splits:
        leaked = tuple(keys[row] for group in across_splits for row in _outside(group, splits))
        names = _named(across_splits, splits)
        message = f"{_images(len(leaked))} of {names} {_are(len(leaked))} {what} as one of another split."
        add(codes[0], across_splits, message, "Scores are too good by them; take them out of one split.", leaked)
    if across_classes:
        n = sum(map(len, across_classes))
        message = f"{_images(n)} in {_many(len(across_classes), 'group')} {_are(n)} {what} and in different classes."
        add(codes[1], across_classes, message, "At most one class of each can be right; look at them.")
    if inside:
        n = sum(map(len, inside)) - len(inside)
        message = f"{_images(n)} {_are(n)} {what} as another one of {'its' if n == 1 else 'their'} class and split."
        advice = "They count more than others; a split made by Firstlight keeps equal files together."
        add(codes[2], inside, message, advice)
    return found


def _outside(group: np.ndarray, splits: np.ndarray) -> list[int]:
    """The rows of a group that leak: those outside train, or where none is in train those but the first split's."""
    there = splits[group]
    base = TRAIN if (there == TRAIN).any() else there[there >= 0].min()
    return [int(row) for row in group[(there >= 0) & (there != base)]]


def _named(groups: Groups, splits: np.ndarray) -> str:
    codes = sorted({int(splits[row]) for group in groups for row in _outside(group, splits)})
    return " and ".join(SPLITS[code] for code in codes)


def _images(count: int) -> str:
    return _many(count, "image")


def _many(count: int, one: str) -> str:
    return f"{count:,} {one}{'s' if count != 1 else ''}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
