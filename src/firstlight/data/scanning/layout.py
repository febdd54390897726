"""What the names of folders say: the split and the class of the images in each of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.wording import shortlist

# Whole folder names in any letter case, and the place of their split in SPLITS.
SPLIT_WORDS = {
    "train": 0,
    "training": 0,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
    "eval": 2,
}

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
) -> Layout:
    """Reads splits and classes off the folders' names.

    A class is the whole path of the folder that holds the images, below the root or below its split.

    Args:
        folders: (F,) every folder below the root, ``""`` the root itself, in any order.
        counts: (F,) how many images lie directly in each.
        lists: the folders that hold lists of labels.
        archive: whether they come from a zip, where one folder around everything is the custom and no
            part of a class's name.

    Returns:
        The split and the class of each folder.

    Example:
        >>> found = understand(["", "train", "train/cat", "Valid/cat"], [0, 0, 5, 1])
        >>> found.name, found.classes, found.splits.tolist()
        ('root/split/class', ('cat',), [-1, -1, 0, 1])
    """
    paths = [_path(folder) for folder in folders]
    filled = [path for path, count in zip(paths, counts, strict=True) if count]
    lists_in = {_path(folder) for folder in lists}
    base = _base(filled, archive)
    below = {path: path[len(base) :] for path in filled}
    words, notes = _split_folders(list(below.values()))
    # root/class/split: only where every single folder says so
    turned = not words and all(len(path) > 1 and _is_split(path[-1]) for path in below.values())

    word_of: dict[Path, str] = {}
    class_of: dict[Path, str] = {}
    for path, inner in below.items():
        if turned:
            word_of[path], class_of[path] = inner[-1], "/".join(inner[:-1])
        elif inner and inner[0] in words:
            word_of[path], class_of[path] = inner[0], "/".join(inner[1:])
        else:
            class_of[path] = "/".join(inner)
    classes = tuple(sorted({name for name in class_of.values() if name}))
    code = {name: at for at, name in enumerate(classes)}
    parents = {path[:at] for path in filled if class_of[path] for at in range(len(path))}
    # The images of a split that has no class folder at all stay, with their class unknown.
    kept = [not (path in class_of and class_of[path] == "" and path in parents) for path in paths]

    if len(base) > archive:
        notes.append(f"The folder {'/'.join(base)} holds everything, so it was taken as the root.")
    spoken_of = {(*base, *word, *_path(name)) for name in classes for word in [(), *((each,) for each in words)]}
    notes += _about_empty_folders(set(paths) - spoken_of, filled, lists_in)
    notes += _about_nested_classes(classes)
    notes += _about_similar_names(classes)
    return Layout(
        _name(set(map(bool, (word_of.get(path) for path in filled if class_of[path]))), turned, bool(word_of)),
        "/".join(base),
        classes,
        np.array([code.get(class_of.get(path, ""), -1) for path in paths], np.int32),
        np.array([SPLIT_WORDS[word_of[path].lower()] if path in word_of else -1 for path in paths], np.int8),
        np.array(kept, bool),
        tuple(notes),
    )


def _path(folder: str) -> Path:
    return tuple(folder.split("/")) if folder else ()


def _is_split(name: str) -> bool:
    return name.lower() in SPLIT_WORDS


def _base(filled: list[Path], archive: bool) -> Path:
    """The folder to count from: below the root where everything is in one folder that is no class."""
    base: Path = ()
    while True:
        below = [path[len(base) :] for path in filled]
        tops = {path[0] for path in below if path}
        if () in below or len(tops) != 1 or _is_split(top := min(tops)):
            return base
        children = {path[1] for path in below if len(path) > 1}
        if not (archive and not base) and not any(map(_is_split, children)):
            return base
        base = (*base, top)


def _split_folders(below: list[Path]) -> tuple[set[str], list[str]]:
    """The topmost folders that are splits, and a note where class folders are next to them."""
    tops = {path[0] for path in below if path}
    words = set(filter(_is_split, tops))
    others = sorted(tops - words)
    if not words or not others:
        return words, []
    if (
        len(words) == 1
        and (word := min(words)).lower() == "train"
        and {p for p in below if p[:1] == (word,)} == {(word,)}
    ):
        # A train is a class in Pascal VOC, COCO and CIFAR-100; no other split's word is the name of a thing.
        return set(), [f"The folder {word} is next to class folders and contains images, so it counts as a class."]
    neighbours = shortlist(others)
    return words, [
        f"The folder {shortlist(sorted(words))} is next to {neighbours} and counts as a split by its name; "
        f"the images of {neighbours} have no split of their own."
    ]


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


def _about_nested_classes(classes: Sequence[str]) -> list[str]:
    names = set(classes)
    for name in classes:
        parts = name.split("/")
        for at in range(1, len(parts)):
            if (outer := "/".join(parts[:at])) in names:
                return [f"The folder {outer} holds images and folders of images such as {name}; each is a class."]
    return []


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
