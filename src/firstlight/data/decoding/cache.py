"""The cache of decoded pixels: its folder and keys; entries written whole, checked, listed and cleared."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.atomic import new_folder, remove_abandoned, remove_tree
from firstlight.data.decoding.threads import cores, in_order
from firstlight.data.table import Table
from firstlight.errors import FirstlightError
from firstlight.locks import DAY
from firstlight.parsing import parsed

# Counted up whenever the same file and options would give other pixels or another about.json.
FORMAT = 3

# The only names that are ever removed: an entry is its key, an unfinished one what `new_folder` makes of it.
ENTRY = re.compile(r"[0-9a-f]{32}")
UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{8}\.part")

DAMAGED = "(damaged)"  # the root of an entry that does not say its own
BLOCK = 1 << 24  # bytes of the pixel file for which there is a checksum each
UNUSED_DAYS = 30  # an entry that nobody read for so long goes when the next one is written


class CacheError(FirstlightError):
    """An entry could not be written; decoding goes on without it."""


@dataclass(frozen=True)
class CacheEntry:
    """One decoded folder in the cache.

    Attributes:
        path: the folder of the entry.
        root: the folder or zip file whose images it holds; `DAMAGED` where it does not say.
        images: how many.
        bytes: how much room it takes.
        used: when it was last read or written, in seconds since 1970.
    """

    path: Path
    root: str
    images: int
    bytes: int
    used: float


def folder() -> Path:
    """The folder of the decoded pixels: below ``FIRSTLIGHT_CACHE``, else below the user's cache folder.

    Example:
        >>> folder().name
        'pixels'
    """
    named = os.environ.get("FIRSTLIGHT_CACHE")
    if not named:
        import platformdirs

        named = platformdirs.user_cache_dir("firstlight")
    return Path(named).absolute() / "pixels"


def key_of(table: Table, *options: object) -> str:
    """The name of an entry: 32 hexadecimal digits over the files' names, sizes and times and the options.

    Labels and splits are left out, so that splitting anew decodes nothing.
    """
    text = json.dumps([FORMAT, table.stamp, options])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read(key: str) -> tuple[np.ndarray, dict[str, Any]] | None:
    """The pixels and the description of an entry; None where there is none or where it is not whole.

    Every byte is held against its checksum at every reading, 2.4 GB a second and core: a CRC-32 finds what a disk or
    another program did to a file, and does not prove who wrote it.

    Args:
        key: what `key_of` gave.

    Returns:
        uint8 (N, H, W, C), mapped read-only; and what was handed to `write`.
    """
    path = folder() / key
    try:
        about = parsed((path / "about.json").read_bytes())
        if about.pop("check") != _check(about) or about["crc32"] != _checksums(path / "pixels.npy"):
            return None
        pixels = np.lib.format.open_memmap(path / "pixels.npy", mode="r")  # refuses objects
        whole = (path / "pixels.npy").stat().st_size == pixels.offset + pixels.nbytes
        if not whole or pixels.dtype != np.uint8 or list(pixels.shape) != about["shape"] or pixels.ndim != 4:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None  # missing, cut short or not ours: made anew
    with contextlib.suppress(OSError):
        os.utime(path / "about.json")
    return pixels.view(np.ndarray), about


@contextlib.contextmanager
def write(key: str, root: str, about: dict[str, Any]) -> Iterator[Path]:
    """Yields the path of the pixel file to be; the entry appears when the block ends well.

    Where another process has finished the same entry meanwhile, that one stays and this one is dropped.

    Args:
        key: what `key_of` gave.
        root: the folder or zip file, for the list.
        about: JSON values to save next to the pixels; the block may still add to it, and must add ``shape``.

    Raises:
        CacheError: where it cannot be written; the text says why.
    """
    path = folder() / key
    _remove_unused()
    try:
        with new_folder(path, CacheError) as part:
            yield part / "pixels.npy"
            said = {"root": root, **about, "crc32": _checksums(part / "pixels.npy")}
            said["check"] = _check(said)
            (part / "about.json").write_text(json.dumps(said), "utf-8")
            if path.exists() and read(key) is None:
                discard(key)
    except CacheError:
        if read(key) is None:
            raise


def _check(about: dict[str, Any]) -> int:
    """The checksum of a description, whatever its line ends."""
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())


def _checksums(path: Path) -> list[int]:
    """The CRC-32 of every `BLOCK` of a file; threads share the blocks."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as whole,
    ):

        def checksum(block: range) -> int:
            with whole[block.start : block.stop] as part:
                return zlib.crc32(part)

        blocks = (range(first, first + BLOCK) for first in range(0, len(whole), BLOCK))
        return list(in_order(checksum, blocks, min(cores(), 1 + len(whole) // BLOCK)))


def discard(key: str) -> None:
    """Removes an entry, whole or not."""
    remove_tree(folder() / key)


def entries() -> list[CacheEntry]:
    """The entries of the cache, the last used first.

    Example:
        >>> sum(entry.images for entry in entries())
        0
    """
    found = []
    for path in _ours(ENTRY):
        with contextlib.suppress(OSError):  # another process removes it
            used = path.stat().st_mtime
            try:
                used = (path / "about.json").stat().st_mtime
                about = parsed((path / "about.json").read_bytes())
                root, images = str(about["root"]), int(about["shape"][0])
            except (OSError, ValueError, KeyError, TypeError, IndexError):
                root, images = DAMAGED, 0
            found.append(CacheEntry(path, root, images, _bytes(path), used))
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def clear() -> tuple[int, int]:
    """Removes every entry, and what a killed process left unfinished; nothing else in the folder is touched.

    Returns:
        How many entries were removed, and how many bytes became free.
    """
    count = freed = 0
    for path in [*_ours(ENTRY), *_ours(UNFINISHED)]:
        size = _bytes(path)
        if ENTRY.fullmatch(path.name):
            remove_tree(path)
        else:
            remove_abandoned(path.parent, path.name[1:33])
        if not path.exists():
            count += ENTRY.fullmatch(path.name) is not None
            freed += size
    return count, freed


def _ours(pattern: re.Pattern[str]) -> list[Path]:
    try:
        with os.scandir(folder()) as found:
            return [
                Path(entry.path)
                for entry in found
                if pattern.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _bytes(path: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        total = sum(file.stat().st_size for file in path.iterdir())
    return total


def _remove_unused() -> None:
    now = time.time()
    for entry in entries():
        if now - entry.used > UNUSED_DAYS * DAY:
            remove_tree(entry.path)
    remove_abandoned(folder())
