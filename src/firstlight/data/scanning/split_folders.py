"""Which folders are splits, by their whole names or by words inside these, and what is below each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from firstlight.data.scanning.folder_names import (
    PLAIN,
    SPLIT_WORDS,
    are_groups,
    beyond,
    is_plain,
    is_split,
    split_in,
    tokens,
    without_split,
)
from firstlight.wording import shortlist

Path = tuple[str, ...]
UNKNOWN = ("unknown", "unlabeled", "unlabelled")  # the only folder of a test split without labels
TRAIN = SPLIT_WORDS["train"]


@dataclass(frozen=True)
class SplitFolders:
    """Where the splits are.

    Attributes:
        split: index into `SPLITS` of each folder that is in one.
        word: the name of the folder that says so.
        inner: the path of each folder of images without the name of its split, and without folders around all
            images of the split.
        aside: folders of images next to the splits whose names are no classes.
        turned: whether the splits are inside the class folders.
        notes: a sentence each.
    """

    split: dict[Path, int]
    word: dict[Path, str]
    inner: dict[Path, Path]
    aside: frozenset[Path]
    turned: bool
    notes: tuple[str, ...]


def find_splits(filled: Collection[Path]) -> SplitFolders:
    """Finds the splits among the folders of images.

    Args:
        filled: the paths of all folders that hold images, from where counting starts.

    Example:
        >>> found = find_splits([("seg_train", "sea"), ("seg_test", "sea"), ("seg_pred",)])
        >>> found.split, sorted(found.aside)
        ({('seg_train', 'sea'): 0, ('seg_test', 'sea'): 2}, [('seg_pred',)])
    """
    tops: dict[str, list[Path]] = {}
    for path in filled:
        if path:
            tops.setdefault(path[0], []).append(path)
    below = {top: _unwrapped(top, paths) for top, paths in tops.items()}
    codes, notes = _tops_that_are_splits({top: _names(shorts.values()) for top, shorts in below.items()})
    inner = {path: path for path in filled}
    if not codes:
        return _splits_further_down(filled, inner, notes)
    split: dict[Path, int] = {}
    word: dict[Path, str] = {}
    known: set[str] = set()
    inner |= _classes_in_names(codes, below)
    for top, code in codes.items():
        inner |= {path: short for path, short in below[top].items() if short}
        known |= _names(below[top].values())
        for path in below[top]:
            split[path], word[path] = code, top
    aside: set[Path] = set()
    others = tops.keys() - codes
    are_classes = bool(known & others) or (not known and len(others) > 1)
    for top in sorted(others):
        if all(any(map(is_split, path[1:])) for path in tops[top]):  # a copy of everything, a folder further down
            for path in tops[top]:
                at = next(at for at, name in enumerate(path) if at and is_split(name))
                split[path], word[path], inner[path] = SPLIT_WORDS[path[at].lower()], path[at], path[at + 1 :]
        elif top not in known and _names(below[top].values()) & known:
            inner |= below[top]
        elif not are_classes:
            aside.update(tops[top])
    if aside:
        names = shortlist(sorted({path[0] for path in aside}))
        notes = [*notes, f"The classes of the images in {names}, next to the splits, are not known."]
    elif without := sorted({path[0] for path in filled if path and path not in split}):
        notes = [
            *notes,
            f"The folder {shortlist(sorted(codes))} is next to {shortlist(without)} and counts as a split by its "
            f"name; the images of {shortlist(without)} have no split of their own."
            if len(codes) == 1
            else f"The images of {shortlist(without)}, next to {shortlist(sorted(codes))}, have no split of their own.",
        ]
    return SplitFolders(split, word, inner, frozenset(aside), False, tuple(notes))


def _classes_in_names(codes: Mapping[str, int], below: Mapping[str, Mapping[Path, Path]]) -> dict[Path, Path]:
    """The paths below flat splits, whose classes are in the same names where these differ: train_cats, test_dogs."""
    names = {top: without_split(top) for top in codes}
    in_names = len(set(names.values()) - {""}) > 1 and not any(_names(below[top].values()) for top in codes)
    return {path: (names[top],) if in_names and names[top] else () for top in codes for path in below[top]}


def _unwrapped(top: str, paths: Iterable[Path]) -> dict[Path, Path]:
    """The paths below a top folder, without folders around everything in it: seg_train/seg_train/sea is sea."""
    short = {path: path[1:] for path in paths}
    while True:
        first = _names(short.values())
        if len(first) != 1 or () in short.values():
            return short
        name = min(first)
        children = _names(each[1:] for each in short.values())
        same = name.lower() in (top.lower(), *UNKNOWN) or is_plain(name)
        holds_images = any(len(each) == 1 for each in short.values())
        if not same and (holds_images or are_groups(children)):
            return short
        if not same and is_split(name):
            return short
        short = {path: each[1:] for path, each in short.items()}


def _names(paths: Iterable[Path]) -> set[str]:
    """The names on the first level."""
    return {path[0] for path in paths if path}


def _tops_that_are_splits(holds: Mapping[str, set[str]]) -> tuple[dict[str, int], list[str]]:
    """The split of each top folder that is one; ``holds`` are the names of the folders in it."""
    codes = {top: SPLIT_WORDS[top.lower()] for top in holds if is_split(top)}
    inside = {top: found for top in holds if top not in codes and (found := split_in(top)) is not None}
    every = {**{top: (code, ()) for top, code in codes.items()}, **inside}
    for top, (code, rest) in inside.items():
        partners = [
            other
            for other, (code_of_other, rest_of_other) in every.items()
            if code_of_other != code
            and TRAIN in (code, code_of_other)
            and (rest == rest_of_other or holds[top] & holds[other])
        ]
        alone = not rest and len(holds[top]) > 1 and not are_groups(holds[top])
        if partners or alone:
            codes[top] = code
    for top in holds.keys() - every.keys():  # rps next to rps-test-set
        named = tuple(token for token in tokens(top) if token not in PLAIN and not token.isdigit())
        tests = [other for other, (_, rest) in inside.items() if rest == named and len(holds[top] & holds[other]) > 1]
        if tests and TRAIN not in {inside[other][0] for other in tests}:
            codes |= {top: TRAIN, **{other: inside[other][0] for other in tests}}
    others = holds.keys() - codes
    if len(codes) == 1 and others:
        (top,) = codes
        # A train is a class in Pascal VOC, COCO and CIFAR-100, and so is valid next to invalid. Folders such as
        # s0 in it, as in its neighbours, are groups of its images.
        flat = not holds[top] and (top.lower() == "train" or (len(others) == 1 and not holds[min(others)]))
        if flat or (holds[top] and are_groups(holds[top]) and any(holds[top] & holds[other] for other in others)):
            return {}, [f"The folder {top} is next to class folders and contains images, so it counts as a class."]
    return codes, []


def _splits_further_down(filled: Collection[Path], inner: dict[Path, Path], notes: list[str]) -> SplitFolders:
    """root/class/split and the like: where every single folder of images is in a split."""
    at = {path: _place_of_split(path) for path in filled}
    found = {path: code for path, place in at.items() if place is not None and (code := _code(path, place)) is not None}
    whole = all(place is not None and is_split(path[place]) for path, place in at.items())
    if not found or len(found) < len(filled) or not (whole or len({TRAIN, *found.values()} & {*found.values()}) > 1):
        return SplitFolders({}, {}, inner, frozenset(), False, tuple(notes))
    places = {path: place for path, place in at.items() if place is not None}
    # Where a/train has class folders, the images directly in a/test are of unknown classes, not of one called a.
    deep = {path[:place] for path, place in places.items() if found[path] == TRAIN and len(path) > place + 1}
    flat = {path for path, place in places.items() if len(path) == place + 1 and path[:place] in deep}
    return SplitFolders(
        split=found,
        word={path: path[place] for path, place in places.items()},
        inner={path: () if path in flat else path[:place] + path[place + 1 :] for path, place in places.items()},
        aside=frozenset(),
        turned=all(places.values()),
        notes=tuple(notes),
    )


def _place_of_split(path: Path) -> int | None:
    return next((at for at in range(len(path)) if _code(path, at) is not None), None)


def _code(path: Path, at: int) -> int | None:
    """The split of a name that says nothing else, or nothing but the name of the folder around it: cat/cat_train."""
    found = split_in(beyond(path[at], path[at - 1]) if at else path[at])
    return found[0] if found is not None and not found[1] else None
