"""What would give images without classes their classes: the end of the sentence that says they have none."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from firstlight.data.scanning.entries import IMAGES, MASK, Entries
from firstlight.data.scanning.file_names import proposed
from firstlight.data.scanning.folder_names import is_mask_folder, is_plain, is_system
from firstlight.wording import shortened, shortlist

LOOKED_AT = 200  # neighbours of a folder, and files in each


def remedy(root: str, entries: Entries) -> str:
    """What to do about a folder or zip whose images have less than two classes.

    Args:
        root: the folder or zip, as an absolute path.
        entries: its contents, without masks.
    """
    return f"{_other_set(entries)}{_way_out(root, entries)}"


def _other_set(entries: Entries) -> str:
    """What else than a set of classes this is by the look of it; empty where it may be one."""
    if entries.skipped[MASK]:
        sign, kind = "masks next to the images make", "segmentation"
    elif boxes := _boxes(entries):
        sign, kind = f"the folder {boxes} makes", "detection or segmentation"
    else:
        return ""
    return f"{sign} this look like a {kind} set, and Firstlight needs one class for each image: "


def _way_out(root: str, entries: Entries) -> str:
    if len(entries) and (found := proposed(entries.keys)) is not None:
        pattern, names = found
        return (
            f"if the file names have them ({shortlist(map(shortened, names))}), add --label-from '{pattern}' "
            f'(label_from=r"{pattern}" in Python)'
        )
    if neighbours := _neighbours(root, entries):
        parent, name = os.path.split(root)
        return f"if {name} is one class and {shortlist(neighbours)} next to it are others, pass {parent}"
    return "put the images of each class into a folder of its own, or list the classes in a CSV file"


def _boxes(entries: Entries) -> str:
    """A folder without images, next to images, that holds annotations by its name, as YOLO and COCO have them."""
    filled = {path for path, count in zip(entries.folders, entries.counts.tolist(), strict=True) if count}
    parents = {path.rpartition("/")[0] for path in filled} | {"/".join(path.split("/")[:-2]) for path in filled}
    for path in sorted(entries.folders):
        parent, _, name = path.rpartition("/")
        if path and path not in filled and is_mask_folder(name) and parent in parents:
            return path
    return ""


def _neighbours(root: str, entries: Entries) -> list[str]:
    """The folders next to a folder of images that hold images, too."""
    if not Path(root).is_dir() or len(entries.folders) > 1 or is_plain(Path(root).name):
        return []
    try:
        with os.scandir(Path(root).parent) as there:
            near = [one for one in islice(there, LOOKED_AT) if one.path != root and one.name[0] != "." and one.is_dir()]
        return sorted(one.name for one in near if not is_system(one.name) and _holds_images(one.path))
    except OSError:
        return []


def _holds_images(folder: str) -> bool:
    with os.scandir(folder) as there:
        return any(Path(one.name).suffix.lower() in IMAGES for one in islice(there, LOOKED_AT))
