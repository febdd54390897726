"""`split()`: the train, validation and test splits, by class and seed; equal images stay together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from numbers import Real
from typing import Any, cast

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import booleans, strings, to_numpy
from firstlight.data import files
from firstlight.data.decoding.threads import cores, in_order, keys_of, median_bytes, spans
from firstlight.data.given import table_of
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError
from firstlight.seeds import seed_of
from firstlight.wording import plural, shortlist

TRAIN, VALIDATION, TEST = range(len(SPLITS))

# Below this many bytes a file is read and hashed so fast that handing it to a thread costs more.
WORTH_A_THREAD = 64 << 10
SPAN_BYTES = 4 << 20  # what a thread takes on at once


def split(table: Any, *, validation: float = 0.2, test: float = 0.0, seed: int = 0) -> Table:
    """Gives each labelled image a split where the folder has none of its own.

    The side of an image is decided by a hash of the seed and of the file's bytes, not by its place in a list:
    equal files are always on one side, and files that are added later leave the others where they are. Each class
    has the shares ``validation`` and ``test`` to within a third, or one image: where chance gives a small class
    more or less, the images whose hashes are nearest to the border change sides; they are the only ones that files
    added later may move. A class of two or more different images has at least one in train and one in validation
    (with three or more also one in test, if a share for it was requested).

    What a table with splits of its own lacks comes out of train: validation, and test where a share for it was asked
    for; the splits that it has stay. Beside a split of its own, images without one are for train.

    Args:
        table: what `scan` found; or a folder, or anything else that `scan` takes.
        validation: the share for choosing, in [0, 1).
        test: the share for the last look, in [0, 1); both together below 1.
        seed: another seed gives another split.

    Returns:
        The table with ``split`` and ``digest`` filled in for the images that were dealt out. A file that
        could not be read has its ``problem``, and is in train where it had no split. ``notes`` say what was done.

    Raises:
        ArgumentError: where the shares or the seed are not such numbers.
        DataError: where the folder has validation or test, but no train.

    Example:
        >>> import numpy as np
        >>> table = Table.build(
        ...     "photos",
        ...     ["a.png", "b.png", "c.png"],
        ...     classes=("cat",),
        ...     labels=np.zeros(3, np.int32),
        ...     splits=np.full(3, -1, np.int8),
        ...     columns={"digest": ["0a", "0b", "0a"]},
        ... )
        >>> split(table, validation=0.5).counts()
        {'train': {'cat': ...}, 'validation': {'cat': ...}}
    """
    _check(validation, test)
    validation, test, seed = float(validation), float(test), seed_of(seed)
    table = rest_to_train(table_of(table))
    labels, codes = table.labels, table.splits
    own = [name for code, name in enumerate(SPLITS) if ((codes == code) & (labels >= 0)).any()]
    if "train" in own and "validation" in own and ("test" in own or not test):
        if (validation, test) == (0.2, 0.0):
            return table
        return _noted(table, [f"The folder's own split ({', '.join(own)}) is used, not the shares."])
    if own and "train" not in own:
        raise DataError(
            f"{table.root} has images for {' and '.join(own)}, but none for train; add a folder train next to them, "
            "or put the class folders there."
        )
    notes = []
    if "test" in own:
        if test:
            notes.append(f"The folder's own test split is used, not the share test={test}.")
        test = 0.0
    if "validation" in own:
        validation = 0.0
    pool = (labels >= 0) & (codes == (TRAIN if own else -1))
    fixed = (labels >= 0) & (codes == VALIDATION)
    table = _with_digests(table, pool | (codes == TEST) | fixed)
    unread = pool & to_numpy(pc.is_null(table.rows["digest"]))
    if unread.any():
        notes.append(
            f"{plural(int(unread.sum()), 'image')} could not be read, so {'they' if unread.sum() > 1 else 'it'} "
            "cannot be dealt out; loading counts such images as unreadable ones of train."
        )
        pool &= ~unread

    groups, digests = _groups(table)
    pool &= ~np.isin(groups, groups[fixed & (groups >= 0)])  # their copies stay in train
    rows = np.flatnonzero(pool)
    hashes = _hashes(digests, groups[rows], seed)
    new = np.where(unread, TRAIN, codes)
    new[rows], alone = _deal(groups[rows], hashes, labels[rows], validation, test)

    leaks = pool & np.isin(groups, groups[(codes == TEST) & (groups >= 0)])
    if leaks.any():
        notes.append(
            f"{plural(int(leaks.sum()), 'image')} of train are equal to an image of test; test is not changed."
        )
    notes += _notes_on(table, groups, rows, alone)
    shares = {"validation": validation, "test": test}
    shares = {name: share for name, share in shares.items() if share or (name == "validation" and name not in own)}
    of = "train images" if own else "images"
    aside = " and ".join(f"about {share:.0%} of the {of} for {name}" for name, share in shares.items())
    head = f"Set aside{'' if own else ', since no split was given'}, by a hash of each file (seed {seed})"
    notes.append(f"{head}: {aside}.")
    return _noted(table.with_columns(splits=new), notes)


def rest_to_train(table: Table) -> Table:
    """The labelled images without a split as train, where there is a split of the folder's own, and none is train."""
    codes = table.splits
    rest = (codes < 0) & (table.labels >= 0)
    if not rest.any() or (codes == TRAIN).any() or (codes < 0).all():
        return table
    note = f"{plural(int(rest.sum()), 'image')} next to the folder's own split are used for train."
    return _noted(table.with_columns(splits=np.where(rest, TRAIN, codes)), [note])


