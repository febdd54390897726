"""`Entries`: the contents of a folder or zip by name, size and time, and the list of a zip's members."""

from __future__ import annotations

import calendar
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import strings, to_numpy
from firstlight.data.files import open_zip
from firstlight.data.scanning.folder_names import MACOSX, is_system
from firstlight.data.zip_names import has_guessed_name, member_name
from firstlight.errors import DataError
from firstlight.wording import shortened

# Case counts for nothing. Extensions that the decoder may refuse are here too: what is refused is named.
IMAGES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pnm", ".avif", ".heic", ".heif"}
)
LISTS = frozenset({".csv", ".tsv", ".jsonl", ".xml"})  # files that may hold labels

HIDDEN = "dot file or folder"
MACOS = "__MACOSX folder"
SYSTEM = "folder that a system made (thumbnails, trash)"
MASK = "mask of another image"
NO_IMAGE = "no image by its extension"
LINK = "link (followed only on request)"
LINK_AGAIN = "link to a folder that was scanned already"
LINK_BROKEN = "link that leads nowhere"
NO_UTF8 = "name that is not UTF-8"
NO_FILE = "neither file nor folder"
DENIED = "folder that cannot be read"
TWICE = "member of the zip with the name of a later one"
OUTSIDE = "name that leads out of the zip"
ENCRYPTED = 1  # the flag of a member that needs a password
IF_WRONG = "if letters are wrong, unpack it with the program that made it and pass the folder."


@dataclass(frozen=True)
class Entries:
    """The images of a folder or zip in the order of their keys, and what else was met.

    Attributes:
        keys: (N,) paths below the root, or names in the zip; ascending by bytes.
        sizes: (N,) int64, bytes.
        modified: (N,) int64, nanoseconds since 1970.
        folder_of: (N,) int32, index into ``folders``.
        folders: every folder that was walked, ``""`` for the root, the others as ``"train/cats"``.
        lists: the keys of files that may hold labels (CSV, JSON lines, XML), ascending.
        skipped: how many entries were left out, by reason.
        denied: the folders that could not be read, each with the reason.
        notes: what a person should know of the names, a sentence each.
    """

    keys: pa.StringArray
    sizes: np.ndarray
    modified: np.ndarray
    folder_of: np.ndarray
    folders: tuple[str, ...]
    lists: pa.StringArray
    skipped: Counter[str]
    denied: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def counts(self) -> np.ndarray:
        """(F,) how many images lie directly in each folder."""
        return np.bincount(self.folder_of, minlength=len(self.folders))


def entries_of_zip(path: str) -> Entries:
    """Reads the list of a zip's members, and unpacks none.

    The keys are the members' whole names, so that reading needs no translation. The list itself is held by
    Python's zipfile, with an object for each member.

    Args:
        path: an absolute path.

    Returns:
        Its contents.

    Raises:
        DataError: where it is no zip that can be read.
    """
    skipped: Counter[str] = Counter()
    passed_over: set[str] = set()
    folders = {"": 0}
    rows: list[tuple[str, int, int, int]] = []
    lists: list[str] = []
    with open_zip(path) as archive:
        listed = archive.infolist()
        members = {member_name(info): info for info in listed}  # of equal names the last, as in reading
    if members and all(info.flag_bits & ENCRYPTED for name, info in members.items() if not name.endswith("/")):
        raise DataError(f"{path} is encrypted; unpack it with a tool that asks for the password and pass the folder.")
    guessed = next((name for name, info in members.items() if has_guessed_name(info)), None)
    skipped[TWICE] += len(listed) - len(members)
    for name, info in members.items():
        parts = name.rstrip("/").split("/")
        inside = len(parts) - (not name.endswith("/"))  # of the parts, those that are folders
        barred = next((at for at, part in enumerate(parts) if _barred(part, at < inside)), None)
        if barred is not None:
            stem = "/".join(parts[: barred + 1])  # the contents of a skipped folder is not counted again
            if stem not in passed_over:
                passed_over.add(stem)
                skipped[_barred(parts[barred], barred < inside)] += 1
            continue
        for depth in range(1, inside + 1):
            folders.setdefault("/".join(parts[:depth]), len(folders))
        if name.endswith("/"):
            continue
        extension = name[name.rfind(".") :].lower()
        if stat.S_ISLNK(info.external_attr >> 16):
            skipped[LINK] += 1
        elif extension in IMAGES:
            # A zip knows local time without a zone, so it is read as UTC; it may hold a month 0.
            seconds = calendar.timegm((*info.date_time, 0, 0, 0)) if info.date_time[1] and info.date_time[2] else 0
            rows.append((name, info.file_size, seconds * 10**9, folders["/".join(parts[:inside])]))
        elif extension in LISTS:
            lists.append(name)
        else:
            skipped[NO_IMAGE] += 1
    numbers = np.array([row[1:] for row in rows], np.int64).reshape(-1, 3)
    return ordered(
        strings(row[0] for row in rows),
        [numbers[:, 0], numbers[:, 1], numbers[:, 2].astype(np.int32)],
        folders=tuple(folders),
        lists=strings(sorted(lists)),
        skipped=+skipped,
        notes=()
        if guessed is None
        else (f"The zip does not say how its names are encoded, such as {shortened(guessed)}; {IF_WRONG}",),
    )


def _barred(part: str, is_folder: bool) -> str:
    """Why a part of a name bars a member of a zip from the images; empty where it does not."""
    if part in ("", ".."):
        return OUTSIDE
    if part == MACOSX:
        return MACOS
    if part[0] == ".":
        return HIDDEN
    return SYSTEM if is_folder and is_system(part) else ""


def ordered(keys: pa.StringArray, columns: list[np.ndarray], **rest: Any) -> Entries:
    """Entries in the order of their keys.

    Args:
        keys: (N,) in any order.
        columns: sizes, times and folder codes, (N,) each.
        rest: the other attributes of `Entries`.
    """
    order = pc.sort_indices(keys)
    places = to_numpy(order)
    return Entries(keys.take(order), *(column[places] for column in columns), **rest)
