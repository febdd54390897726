"""What the names of folders say: the split and the class of the images in each of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.data.scanning.folder_names import is_plain, is_split
from firstlight.data.scanning.levels import name_classes
from firstlight.data.scanning.split_folders import find_splits
from firstlight.wording import shortlist

Path = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How the folders of a root were understood.

    Attributes:
        name: such as ``"root/split/class"``; ``"images"`` where no folder names a class.
        base: the folder that was taken as the root, ``""`` nearly always.
        classes: the class names in sorted order.
        labels: (F,) int32, index into ``classes`` for each folder; -1 where it names no class.
        splits: (F,) int8, index into `SPLITS` for each folder; -1 where it names no split.
        kept: (F,) bool, which folders' images belong in the table; False next to class folders.
        notes: what a person should know of it, a sentence each.
    """

    name: str
    base: str
    classes: tuple[str, ...]
    labels: np.ndarray
    splits: np.ndarray
    kept: np.ndarray
    notes: tuple[str, ...]


def understand(
    folders: Sequence[str],
    counts: Sequence[int],
    *,
    lists: Collection[str] = (),
    archive: bool = False,
    classes_from: str = "auto",
) -> Layout:
    """Reads splits and classes off the folders' names.

    A split is a folder called train, test or the like; or one with such a word inside its name, next to another split
    that has the same other words or the same classes. Which of the folders below is the class,
    `firstlight.data.scanning.levels.name_classes` decides.

    Args:
        folders: (F,) every folder below the root, ``""`` the root itself, in any order.
        counts: (F,) how many images lie directly in each.
        lists: the folders that hold something else of use, such as lists of labels.
        archive: whether they come from a zip, where one folder around everything is the custom and no
            part of a class's name.
        classes_from: ``"auto"``, ``"top"``, ``"leaf"`` or ``"parent"``.

    Returns:
        The split and the class of each folder.

    Example:
        >>> found = understand(["", "train", "train/cat", "Valid/cat"], [0, 0, 5, 1])
        >>> found.name, found.classes, found.splits.tolist()
        ('root/split/class', ('cat',), [-1, -1, 0, 1])
    """
    paths = [_path(folder) for folder in folders]
    filled = [path for path, count in zip(paths, counts, strict=True) if count]
    base = _base(filled, archive)
    below = {path[len(base) :]: count for path, count in zip(paths, counts, strict=True) if count}
    found = find_splits(below)
    sizes: dict[Path, int] = {}
    for path in below.keys() - found.aside:
        sizes[found.inner[path]] = sizes.get(found.inner[path], 0) + below[path]
    names, how = name_classes(sizes, classes_from)
    class_of = {(*base, *path): names[found.inner[path]] for path in below if path not in found.aside}
    split_of = {(*base, *path): code for path, code in found.split.items()}
    classes = tuple(sorted({name for name in class_of.values() if name}))
    code = {name: at for at, name in enumerate(classes)}
    parents = {path[:at] for path in filled if class_of.get(path) for at in range(len(path))}
    # The images of a split that has no class folder at all stay, with their class unknown.
    kept = [not (class_of.get(path) == "" and path in parents) for path in paths]

    notes = [*found.notes]
    if len(base) > archive:
        notes.append(f"The folder {'/'.join(base)} holds everything, so it was taken as the root.")
    words = {(), *((word,) for word in found.word.values())}
    spoken_of = {(*base, *word, *_path(name)) for name in classes for word in words}
    notes += how
    notes += _about_empty_folders(set(paths) - spoken_of, filled, {_path(folder) for folder in lists})
    notes += _about_similar_names(classes)
    return Layout(
        _name({path in split_of for path in filled if class_of.get(path)}, found.turned, bool(split_of)),
        "/".join(base),
        classes,
        np.array([code.get(class_of.get(path, ""), -1) for path in paths], np.int32),
        np.array([split_of.get(path, -1) for path in paths], np.int8),
        np.array(kept, bool),
        tuple(notes),
    )


def _path(folder: str) -> Path:
    return tuple(folder.split("/")) if folder else ()


def _base(filled: list[Path], archive: bool) -> Path:
    """The folder to count from: below the root where everything is in one folder that is no class."""
    base: Path = ()
    while True:
        below = [path[len(base) :] for path in filled]
        tops = {path[0] for path in below if path}
        if () in below or len(tops) != 1 or is_split(top := min(tops)):
            return base
        if (top,) in below and not (is_plain(top) or (archive and not base)):
            return base  # it holds images itself: the only class
        base = (*base, top)


def _name(split_of_classes: set[bool], turned: bool, any_split: bool) -> str:
    """What the layout is called, by whether the class folders stand in splits (some may, some may not)."""
    if not split_of_classes:
        return "root/split" if any_split else "images"
    if turned:
        return "root/class/split"
    return " and ".join("root/split/class" if split else "root/class" for split in sorted(split_of_classes))


def _about_empty_folders(paths: Iterable[Path], filled: list[Path], lists: Iterable[Path]) -> list[str]:
    used = {path[:at] for path in (*filled, *lists) for at in range(len(path) + 1)}
    empty = sorted("/".join(path) for path in paths if path not in used and path[:-1] in used)
    if not empty:
        return []
    if len(empty) == 1:
        return [f"The folder {empty[0]} contains no images, so it is not a class."]
    return [f"{len(empty):,} folders hold no images, so they are no classes: {shortlist(empty)}."]


def _about_similar_names(classes: Sequence[str]) -> list[str]:
    notes = []
    first: dict[str, str] = {}
    for name in classes:
        plain = unicodedata.normalize("NFC", name)
        other = first.setdefault(unicodedata.normalize("NFC", plain.casefold()), name)
        if other == name:
            continue
        same = plain == unicodedata.normalize("NFC", other)
        how = "look alike but are spelt with different Unicode characters" if same else "differ only in letter case"
        notes.append(f"The classes {other} and {name} {how}; they count as two, so rename one if they are the same.")
    return notes
