"""Masks next to images, as segmentation sets have them: known by their names, and never images of a class."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import booleans, to_numpy
from firstlight.data.scanning.entries import MASK, Entries
from firstlight.data.scanning.folder_names import MASK_WORDS, PLAIN, is_mask_folder, is_plain, is_split, tokens

SUFFIX = r"(?i)[-_. ]+(masks?|seg|segmentation|gt|ground[_ ]?truth|labelids|labels?|matte|l)"
PAIRED = 0.9  # share of the masks in a folder that must belong to an image
HALF = 0.5  # share of the images that must have a mask, where both are in one folder


def without_masks(entries: Entries) -> Entries:
    """The entries without masks, which are counted among the skipped.

    A folder holds masks where its name says so (masks, SegmentationClass, train_labels), a folder next to it holds
    images (images, JPEGImages, train), and their files have the same names. In one folder, 1_mask.png is a mask
    where 1.png is there too.
    """
    is_mask = _in_folders(entries) | _in_files(entries.keys)
    if not is_mask.any():
        return entries
    count = int(np.count_nonzero(is_mask))
    return replace(
        entries,
        keys=entries.keys.filter(booleans(~is_mask)),
        sizes=entries.sizes[~is_mask],
        modified=entries.modified[~is_mask],
        folder_of=entries.folder_of[~is_mask],
        skipped=entries.skipped + Counter({MASK: count}),
    )


def _in_folders(entries: Entries) -> np.ndarray:
    """(N,) bool: the images in folders of masks."""
    filled = [path.split("/") for path, count in zip(entries.folders, entries.counts.tolist(), strict=True) if count]
    places = {"/".join(path[: at + 1]) for path in filled for at, name in enumerate(path) if is_mask_folder(name)}
    is_mask = np.zeros(len(entries), bool)
    if not places:
        return is_mask
    children: dict[str, set[str]] = {}
    for path in filled:
        for at, name in enumerate(path):
            children.setdefault("/".join(path[:at]), set()).add(name)
    stems = pc.replace_substring_regex(entries.keys, r"^.*/|\.[^./]*$", "")
    cut = pc.replace_substring_regex(stems, rf"{SUFFIX}([-_ ]?\d+)?$", "")
    for place in sorted(places):
        parent, _, name = place.rpartition("/")
        near = {other for other in children[parent] if not is_mask_folder(other)}
        paired = {other for other in near if _belongs(name, other)}
        inside = _below(entries, [place])
        if set(tokens(name)) <= {"mask", "masks"} and any(map(is_plain, paired)):
            is_mask |= inside  # one mask for each object, called as the object is
            continue
        theirs = stems.filter(booleans(_below(entries, [_joined(parent, other) for other in paired or near])))
        mine, short = stems.filter(booleans(inside)), cut.filter(booleans(inside))
        known = pc.is_in(short, theirs)
        # Where no folder is called like that of the images, the files must be: 1_mask in one folder, 1 in another.
        if paired:
            known = pc.or_(pc.or_(known, pc.is_in(mine, theirs)), pc.is_in(_bare(mine), _bare(theirs)))
        else:
            known = pc.and_(known, pc.not_equal(mine, short))
        if np.mean(to_numpy(known)) >= PAIRED:
            is_mask |= inside
    return is_mask


def _bare(stems: pa.StringArray) -> pa.StringArray:
    """Names without the words they end with: aachen_19_gtFine_color and aachen_19_leftImg8bit are the same image."""
    return pc.replace_substring_regex(stems, r"([-_. ]+[A-Za-z][^-_. ]*)+$", "")


def _belongs(masks: str, images: str) -> bool:
    """Whether two folders are called like masks and their images: masks and images, train_masks and train."""
    rest = set(tokens(masks)) - MASK_WORDS - PLAIN
    return is_plain(images) or is_split(images) or rest == set(tokens(images)) - PLAIN


def _joined(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name


def _below(entries: Entries, folders: list[str]) -> np.ndarray:
    """(N,) bool: the images in some folders, and in the folders in them."""
    starts = tuple(f"{folder}/" for folder in folders)
    return np.array([f"{path}/".startswith(starts) for path in entries.folders], bool)[entries.folder_of]


def _in_files(keys: pa.StringArray) -> np.ndarray:
    """(N,) bool: the masks next to their images in the same folder."""
    is_mask = np.zeros(len(keys), bool)
    pattern = rf"{SUFFIX}([-_ ]?\d+)?\.[^./]*$"
    called = to_numpy(pc.match_substring_regex(keys, pattern))
    if not called.any():
        return is_mask
    images = pc.replace_substring_regex(keys.filter(booleans(~called)), r"\.[^./]*$", "")
    bases = pc.replace_substring_regex(keys.filter(booleans(called)), pattern, "")
    paired = pc.is_in(bases, images)
    if pc.count_distinct(bases.filter(paired)).as_py() >= HALF * len(images) and len(images):
        is_mask[called] = to_numpy(paired)
    return is_mask
