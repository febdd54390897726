"""The images that a list alone names: where they are, and which of their places fits best."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import strings
from firstlight.data.scanning.entries import Entries, entries_of_zip
from firstlight.data.scanning.lists import ABSOLUTE, LabelList
from firstlight.data.scanning.matching import Match, match, resolved
from firstlight.data.scanning.walk import entries_of_files, entries_of_folder
from firstlight.errors import DataError
from firstlight.wording import plural, shortened


@dataclass(frozen=True)
class Listed:
    """A list with the images that it names.

    Attributes:
        root: the folder or zip that the keys count from, as an absolute path.
        entries: the images that were met there.
        found: the list.
        matched: which of its rows belong to which image.
    """

    root: str
    entries: Entries
    found: LabelList
    matched: Match

    @property
    def count(self) -> int:
        """How many rows name an image."""
        return int(np.count_nonzero(self.matched.found))


def locate(found: LabelList, base: str, *, walk: bool = True, follow_links: bool = False) -> Listed:
    """Finds the images that a list names.

    Names that are absolute or lead out of the base are taken as paths; all others, and those where no such file is,
    are searched below the base.

    Args:
        found: the list.
        base: the folder or zip that its names count from, as an absolute path.
        walk: whether the base is searched first; else each name is first taken as a path.
        follow_links: whether links below the base are followed.

    Raises:
        DataError: where none of the images is there.
    """
    tried: list[Listed] = []
    outside = pc.match_substring_regex(found.names, rf"{ABSOLUTE}|(^|[/\\])\.\.[/\\]")
    if not walk or pc.any(outside).as_py():
        tried += _as_paths(found, base)
    if not tried or tried[0].count < len(found):
        tried += _below(found, base, follow_links)
    best = max(tried, key=lambda each: each.count, default=None)
    if not len(found):
        raise DataError(f"{found.source} names 0 images; it should have a row for each image below its headings.")
    if best is None or not best.count:
        example = f", such as {shortened(str(found.names[0]))}"
        raise DataError(
            f"{found.source} names {plural(len(found), 'image')}{example}, none of which is below {base}; the names "
            "count from there, so move the list or correct the names."
        )
    return best


def saved(found: LabelList) -> Listed | None:
    """The images of a saved table, below the root that it names; None where they are no longer there."""
    if not Path(found.folder).exists():
        return None
    is_folder = Path(found.folder).is_dir()
    entries = entries_of_files(found.folder, found.names.to_pylist()) if is_folder else entries_of_zip(found.folder)
    listed = Listed(found.folder, entries, found, match([found], entries.keys))
    return listed if listed.count else None


def _as_paths(found: LabelList, base: str) -> list[Listed]:
    """The files that the names lead to as paths, below the folder that all of them share."""
    folder = base if os.path.isdir(base) else os.path.dirname(base)  # noqa: PTH112, PTH120 - strings: a million names
    paths = [os.path.normpath(os.path.join(folder, name)) if name else "" for name in resolved(found.names)]  # noqa: PTH118
    homes = {os.path.dirname(path) for path in paths if os.path.isfile(path)}  # noqa: PTH113, PTH120
    try:
        root = os.path.commonpath(homes)
    except ValueError:  # there is none, or they are on several drives of Windows
        return []
    prefix = os.path.join(root, "")  # noqa: PTH118
    keys = [path.removeprefix(prefix).replace(os.sep, "/") if path.startswith(prefix) else "" for path in paths]
    entries = entries_of_files(root, filter(None, keys))
    return [Listed(root, entries, found, match([replace(found, names=strings(keys))], entries.keys))]


def _below(found: LabelList, base: str, follow_links: bool) -> list[Listed]:
    if Path(base).parent == Path(base):
        return []  # a whole disk is not searched
    entries = entries_of_folder(base, follow_links=follow_links) if Path(base).is_dir() else entries_of_zip(base)
    return [Listed(base, entries, found, match([found], entries.keys))] if len(entries) else []
