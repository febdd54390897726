"""`Store`: embeddings that were computed before, by the content of the image's file; one SQLite file per backbone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from firstlight.data.decoding import cache
from firstlight.data.table import Table
from firstlight.locks import DAY
from firstlight.models.pretrained.packaged import folder as weights_folder

PATIENCE = 30.0  # seconds to wait while another process writes
AT_ONCE = 500  # keys of one query; SQLite takes 999 in its oldest builds
TABLES = """
CREATE TABLE IF NOT EXISTS embeddings (digest TEXT PRIMARY KEY, crc32 INTEGER, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (stamp TEXT PRIMARY KEY, digest TEXT) WITHOUT ROWID;
"""


class Found(NamedTuple):
    """The embedding of a file.

    Attributes:
        stamp: name, size and time of the file as one digest; None where these are not known.
        digest: of its content.
        value: float16 (D,).
    """

    stamp: str | None
    digest: str
    value: np.ndarray


class Store:
    """Embeddings by the digest of a file's content, and digests by the stamp of a file.

    A file that cannot be written or is damaged costs time and nothing else: the embeddings are computed again. Several
    threads may use one store.
    """

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def by_stamp(self, stamps: Sequence[str]) -> dict[str, np.ndarray]:
        """The embeddings of the files of these stamps, where they are known: float16 (D,) each."""
        query = "SELECT stamp, crc32, value FROM files JOIN embeddings USING (digest) WHERE stamp IN"
        return self._found(query, stamps)

    def by_digest(self, digests: Sequence[str]) -> dict[str, np.ndarray]:
        """The embeddings of files of this content, where they are known: float16 (D,) each."""
        return self._found("SELECT digest, crc32, value FROM embeddings WHERE digest IN", digests)

    def _found(self, query: str, keys: Sequence[str]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        if self._connection is None:
            return found
        with contextlib.suppress(sqlite3.Error), self._lock:
            for first in range(0, len(keys), AT_ONCE):
                some = keys[first : first + AT_ONCE]
                marks = ", ".join("?" * len(some))
                for key, crc32, value in self._connection.execute(f"{query} ({marks})", some):
                    if zlib.crc32(value) == crc32:
                        found[key] = np.frombuffer(value, np.float16)
        return found

    def add(self, rows: Iterable[Found]) -> None:
        """Saves embeddings, at once for all processes."""
        if self._connection is None:
            return
        every = list(rows)
        values = ((one.digest, zlib.crc32(one.value.tobytes()), one.value.tobytes()) for one in every)
        stamps = ((one.stamp, one.digest) for one in every if one.stamp is not None)
        with contextlib.suppress(sqlite3.Error), self._lock, self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", values)
            self._connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", stamps)


def folder() -> Path:
    """The folder of the embeddings, next to that of the decoded pixels."""
    return cache.folder().with_name("embeddings")


class Saved(NamedTuple):
    """A file of the cache of pretrained rungs: the embeddings of one backbone, or the weights of one.

    Attributes:
        path: of the file.
        bytes: its size.
    """

    path: Path
    bytes: int


def saved() -> list[Saved]:
    """The files of embeddings and weights in the cache; nothing else in its folders is listed.

    Example:
        >>> all(one.bytes > 0 for one in saved())
        True
    """
    found = []
    for place, ending in ((folder(), ".sqlite"), (weights_folder(), ".safetensors")):
        with contextlib.suppress(OSError):
            found += [Saved(path, path.stat().st_size) for path in sorted(place.iterdir()) if path.suffix == ending]
    return found


def clear() -> tuple[int, int]:
    """Removes these files; they are made again when they are needed.

    Returns:
        How many were removed, and how many bytes became free.
    """
    count = freed = 0
    for one in saved():
        with contextlib.suppress(OSError):
            one.path.unlink()
            count, freed = count + 1, freed + one.bytes
    return count, freed


def _remove_unused(now: float) -> None:
    """Removes embeddings that nobody read for 30 days, as the cache of decoded images does."""
    for one in saved():
        with contextlib.suppress(OSError):
            if one.path.suffix == ".sqlite" and now - one.path.stat().st_mtime > cache.UNUSED_DAYS * DAY:
                one.path.unlink()


def is_there(key: str) -> bool:
    """Whether there is a store of a backbone's embeddings."""
    return (folder() / f"{key}.sqlite").is_file()


@contextlib.contextmanager
def opened(key: str | None) -> Iterator[Store]:
    """The store of a backbone's embeddings; an empty one that saves nothing for None, or if its file cannot be used."""
    connection = None
    try:
        connection = None if key is None else _connected(folder() / f"{key}.sqlite")
        yield Store(connection)
    finally:
        if connection is not None:
            connection.close()


def _connected(path: Path) -> sqlite3.Connection | None:
    for _ in range(2):
        connection = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
            connection.executescript(TABLES)
            os.utime(path)
            _remove_unused(time.time())
            return connection
        except sqlite3.OperationalError:  # locked or not to be written
            break
        except (sqlite3.DatabaseError, OSError):  # no database: a cache, which is made anew
            if connection is not None:
                connection.close()
            with contextlib.suppress(OSError):
                path.unlink()
    return None


def stamps_of(table: Table) -> list[str | None]:
    """Name, size and time of each file of a table as a digest of 32 hexadecimal digits; None where one is missing."""
    columns = (table.rows[name].to_pylist() for name in ("key", "size", "modified"))
    return [
        None if size is None or modified is None else _stamp(table.root, key, size, modified)
        for key, size, modified in zip(*columns, strict=True)
    ]


def _stamp(root: str, key: str, size: int, modified: int) -> str:
    text = json.dumps([root, key, size, modified])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
