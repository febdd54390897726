"""Which row of a list belongs to which image: by the whole name, then by the longest end that both share."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import numbers, strings, to_numpy
from firstlight.data.scanning.entries import IMAGES
from firstlight.data.scanning.lists import LabelList, split_codes

AMBIGUOUS = -2


@dataclass(frozen=True)
class Match:
    """Which row of a list belongs to which image.

    Attributes:
        rows: (N,) int64, the list's row of each image; -1 where the list does not name it.
        missing: (M,) bool, which rows of the list name no image that is there.
        contradicted: (M,) bool, which rows give an image another label than an earlier row.
        ambiguous: (M,) bool, which rows name more than one image.
        renamed: whether the images have other extensions than the list says.
    """

    rows: np.ndarray
    missing: np.ndarray
    contradicted: np.ndarray
    ambiguous: np.ndarray
    renamed: bool = False

    @property
    def found(self) -> np.ndarray:
        """(M,) bool, which rows name an image that is there."""
        return ~(self.missing | self.ambiguous)


def match(lists: Sequence[LabelList], keys: pa.StringArray, splits: np.ndarray | None = None) -> Match:
    """Finds the images that lists name.

    A name is compared as it is written, then with its slashes, Unicode form and extension made equal, then in any
    letter case, then with an image of any extension where it has none. Where no name of a list is a whole key, those
    parts count in which the ends of both agree: ``/data/cat/1.png`` is ``images/cat/1.png`` if no other key, and no
    other name of the list, ends in ``cat/1.png``.

    Args:
        lists: one or more; their rows are counted through.
        keys: (N,) the images' keys.
        splits: (N,) the split of each image's folder, as an index into `SPLITS`, -1 without one. A name that several
            images share, or that is not found, is searched among those of the split that its row gives.

    Returns:
        The row of each image; of several rows that name one image the first.

    Example:
        >>> two = strings(["cat", "dog"])
        >>> listed = LabelList("l.csv", strings(["/x/cat/1.JPG", "/x/dog/1.JPG"]), two, two)
        >>> match([listed], strings(["dog/1.jpeg", "cat/1.jpeg"])).rows.tolist()
        [1, 0]
    """
    places, renamed = zip(*(_places(each.names, keys) for each in lists), strict=True)
    if splits is not None:
        for at, each in zip(places, lists, strict=True):
            _fill_by_split(at, each, keys, splits)
    at, labels = np.concatenate(places), pa.concat_arrays([each.labels for each in lists])
    rows = np.full(len(keys), -1, np.int64)
    named = np.flatnonzero(at >= 0)
    rows[at[named][::-1]] = named[::-1]  # written last, the first row stays
    contradicted = np.zeros(len(at), bool)
    if len(named) > np.count_nonzero(rows >= 0):
        codes = to_numpy(labels.dictionary_encode())
        contradicted[named] = codes[named] != codes[rows[at[named]]]
    return Match(rows, at == -1, contradicted, at == AMBIGUOUS, any(renamed))


def _places(names: pa.StringArray, keys: pa.StringArray) -> tuple[np.ndarray, bool]:
    """The key (M,) that each name of one list means; whether their extensions differ."""
    at = to_numpy(pc.index_in(names, keys)).astype(np.int64)
    for form in (_plain, _caseless, _stem):
        if (at == -1).any():
            _fill(at, names, keys, form)
    if not len(at) or (at != -1).any():
        return at, False
    plain = _caseless(names)
    at = _by_end(plain, _caseless(keys) if pc.any(_has_extension(plain)).as_py() else _stem(keys))
    if (at != -1).any():
        return at, False
    at = _by_end(_stem(names), _stem(keys))
    return at, bool((at >= 0).any())


def _fill_by_split(at: np.ndarray, found: LabelList, keys: pa.StringArray, splits: np.ndarray) -> None:
    """Finds rows among the images of their own split, in place: train.csv names images in train."""
    codes = split_codes(found.splits)
    for code in np.unique(codes[(at < 0) & (codes >= 0)]):
        rows, there = np.flatnonzero((at < 0) & (codes == code)), np.flatnonzero(splits == code)
        if len(there):
            mine, _ = _places(found.names.take(numbers(rows)), keys.take(numbers(there)))
            at[rows] = np.where(mine >= 0, np.append(there, -1)[mine], at[rows])


def _fill(
    at: np.ndarray, names: pa.StringArray, keys: pa.StringArray, form: Callable[[pa.StringArray], pa.StringArray]
) -> None:
    """Finds the rows that no earlier form found, in place."""
    left = np.flatnonzero(at == -1)
    key_forms = form(keys)
    # A name that has an extension is not that of an image with another one.
    name_forms = _caseless(names) if form is _stem else form(names)
    found = to_numpy(pc.index_in(name_forms, key_forms))[left]
    codes = to_numpy(key_forms.dictionary_encode())
    several = np.append(np.bincount(codes)[codes] > 1, False) if len(codes) else np.zeros(1, bool)
    at[left] = np.where(found < 0, -1, np.where(several[found], AMBIGUOUS, found))


def resolved(names: pa.StringArray) -> list[str]:
    """Names as paths of this system: no blanks around, no ``file://``, slashes."""
    return [_path(name) for name in _slashed(names).to_pylist()]