def _check(validation: float, test: float) -> None:
    for name, share in (("validation", validation), ("test", test)):
        if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= share < 1:
            raise ArgumentError(f"{name}={share!r} is not a share; it must be at least 0 and below 1, such as 0.2.")
    if validation + test >= 1 or math.isnan(validation + test):
        raise ArgumentError(
            f"validation={validation} and test={test} leave no images for train; their sum must be below 1."
        )


def _deal(
    groups: np.ndarray, hashes: np.ndarray, labels: np.ndarray, validation: float, test: float
) -> tuple[np.ndarray, list[int]]:
    """The splits of the rows (N,), and the classes that have one image only.

    ``groups`` (N,) says which rows are the same image, and ``hashes`` (N,) in [0, 1) where each group falls.
    An image that occurs under several classes counts for the first of them.
    """
    order = np.lexsort((labels, groups))
    first = order[np.r_[True, np.diff(groups[order]) != 0]] if len(order) else order  # one row for each group
    dealt = np.zeros(int(groups.max(initial=-1)) + 1, np.int8)
    alone = []
    for label in np.unique(labels[first]):
        mine = first[labels[first] == label]
        mine = mine[np.lexsort((groups[mine], hashes[mine]))]
        count = len(mine)
        if count == 1:
            alone.append(int(label))
            continue  # dealt says train
        below, both = np.searchsorted(hashes[mine], (validation, validation + test)).tolist()
        for_test = 1 if test and count >= 3 else 0
        chosen = min(max(_near(below, validation * count), 1 if validation else 0), count - 1 - for_test)
        tested = min(chosen + max(_near(both - below, test * count), for_test), count - 1)
        dealt[groups[mine[:chosen]]] = VALIDATION
        dealt[groups[mine[chosen:tested]]] = TEST
    return dealt[groups], alone


def _near(drawn: int, expected: float) -> int:
    """How many images of a class: as drawn by their hashes, but within a third of what is expected, or one image."""
    slack = max(1.0, expected / 3)
    return min(max(drawn, math.ceil(expected - slack)), math.floor(expected + slack))


def _hashes(digests: list[str], wanted: np.ndarray, seed: int) -> np.ndarray:
    """For each of the wanted groups (N,) a number in [0, 1) that depends on the seed and the bytes alone."""
    salt = f"{seed} ".encode()
    found = np.zeros(len(digests), np.uint64)
    for group in np.unique(wanted).tolist():
        mixed = hashlib.blake2b(salt + digests[group].encode(), digest_size=8).digest()
        found[group] = int.from_bytes(mixed, "big")
    numbers: np.ndarray = (found[wanted] >> np.uint64(11)) / 2.0**53  # what a double holds, so below 1
    return numbers


def _groups(table: Table) -> tuple[np.ndarray, list[str]]:
    """(N,) the number of each row's digest, -1 where there is none; and the digests in that order."""
    coded = table.rows["digest"].combine_chunks().dictionary_encode()
    return to_numpy(coded), cast("list[str]", coded.dictionary.to_pylist())


def _with_digests(table: Table, wanted: np.ndarray) -> Table:
    """The table with ``digest`` filled where it was null, or ``problem`` where the file cannot be read."""
    missing = to_numpy(pc.is_null(table.rows["digest"])) & to_numpy(pc.is_null(table.rows["problem"]))
    missing &= wanted
    if not missing.any():
        return table
    some = table.select(missing)
    read = files.reader(some)

    def look(span: range) -> list[tuple[str | None, str | None]]:
        return [_digest(read, key) for key in keys_of(some, span)]

    size = median_bytes(some)
    threads = cores() if size >= WORTH_A_THREAD else 1
    found = list(chain.from_iterable(in_order(look, spans(len(some), SPAN_BYTES // max(size, 1)), threads)))
    columns = {}
    for name, values in zip(("digest", "problem"), zip(*found, strict=True), strict=True):
        column = table.rows[name].combine_chunks()
        columns[name] = pc.replace_with_mask(column, booleans(missing), strings(values))
    return table.with_columns(**columns)


def _digest(read: files.Read, key: str) -> tuple[str | None, str | None]:
    """The digest of a file, or the reason why it cannot be read."""
    try:
        return files.digest(read(key)), None
    except FileNotFoundError:
        return None, "no longer there"
    except OSError as error:
        return None, f"cannot be read ({error.strerror or error})"


def _notes_on(table: Table, groups: np.ndarray, rows: np.ndarray, alone: list[int]) -> list[str]:
    """Notes on images with several labels, and on classes of one image."""
    notes = []
    pairs = np.unique(np.stack([groups[rows], table.labels[rows]]), axis=1)
    several = np.flatnonzero(np.bincount(pairs[0]) > 1)
    if len(several):
        same = np.isin(groups, several[0]) & np.isin(np.arange(len(groups)), rows)
        copies = table.select(same)
        _, firsts = np.unique(copies.labels, return_index=True)  # one of each class
        names = shortlist([copies.keys[first] for first in firsts.tolist()])
        notes.append(
            f"{plural(len(several), 'image occurs', 'images occur')} under more than one class (such as {names}); "
            "equal files go to one split."
        )
    if alone:
        classes = "This class has" if len(alone) == 1 else "These classes have"
        each = "" if len(alone) == 1 else " each"
        named = shortlist([table.classes[label] for label in alone], 10)
        notes.append(f"{classes} one image{each}, which is in train: {named}.")
    return notes


def _noted(table: Table, notes: Iterable[str]) -> Table:
    return replace(table, notes=(*table.notes, *notes))
