"""Which level of nested folders names the class: `name_classes()`, by rules that a person can check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from firstlight.data.scanning.folder_names import (
    are_dates,
    are_groups,
    are_numbers,
    are_padded,
    are_parts,
    are_versions,
    beyond,
    is_plain,
    name_groups,
)
from firstlight.wording import shortlist

Path = tuple[str, ...]

STRAY = 0.1  # a folder with fewer images than this share of those in its sub-folders holds strays, not a class
MANY = 20  # cases, such as patients, below which numbers may be classes
CASES = 5  # times as many cases as classes
ID = 1_000  # a number from which on it is that of a case, not of a class


def name_classes(counts: Mapping[Path, int], classes_from: str) -> tuple[dict[Path, str], list[str]]:
    """The class of each folder of images.

    A last level that says only that images are inside (cat/images) is dropped, as are parts of a set
    (images_001, images_002). Then, where every class has the form X/Y, in this order:

    1. X holds images itself: X is the class.
    2. X are groups by their names (patient1, 007) or versions (color, grayscale), Y are not: decide below X.
    3. Y are groups by their names (s0, day1, 2024-05-01): X is the class.
    4. X are many or large numbers, Y are few and the same everywhere: decide below X, since X are cases.
    5. Y repeat under several X: X is the class.
    6. Y are names of their own: decide below X.

    Args:
        counts: how many images each folder holds, by its path below the root and its split.
        classes_from: ``"auto"``: by the rules; else the level: ``"top"``, ``"leaf"`` or ``"parent"`` (of the leaf).

    Returns:
        The class by path, ``""`` where the path names none; and how it was decided, a sentence each.

    Example:
        >>> name_classes({("cat", "s0"): 5, ("cat", "s1"): 5, ("dog", "s0"): 5}, "auto")[0]
        {('cat', 's0'): 'cat', ('cat', 's1'): 'cat', ('dog', 's0'): 'dog'}
        >>> name_classes({("animals", "cat"): 5, ("vehicles", "car"): 5}, "auto")[0]
        {('animals', 'cat'): 'cat', ('vehicles', 'car'): 'car'}
    """
    plain = _without_plain_leaf(counts)
    if classes_from != "auto":
        return {path: _at(inner, classes_from) for path, inner in plain.items()}, []
    inner, notes = _without_parts(plain)
    start = inner
    below_top = False
    while True:
        sizes: Counter[Path] = Counter()
        for path, each in inner.items():
            sizes[each] += counts[path]
        if copies := _copies(sizes):
            start = inner = {path: each[1:] if each and each[0] in copies else each for path, each in inner.items()}
            notes.append(
                f"The folders in {shortlist(sorted(copies))} have the names of the class folders next to it, so their "
                "images count as these classes."
            )
            continue
        if not _class_is_below(sizes):
            break
        below_top = True
        inner = {path: each[1:] for path, each in inner.items()}
    names = {path: each[0] if each else "" for path, each in inner.items()}
    notes += _how(start, names, below_top)
    if are_dates(classes := sorted({name for name in names.values() if name})):
        notes.append(
            f"The classes {shortlist(classes)} are called like dates; if they are not what the images show, put the "
            "images of each class into a folder of its own."
        )
    return names, notes


def _without_plain_leaf(counts: Collection[Path]) -> dict[Path, Path]:
    """The paths without a last level that is everywhere images, jpg or the like."""
    inner = {path: path for path in counts}
    while True:
        deep = [each for each in inner.values() if len(each) > 1]
        if not deep or not all(is_plain(each[-1]) for each in deep):
            return inner
        inner = {path: each[:-1] if len(each) > 1 else each for path, each in inner.items()}


def _without_parts(inner: dict[Path, Path]) -> tuple[dict[Path, Path], list[str]]:
    tops = {each[0] for each in inner.values() if each}
    if not are_parts(tops):
        return inner, []
    note = (
        f"The folders {shortlist(sorted(tops))} are parts of one set by their names, so they are not classes; "
        '--classes-from top (classes_from="top") takes them as classes.'
    )
    return {path: each[1:] for path, each in inner.items()}, [note]


def _copies(sizes: Mapping[Path, int]) -> set[str]:
    """Top folders that hold only what is next to them, too: folders of the same names, or of the same paths."""
    own = {each[0] for each in sizes if len(each) == 1}
    tops = {each[0] for each in sizes if len(each) > 1} - own
    others = {each[0] for each in sizes if len(each) > 1 and each[1] not in own and each[1:] not in sizes}
    return tops - others


def _class_is_below(sizes: Mapping[Path, int]) -> bool:
    """Whether the class is named below the first level: the rules of `name_classes`."""
    own, below = Counter[str](), Counter[str]()
    pairs: set[tuple[str, str]] = set()
    for each, count in sizes.items():
        if len(each) == 1:
            own[each[0]] += count
        elif each:
            below[each[0]] += count
            pairs.add((each[0], each[1]))
    if not pairs or any(own[top] >= max(1, STRAY * below[top]) for top in own):
        return False  # 1
    pairs = {(top, beyond(child, top)) for top, child in pairs}
    tops, children = sorted(below), sorted({child for _, child in pairs})
    if len(tops) == 1 and not own:
        return not are_groups(children)
    grouped = are_groups(children)
    if (name_groups(tops) or are_versions(tops) or are_padded(tops)) and not grouped and not are_numbers(children):
        return True  # 2
    if grouped:
        return False  # 3
    under = Counter(child for _, child in pairs)
    many = len(tops) >= max(MANY, CASES * len(children)) or _are_ids(tops)
    if are_numbers(tops) and many and min(under.values()) > len(tops) / 4:
        return True  # 4
    return max(under.values()) == 1 and not are_numbers(children)  # 5, 6


def _are_ids(names: Collection[str]) -> bool:
    """Whether names are numbers that do not count the classes: 10253, 10254; years are none."""
    return all(name.isdigit() and int(name) >= ID for name in names) and not are_dates(names)


def _at(path: Path, classes_from: str) -> str:
    """The name at a level that was chosen."""
    if not path:
        return ""
    return path[0] if classes_from == "top" else path[-1] if classes_from == "leaf" or len(path) == 1 else path[-2]


def _how(start: Mapping[Path, Path], names: Mapping[Path, str], below_top: bool) -> list[str]:
    """How classes of nested folders were decided, and how to choose otherwise."""
    deep = [path for path, each in start.items() if len(each) > 1 and names[path]]
    if not deep:
        return []
    classes = sorted({name for name in names.values() if name})
    example = min(deep)
    shown = "/".join(start[example])
    other = "top" if below_top else "leaf"
    if names[example] != start[example][-1]:
        text = f"sub-folders of a class are groups of its images ({shown} counts as {names[example]})"
    else:
        text = f"the folder around a class is no part of its name ({shown} counts as {names[example]})"
    return [
        f"Classes are {shortlist(classes)}: {text}. If that is wrong, --classes-from {other} "
        f'(classes_from="{other}") takes the {"topmost" if other == "top" else "innermost"} folders as classes.'
    ]