def _slashed(names: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring(pc.utf8_trim_whitespace(names), "\\", "/")


def _plain(names: pa.StringArray) -> pa.StringArray:
    """One way of writing a path: forward slashes, no ``./``, no ``file://``, composed letters."""
    names = _slashed(names)
    if pc.any(pc.match_substring_regex(names, r"^(?i:file):|(^|/)\.\./")).as_py():
        names = strings(map(_path, names.to_pylist()))
    names = pc.replace_substring_regex(names, r"(^|/)(\.?/)+", r"\1")
    return pc.utf8_normalize(names, "NFC")


def _path(name: str) -> str:
    if name[:5].lower() == "file:":
        name = re.sub(r"^/*(?=/|[A-Za-z]:/)", "", unquote(name[5:]).removeprefix("//localhost"))
    return posixpath.normpath(name) if "../" in name else name


def _caseless(names: pa.StringArray) -> pa.StringArray:
    """The same in lower case, and one extension for each format that has several."""
    names = pc.replace_substring_regex(pc.utf8_lower(_plain(names)), r"\.(jpeg|jpe|jfif)$", ".jpg")
    return pc.replace_substring_regex(names, r"\.tiff$", ".tif")


def _stem(names: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(_caseless(names), r"\.[^./]*$", "")


def _has_extension(names: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(names, rf"({'|'.join(map(re.escape, sorted(IMAGES)))})$")


def _by_end(names: pa.StringArray, keys: pa.StringArray) -> np.ndarray:
    """The key (M,) whose last parts agree with those of the name in most places; -1 without one, -2 with several.

    Paths are turned around and sorted, so that those with the same end are neighbours.
    """
    turned = list(map(_turned, keys.to_pylist()))
    order = sorted(range(len(turned)), key=turned.__getitem__)
    there = [turned[at] for at in order]
    wanted = list(map(_turned, names.to_pylist()))
    listed = sorted(set(wanted))
    known: dict[str, int] = {}
    for name in listed:
        place = bisect_left(there, name)
        common = max((_shared(name, key) for key in there[max(0, place - 1) : place + 1]), key=len, default="")
        if not common or _several(listed, common):
            known[name] = -1
        else:
            known[name] = AMBIGUOUS if _several(there, common) else order[bisect_left(there, common)]
    return np.array([known[name] for name in wanted], np.int64)


def _turned(path: str) -> str:
    """``"cat/1.png"`` as ``"1.png/cat/"``."""
    return "/".join(reversed(path.strip("/").split("/"))) + "/"


def _shared(one: str, other: str) -> str:
    """The first parts of two turned paths, as far as they are equal."""
    length = 0
    for part, its in zip(one.split("/"), other.split("/"), strict=False):
        if part != its or not part:
            break
        length += len(part) + 1
    return one[:length]


def _several(paths: list[str], beginning: str) -> bool:
    """Whether more than one of these sorted paths begins so."""
    second = bisect_left(paths, beginning) + 1
    return second < len(paths) and paths[second].startswith(beginning)
