"""`arrange()`: the splits that a climb needs, and the labelled pixels of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.data.decoding.loading import Loading
from firstlight.data.given import table_of
from firstlight.data.pixels import Pixels, load
from firstlight.data.scanning.entries import DENIED
from firstlight.data.splits import rest_to_train
from firstlight.data.splits import split as split_table
from firstlight.data.table import SPLITS, Table
from firstlight.errors import ArgumentError, DataError
from firstlight.progress import Progress
from firstlight.wording import plural, shortlist


def load_for(
    data: Any,
    *,
    split: str,
    seed: int,
    loading: Loading | None = None,
    progress: Progress = None,
) -> Pixels:
    """The labelled pixels of the two splits that a climb needs, scanned, split and loaded where they are not yet.

    Raises:
        ArgumentError: where pixels are passed, which are loaded already, and a loading.
        DataError: where the images cannot be found, split or loaded.
    """
    if isinstance(data, Pixels):
        if loading is not None:
            raise ArgumentError("The pixels are loaded already; pass their table to load them in another way.")
        table = arrange(data.table, split=split, seed=seed)
        _refuse_unlearnable(table, split)
        return replace(data, table=table).select(needed(table, split))
    table = table_of(data)
    _refuse_denied(table, loading)
    table = arrange(table, split=split, seed=seed)
    _refuse_unlearnable(table, split)
    return load(table.select(needed(table, split)), loading=loading, progress=progress)


def arrange(table: Table, *, split: str = "validation", seed: int = 0) -> Table:
    """The table with the splits that measuring on ``split`` needs.

    Args:
        table: with or without splits of its own.
        split: ``"validation"``: set aside from train where the folder has none. ``"test"``: validation
            images count as train, so that all other images are fitted on.
        seed: of the split that is made.

    Returns:
        The same rows; the notes describe the splits.

    Raises:
        ArgumentError: where ``split`` is neither.
        DataError: where a test split is requested and the folder has none.
    """
    if split == "validation":
        return split_table(table, validation=0.2, seed=seed)
    if split != "test":
        raise ArgumentError(
            f"A climb cannot be measured on {split!r}; choose validation, or test for the final measurement."
        )
    table = rest_to_train(table)
    splits = table.splits
    if not (splits == SPLITS.index("test")).any():
        raise DataError(
            f"{table.root} has no test split; put its images into a folder named test, "
            "or make one with firstlight split."
        )
    if not ((splits == SPLITS.index("test")) & (table.labels >= 0)).any():
        raise DataError(
            f"The test images in {table.root} have no labels; measure on validation, or name their classes in a list."
        )
    note = "Measured on test: fitted on train and validation, minus up to 1,000 images held out for monitoring."
    return replace(
        table.with_columns(splits=np.where(splits == SPLITS.index("validation"), SPLITS.index("train"), splits)),
        notes=(*(one for one in table.notes if one != note), note),
    )


def labelled_in(table: Table, split: str) -> int:
    """How many labelled images a split has."""
    return int(np.count_nonzero((table.splits == SPLITS.index(split)) & (table.labels >= 0)))


def needed(table: Table, split: str) -> np.ndarray:
    """(N,) bool: the labelled rows of train and of the split that is measured on."""
    return np.isin(table.splits, [SPLITS.index("train"), SPLITS.index(split)]) & (table.labels >= 0)


def _refuse_denied(table: Table, loading: Loading | None) -> None:
    """Raises where folders could not be read: how many images they hold, nobody knows."""
    if not (count := table.skipped.get(DENIED, 0)) or (loading is not None and loading.allow_unreadable):
        return
    raise DataError(
        f"{plural(count, 'folder')} in {table.root} cannot be read, so an unknown number of images would be missing; "
        "firstlight scan names what cannot be read: change its permission, or continue with --allow-unreadable "
        "(allow_unreadable=True)."
    )


def _refuse_unlearnable(table: Table, split: str) -> None:
    """Raises before anything is decoded where nothing can be learnt, or nothing of it measured."""
    labels, splits = table.labels, table.splits
    train, measured = (np.unique(labels[(splits == SPLITS.index(name)) & (labels >= 0)]) for name in ("train", split))
    remedy = table.remedy or "put the images of each class into a folder of its own"
    if not table.classes:
        raise DataError(f"Neither folders nor a list name the classes of the images in {table.root}; {remedy}.")
    if len(train) < 2:
        names = f" ({table.classes[train[0]]})" if len(train) else ""
        raise DataError(
            f"{table.root} has training images of {plural(len(train), 'class', 'classes')}{names}; telling classes "
            f"apart needs at least two: {remedy}."
        )
    if not len(measured) and (splits == SPLITS.index(split)).any():
        raise DataError(
            f"The classes of the {split} images in {table.root} are not known, so nothing can be measured on them; put "
            "them into folders called as the classes, or list them in a CSV file."
        )
    if len(measured) and not np.intersect1d(train, measured).size:
        names, learnt = (shortlist(table.classes[code] for code in codes) for codes in (measured, train))
        raise DataError(
            f"None of the classes of the {split} images ({names}) is among those of the training images ({learnt}), so "
            f"nothing could be measured; correct the folders of {table.root}, or choose the level of the class folders "
            "by --classes-from (classes_from= in Python)."
        )
